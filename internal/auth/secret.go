package auth

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// What is sealed under JWT_SECRET.

func secretPlace(name string) []byte { return []byte("secret|" + name) }

// unseal opens what was sealed for a place under the current secret or the previous one (old).
func (s *Service) unseal(what string, sealed, place []byte) (plain []byte, old bool, err error) {
	for i, box := range s.keys.boxes {
		if plain, err := box.Decrypt(sealed, place); err == nil {
			return plain, i > 0, nil
		}
	}
	hint := ""
	if s.cfg.SecretFile != "" {
		hint = "; a run without JWT_SECRET made one of its own, in " + s.cfg.SecretFile
	}
	if len(s.keys.boxes) > 1 {
		return nil, false, fmt.Errorf("%s opens neither with JWT_SECRET nor with JWT_SECRET_PREVIOUS: start with the secret it was made under%s", what, hint)
	}
	return nil, false, fmt.Errorf("%s does not open with this JWT_SECRET: start with the secret it was made under, or give that one as JWT_SECRET_PREVIOUS%s", what, hint)
}

// loadSecret reads a random 32-byte server key, making it on the first start, and seals again under the current secret
// whatever secret opens only under the previous one.
func (s *Service) loadSecret(ctx context.Context, tx pgx.Tx, name string) ([]byte, error) {
	rows, err := s.q.SecretsSystem(ctx, tx)
	if err != nil {
		return nil, fmt.Errorf("read server secrets: %w", err)
	}
	var wanted []byte
	var names []string
	var again [][]byte
	for _, r := range rows {
		plain, old, err := s.unseal("server secret "+r.Name, r.Sealed, secretPlace(r.Name))
		if err != nil {
			return nil, err
		}
		if r.Name == name {
			wanted = plain
		}
		if !old {
			continue
		}
		sealed, err := s.keys.boxes[0].Encrypt(plain, secretPlace(r.Name))
		if err != nil {
			return nil, err
		}
		names, again = append(names, r.Name), append(again, sealed)
	}
	if len(names) > 0 {
		if err := s.q.RewrapSecretsSystem(ctx, tx, names, again); err != nil {
			return nil, fmt.Errorf("seal server secrets under the new JWT_SECRET: %w", err)
		}
	}
	if wanted != nil {
		return wanted, nil
	}
	key := make([]byte, 32)
	rand.Read(key) // never fails, it ends the program
	sealed, err := s.keys.boxes[0].Encrypt(key, secretPlace(name))
	if err != nil {
		return nil, err
	}
	return key, s.q.InsertSecretSystem(ctx, tx, name, sealed)
}
