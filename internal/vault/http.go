package vault

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"turkey/internal/audit"
	"turkey/internal/caller"
	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/vault/vaultdb"
	"turkey/internal/wire"
)

// Mount adds the credential and service routes; bearer lets authenticated users through.
func (s *Service) Mount(api huma.API, bearer func(huma.Context, func(huma.Context))) {
	op := func(method, path, id, tag, summary, description string) huma.Operation {
		return huma.Operation{Method: method, Path: path, OperationID: id, Tags: []string{tag}, Summary: summary, Description: description,
			SkipValidateBody: true, DefaultStatus: http.StatusOK, Security: []map[string][]string{{"bearerAuth": {}}}, Middlewares: huma.Middlewares{bearer}}
	}
	save := op(http.MethodPost, "/api/credentials/save", "saveCredential", "Credentials", "Save a credential",
		"Seals a third-party credential under the caller's own keys and points the service to it. It can be used and replaced, and never read again.")
	save.DefaultStatus = http.StatusCreated
	huma.Register(api, save, s.handleSave)
	huma.Register(api, op(http.MethodGet, "/api/credentials/list", "listCredentials", "Credentials", "List credentials", "Newest first. Nothing secret is in it."), s.handleList)
	huma.Register(api, op(http.MethodGet, "/api/credentials/{id}", "getCredential", "Credentials", "One credential", "Nothing secret is in it."), s.handleGet)
	huma.Register(api, op(http.MethodDelete, "/api/credentials/{id}", "deleteCredential", "Credentials", "Delete a credential", "Also removes the service configuration that uses it."), s.handleDelete)
	huma.Register(api, op(http.MethodPost, "/api/credentials/{id}/verify", "verifyCredential", "Credentials", "Verify a credential",
		"Asks the provider, with the least calls that prove the right. A provider that is down leaves the stored state as it was."), s.handleVerify)
	huma.Register(api, op(http.MethodGet, "/api/credentials/{id}/verify-status", "credentialVerifyStatus", "Credentials", "Last verification", "No call to the provider."), s.handleVerifyStatus)
	huma.Register(api, op(http.MethodGet, "/api/services", "listServices", "Services", "List services", "Every service, enabled or not, with the credential it uses."), s.handleServices)
	huma.Register(api, op(http.MethodPost, "/api/services/{service}/enable", "enableService", "Services", "Enable a service", "Binds one of the caller's credentials to the service."), s.handleEnable)
	huma.Register(api, op(http.MethodPost, "/api/services/{service}/disable", "disableService", "Services", "Disable a service", "The credential stays."), s.handleDisable)
}

// credentialJSON takes the content as JSON text or as an inline object.
type credentialJSON struct{ raw []byte }

// UnmarshalJSON keeps an object as it is and unwraps a string.
func (c *credentialJSON) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		var text string
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
		c.raw = []byte(text)
		return nil
	}
	if string(b) == "null" {
		return nil
	}
	c.raw = append([]byte(nil), b...)
	return nil
}

// Schema documents both forms.
func (credentialJSON) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{{Type: huma.TypeString}, {Type: huma.TypeObject, AdditionalProperties: true}},
		Description: "The credential as the provider gave it: a JSON object, or the same as JSON text"}
}

type saveBody struct {
	CredentialJSON credentialJSON `json:"credentialJson" missing:"handler"`
	CredentialName string         `json:"credentialName" missing:"handler" doc:"1 to 255 characters" example:"My Google Service Account"`
	Service        string         `json:"service" missing:"handler" example:"google_sheets"`
}

type saveOutput struct {
	Body struct {
		CredentialID  int64     `json:"credentialId"`
		Service       string    `json:"service"`
		Name          string    `json:"name"`
		Type          string    `json:"type" enum:"service_account,oauth,access_token"`
		Verified      bool      `json:"verified"`
		MaskedPreview string    `json:"maskedPreview" example:"ser...com"`
		CreatedAt     wire.Time `json:"createdAt" format:"date-time"`
	}
}

func (s *Service) handleSave(ctx context.Context, in *struct{ Body saveBody }) (*saveOutput, error) {
	user, _ := caller.UserFrom(ctx)
	name := strings.TrimSpace(in.Body.CredentialName)
	if len(in.Body.CredentialJSON.raw) == 0 || name == "" || in.Body.Service == "" {
		return nil, fault.New(fault.Invalid, "MISSING_FIELDS", "Missing required fields: credentialJson, credentialName, service")
	}
	r, err := s.save(ctx, user.ID, in.Body.Service, name, in.Body.CredentialJSON.raw)
	if err != nil {
		return nil, err
	}
	out := &saveOutput{}
	b := &out.Body
	b.CredentialID, b.Service, b.Name, b.Type = r.id, in.Body.Service, name, r.content.Type
	b.MaskedPreview, b.CreatedAt = r.content.Preview, wire.Time(r.createdAt)
	return out, nil
}

// Credential is what is told about a stored credential.
type Credential struct {
	ID            int64      `json:"id"`
	Service       string     `json:"service"`
	Name          string     `json:"name"`
	Type          string     `json:"type" enum:"service_account,oauth,access_token"`
	Verified      bool       `json:"verified"`
	VerifiedAt    *wire.Time `json:"verifiedAt" format:"date-time"`
	CreatedAt     wire.Time  `json:"createdAt" format:"date-time"`
	UpdatedAt     wire.Time  `json:"updatedAt" format:"date-time"`
	ExpiresAt     *wire.Time `json:"expiresAt" format:"date-time"`
	MaskedPreview string     `json:"maskedPreview" example:"ser...com"`
}

func shown(r vaultdb.GetCredentialRow) Credential {
	return Credential{ID: r.ID, Service: r.Service, Name: r.Name, Type: r.Type, Verified: r.Verified, VerifiedAt: wire.TimePtr(r.VerifiedAt),
		CreatedAt: wire.Time(r.CreatedAt), UpdatedAt: wire.Time(r.UpdatedAt), ExpiresAt: wire.TimePtr(r.ExpiresAt), MaskedPreview: r.Preview}
}

type listOutput struct {
	Body struct {
		Credentials []Credential `json:"credentials"`
	}
}

func (s *Service) handleList(ctx context.Context, _ *struct{}) (*listOutput, error) {
	user, _ := caller.UserFrom(ctx)
	rows, err := s.q.ListCredentials(ctx, s.db.In(db.User(user.ID)))
	if err != nil {
		return nil, err
	}
	out := &listOutput{}
	out.Body.Credentials = make([]Credential, len(rows))
	for i, r := range rows {
		out.Body.Credentials[i] = shown(vaultdb.GetCredentialRow(r))
	}
	return out, nil
}

type credentialPath struct {
	ID string `path:"id" doc:"Credential id" example:"1"`
}

func (p credentialPath) number() (int64, error) {
	n, err := strconv.ParseInt(p.ID, 10, 64)
	if err != nil || n < 1 {
		return 0, fault.New(fault.Invalid, "VALIDATION_ERROR", "The credential id must be a positive integer")
	}
	return n, nil
}

func (s *Service) get(ctx context.Context, p credentialPath) (vaultdb.GetCredentialRow, error) {
	var row vaultdb.GetCredentialRow
	user, _ := caller.UserFrom(ctx)
	id, err := p.number()
	if err != nil {
		return row, err
	}
	row, err = s.q.GetCredential(ctx, s.db.In(db.User(user.ID)), id)
	if errors.Is(err, pgx.ErrNoRows) {
		return row, errNotFound
	}
	return row, err
}

func (s *Service) handleGet(ctx context.Context, in *credentialPath) (*struct{ Body Credential }, error) {
	row, err := s.get(ctx, *in)
	if err != nil {
		return nil, err
	}
	return &struct{ Body Credential }{shown(row)}, nil
}

type doneOutput struct {
	Body struct {
		Success bool   `json:"success"`
		Message string `json:"message"`
	}
}

func (s *Service) handleDelete(ctx context.Context, in *credentialPath) (*doneOutput, error) {
	user, _ := caller.UserFrom(ctx)
	id, err := in.number()
	if err != nil {
		return nil, err
	}
	_, err = s.q.DeleteCredential(ctx, s.db.In(db.User(user.ID)), id, audit.Meta(ctx, nil))
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, errNotFound
	}
	if err != nil {
		return nil, err
	}
	out := &doneOutput{}
	out.Body.Success, out.Body.Message = true, "Credential deleted successfully"
	return out, nil
}

type verifyOutput struct {
	Body struct {
		Verified    bool       `json:"verified"`
		Message     string     `json:"message" example:"Connected as service@my-project.iam.gserviceaccount.com"`
		ConnectedAs string     `json:"connectedAs"`
		ExpiresAt   *wire.Time `json:"expiresAt,omitempty" format:"date-time"`
	}
}

func (s *Service) handleVerify(ctx context.Context, in *credentialPath) (*verifyOutput, error) {
	user, _ := caller.UserFrom(ctx)
	id, err := in.number()
	if err != nil {
		return nil, err
	}
	proof, err := s.verify(ctx, user.ID, id)
	if err != nil {
		return nil, err
	}
	out := &verifyOutput{}
	b := &out.Body
	b.Verified, b.Message, b.ConnectedAs, b.ExpiresAt = true, "Connected as "+proof.ConnectedAs, proof.ConnectedAs, wire.TimePtr(proof.ExpiresAt)
	return out, nil
}

type verifyStatusOutput struct {
	Body struct {
		CredentialID   int64      `json:"credentialId"`
		Verified       bool       `json:"verified"`
		VerifiedAt     *wire.Time `json:"verifiedAt" format:"date-time"`
		ExpiresAt      *wire.Time `json:"expiresAt" format:"date-time"`
		LastVerifiedAt *wire.Time `json:"lastVerifiedAt" format:"date-time"`
	}
}

func (s *Service) handleVerifyStatus(ctx context.Context, in *credentialPath) (*verifyStatusOutput, error) {
	row, err := s.get(ctx, *in)
	if err != nil {
		return nil, err
	}
	out := &verifyStatusOutput{}
	b := &out.Body
	b.CredentialID, b.Verified, b.VerifiedAt, b.ExpiresAt = row.ID, row.Verified, wire.TimePtr(row.VerifiedAt), wire.TimePtr(row.ExpiresAt)
	b.LastVerifiedAt = b.VerifiedAt
	return out, nil
}

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
