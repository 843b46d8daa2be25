package auth

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/auth/authdb"
	"turkey/internal/caller"
	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/wire"
)

var (
	errNoIdentity   = fault.New(fault.NotFound, "not_found", "Identity not found")
	errLastIdentity = fault.New(fault.Conflict, "last_identity", "This is the only way left to sign in to this account: it has no password and no other identity")
)

func (s *Service) mountIdentities(api huma.API, user middleware) {
	op := func(method, path, id, summary, description string) huma.Operation {
		return protected(operation(method, "/v1/users/me/identities"+path, id, "Users", summary, description), user)
	}
	huma.Register(api, op(http.MethodGet, "", "listIdentities", "List the own identities",
		"Which other issuers sign the user in (Clerk, OpenID providers), under which subject; the oldest first."), s.handleIdentities)
	huma.Register(api, op(http.MethodDelete, "/{id}", "removeIdentity", "Remove an own identity",
		"Tokens of that issuer no longer lead to this account. 409 `last_identity` where it is the only way left to sign in."), s.handleRemoveIdentity)
}

// Identity is who a user is at another issuer.
type Identity struct {
	ID         string    `json:"id" format:"uuid"`
	Issuer     string    `json:"issuer" example:"https://clerk.example.com"`
	Subject    string    `json:"subject" example:"user_2NNEqL2nrIRdJ194ndJqAHwEfxC"`
	Email      *string   `json:"email" doc:"The address that the issuer told when it was first seen; it identifies nobody"`
	CreatedAt  wire.Time `json:"createdAt" format:"date-time"`
	LastSeenAt wire.Time `json:"lastSeenAt" format:"date-time" doc:"Within an hour"`
}

// identitiesOf lists who a user is at other issuers.
func (s *Service) identitiesOf(ctx context.Context, conn authdb.DBTX, app string, user uuid.UUID) ([]Identity, error) {
	rows, err := s.q.Identities(ctx, conn, app, user)
	list := make([]Identity, len(rows))
	for i, r := range rows {
		list[i] = Identity{ID: r.ID.String(), Issuer: r.Issuer, Subject: r.Subject, Email: r.Email, CreatedAt: wire.Time(r.CreatedAt), LastSeenAt: wire.Time(r.LastSeenAt)}
	}
	return list, err
}

type identitiesOutput struct {
	Body struct {
		Data       []Identity `json:"data"`
		NextCursor *string    `json:"nextCursor"`
	}
}

func (s *Service) handleIdentities(ctx context.Context, _ *struct{}) (out *identitiesOutput, err error) {
	u, _ := caller.UserFrom(ctx)
	out = &identitiesOutput{}
	out.Body.Data, err = s.identitiesOf(ctx, s.cfg.DB.In(db.App(u.AppID)), u.AppID, u.ID)
	return out, err
}

func (s *Service) handleRemoveIdentity(ctx context.Context, in *struct {
	ID string `path:"id" doc:"Identity id"`
}) (*messageOutput, error) {
	u, _ := caller.UserFrom(ctx)
	id, err := uuid.Parse(in.ID)
	if err != nil {
		return nil, errNoIdentity
	}
	if err := s.removeIdentity(ctx, u, id); err != nil {
		return nil, err
	}
	return message("Identity removed"), nil
}

// removeIdentity takes a way to sign in away, unless it is the last one. All servers know within a second.
func (s *Service) removeIdentity(ctx context.Context, u caller.User, id uuid.UUID) error {
	err := s.cfg.DB.Tx(ctx, db.App(u.AppID), func(tx pgx.Tx) error {
		if _, err := s.q.LockUser(ctx, tx, u.AppID, u.ID); err != nil {
			return err
		}
		r, err := s.q.RemoveIdentity(ctx, tx, authdb.RemoveIdentityParams{AppID: u.AppID, UserID: u.ID, ID: id, EventLife: s.eventLife()})
		switch {
		case err != nil:
			return err
		case r.Found == 0:
			return errNoIdentity
		case r.Removed == "":
			return errLastIdentity
		}
		return s.record(ctx, tx, u.AppID, u.ID, "", "identity_removed", map[string]any{"issuer": r.Removed})
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return errNoUser
	}
	if err == nil {
		s.revoked.end("session", id.String(), 0, time.Now().Add(s.eventLife()))
	}
	return err
}
