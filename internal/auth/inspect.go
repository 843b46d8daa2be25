package auth

import (
	"context"
	"errors"

	"turkey/internal/auth/authdb"
	"turkey/internal/db"
	"turkey/internal/oidc"
)

// Inspection is what somebody sees who only looks at the keys.
type Inspection struct {
	Keys    []KeyInfo // newest first, those that are gone included
	Problem error     // keys or server secrets that do not open with the secrets at hand, by name
}

// Inspect looks at the keys of a database as New would find them, and makes, seals and changes nothing. It needs DB, Now,
// AccessTTL and the secrets; without a Secret nothing is opened.
func Inspect(ctx context.Context, cfg Config) (Inspection, error) {
	s := &Service{cfg: cfg, q: authdb.New()}
	rows, err := s.allKeys(ctx, cfg.DB.In(db.System()))
	if err != nil {
		return Inspection{}, err
	}
	found := Inspection{Keys: keyInfos(rows, livesOf(rows), s.drain(rows), cfg.Now())}
	if len(cfg.Secret) > 0 {
		found.Problem, err = s.tryKeys(ctx, rows)
	}
	return found, err
}

// tryKeys opens everything and keeps nothing of it.
func (s *Service) tryKeys(ctx context.Context, rows []authdb.KeysSystemRow) (problem, err error) {
	if err := s.makeBoxes(); err != nil {
		return nil, err
	}
	secrets, err := s.q.SecretsSystem(ctx, s.cfg.DB.In(db.System()))
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		der, _, err := s.openStored(r.Kid, r.PrivatePem)
		clear(der)
		problem = errors.Join(problem, err)
	}
	for _, r := range secrets {
		plain, _, err := s.unseal("server secret "+r.Name, r.Sealed, secretPlace(r.Name))
		clear(plain)
		problem = errors.Join(problem, err)
	}
	return problem, nil
}

// IssuerStates says how it stands with the keys of other issuers.
func (s *Service) IssuerStates(ctx context.Context) []oidc.State { return s.cfg.Foreign.States(ctx) }
