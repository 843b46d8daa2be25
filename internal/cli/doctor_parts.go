package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"turkey/internal/backup"
	"turkey/internal/config"
	"turkey/internal/db"
	"turkey/internal/doctor"
	"turkey/internal/kpi"
	"turkey/internal/mail"
)

// backupState is what the doctor asks about backups; nil where the server has no directory for them.
func backupState(cfg *config.Config) func() (doctor.Backups, error) {
	if cfg.BackupDir == "" {
		return nil
	}
	return func() (b doctor.Backups, err error) {
		if b.Every, err = longestPause(cfg, time.Now()); err != nil {
			return b, err
		}
		st, err := backup.Look(cfg.BackupDir)
		if err != nil {
			return b, err
		}
		if st.Newest != nil {
			b.Newest = st.Newest.Manifest.CreatedAt
		}
		if st.Verified != nil {
			b.Verified = st.Verified.Verified.At
		}
		if st.Failure != nil {
			b.FailedAt, b.Failure = st.Failure.At, st.Failure.Error
		}
		b.KeyFiles = nearbyKeys(cfg)
		return b, nil
	}
}

// longestPause is the longest time between two backups of the next weeks by BACKUP_CRON; 0: none are made.
func longestPause(cfg *config.Config, now time.Time) (longest time.Duration, err error) {
	const ahead, most = 5 * 7 * 24 * time.Hour, 5000
	if cfg.BackupCron == "" {
		return 0, nil
	}
	cron, err := kpi.ParseCron(cfg.BackupCron)
	if err != nil {
		return 0, fmt.Errorf("BACKUP_CRON: %w", err)
	}
	zone, err := time.LoadLocation(cfg.Zone)
	if err != nil {
		return 0, fmt.Errorf("TZ: %w", err)
	}
	at := cron.Next(now, zone)
	for range most {
		next := cron.Next(at, zone)
		longest = max(longest, next.Sub(at))
		if at = next; at.Sub(now) > ahead {
			break
		}
	}
	return longest, nil
}

// diskPlaces are the directories that the server fills.
func diskPlaces(cfg *config.Config) []doctor.Place {
	places := []doctor.Place{{Name: "data", Path: cfg.DataDir}}
	if cfg.BackupDir != "" {
		p := doctor.Place{Name: "backups", Path: cfg.BackupDir}
		if st, err := backup.Look(cfg.BackupDir); err == nil && st.Newest != nil {
			p.Need = uint64(max(st.Newest.Manifest.Size, 0))
		}
		places = append(places, p)
	}
	if cfg.AuditArchiveDir != "" {
		places = append(places, doctor.Place{Name: "audit_archive", Path: cfg.AuditArchiveDir})
	}
	return places
}

// sendTest sends a mail through the configured service.
func sendTest(cfg *config.Config, database *db.DB, to string) func(context.Context) error {
	return func(ctx context.Context) error {
		sender, err := newSender(cfg, database, slog.New(slog.DiscardHandler))
		switch {
		case err != nil:
			return err
		case sender.Name() == "none" || sender.Name() == "log":
			return fmt.Errorf("EMAIL_SERVICE is %s: nothing leaves this machine", sender.Name())
		case sender.Name() == "mailbox" && database == nil:
			return errors.New("EMAIL_SERVICE is mailbox, and the database cannot be used")
		}
		return sender.Send(ctx, mail.Message{To: to, Subject: "TurKey: a test by gravy doctor", Kind: mail.OperatorNotice,
			Text: "Mails of the server at " + cfg.PublicURL + " reach this address.\n"})
	}
}

// reach asks the public address for the server's health.
func reach(cfg *config.Config) func(context.Context) error {
	return func(ctx context.Context) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(cfg.PublicURL, "/")+"/health", nil)
		if err != nil {
			return err
		}
		client := http.Client{Timeout: 5 * time.Second}
		resp, err := client.Do(r)
		if err != nil {
			return err
		}
		_ = resp.Body.Close() // the status says it
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("it answered %d", resp.StatusCode)
		}
		return nil
	}
}
