package auth

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"turkey/internal/auth/authdb"
	"turkey/internal/caller"
	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/wire"
)

func (s *Service) mountUsers(api huma.API) {
	user := s.Bearer(api)
	op := func(method, path, id, summary, description string) huma.Operation {
		return protected(operation(method, "/v1/users/"+path, id, "Users", summary, description), user)
	}
	huma.Register(api, op(http.MethodGet, "me", "getCurrentUser", "Who am I", "The user as of now, and what the token says."), s.handleMe)
	huma.Register(api, op(http.MethodPatch, "me", "updateProfile", "Change the address",
		"The new address has to be verified; the old one is told. currentPassword is checked when it is sent."), s.handleUpdateMe)
	huma.Register(api, op(http.MethodDelete, "me", "deleteAccount", "Delete the account",
		"Removes the user with sessions, tokens, credentials and schedules."), s.handleDeleteMe)
	huma.Register(api, op(http.MethodPost, "change-password", "changePassword", "Change the password",
		"Ends all sessions and tokens of the user, the caller's own included."), s.handleChangePassword)
	huma.Register(api, op(http.MethodGet, "me/sessions", "listSessions", "List the own sessions", "Where the user is signed in; the most recently used first."), s.handleSessions)
	huma.Register(api, op(http.MethodDelete, "me/sessions/{sid}", "endSession", "End one own session", "Its access tokens end with it."), s.handleEndSession)
	huma.Register(api, op(http.MethodDelete, "me/sessions", "endOtherSessions", "End all other own sessions", "The caller's own session stays."), s.handleEndOthers)
	s.mountIdentities(api, user)
	s.mountExport(api, user)
	huma.Register(api, op(http.MethodGet, "profile", "getProfile", "A route for users", "Needs the role user or admin."), s.handleProfile)
	huma.Register(api, op(http.MethodGet, "admin-only", "adminOnly", "A route for administrators", "Needs the role admin."), s.handleAdminOnly)
	huma.Register(api, op(http.MethodGet, "app-info", "appInfo", "The caller's app", "Needs the role admin; users of the caller's own app only."), s.handleAppInfo)
	huma.Register(api, op(http.MethodPost, "test-auth", "testAuth", "Test a token", "What the server makes of the token that was sent."), s.handleTestAuth)
}

// needRole refuses users without one of the roles.
func needRole(u caller.User, words string, roles ...string) error {
	for _, r := range roles {
		if u.Role == r {
			return nil
		}
	}
	return fault.New(fault.Forbidden, "insufficient_permissions", "Required role: "+words+". Current role: "+u.Role)
}

type userView struct {
	ID        string    `json:"id" format:"uuid"`
	Email     string    `json:"email"`
	Role      string    `json:"role"`
	CreatedAt wire.Time `json:"createdAt" format:"date-time"`
}

func view(u caller.User) userView {
	return userView{ID: u.ID.String(), Email: u.Email, Role: u.Role, CreatedAt: wire.Time(u.CreatedAt)}
}

type meOutput struct {
	Body struct {
		Data struct {
			ID            string    `json:"id" format:"uuid"`
			Email         string    `json:"email"`
			Role          string    `json:"role"`
			AppID         string    `json:"appId"`
			EmailVerified bool      `json:"emailVerified"`
			CreatedAt     wire.Time `json:"createdAt" format:"date-time"`
		} `json:"data"`
		User      userView `json:"user"`
		TokenInfo struct {
			JTI          string `json:"jti"`
			IssuedAt     int64  `json:"iat"`
			ExpiresAt    int64  `json:"exp"`
			TokenVersion int32  `json:"tokenVersion"`
		} `json:"tokenInfo"`
	}
}

func (s *Service) handleMe(ctx context.Context, _ *struct{}) (*meOutput, error) {
	u, _ := caller.UserFrom(ctx)
	out := &meOutput{}
	d, t := &out.Body.Data, &out.Body.TokenInfo
	d.ID, d.Email, d.Role, d.AppID, d.EmailVerified, d.CreatedAt = u.ID.String(), u.Email, u.Role, u.AppID, u.EmailVerified, wire.Time(u.CreatedAt)
	out.Body.User = view(u)
	t.JTI, t.IssuedAt, t.ExpiresAt, t.TokenVersion = u.TokenID, u.IssuedAt.Unix(), u.ExpiresAt.Unix(), u.TokenVersion
	return out, nil
}

type updateBody struct {
	Email           *string `json:"email,omitempty" example:"ada@example.com"`
	CurrentPassword *string `json:"currentPassword,omitempty" doc:"Checked when it is sent"`
}

// Validate brings the e-mail into normal form and lists every broken rule.
func (b *updateBody) Validate() []fault.Field {
	var broken []fault.Field
	if b.Email != nil {
		*b.Email = normalEmail(*b.Email)
		broken = checkEmail(*b.Email)
	}
	if b.CurrentPassword != nil {
		broken = append(broken, checkGivenPassword("currentPassword", *b.CurrentPassword)...)
	}
	return broken
}

type updateOutput struct {
	Body struct {
		Message string   `json:"message"`
		User    userView `json:"user"`
	}
}

func (s *Service) handleUpdateMe(ctx context.Context, in *struct{ Body updateBody }) (*updateOutput, error) {
	u, _ := caller.UserFrom(ctx)
	if in.Body.Email == nil {
		return nil, fault.New(fault.Invalid, "validation_error", "At least one field must be provided for update")
	}
	created, err := s.changeEmail(ctx, u, *in.Body.Email, in.Body.CurrentPassword)
	if err != nil {
		return nil, err
	}
	u.Email, u.CreatedAt = *in.Body.Email, created
	out := &updateOutput{}
	out.Body.Message, out.Body.User = "Profile updated successfully", view(u)
	return out, nil
}

type deleteOutput struct {
	Body struct {
		Message     string `json:"message"`
		DeletedUser struct {
			ID    string `json:"id" format:"uuid"`
			Email string `json:"email"`
		} `json:"deletedUser"`
	}
}

func (s *Service) handleDeleteMe(ctx context.Context, _ *struct{}) (*deleteOutput, error) {
	u, _ := caller.UserFrom(ctx)
	email, err := s.deleteAccount(ctx, u.AppID, u.ID, "", "account_deleted")
	if err != nil {
		return nil, err
	}
	out := &deleteOutput{}
	out.Body.Message, out.Body.DeletedUser.ID, out.Body.DeletedUser.Email = "Account deleted successfully", u.ID.String(), email
	return out, nil
}

type changePasswordBody struct {
	CurrentPassword string `json:"currentPassword"`
	NewPassword     string `json:"newPassword" doc:"As at registration"`
}

// Validate lists every broken rule that holds for all apps.
func (b *changePasswordBody) Validate() []fault.Field {
	return append(checkGivenPassword("currentPassword", b.CurrentPassword), checkAnyPassword("newPassword", b.NewPassword)...)
}

type changePasswordOutput struct {
	Body struct {
		Message                  string `json:"message"`
		RequiresReauthentication bool   `json:"requiresReauthentication"`
	}
}

func (s *Service) handleChangePassword(ctx context.Context, in *struct{ Body changePasswordBody }) (*changePasswordOutput, error) {
	u, _ := caller.UserFrom(ctx)
	if err := s.changePassword(ctx, u, in.Body.CurrentPassword, in.Body.NewPassword); err != nil {
		return nil, err
	}
	out := &changePasswordOutput{}
	out.Body.Message, out.Body.RequiresReauthentication = "Password changed successfully. Please log in again on all devices.", true
	return out, nil
}

// Session is one place where a user is signed in.
type Session struct {
	ID         string     `json:"id" format:"uuid"`
	Current    bool       `json:"current" doc:"The session of the token that was sent"`
	CreatedAt  wire.Time  `json:"createdAt" format:"date-time"`
	LastUsedAt *wire.Time `json:"lastUsedAt" format:"date-time"`
	ExpiresAt  wire.Time  `json:"expiresAt" format:"date-time"`
	UserAgent  *string    `json:"userAgent"`
	IP         *string    `json:"ip"`
}

type sessionsOutput struct {
	Body struct {
		Data       []Session `json:"data"`
		NextCursor *string   `json:"nextCursor"`
	}
}

func (s *Service) handleSessions(ctx context.Context, _ *struct{}) (*sessionsOutput, error) {
	u, _ := caller.UserFrom(ctx)
	rows, err := s.q.ListSessions(ctx, s.cfg.DB.In(db.App(u.AppID)), authdb.ListSessionsParams{AppID: u.AppID, UserID: u.ID, TokenVersion: u.TokenVersion})
	if err != nil {
		return nil, err
	}
	out := &sessionsOutput{}
	out.Body.Data = make([]Session, len(rows))
	for i, r := range rows {
		out.Body.Data[i] = Session{ID: r.ID.String(), Current: r.ID == u.SessionID, CreatedAt: wire.Time(r.CreatedAt), LastUsedAt: wire.TimePtr(r.LastUsedAt),
			ExpiresAt: wire.Time(r.ExpiresAt), UserAgent: r.UserAgent, IP: r.Ip}
	}
	return out, nil
}

func (s *Service) handleEndSession(ctx context.Context, in *struct {
	SID string `path:"sid" doc:"Session id"`
}) (*messageOutput, error) {
	u, _ := caller.UserFrom(ctx)
	missing := fault.New(fault.NotFound, "not_found", "Session not found")
	id, err := uuid.Parse(in.SID)
	if err != nil {
		return nil, missing
	}
	ended, err := s.endSession(ctx, s.cfg.DB.In(db.App(u.AppID)), id, &u.ID, "user_revoked", "session_revoked", nil)
	if err != nil {
		return nil, err
	}
	if !ended {
		return nil, missing
	}
	return message("Session ended"), nil
}

func (s *Service) handleEndOthers(ctx context.Context, _ *struct{}) (*messageOutput, error) {
	u, _ := caller.UserFrom(ctx)
	n, err := s.endOthers(ctx, u)
	if err != nil {
		return nil, err
	}
	return message(strconv.FormatInt(n, 10) + " other sessions ended"), nil
}

type profileOutput struct {
	Body struct {
		Message string    `json:"message"`
		User    userBrief `json:"user"`
	}
}

func (s *Service) handleProfile(ctx context.Context, _ *struct{}) (*profileOutput, error) {
	u, _ := caller.UserFrom(ctx)
	if err := needRole(u, "user or admin", "user", "admin"); err != nil {
		return nil, err
	}
	out := &profileOutput{}
	out.Body.Message, out.Body.User = "This endpoint requires user or admin role", userBrief{ID: u.ID.String(), Email: u.Email, Role: u.Role}
	return out, nil
}

type adminOnlyOutput struct {
	Body struct {
		Message           string    `json:"message"`
		Admin             userBrief `json:"admin"`
		AdminCapabilities []string  `json:"adminCapabilities"`
	}
}

func (s *Service) handleAdminOnly(ctx context.Context, _ *struct{}) (*adminOnlyOutput, error) {
	u, _ := caller.UserFrom(ctx)
	if err := needRole(u, "admin", "admin"); err != nil {
		return nil, err
	}
	out := &adminOnlyOutput{}
	out.Body.Message, out.Body.Admin = "This endpoint requires admin role", userBrief{ID: u.ID.String(), Email: u.Email, Role: u.Role}
	out.Body.AdminCapabilities = []string{"user_management", "key_rotation", "audit_access", "system_configuration"}
	return out, nil
}

type appInfoInput struct {
	Limit  int32 `query:"limit" minimum:"1" maximum:"100" default:"100"`
	Offset int32 `query:"offset" minimum:"0" maximum:"2147483647" default:"0"`
}

type appInfoOutput struct {
	Body struct {
		AppID          string     `json:"appId"`
		UserCount      int64      `json:"userCount" doc:"All users of the app"`
		Users          []userView `json:"users"`
		RequestingUser userBrief  `json:"requestingUser"`
	}
}

func (s *Service) handleAppInfo(ctx context.Context, in *appInfoInput) (*appInfoOutput, error) {
	u, _ := caller.UserFrom(ctx)
	if err := needRole(u, "admin", "admin"); err != nil {
		return nil, err
	}
	conn := s.cfg.DB.Reading(db.App(u.AppID))
	count, err := s.q.CountUsers(ctx, conn, u.AppID)
	if err != nil {
		return nil, err
	}
	rows, err := s.q.PageUsers(ctx, conn, authdb.PageUsersParams{AppID: u.AppID, Max: in.Limit, Skip: in.Offset})
	if err != nil {
		return nil, err
	}
	out := &appInfoOutput{}
	b := &out.Body
	b.AppID, b.UserCount, b.Users = u.AppID, count, make([]userView, len(rows))
	for i, r := range rows {
		b.Users[i] = userView{ID: r.ID.String(), Email: r.Email, Role: r.Role, CreatedAt: wire.Time(r.CreatedAt)}
	}
	b.RequestingUser = userBrief{ID: u.ID.String(), Email: u.Email, Role: u.Role}
	return out, nil
}

type testAuthOutput struct {
	Body struct {
		Message         string `json:"message"`
		TokenValidation struct {
			Valid bool `json:"valid"`
			User  struct {
				ID           string `json:"id" format:"uuid"`
				Email        string `json:"email"`
				Role         string `json:"role"`
				AppID        string `json:"appId"`
				TokenVersion int32  `json:"tokenVersion"`
				JTI          string `json:"jti"`
				IssuedAt     int64  `json:"iat"`
				ExpiresAt    int64  `json:"exp"`
			} `json:"user"`
			TokenClaims struct {
				JTI             string    `json:"jti"`
				IssuedAt        wire.Time `json:"iat" format:"date-time"`
				ExpiresAt       wire.Time `json:"exp" format:"date-time"`
				TimeUntilExpiry string    `json:"timeUntilExpiry" example:"900 seconds"`
			} `json:"tokenClaims"`
		} `json:"tokenValidation"`
	}
}

func (s *Service) handleTestAuth(ctx context.Context, _ *struct{ Body *json.RawMessage }) (*testAuthOutput, error) {
	u, _ := caller.UserFrom(ctx)
	out := &testAuthOutput{}
	out.Body.Message = "Authentication successful!"
	v := &out.Body.TokenValidation
	v.Valid = true
	t := &v.User
	t.ID, t.Email, t.Role, t.AppID, t.TokenVersion = u.ID.String(), u.Email, u.Role, u.AppID, u.TokenVersion
	t.JTI, t.IssuedAt, t.ExpiresAt = u.TokenID, u.IssuedAt.Unix(), u.ExpiresAt.Unix()
	c := &v.TokenClaims
	c.JTI, c.IssuedAt, c.ExpiresAt = u.TokenID, wire.Time(u.IssuedAt), wire.Time(u.ExpiresAt)
	c.TimeUntilExpiry = strconv.Itoa(int(u.ExpiresAt.Sub(s.cfg.Now())/time.Second)) + " seconds"
	return out, nil
}
