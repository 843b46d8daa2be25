package cli

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"turkey/internal/auth"
	"turkey/internal/legacy"
)

// inPlaceFlags are those of db migrate that an upgrade in place asks for.
type inPlaceFlags struct {
	zone     string
	dry, yes bool
}

func (f *inPlaceFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.zone, "source-tz", "", "of the original TurKey: zone of the times its now() wrote (default: the server's TimeZone)")
	c.Flags().BoolVar(&f.dry, "dry-run", false, "say what would happen; an upgrade in place is played to its end and undone")
	yesFlag(c, &f.yes)
}

const (
	inPlaceQuestion = "This is a database of the original TurKey. It will be upgraded in place, in one transaction, and cannot be turned back.\n" +
		"Stop its servers and make a backup first: pg_dump -Fc --file=before-turkey.dump \"$DATABASE_URL\"\nUpgrade now? (--dry-run tells what would happen)"
	inPlaceNote = "set JWT_ISSUER to the predecessor's value, and JWT_SECRET to what it was here, before the server starts: access tokens that are out stay valid then"
)

// upgradeInPlace turns the original TurKey's database into one of ours. done is false if another process did meanwhile.
func (p *program) upgradeInPlace(ctx context.Context, d *database, f inPlaceFlags) (done bool, err error) {
	cfg, err := loadConfig()
	if err != nil {
		return false, err
	}
	if err := fillSecrets(cfg, slog.New(slog.DiscardHandler)); err != nil {
		return false, err
	}
	if cfg.JWTSecret == "" {
		return false, errors.New("JWT_SECRET is needed: the predecessor's signing keys are sealed under it")
	}
	keys, err := auth.NewKeyImporter([]byte(cfg.JWTSecret), time.Now)
	if err != nil {
		return false, err
	}
	if !f.dry && !f.yes && !p.confirm(inPlaceQuestion) {
		return false, errors.New("not upgraded, and nothing was changed: --yes answers beforehand")
	}
	report, err := legacy.InPlace{Database: d.migrations(nil), SourceZone: f.zone, Keys: keys, EventApp: cfg.JWTAudience, DryRun: f.dry, Progress: p.progress()}.Run(ctx)
	if report != nil {
		if err == nil {
			report.Notes = append(report.Notes, inPlaceNote)
		}
		if err := p.printReport(report); err != nil {
			return false, err
		}
	}
	return report != nil, err
}
