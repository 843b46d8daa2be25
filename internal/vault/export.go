package vault

import (
	"context"

	"github.com/google/uuid"

	"turkey/internal/db"
	"turkey/internal/vault/vaultdb"
)

// Export is what a user's export says of the vault: that there are credentials, never what is in them.
func (s *Service) Export(ctx context.Context, user uuid.UUID) (any, error) {
	rows, err := s.q.ListCredentials(ctx, s.db.In(db.User(user)))
	if err != nil {
		return nil, err
	}
	all := make([]Credential, len(rows))
	for i, r := range rows {
		all[i] = shown(vaultdb.GetCredentialRow(r))
	}
	return all, nil
}
