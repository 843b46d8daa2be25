package vault

import (
	"context"

	"github.com/google/uuid"

	"turkey/internal/db"
	"turkey/internal/vault/vaultdb"
)

// exported is what a user's export says of a credential.
type exported struct {
	Credential
	Versions int64 `json:"versions"` // replaced contents that are kept
	Uses     int64 `json:"uses"`

	EnabledFor []string `json:"enabledFor"` // services that work with it
}

// Export is what a user's export says of the vault: that there are credentials, deleted ones too, never what is in them.
func (s *Service) Export(ctx context.Context, user uuid.UUID) (any, error) {
	rows, err := s.q.ExportCredentials(ctx, s.db.In(db.User(user)))
	if err != nil {
		return nil, err
	}
	all := make([]exported, len(rows))
	for i, r := range rows {
		all[i] = exported{Credential: shown(vaultdb.GetCredentialRow{ID: r.ID, Service: r.Service, Name: r.Name, Type: r.Type, Preview: r.Preview,
			Verified: r.Verified, VerifiedAt: r.VerifiedAt, ExpiresAt: r.ExpiresAt, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt, DeletedAt: r.DeletedAt,
			Health: r.Health, HealthReason: r.HealthReason, HealthMessage: r.HealthMessage, HealthAt: r.HealthAt}), Versions: r.Versions, Uses: r.Uses, EnabledFor: r.EnabledFor}
	}
	return all, nil
}
