package vault

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"turkey/internal/caller"
	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/vault/vaultdb"
	"turkey/internal/wire"
)

// mountHistory adds the routes of a credential's later life.
func (s *Service) mountHistory(api huma.API, op func(method, path, id, tag, summary, description string) huma.Operation) {
	huma.Register(api, op(http.MethodPut, "/api/credentials/{id}", "updateCredential", "Credentials", "Rename or replace a credential",
		"New content starts unverified, and the old one goes into the history. The content that is stored already changes nothing."), s.handleUpdate)
	huma.Register(api, op(http.MethodPost, "/api/credentials/{id}/restore", "restoreCredential", "Credentials", "Restore a deleted credential",
		"Within 90 days of its deletion. It comes back unverified, and no service uses it until one is enabled with it."), s.handleRestore)
	huma.Register(api, op(http.MethodGet, "/api/credentials/{id}/versions", "listCredentialVersions", "Credentials", "History of a credential",
		"The present content and up to 20 that it replaced within the last 90 days, newest first. Nothing secret is in it."), s.handleVersions)
	huma.Register(api, op(http.MethodPost, "/api/credentials/{id}/versions/{n}/restore", "restoreCredentialVersion", "Credentials", "Go back to an old content",
		"Makes the content of a version the present one, under a new number. It is unverified until it is verified again."), s.handleRestoreVersion)
	huma.Register(api, op(http.MethodGet, "/api/credentials/{id}/uses", "listCredentialUses", "Credentials", "Uses of a credential",
		"Each time the server opened it: when, for what, towards which host, in which run. Also of a deleted one, until it is purged."), s.handleUses)
}

type updateInput struct {
	CredentialPath
	Body struct {
		CredentialJSON credentialJSON `json:"credentialJson,omitempty"`
		CredentialName *string        `json:"credentialName,omitempty" nullable:"true" doc:"1 to 255 characters" example:"My Google Service Account"`
		Service        string         `json:"service,omitempty" doc:"May be sent if it is the stored one"`
	}
}

type updateOutput struct {
	Body struct {
		ID        int64     `json:"id"`
		Service   string    `json:"service"`
		Name      string    `json:"name"`
		Verified  bool      `json:"verified"`
		UpdatedAt wire.Time `json:"updatedAt" format:"date-time"`
		Version   int32     `json:"version" doc:"Counts the contents"`
	}
}

func updated(r vaultdb.CredentialHeadRow, err error) (*updateOutput, error) {
	if err != nil {
		return nil, err
	}
	out := &updateOutput{}
	b := &out.Body
	b.ID, b.Service, b.Name, b.Verified, b.UpdatedAt, b.Version = r.ID, r.Service, r.Name, r.Verified, wire.Time(r.UpdatedAt), r.Version
	return out, nil
}

func (s *Service) handleUpdate(ctx context.Context, in *updateInput) (*updateOutput, error) {
	user, _ := caller.UserFrom(ctx)
	id, err := in.number()
	if err != nil {
		return nil, err
	}
	e := edit{service: in.Body.Service, raw: in.Body.CredentialJSON.raw}
	defer clear(e.raw)
	if in.Body.CredentialName != nil {
		if name := strings.TrimSpace(*in.Body.CredentialName); name != "" {
			e.name = &name
		}
	}
	if e.name == nil && len(e.raw) == 0 {
		return nil, fault.New(fault.Invalid, "MISSING_FIELDS", "Missing required fields: credentialJson or credentialName")
	}
	out, err := updated(s.update(ctx, user.ID, id, e))
	if err != nil {
		s.refused(ctx, user.ID, "credential_updated", "", map[string]any{"credentialId": id}, err)
	}
	return out, err
}

func (s *Service) handleRestore(ctx context.Context, in *CredentialPath) (*struct{ Body Credential }, error) {
	user, _ := caller.UserFrom(ctx)
	id, err := in.number()
	if err != nil {
		return nil, err
	}
	if err := s.restore(ctx, user.ID, id); err != nil {
		return nil, err
	}
	return s.handleGet(ctx, in)
}

// Version is one content that a credential has or had.
type Version struct {
	Number        int32      `json:"number"`
	Type          string     `json:"type" enum:"service_account,oauth,access_token"`
	MaskedPreview string     `json:"maskedPreview" example:"ser...com"`
	CreatedAt     wire.Time  `json:"createdAt" format:"date-time" doc:"When this content was saved"`
	ReplacedAt    *wire.Time `json:"replacedAt" format:"date-time" doc:"null of the present one"`
	Current       bool       `json:"current"`
}

type versionsOutput struct {
	Body struct {
		Versions   []Version `json:"versions"`
		NextCursor *string   `json:"nextCursor" doc:"Always null: the history is one page"`
	}
}

func (s *Service) handleVersions(ctx context.Context, in *CredentialPath) (*versionsOutput, error) {
	user, _ := caller.UserFrom(ctx)
	id, err := in.number()
	if err != nil {
		return nil, err
	}
	rows, err := s.q.ListVersions(ctx, s.db.In(db.User(user.ID)), id)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, errNotFound
	}
	out := &versionsOutput{}
	out.Body.Versions = make([]Version, len(rows))
	for i, r := range rows {
		v := Version{Number: r.Version, Type: r.Type, MaskedPreview: r.Preview, CreatedAt: wire.Time(r.CreatedAt), Current: r.Current}
		if !r.Current {
			v.ReplacedAt = wire.TimePtr(&r.ReplacedAt)
		}
		out.Body.Versions[i] = v
	}
	return out, nil
}

type versionPath struct {
	CredentialPath
	N string `path:"n" doc:"Number of the version" example:"1"`
}

func (s *Service) handleRestoreVersion(ctx context.Context, in *versionPath) (*updateOutput, error) {
	user, _ := caller.UserFrom(ctx)
	id, err := in.number()
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseInt(in.N, 10, 32)
	if err != nil || n < 1 {
		return nil, fault.New(fault.Invalid, "VALIDATION_ERROR", "The number of the version must be a positive integer")
	}
	return updated(s.restoreVersion(ctx, user.ID, id, int32(n)))
}

// Use is one opening of a credential.
type Use struct {
	At      wire.Time `json:"at" format:"date-time"`
	Purpose string    `json:"purpose" example:"sync" doc:"verify, sync, proxy, restore, …"`
	Host    *string   `json:"host" example:"sheets.googleapis.com" doc:"Where it went; null where nothing left the server or none was noted"`
	JobID   *string   `json:"jobId" doc:"The run that used it"`
	Status  string    `json:"status" enum:"success,failure" doc:"failure: it did not open"`
}

type usesInput struct {
	CredentialPath
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"50"`
	Cursor string `query:"cursor" doc:"nextCursor of the page before"`
}

type usesOutput struct {
	Body struct {
		Uses       []Use   `json:"uses"`
		NextCursor *string `json:"nextCursor" doc:"null: this is the last page"`
	}
}

func (s *Service) handleUses(ctx context.Context, in *usesInput) (*usesOutput, error) {
	user, _ := caller.UserFrom(ctx)
	id, err := in.number()
	if err != nil {
		return nil, err
	}
	arg := vaultdb.ListUsesParams{ID: id, Max: int32(in.Limit) + 1} // one more says whether the list goes on
	if in.Cursor != "" {
		n, err := readCursor(in.Cursor, 1)
		if err != nil {
			return nil, err
		}
		arg.Before = max(n[0], 1)
	}
	rows, err := s.q.ListUses(ctx, s.db.In(db.User(user.ID)), arg)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, errNotFound
	}
	out := &usesOutput{}
	if len(rows) > in.Limit {
		rows = rows[:in.Limit]
		out.Body.NextCursor = cursor(rows[in.Limit-1].ID)
	}
	out.Body.Uses = []Use{}
	for _, r := range rows {
		if r.ID > 0 {
			out.Body.Uses = append(out.Body.Uses, Use{At: wire.Time(r.UsedAt), Purpose: r.Purpose, Host: optional(r.Host), JobID: optional(r.JobID), Status: r.Status})
		}
	}
	return out, nil
}
