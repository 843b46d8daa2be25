package auth

import (
	"context"
	"time"

	"github.com/google/uuid"

	"turkey/internal/auth/authdb"
	"turkey/internal/db"
	"turkey/internal/wire"
)

// Reports look over all apps, for whoever runs commands on the machine. since is where the period begins; it ends now.

// FailedLogin is a sign-in that did not succeed, or the lock that followed.
type FailedLogin struct {
	At        wire.Time `json:"at"`
	AppID     string    `json:"appId"`
	UserID    *string   `json:"userId"` // nil: the address is nobody's, and is not written down
	Email     string    `json:"email,omitempty"`
	Action    string    `json:"action"` // login_failed, account_locked
	IP        *string   `json:"ip"`
	UserAgent *string   `json:"userAgent"`
}

// FailedLogins lists failures, newest first; of one account, if user or email names one.
func (s *Service) FailedLogins(ctx context.Context, since time.Time, user *uuid.UUID, email string, limit int) ([]FailedLogin, error) {
	rows, err := s.q.FailedLoginsSystem(ctx, s.system(), authdb.FailedLoginsSystemParams{Since: since, UserID: user, Email: normalEmail(email), Max: int32(limit)})
	list := make([]FailedLogin, len(rows))
	for i, r := range rows {
		list[i] = FailedLogin{At: wire.Time(r.CreatedAt), AppID: r.AppID, UserID: idText(r.UserID), Email: r.Email, Action: r.Action, IP: r.Ip, UserAgent: r.UserAgent}
	}
	return list, err
}

func (s *Service) system() db.Conn { return s.cfg.DB.In(db.System()) }

func idText(id *uuid.UUID) *string {
	if id == nil {
		return nil
	}
	text := id.String()
	return &text
}

// Suspicion is something that a person should look at.
type Suspicion struct {
	Kind    string    `json:"kind"`    // failures_from_address, failures_of_account, account_locked, refresh_reuse_detected, admin_refused
	Subject string    `json:"subject"` // an address of the network, else a user's id
	AppID   string    `json:"appId,omitempty"`
	Email   string    `json:"email,omitempty"`
	Events  int64     `json:"events"`
	Others  int64     `json:"others"` // accounts that were tried from the address, else addresses it came from
	First   wire.Time `json:"firstAt"`
	Last    wire.Time `json:"lastAt"`
}

// Suspicions lists what stands out: threshold failures or more from one address or of one account, and whatever should
// never happen.
func (s *Service) Suspicions(ctx context.Context, since time.Time, threshold int) ([]Suspicion, error) {
	rows, err := s.q.SuspiciousSystem(ctx, s.system(), since, int32(threshold))
	list := make([]Suspicion, len(rows))
	for i, r := range rows {
		list[i] = Suspicion{Kind: r.Kind, Subject: r.Subject, AppID: r.AppID, Email: r.Email, Events: r.Events, Others: r.Others,
			First: wire.Time(r.FirstAt), Last: wire.Time(r.LastAt)}
	}
	return list, err
}

// ActionCount says how often something was written into the audit log.
type ActionCount struct {
	Action    string    `json:"action"`
	Events    int64     `json:"events"`
	Users     int64     `json:"users"`
	Addresses int64     `json:"addresses"`
	Last      wire.Time `json:"lastAt"`
}

// ActionCounts counts the audit log by action, the most frequent first.
func (s *Service) ActionCounts(ctx context.Context, since time.Time) ([]ActionCount, error) {
	rows, err := s.q.ActionCountsSystem(ctx, s.system(), since)
	list := make([]ActionCount, len(rows))
	for i, r := range rows {
		list[i] = ActionCount{Action: r.Action, Events: r.Events, Users: r.Users, Addresses: r.Addresses, Last: wire.Time(r.LastAt)}
	}
	return list, err
}

// UserCount counts the users of one app.
type UserCount struct {
	AppID    string `json:"appId"`
	Total    int64  `json:"total"`
	Verified int64  `json:"verified"`
	Admins   int64  `json:"admins"`
	Inactive int64  `json:"inactive"` // suspended or deleted
	New      int64  `json:"new"`      // made in the period
	Seen     int64  `json:"seen"`     // signed in or refreshed in the period
}

// UserCounts counts users by app.
func (s *Service) UserCounts(ctx context.Context, since time.Time) ([]UserCount, error) {
	rows, err := s.q.UserCountsSystem(ctx, s.system(), since)
	list := make([]UserCount, len(rows))
	for i, r := range rows {
		list[i] = UserCount{AppID: r.AppID, Total: r.Total, Verified: r.Verified, Admins: r.Admins, Inactive: r.Inactive, New: r.Made, Seen: r.Seen}
	}
	return list, err
}

// TokenCounts says what happened to sessions and tokens in the period; Live is as of now.
type TokenCounts struct {
	Live          int64 `json:"live"`
	Opened        int64 `json:"opened"`
	Refreshes     int64 `json:"refreshes"`
	Revoked       int64 `json:"revoked"`
	AccessRevoked int64 `json:"accessRevoked"`
	Reused        int64 `json:"reused"` // refresh tokens that came back: somebody may have copied them
}

// TokenCounts counts sessions and tokens.
func (s *Service) TokenCounts(ctx context.Context, since time.Time) (TokenCounts, error) {
	r, err := s.q.TokenCountsSystem(ctx, s.system(), since)
	return TokenCounts{Live: r.Live, Opened: r.Opened, Refreshes: r.Refreshes, Revoked: r.Revoked, AccessRevoked: r.AccessRevoked, Reused: r.Reused}, err
}

// LoginCount counts the sign-ins of a day, or of an hour of all days. Times are UTC.
type LoginCount struct {
	Day    *wire.Day `json:"day,omitempty"`
	Hour   *int      `json:"hour,omitempty"`
	Logins int64     `json:"logins"`
	Failed int64     `json:"failed"`
	Users  int64     `json:"users"`
}

// LoginDays counts sign-ins by day, the last one first; days without any are left out.
func (s *Service) LoginDays(ctx context.Context, since time.Time) ([]LoginCount, error) {
	rows, err := s.q.LoginDaysSystem(ctx, s.system(), since)
	list := make([]LoginCount, len(rows))
	for i, r := range rows {
		list[i] = LoginCount{Day: &wire.Day{Time: r.Day}, Logins: r.Logins, Failed: r.Failed, Users: r.Users}
	}
	return list, err
}

// LoginHours counts sign-ins by the hour of the day, all 24 of them.
func (s *Service) LoginHours(ctx context.Context, since time.Time) ([]LoginCount, error) {
	rows, err := s.q.LoginHoursSystem(ctx, s.system(), since)
	list := make([]LoginCount, 24)
	for i := range list {
		list[i].Hour = &i
	}
	for _, r := range rows {
		c := &list[r.Hour]
		c.Logins, c.Failed, c.Users = r.Logins, r.Failed, r.Users
	}
	return list, err
}

// ActiveUser is one of those who did most.
type ActiveUser struct {
	UserID string    `json:"userId"`
	AppID  string    `json:"appId"`
	Email  string    `json:"email,omitempty"`
	Events int64     `json:"events"`
	Last   wire.Time `json:"lastAt"`
}

// TopUsers lists those with the most events of an action, or (action "") of any.
func (s *Service) TopUsers(ctx context.Context, since time.Time, action string, limit int) ([]ActiveUser, error) {
	rows, err := s.q.TopUsersSystem(ctx, s.system(), authdb.TopUsersSystemParams{Since: since, Action: action, Max: int32(limit)})
	list := make([]ActiveUser, len(rows))
	for i, r := range rows {
		list[i] = ActiveUser{UserID: r.UserID.String(), AppID: r.AppID, Email: r.Email, Events: r.Events, Last: wire.Time(r.LastAt)}
	}
	return list, err
}

// Figures are the Stats of a database that no Service runs on.
func Figures(ctx context.Context, d *db.DB) (Stats, error) {
	return (&Service{cfg: Config{DB: d}, q: authdb.New()}).Stats(ctx)
}
