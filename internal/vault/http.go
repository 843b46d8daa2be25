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
	huma.Register(api, op(http.MethodGet, "/api/credentials/list", "listCredentials", "Credentials", "List credentials", "Newest first, all of them unless a limit is given. With deleted=true those that can still be restored, 50 at a time. Nothing secret is in it."), s.handleList)
	huma.Register(api, op(http.MethodGet, "/api/credentials/{id}", "getCredential", "Credentials", "One credential", "Nothing secret is in it."), s.handleGet)
	huma.Register(api, op(http.MethodDelete, "/api/credentials/{id}", "deleteCredential", "Credentials", "Delete a credential", "Also removes the service configuration that uses it. It can be restored for 90 days."), s.handleDelete)
	s.mountHistory(api, op)
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
	defer clear(in.Body.CredentialJSON.raw)
	name := strings.TrimSpace(in.Body.CredentialName)
	if len(in.Body.CredentialJSON.raw) == 0 || name == "" || in.Body.Service == "" {
		return nil, fault.New(fault.Invalid, "MISSING_FIELDS", "Missing required fields: credentialJson, credentialName, service")
	}
	r, err := s.save(ctx, user.ID, in.Body.Service, name, in.Body.CredentialJSON.raw)
	if err != nil {
		s.refused(ctx, user.ID, "credential_saved", in.Body.Service, nil, err)
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
	Health        string     `json:"health" enum:"unchecked,ok,expiring,failing,broken"`
	HealthReason  *string    `json:"healthReason" doc:"A stable word, such as rejected or unreadable; null where all is well"`
	HealthMessage *string    `json:"healthMessage" doc:"What to do about it"`
	HealthAt      *wire.Time `json:"healthAt" format:"date-time" doc:"Since when it is in this state"`
	DeletedAt     *wire.Time `json:"deletedAt,omitempty" format:"date-time" doc:"Only of deleted ones"`
}

func shown(r vaultdb.GetCredentialRow) Credential {
	return Credential{ID: r.ID, Service: r.Service, Name: r.Name, Type: r.Type, Verified: r.Verified, VerifiedAt: wire.TimePtr(r.VerifiedAt),
		CreatedAt: wire.Time(r.CreatedAt), UpdatedAt: wire.Time(r.UpdatedAt), ExpiresAt: wire.TimePtr(r.ExpiresAt), MaskedPreview: r.Preview,
		Health: r.Health, HealthReason: r.HealthReason, HealthMessage: r.HealthMessage, HealthAt: wire.TimePtr(r.HealthAt), DeletedAt: wire.TimePtr(r.DeletedAt)}
}

type listInput struct {
	Limit   int    `query:"limit" minimum:"1" maximum:"100" doc:"Without it: all, or 50 of the deleted ones"`
	Cursor  string `query:"cursor" doc:"nextCursor of the page before"`
	Deleted bool   `query:"deleted" doc:"List what can be restored instead"`
}

type listOutput struct {
	Body struct {
		Credentials []Credential `json:"credentials"`
		NextCursor  *string      `json:"nextCursor" doc:"null: this is the last page"`
	}
}

func (s *Service) handleList(ctx context.Context, in *listInput) (*listOutput, error) {
	user, _ := caller.UserFrom(ctx)
	limit := in.Limit
	if in.Deleted && limit == 0 {
		limit = pageSize
	}
	arg := vaultdb.ListCredentialsParams{Deleted: in.Deleted, Kept: restorable}
	var err error
	if arg.Before, arg.BeforeID, err = readPlace(in.Cursor); err != nil {
		return nil, err
	}
	if limit > 0 {
		more := int32(limit) + 1 // one more says whether the list goes on
		arg.Max = &more
	}
	rows, err := s.q.ListCredentials(ctx, s.db.In(db.User(user.ID)), arg)
	if err != nil {
		return nil, err
	}
	out := &listOutput{}
	if limit > 0 && len(rows) > limit {
		rows = rows[:limit]
		last := rows[limit-1]
		out.Body.NextCursor = cursor(last.CreatedAt.UnixMicro(), last.ID)
	}
	out.Body.Credentials = make([]Credential, len(rows))
	for i, r := range rows {
		out.Body.Credentials[i] = shown(vaultdb.GetCredentialRow(r))
	}
	return out, nil
}

// CredentialPath is the credential that a route names. It is exported for huma, which looks into no other embedded struct.
type CredentialPath struct {
	ID string `path:"id" doc:"Credential id" example:"1"`
}

func (p CredentialPath) number() (int64, error) {
	n, err := strconv.ParseInt(p.ID, 10, 64)
	if err != nil || n < 1 {
		return 0, fault.New(fault.Invalid, "VALIDATION_ERROR", "The credential id must be a positive integer")
	}
	return n, nil
}

func (s *Service) get(ctx context.Context, p CredentialPath) (vaultdb.GetCredentialRow, error) {
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

func (s *Service) handleGet(ctx context.Context, in *CredentialPath) (*struct{ Body Credential }, error) {
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

func (s *Service) handleDelete(ctx context.Context, in *CredentialPath) (*doneOutput, error) {
	user, _ := caller.UserFrom(ctx)
	id, err := in.number()
	if err != nil {
		return nil, err
	}
	_, err = s.q.DeleteCredential(ctx, s.db.In(db.User(user.ID)), vaultdb.DeleteCredentialParams{ID: id, MaxDeleted: maxDeleted, Metadata: audit.Meta(ctx, nil)})
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

func (s *Service) handleVerify(ctx context.Context, in *CredentialPath) (*verifyOutput, error) {
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
	message := "Connected as " + proof.ConnectedAs
	if len(proof.Notes) > 0 {
		message += ". " + strings.Join(proof.Notes, " ")
	}
	b.Verified, b.Message, b.ConnectedAs, b.ExpiresAt = true, message, proof.ConnectedAs, wire.TimePtr(proof.ExpiresAt)
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

func (s *Service) handleVerifyStatus(ctx context.Context, in *CredentialPath) (*verifyStatusOutput, error) {
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
