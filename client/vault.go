package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// NewCredential is a third-party credential to be sealed.
type NewCredential struct {
	Service string          `json:"service"` // google_sheets, ga4
	Name    string          `json:"credentialName"`
	Content json.RawMessage `json:"credentialJson"` // JSON object, as the provider gave it
}

// Credential is what the server tells about a stored credential. Its content never comes back.
type Credential struct {
	ID            int64      `json:"id"`
	Service       string     `json:"service"`
	Name          string     `json:"name"`
	Type          string     `json:"type"`
	Verified      bool       `json:"verified"`
	VerifiedAt    *time.Time `json:"verifiedAt"`
	CreatedAt     time.Time  `json:"createdAt"`
	UpdatedAt     time.Time  `json:"updatedAt"`
	ExpiresAt     *time.Time `json:"expiresAt"`
	MaskedPreview string     `json:"maskedPreview"`
	Health        string     `json:"health"` // unchecked, ok, expiring, failing, broken
	HealthReason  string     `json:"healthReason"`
	HealthMessage string     `json:"healthMessage"`
	HealthAt      *time.Time `json:"healthAt"`  // since when it is in this state
	DeletedAt     *time.Time `json:"deletedAt"` // nil of a live one
}

// SaveCredential seals a credential and points its service to it. It returns the credential's id.
func (s *Session) SaveCredential(ctx context.Context, n NewCredential) (int64, error) {
	var out struct {
		CredentialID int64 `json:"credentialId"`
	}
	err := s.do(ctx, http.MethodPost, "/api/credentials/save", n, &out)
	return out.CredentialID, err
}

// Credentials lists the user's credentials, newest first.
func (s *Session) Credentials(ctx context.Context) ([]Credential, error) {
	var out struct {
		Credentials []Credential `json:"credentials"`
	}
	err := s.do(ctx, http.MethodGet, "/api/credentials/list", nil, &out)
	return out.Credentials, err
}

// CredentialPage lists part of the user's credentials, newest first: limit of them (1 to 100), from a cursor of the page before
// ("": the newest). next is "" after the last page. deleted lists those that can be restored instead.
func (s *Session) CredentialPage(ctx context.Context, deleted bool, limit int, cursor string) (page []Credential, next string, err error) {
	var out struct {
		Credentials []Credential `json:"credentials"`
		NextCursor  string       `json:"nextCursor"`
	}
	q := url.Values{"deleted": {strconv.FormatBool(deleted)}}
	err = s.do(ctx, http.MethodGet, "/api/credentials/list?"+paged(q, limit, cursor), nil, &out)
	return out.Credentials, out.NextCursor, err
}

func paged(q url.Values, limit int, cursor string) string {
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	return q.Encode()
}

// Credential returns one credential.
func (s *Session) Credential(ctx context.Context, id int64) (Credential, error) {
	var out Credential
	err := s.do(ctx, http.MethodGet, fmt.Sprintf("/api/credentials/%d", id), nil, &out)
	return out, err
}

// DeleteCredential deletes a credential and the service configuration that uses it.
func (s *Session) DeleteCredential(ctx context.Context, id int64) error {
	return s.do(ctx, http.MethodDelete, fmt.Sprintf("/api/credentials/%d", id), nil, nil)
}

// CredentialUpdate is what shall change of a credential; at least one of its fields is set.
type CredentialUpdate struct {
	Name    string          `json:"credentialName,omitempty"`
	Content json.RawMessage `json:"credentialJson,omitempty"` // JSON object, as the provider gave it
}

// UpdatedCredential is what became of a credential.
type UpdatedCredential struct {
	ID        int64     `json:"id"`
	Service   string    `json:"service"`
	Name      string    `json:"name"`
	Verified  bool      `json:"verified"`
	UpdatedAt time.Time `json:"updatedAt"`
	Version   int       `json:"version"` // counts the contents
}

// UpdateCredential renames a credential or replaces its content, which is unverified then.
func (s *Session) UpdateCredential(ctx context.Context, id int64, u CredentialUpdate) (UpdatedCredential, error) {
	var out UpdatedCredential
	err := s.do(ctx, http.MethodPut, fmt.Sprintf("/api/credentials/%d", id), u, &out)
	return out, err
}

// RestoreCredential brings a deleted credential back, within 90 days of its deletion. It is unverified, and no service uses it.
func (s *Session) RestoreCredential(ctx context.Context, id int64) (Credential, error) {
	var out Credential
	err := s.do(ctx, http.MethodPost, fmt.Sprintf("/api/credentials/%d/restore", id), nil, &out)
	return out, err
}

// CredentialVersion is one content that a credential has or had.
type CredentialVersion struct {
	Number        int        `json:"number"`
	Type          string     `json:"type"`
	MaskedPreview string     `json:"maskedPreview"`
	CreatedAt     time.Time  `json:"createdAt"`
	ReplacedAt    *time.Time `json:"replacedAt"` // nil of the present one
	Current       bool       `json:"current"`
}

// CredentialVersions lists the contents of a credential, newest first.
func (s *Session) CredentialVersions(ctx context.Context, id int64) ([]CredentialVersion, error) {
	var out struct {
		Versions []CredentialVersion `json:"versions"`
	}
	err := s.do(ctx, http.MethodGet, fmt.Sprintf("/api/credentials/%d/versions", id), nil, &out)
	return out.Versions, err
}

// RestoreCredentialVersion makes an old content the present one again, under a new number and unverified.
func (s *Session) RestoreCredentialVersion(ctx context.Context, id int64, number int) (UpdatedCredential, error) {
	var out UpdatedCredential
	err := s.do(ctx, http.MethodPost, fmt.Sprintf("/api/credentials/%d/versions/%d/restore", id, number), nil, &out)
	return out, err
}

// CredentialUse is one opening of a credential by the server.
type CredentialUse struct {
	At      time.Time `json:"at"`
	Purpose string    `json:"purpose"` // verify, sync, proxy, restore
	Host    string    `json:"host"`
	JobID   string    `json:"jobId"`
	Status  string    `json:"status"` // success, failure
}

// CredentialUses lists the uses of a credential, newest first, also of a deleted one. limit (1 to 100, 0: 50), cursor and next
// are those of CredentialPage.
func (s *Session) CredentialUses(ctx context.Context, id int64, limit int, cursor string) (uses []CredentialUse, next string, err error) {
	var out struct {
		Uses       []CredentialUse `json:"uses"`
		NextCursor string          `json:"nextCursor"`
	}
	err = s.do(ctx, http.MethodGet, fmt.Sprintf("/api/credentials/%d/uses?%s", id, paged(url.Values{}, limit, cursor)), nil, &out)
	return out.Uses, out.NextCursor, err
}

// Verify asks the provider whether a credential works, and returns whom it is connected as.
func (s *Session) Verify(ctx context.Context, id int64) (connectedAs string, err error) {
	var out struct {
		ConnectedAs string `json:"connectedAs"`
	}
	err = s.do(ctx, http.MethodPost, fmt.Sprintf("/api/credentials/%d/verify", id), nil, &out)
	return out.ConnectedAs, err
}

// Service is a service and the credential it uses.
type Service struct {
	Name       string `json:"name"`
	Enabled    bool   `json:"enabled"`
	Credential *struct {
		ID       int64  `json:"id"`
		Name     string `json:"name"`
		Verified bool   `json:"verified"`
	} `json:"credential"`
}

// Services lists every service.
func (s *Session) Services(ctx context.Context) ([]Service, error) {
	var out struct {
		Services []Service `json:"services"`
	}
	err := s.do(ctx, http.MethodGet, "/api/services", nil, &out)
	return out.Services, err
}

// Enable binds a credential to its service.
func (s *Session) Enable(ctx context.Context, service string, credential int64) error {
	return s.do(ctx, http.MethodPost, "/api/services/"+url.PathEscape(service)+"/enable", map[string]int64{"credentialId": credential}, nil)
}

// Disable switches a service off; its credential stays.
func (s *Session) Disable(ctx context.Context, service string) error {
	return s.do(ctx, http.MethodPost, "/api/services/"+url.PathEscape(service)+"/disable", nil, nil)
}
