package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/connector"
	"turkey/internal/db"
	"turkey/internal/keyring"
	"turkey/internal/vault"
)

const benchSalt = "bench-salt-of-thirty-two-characters-and-more"

// world is what the sandbox holds for the users: a spreadsheet and a shop for each, and a Google account and an ad account
// that all share. Google's contents differ by user in a field that it does not look at, so each user signs in for himself.
type world struct {
	google, meta      map[string]any
	property, account string
	spreadsheets      []string
	shops             []map[string]any
}

// sources have a schedule each.
var sources = []string{connector.GA4, connector.Meta, connector.Shopify}

// newWorld sets the sandbox up.
func newWorld(base string, users int) (*world, error) {
	w := &world{spreadsheets: make([]string, users), shops: make([]map[string]any, users)}
	control := base + "/_sandbox"
	if err := call(http.MethodPost, control+"/service-accounts", "", map[string]any{"name": "bench"}, &w.google); err != nil {
		return nil, err
	}
	var made struct{ PropertyID string }
	if err := errors.Join(
		call(http.MethodPost, control+"/properties", "", map[string]any{"timeZone": "Europe/Berlin", "currency": "EUR", "shareWith": w.google["client_email"]}, &made),
		call(http.MethodPost, control+"/ad-accounts", "", map[string]any{"timeZone": "Europe/Berlin"}, &w.meta)); err != nil {
		return nil, err
	}
	w.property, w.account = made.PropertyID, fmt.Sprint(w.meta["account_id"])
	for i := range w.spreadsheets {
		var made struct{ SpreadsheetID string }
		if err := call(http.MethodPost, control+"/spreadsheets", "", map[string]any{"tabs": sources, "shareWith": w.google["client_email"]}, &made); err != nil {
			return nil, err
		}
		w.spreadsheets[i] = made.SpreadsheetID
		if err := call(http.MethodPost, control+"/shops", "", map[string]any{"timeZone": "Europe/Berlin"}, &w.shops[i]); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// content is a user's credential for a service.
func (w *world) content(service string, n int) ([]byte, error) {
	c := map[string]any{}
	switch service {
	case connector.Meta:
		maps.Copy(c, w.meta)
	case connector.Shopify:
		maps.Copy(c, w.shops[n])
	default:
		maps.Copy(c, w.google)
		c["project_id"] = fmt.Sprintf("bench-%d", n)
	}
	if service == connector.GA4 {
		c["property_id"] = w.property
	}
	return json.Marshal(c)
}

// seedUsers makes the users with their credentials, services, mappings and schedules, which are due at no time yet.
func seedUsers(ctx context.Context, dsn, base string, w *world) error {
	database, err := db.Open(ctx, db.Config{URL: dsn, MaxConns: 8})
	if err != nil {
		return err
	}
	defer database.Close()
	ring, err := keyring.Open(keyring.Config{Salt: []byte(benchSalt)})
	if err != nil {
		return err
	}
	v, err := vault.New(ctx, vault.Config{DB: database, Log: slog.New(slog.DiscardHandler), Keyring: ring, Connectors: connector.New(bases(base))})
	if err != nil {
		return err
	}
	const batch = 50
	var wg sync.WaitGroup
	failed := make([]error, 4)
	for hand := range failed {
		wg.Go(func() {
			for first := hand * batch; first < len(w.spreadsheets) && failed[hand] == nil; first += len(failed) * batch {
				failed[hand] = database.Tx(ctx, db.System(), func(tx pgx.Tx) error {
					for n := first; n < min(first+batch, len(w.spreadsheets)); n++ {
						if err := seedUser(ctx, tx, v, w, n); err != nil {
							return err
						}
					}
					return nil
				})
			}
		})
	}
	wg.Wait()
	return errors.Join(failed...)
}

func seedUser(ctx context.Context, tx pgx.Tx, v *vault.Service, w *world, n int) error {
	id := uuid.New()
	var no int64
	if err := tx.QueryRow(ctx, `INSERT INTO users (id, email, password_hash) VALUES ($1, $2, 'none') RETURNING user_no`, id,
		id.String()+"@bench.example").Scan(&no); err != nil {
		return err
	}
	now := time.Now()
	for _, service := range append([]string{connector.GoogleSheets}, sources...) {
		content, err := w.content(service, n)
		if err != nil {
			return err
		}
		if _, _, err := v.Import(ctx, tx, id, no, vault.Imported{Service: service, Name: "Bench", Content: content, Verified: true, VerifiedAt: &now,
			CreatedAt: now, UpdatedAt: now}); err != nil {
			return err
		}
	}
	b := &pgx.Batch{}
	// As after a verification that succeeded, and no check of the credential while we measure.
	b.Queue(`UPDATE credentials SET next_check_at = now() + interval '1 day', source_timezone = 'Europe/Berlin', source_currency = 'EUR' WHERE user_id = $1`, no)
	b.Queue(`INSERT INTO service_configs (user_id, service, credential_id) SELECT user_id, service, id FROM credentials WHERE user_id = $1`, no)
	b.Queue(`INSERT INTO sheet_mappings (user_id, service, spreadsheet_id, sheet_name) SELECT $1, x, $2, x FROM unnest($3::text[]) x`, no, w.spreadsheets[n], sources)
	b.Queue(`INSERT INTO job_schedules (user_id, service, cron_expression, enabled, timezone, next_run_at)
		SELECT $1, x, '0 2 * * *', true, 'Europe/Berlin', now() + interval '1 day' FROM unnest($2::text[]) x`, no, sources)
	return tx.SendBatch(ctx, b).Close()
}

// bases is where the sandbox's providers are.
func bases(url string) connector.Config {
	return connector.Config{GoogleOAuthBase: url + "/oauth2", GoogleSheetsBase: url + "/sheets", GoogleDriveBase: url + "/drive",
		GADataBase: url + "/analyticsdata", ShopifyBase: url + "/shopify", MetaBase: url + "/graph", AllowPrivate: true}
}

// correct is a late correction of one day at each source, so that a second run has something to write.
func (w *world) correct(base string) error {
	control, day := base+"/_sandbox", time.Now().AddDate(0, 0, -2).Format(time.DateOnly)
	err := errors.Join(
		call(http.MethodPut, control+"/properties/"+w.property+"/days", "", map[string]any{"date": day, "metrics": map[string]any{"sessions": 4711}}, nil),
		call(http.MethodPut, control+"/ad-accounts/"+w.account+"/days", "", map[string]any{"date": day, "row": map[string]any{"spend": "47.11"}}, nil))
	for _, shop := range w.shops {
		if err == nil {
			err = call(http.MethodPut, control+"/shops/"+fmt.Sprint(shop["shop_url"])+"/days", "", map[string]any{"date": day, "metrics": map[string]any{"orders": 4711}}, nil)
		}
	}
	return err
}
