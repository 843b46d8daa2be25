package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
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
