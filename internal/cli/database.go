package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/internal/config"
	"turkey/internal/db"
	"turkey/internal/db/pgdev"
)

// database is where PostgreSQL is: the configured one, or a private one that runs as our child.
type database struct {
	url, adminURL string
	private       *pgdev.Server   // nil when configured
	tracer        pgx.QueryTracer // hears of every statement; nil: nobody
}

// databaseName is the database inside the private PostgreSQL.
const databaseName = "turkey"

// startDatabase finds or starts PostgreSQL.
func startDatabase(ctx context.Context, cfg *config.Config, log *slog.Logger) (*database, error) {
	if !cfg.PrivatePostgres() {
		d := &database{url: string(cfg.DatabaseURL), adminURL: string(cfg.DatabaseAdminURL)}
		if d.adminURL == "" { // migrations do not go through a pooler either
			d.adminURL = cmp.Or(string(cfg.DirectURL), d.url)
		}
		return d, nil
	}
	dir, err := dataDir(cfg)
	if err != nil {
		return nil, err
	}
	pg, err := pgdev.Start(ctx, pgdev.Config{DataDir: filepath.Join(dir, "postgres"), Log: log.Info})
	if err != nil {
		return nil, err
	}
	d := &database{private: pg, url: pg.DSN("postgres", databaseName)}
	d.adminURL = d.url
	if err := d.create(ctx); err != nil {
		d.stop()
		return nil, err
	}
	return d, nil
}

// joinDatabase uses the private PostgreSQL that a server runs at this moment; inUse is why none can be started.
func joinDatabase(ctx context.Context, cfg *config.Config, inUse error) (*database, error) {
	dsn, ok := pgdev.Running(ctx, filepath.Join(cfg.DataDir, "postgres"), "postgres", databaseName)
	if !ok {
		return nil, inUse
	}
	return &database{url: dsn, adminURL: dsn}, nil
}

// create makes the database inside a new private PostgreSQL.
func (d *database) create(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, d.private.DSN("postgres", "postgres"))
	if err != nil {
		return fmt.Errorf("private PostgreSQL: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) // nothing is left to lose
	var exists bool
	if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, databaseName).Scan(&exists); err != nil || exists {
		return err
	}
	_, err = conn.Exec(ctx, `CREATE DATABASE `+databaseName)
	return err
}

func (d *database) stop() {
	if d.private != nil {
		_ = d.private.Stop() // it says so in its own log
	}
}

func (d *database) config(cfg *config.Config) db.Config {
	return db.Config{URL: d.url, MinConns: cfg.PoolMin, MaxConns: cfg.PoolMax, IdleTimeout: time.Duration(cfg.IdleTimeout),
		ConnectTimeout: time.Duration(cfg.ConnectTimeout), RetryAttempts: cfg.RetryAttempts, RetryDelay: time.Duration(cfg.RetryDelay), Tracer: d.tracer}
}

// migrations is how the schema is brought up to date; the server's own login gets what it needs.
func (d *database) migrations(log *slog.Logger) db.MigrateConfig {
	m := db.MigrateConfig{URL: d.adminURL, Log: log}
	cc, err := pgx.ParseConfig(d.url)
	if admin, adminErr := pgx.ParseConfig(d.adminURL); err == nil && adminErr == nil && admin.User != cc.User {
		m.AppLogin = cc.User
	}
	return m
}

// reach waits a few seconds at most for PostgreSQL to answer, and tells whether migrations are pending.
func (d *database) reach(ctx context.Context, cfg *config.Config, url string) (pending bool, err error) {
	err = db.Retry(ctx, d.config(cfg), func(ctx context.Context) error {
		pending, err = db.Pending(ctx, url)
		return err
	})
	return pending, err
}

// open migrates (or checks that nothing is pending) and connects. A migration takes as long as it takes, here or at the
// server that is faster.
func (d *database) open(ctx context.Context, cfg *config.Config, log *slog.Logger) (*db.DB, error) {
	url := d.url
	if cfg.AutoMigrate {
		url = d.adminURL
	}
	pending, err := d.reach(ctx, cfg, url)
	if err != nil {
		return nil, err
	}
	if pending && !cfg.AutoMigrate {
		return nil, errors.New("migrations are pending and AUTO_MIGRATE is false: run `gravy db migrate`")
	}
	if m := d.migrations(log); cfg.AutoMigrate && (pending || m.AppLogin != "") {
		if _, err := db.Migrate(ctx, m); err != nil {
			return nil, err
		}
	}
	pool := d.config(cfg)
	pool.ReplicaURL, pool.ReplicaMaxLag, pool.Log = string(cfg.ReplicaURL), time.Duration(cfg.ReplicaMaxLag), log
	return db.Open(ctx, pool)
}

// dataDir makes the directory for what the server keeps beside the database. Others may pass through it (PostgreSQL's
// own account has to), not list it.
func dataDir(cfg *config.Config) (string, error) {
	if err := os.MkdirAll(cfg.DataDir, 0o711); err != nil { //nolint:gosec // every file in it is 0600
		return "", fmt.Errorf("cannot make the data directory %s: correct its rights or set TURKEY_DATA_DIR (%w)", cfg.DataDir, err)
	}
	return cfg.DataDir, nil
}

// hasDevelopmentSecret tells whether an earlier run made this secret.
func hasDevelopmentSecret(cfg *config.Config, name string) bool {
	_, err := os.Stat(developmentSecretFile(cfg, name))
	return err == nil
}

func developmentSecretFile(cfg *config.Config, name string) string {
	return filepath.Join(cfg.DataDir, strings.ToLower(name))
}

// developmentSecret reads a secret that nobody configured, making it on the first run. In production there are none.
func developmentSecret(cfg *config.Config, name string) (config.Secret, error) {
	if _, err := dataDir(cfg); err != nil {
		return "", err
	}
	path := developmentSecretFile(cfg, name)
	content, err := os.ReadFile(path)
	if err == nil && len(content) >= 32 {
		return config.Secret(strings.TrimSpace(string(content))), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("cannot read the development secret: %w", err)
	}
	key := make([]byte, 32)
	rand.Read(key) // never fails, it ends the program
	text := base64.StdEncoding.EncodeToString(key)
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("cannot keep the development secret: %w", err)
	}
	return config.Secret(text), nil
}
