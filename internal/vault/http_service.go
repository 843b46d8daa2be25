package vault

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"turkey/internal/audit"
	"turkey/internal/caller"
	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/vault/vaultdb"
)

// ServiceState is one service of the caller.
type ServiceState struct {
	Name       string           `json:"name"`
	Enabled    bool             `json:"enabled"`
	Credential *boundCredential `json:"credential,omitempty"`
}

type boundCredential struct {
	ID       int64  `json:"id"`
	Name     string `json:"name"`
	Verified bool   `json:"verified"`
}

type servicesOutput struct {
	Body struct {
		Services []ServiceState `json:"services"`
	}
}

func (s *Service) handleServices(ctx context.Context, _ *struct{}) (*servicesOutput, error) {
	user, _ := caller.UserFrom(ctx)
	rows, err := s.q.ListServices(ctx, s.db.In(db.User(user.ID)))
	if err != nil {
		return nil, err
	}
	bound := map[string]vaultdb.ListServicesRow{}
	for _, r := range rows {
		bound[r.Service] = r
	}
	out := &servicesOutput{}
	for _, name := range s.connectors.Names() {
		state := ServiceState{Name: name}
		if r, ok := bound[name]; ok {
			state.Enabled = r.Enabled
			state.Credential = &boundCredential{ID: r.CredentialID, Name: r.Name, Verified: r.Verified}
		}
		out.Body.Services = append(out.Body.Services, state)
	}
	return out, nil
}

// flexibleID takes a JSON number or a numeric string.
type flexibleID struct {
	value int64
	given bool
	bad   bool
}

// UnmarshalJSON never fails: what is wrong is told by the handler in the contract's words.
func (f *flexibleID) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	if text == "null" || text == "" {
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	f.value, f.given, f.bad = n, true, err != nil || n < 1
	return nil
}

// Schema documents both forms.
func (flexibleID) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{{Type: huma.TypeInteger}, {Type: huma.TypeString}}, Description: "A number, or the same as a string"}
}

type enableInput struct {
	Service string `path:"service" example:"google_sheets"`
	Body    struct {
		CredentialID flexibleID `json:"credentialId" missing:"handler"`
	}
}

type enableOutput struct {
	Body struct {
		Service      string `json:"service"`
		Enabled      bool   `json:"enabled"`
		CredentialID int64  `json:"credentialId"`
	}
}

func (s *Service) handleEnable(ctx context.Context, in *enableInput) (*enableOutput, error) {
	user, _ := caller.UserFrom(ctx)
	if _, err := s.connector(in.Service); err != nil {
		return nil, err
	}
	id := in.Body.CredentialID
	switch {
	case !id.given:
		return nil, fault.New(fault.Invalid, "MISSING_FIELDS", "credentialId is required")
	case id.bad:
		return nil, fault.New(fault.Invalid, "VALIDATION_ERROR", "credentialId must be a number")
	}
	if err := s.enable(ctx, user.ID, in.Service, id.value); err != nil {
		return nil, err
	}
	out := &enableOutput{}
	out.Body.Service, out.Body.Enabled, out.Body.CredentialID = in.Service, true, id.value
	return out, nil
}

type servicePath struct {
	Service string `path:"service" example:"google_sheets"`
}

type disableOutput struct {
	Body struct {
		Service string `json:"service"`
		Enabled bool   `json:"enabled"`
	}
}

func (s *Service) handleDisable(ctx context.Context, in *servicePath) (*disableOutput, error) {
	user, _ := caller.UserFrom(ctx)
	if _, err := s.connector(in.Service); err != nil {
		return nil, err
	}
	_, err := s.q.DisableService(ctx, s.db.In(db.User(user.ID)), in.Service, audit.Meta(ctx, nil))
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, errNoService
	}
	if err != nil {
		return nil, err
	}
	out := &disableOutput{}
	out.Body.Service = in.Service
	return out, nil
}
