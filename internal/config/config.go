// Package config reads the operator's settings: the environment over .env.local over .env over defaults. Every variable
// of the two guides is honoured under its name there (contract auth-api.md §10, credential-api.md §12). A secret NAME may
// be given as NAME_FILE, the path of a file that holds it. All problems are reported at once.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"net"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/jackc/pgx/v5"
	"github.com/joho/godotenv"
)

// Config is every setting. Defaults that depend on other settings are filled in by Load.
type Config struct {
	Env     string `env:"NODE_ENV" envDefault:"development"` // development, test, production
	Port    int    `env:"PORT"`
	Host    string `env:"HOST"` // address to listen on; empty: all
	DataDir string `env:"TURKEY_DATA_DIR" envDefault:".turkey"`

	DatabaseURL      Secret       `env:"DATABASE_URL"`
	DatabaseAdminURL Secret       `env:"DATABASE_ADMIN_URL"` // owner or superuser, for migrations and maintenance
	DBHost           string       `env:"DB_HOST"`
	DBPort           string       `env:"DB_PORT"`
	DBName           string       `env:"DB_NAME"`
	DBUser           string       `env:"DB_USER"`
	DBPassword       Secret       `env:"DB_PASSWORD"`
	PoolMin          int32        `env:"DB_POOL_MIN" envDefault:"2"`
	PoolMax          int32        `env:"DB_POOL_MAX" envDefault:"10"`
	IdleTimeout      Milliseconds `env:"DB_IDLE_TIMEOUT_MS" envDefault:"30000"`
	ConnectTimeout   Milliseconds `env:"DB_CONNECTION_TIMEOUT_MS" envDefault:"2000"`
	RetryAttempts    int          `env:"DB_RETRY_ATTEMPTS" envDefault:"3"`
	RetryDelay       Milliseconds `env:"DB_RETRY_DELAY_MS" envDefault:"1000"`
	DirectURL        Secret       `env:"DATABASE_DIRECT_URL"`                      // past a pooler in transaction mode, for notifications
	ReplicaURL       Secret       `env:"DATABASE_REPLICA_URL"`                     // for reads that may be late
	ReplicaMaxLag    Duration     `env:"DATABASE_REPLICA_MAX_LAG" envDefault:"2s"` // how late
	InsecureDatabase bool         `env:"ALLOW_INSECURE_DATABASE"`
	EmbeddedPostgres bool         `env:"TURKEY_EMBEDDED_POSTGRES"` // allow the private PostgreSQL in production
	AutoMigrate      bool         `env:"AUTO_MIGRATE" envDefault:"true"`

	JWTSecret       Secret   `env:"JWT_SECRET"`
	PreviousSecret  Secret   `env:"JWT_SECRET_PREVIOUS"` // reads keys sealed under it and seals them anew
	JWTIssuer       string   `env:"JWT_ISSUER"`
	PublicURL       string   `env:"PUBLIC_URL"`
	JWTAudience     string   `env:"JWT_AUDIENCE" envDefault:"default-app"`
	JWTAlgorithm    string   `env:"JWT_ALGORITHM" envDefault:"ES256"`
	AccessTTL       Duration `env:"JWT_ACCESS_EXPIRES_IN" envDefault:"15m"`
	RefreshTTL      Duration `env:"JWT_REFRESH_EXPIRES_IN" envDefault:"7d"`
	RefreshAbsolute Duration `env:"REFRESH_ABSOLUTE_TTL" envDefault:"90d"`
	RefreshGrace    Duration `env:"REFRESH_GRACE" envDefault:"30s"`
	Apps            []string `env:"APPS"`
	AllowRole       bool     `env:"ALLOW_ROLE_ON_REGISTER"`

	ServiceKey          Secret   `env:"TURKEY_SERVICE_API_KEY"`
	RequireVerification bool     `env:"REQUIRE_EMAIL_VERIFICATION"`
	RequireRevokeAuth   bool     `env:"REQUIRE_REVOKE_AUTH"`
	ResetTTL            Duration `env:"PASSWORD_RESET_TOKEN_TTL" envDefault:"3600"`
	VerificationTTL     Duration `env:"EMAIL_VERIFICATION_TOKEN_TTL" envDefault:"172800"`
	CleanupHours        int      `env:"CLEANUP_INTERVAL_HOURS" envDefault:"24"`

	ClerkKey     Secret   `env:"CLERK_PUBLIC_KEY"` // a PEM, the address of a key set, or a publishable key
	ClerkIssuer  string   `env:"CLERK_ISSUER"`
	ClerkSecret  Secret   `env:"CLERK_SECRET_KEY"` // for the e-mail and the name of a new user
	ClerkAPI     string   `env:"CLERK_API_URL" envDefault:"https://api.clerk.com"`
	ClerkParties []string `env:"CLERK_AUTHORIZED_PARTIES"`
	OIDCIssuers  Secret   `env:"OIDC_ISSUERS"` // JSON; Issuers has read it

	EncryptionSalt Secret   `env:"ENCRYPTION_KEY_SALT"`
	PreviousSalt   Secret   `env:"ENCRYPTION_KEY_SALT_PREVIOUS"` // opens what is not yet wrapped with the new one
	Keyring        []string `env:"VAULT_KEYRING"`                // the first makes new root keys, the others only open
	KMSToken       Secret   `env:"VAULT_KMS_TOKEN"`
	KMSNamespace   string   `env:"VAULT_KMS_NAMESPACE"`

	AuditRetentionDays int    `env:"AUDIT_RETENTION_DAYS"` // what the server and `gravy audit archive` leave in the database; 0: it has to be told
	AuditArchiveDir    string `env:"AUDIT_ARCHIVE_DIR"`
	AuditCheckpoints   string `env:"AUDIT_CHECKPOINT_FILE"` // gets the newest seal as a line once an hour

	BackupDir        string   `env:"BACKUP_DIR"`
	BackupCron       string   `env:"BACKUP_CRON"`           // empty: this server makes no backups by itself
	BackupRecipients []string `env:"BACKUP_AGE_RECIPIENTS"` // age public keys; none: backups are not encrypted
	BackupIdentity   string   `env:"BACKUP_AGE_IDENTITY_FILE"`
	BackupDays       int      `env:"BACKUP_RETENTION_DAYS" envDefault:"30"`

	EmailService  string `env:"EMAIL_SERVICE"` // mailgun, smtp, mailbox, log, none
	MailgunKey    Secret `env:"MAILGUN_API_KEY"`
	MailgunDomain string `env:"MAILGUN_DOMAIN"`
	MailgunBase   string `env:"MAILGUN_API_BASE"`
	FromEmail     string `env:"FROM_EMAIL" envDefault:"noreply@localhost"`
	FromName      string `env:"EMAIL_FROM_NAME"`
	SMTPHost      string `env:"SMTP_HOST"`
	SMTPPort      int    `env:"SMTP_PORT"`
	SMTPSecure    bool   `env:"SMTP_SECURE"`
	SMTPUser      string `env:"SMTP_USER"`
	SMTPPassword  Secret `env:"SMTP_PASSWORD"`
	MailTemplates string `env:"EMAIL_TEMPLATES"` // folder of templates that replace the built-in ones

	SlackURL      Secret   `env:"SLACK_WEBHOOK_URL"` // the operator's channels: who hears what is wrong with the server
	DiscordURL    Secret   `env:"DISCORD_WEBHOOK_URL"`
	TelegramToken Secret   `env:"TELEGRAM_BOT_TOKEN"`
	TelegramChat  string   `env:"TELEGRAM_CHAT_ID"`
	TelegramBase  string   `env:"TELEGRAM_API_BASE" envDefault:"https://api.telegram.org"`
	EmailTo       []string `env:"EMAIL_TO"`

	RedisURL        Secret       `env:"REDIS_URL"` // limits and lockouts live there when it is set
	GeneralWindow   Milliseconds `env:"RATE_LIMIT_WINDOW_MS"`
	GeneralMax      int          `env:"RATE_LIMIT_MAX_REQUESTS"`
	LoginWindow     Milliseconds `env:"LOGIN_RATE_LIMIT_WINDOW_MS"`
	LoginMax        int          `env:"LOGIN_RATE_LIMIT_MAX_ATTEMPTS"`
	MailWindow      Milliseconds `env:"MAIL_RATE_LIMIT_WINDOW_MS"`
	MailMax         int          `env:"MAIL_RATE_LIMIT_MAX_ATTEMPTS"`
	RefreshWindow   Milliseconds `env:"REFRESH_RATE_LIMIT_WINDOW_MS"`
	RefreshMax      int          `env:"REFRESH_RATE_LIMIT_MAX_ATTEMPTS"`
	RegisterWindow  Milliseconds `env:"REGISTER_RATE_LIMIT_WINDOW_MS"`
	RegisterMax     int          `env:"REGISTER_RATE_LIMIT_MAX_ATTEMPTS"`
	AdminWindow     Milliseconds `env:"ADMIN_RATE_LIMIT_WINDOW_MS"`
	AdminMax        int          `env:"ADMIN_RATE_LIMIT_MAX_ATTEMPTS"`
	APILimitEnabled *bool        `env:"API_RATE_LIMIT_ENABLED"` // default: in production
	APIWindow       Milliseconds `env:"API_RATE_LIMIT_WINDOW_MS"`
	APIMax          int          `env:"API_RATE_LIMIT_MAX_REQUESTS"`

	Origins       []string     `env:"ALLOWED_ORIGINS"`
	MoreOrigins   []string     `env:"CORS_ORIGINS"`
	TrustProxy    string       `env:"TRUST_PROXY"`
	HealthTimeout Milliseconds `env:"HEALTH_CHECK_TIMEOUT" envDefault:"5000"`
	Shutdown      Milliseconds `env:"SHUTDOWN_TIMEOUT" envDefault:"10000"`
	ShutdownDelay Milliseconds `env:"SHUTDOWN_DELAY"` // how long a stop goes on taking requests first
	LogLevel      string       `env:"LOG_LEVEL"`
	LogFormat     string       `env:"LOG_FORMAT"` // json, pretty
	LogConsole    bool         `env:"LOG_CONSOLE" envDefault:"true"`
	LogFile       string       `env:"LOG_FILE"`
	MetricsAddr   string       `env:"METRICS_ADDR"`                       // metrics and profiles, for nobody outside; empty: nowhere
	OTLPEndpoint  Secret       `env:"OTEL_EXPORTER_OTLP_ENDPOINT"`        // /v1/traces is appended; may hold a password
	OTLPTraces    Secret       `env:"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"` // whole
	OTLPHeaders   Secret       `env:"OTEL_EXPORTER_OTLP_HEADERS"`         // of the collector's own authentication
	OTelService   string       `env:"OTEL_SERVICE_NAME" envDefault:"turkey"`
	OTelResource  string       `env:"OTEL_RESOURCE_ATTRIBUTES"`
	OTelSampler   string       `env:"OTEL_TRACES_SAMPLER"`
	OTelRatio     string       `env:"OTEL_TRACES_SAMPLER_ARG"`
	OTelDisabled  bool         `env:"OTEL_SDK_DISABLED"`
	Zone          string       `env:"TZ" envDefault:"Asia/Kolkata"`         // default zone of users' schedules, never the process's
	Cron          string       `env:"CRON_SCHEDULE" envDefault:"0 2 * * *"` // of schedules that their users have not set
	Scheduler     bool         `env:"ENABLE_SCHEDULER" envDefault:"true"`   // this process looks for what is due
	MaxAttempts   int          `env:"MAX_RETRIES" envDefault:"3"`
	HookPrivate   *bool        `env:"WEBHOOK_ALLOW_PRIVATE"`        // webhooks may lead to private addresses; default: outside production
	Workers       int          `env:"WORKERS" envDefault:"8"`       // 0: this server works no jobs
	RunWorkers    int          `env:"RUN_WORKERS" envDefault:"100"` // runs at once; they mostly wait for providers
	WorkerHealth  string       `env:"WORKER_HEALTH_ADDR"`           // where `turkey worker` answers health checks; empty: nowhere
	RunSilence    Duration     `env:"RUN_SILENCE" envDefault:"30s"` // after it a run whose process says nothing goes to another
	Sandbox       bool         `env:"TURKEY_SANDBOX"`               // fake providers instead of the real ones; never in production
	SandboxPort   int          `env:"TURKEY_SANDBOX_PORT" envDefault:"3900"`
	GoogleOAuth   string       `env:"GOOGLE_OAUTH_BASE"`
	GoogleSheets  string       `env:"GOOGLE_SHEETS_BASE"`
	GoogleDrive   string       `env:"GOOGLE_DRIVE_BASE"`
	GoogleGAData  string       `env:"GA_DATA_BASE"`
	GA4Enabled    bool         `env:"GA4_ENABLED" envDefault:"true"`
	MetaBase      string       `env:"META_API_BASE"`
	MetaVersion   string       `env:"META_API_VERSION"` // empty: the pinned one
	MetaEnabled   bool         `env:"META_ENABLED" envDefault:"true"`
	MetaWindow    int          `env:"META_WINDOW_DAYS"` // 0: the source's own
	GA4Window     int          `env:"GA4_WINDOW_DAYS"`
	ShopifyWindow int          `env:"SHOPIFY_WINDOW_DAYS"`
	ShopifyBase   string       `env:"SHOPIFY_API_BASE"`
	ShopifyVer    string       `env:"SHOPIFY_API_VERSION"` // empty: the pinned one
	ShopifyOn     bool         `env:"SHOPIFY_ENABLED" envDefault:"true"`
	ProviderRates string       `env:"PROVIDER_RATES"`   // calls per account and minute, name=n with commas between; 0: no limit
	HTTPJSON      bool         `env:"HTTP_JSON_SOURCE"` // the service http_json, which the credential API's list does not have
	JSONBase      string       `env:"HTTP_JSON_API_BASE"`
	JSONWindow    int          `env:"HTTP_JSON_WINDOW_DAYS"`
}

// aliases maps further accepted names to the canonical one, which wins.
var aliases = map[string]string{ //nolint:gosec // names of variables, not secrets
	"DB_MIN_CONNECTIONS": "DB_POOL_MIN", "DB_MAX_CONNECTIONS": "DB_POOL_MAX", "DB_POOL_SIZE": "DB_POOL_MAX",
	"EMAIL_FROM": "FROM_EMAIL", "SMTP_PASS": "SMTP_PASSWORD", "GENERAL_RATE_LIMIT_WINDOW_MS": "RATE_LIMIT_WINDOW_MS",
	"GENERAL_RATE_LIMIT_MAX_ATTEMPTS": "RATE_LIMIT_MAX_REQUESTS", "RATE_LIMIT_REQUESTS": "API_RATE_LIMIT_MAX_REQUESTS",
	"KEY_ENCRYPTION_SECRET": "JWT_SECRET", "ACCESS_TOKEN_TTL": "JWT_ACCESS_EXPIRES_IN",
	"REFRESH_TOKEN_TTL": "JWT_REFRESH_EXPIRES_IN", "ALLOWED_APPS": "APPS", "CLERK_JWT_KEY": "CLERK_PUBLIC_KEY",
}

// Secret is text that is never printed.
type Secret string

func (Secret) String() string { return "[redacted]" }

// Format keeps every verb from printing it, the wrong ones too.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[redacted]")) }

// MarshalText keeps loggers and encoders from printing it.
func (Secret) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// Milliseconds is a duration given as a whole number of milliseconds.
type Milliseconds time.Duration

// Duration is a length of time: 90, 90s, 15m, 12h, 7d; a bare number counts seconds.
type Duration time.Duration

// ParseDuration reads a Duration.
func ParseDuration(s string) (Duration, error) {
	if d, ok := times(s, time.Second); ok {
		return Duration(d), nil
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if d, ok := times(days, 24*time.Hour); ok {
			return Duration(d), nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return Duration(d), nil
	}
	return 0, errors.New("expected a length of time such as 90s, 15m, 12h or 7d")
}

// times is a whole number of units; ok is false for anything else and for what does not fit.
func times(s string, unit time.Duration) (d time.Duration, ok bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/int64(unit) {
		return 0, false
	}
	return time.Duration(n) * unit, true
}

// Load reads the settings from dir's .env files and the process environment.
func Load(dir string) (*Config, error) { return load(dir, env.ToMap(os.Environ())) }

func load(dir string, process map[string]string) (*Config, error) {
	vars := map[string]string{}
	for _, name := range []string{".env", ".env.local"} {
		file, err := godotenv.Read(dir + "/" + name)
		if _, unread := errors.AsType[*fs.PathError](err); unread && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s cannot be read: %w", name, err)
		} else if err != nil && !unread { // the parser's words quote the file, secrets included
			return nil, fmt.Errorf("%s cannot be parsed: expected lines of the form NAME=value", name)
		}
		maps.Copy(vars, file)
	}
	maps.Copy(vars, process)
	problems := resolve(vars)
	for name, value := range vars { // an empty variable is an unset one
		if value == "" {
			delete(vars, name)
		}
	}
	c := &Config{}
	err := env.ParseWithOptions(c, env.Options{Environment: vars, FuncMap: map[reflect.Type]env.ParserFunc{
		reflect.TypeFor[Duration](): func(v string) (any, error) { return ParseDuration(v) },
		reflect.TypeFor[Milliseconds](): func(v string) (any, error) {
			d, ok := times(v, time.Millisecond)
			if !ok {
				return nil, errors.New("expected a whole number of milliseconds")
			}
			return Milliseconds(d), nil
		},
	}})
	problems = append(problems, parseProblems(err)...)
	if len(problems) == 0 {
		c.fill()
		problems = c.check()
	}
	if len(problems) > 0 {
		slices.Sort(problems)
		return nil, errors.New(strings.Join(problems, "\n"))
	}
	return c, nil
}

// resolve replaces aliases and NAME_FILE twins by their canonical names.
func resolve(vars map[string]string) (problems []string) {
	for _, alias := range slices.Sorted(maps.Keys(aliases)) { // in order: two aliases of one name may both be set
		name := aliases[alias]
		for _, suffix := range []string{"", "_FILE"} {
			if vars[name+suffix] == "" && vars[alias+suffix] != "" {
				vars[name+suffix] = vars[alias+suffix]
			}
		}
	}
	for f := range reflect.TypeFor[Config]().Fields() {
		name := f.Tag.Get("env")
		path := vars[name+"_FILE"]
		if f.Type != reflect.TypeFor[Secret]() || path == "" || vars[name] != "" {
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			problems = append(problems, fmt.Sprintf("%s_FILE: %v", name, err))
			continue
		}
		vars[name] = strings.TrimRight(string(content), "\r\n")
	}
	return problems
}

// parseProblems names the variable of each value that has the wrong form, without the value.
func parseProblems(err error) (problems []string) {
	if err == nil {
		return nil
	}
	agg, ok := errors.AsType[env.AggregateError](err)
	if !ok {
		return []string{err.Error()}
	}
	for _, e := range agg.Errors {
		pe, ok := errors.AsType[env.ParseError](e)
		if !ok {
			problems = append(problems, e.Error())
			continue
		}
		field, _ := reflect.TypeFor[Config]().FieldByName(pe.Name)
		problems = append(problems, fmt.Sprintf("%s: expected %s", field.Tag.Get("env"), expected(field.Type)))
	}
	return problems
}

func expected(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[Duration]():
		return "a length of time such as 90s, 15m, 12h or 7d"
	case t == reflect.TypeFor[Milliseconds]():
		return "a whole number of milliseconds"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Int, t.Kind() == reflect.Int32:
		return "a whole number"
	}
	return "another form"
}

// Production reports whether the strict rules apply.
func (c *Config) Production() bool { return c.Env == "production" }

// WebhooksAnywhere reports whether users' webhooks may lead to private addresses.
func (c *Config) WebhooksAnywhere() bool {
	return !c.Production() && (c.HookPrivate == nil || *c.HookPrivate)
}

// PrivatePostgres reports whether the server runs a PostgreSQL of its own.
func (c *Config) PrivatePostgres() bool { return c.DatabaseURL == "" }

// fill sets the defaults that depend on other settings.
func (c *Config) fill() {
	composed := c.DBHost != "" || c.DBPort != "" || c.DBName != "" || c.DBUser != "" || c.DBPassword != ""
	if c.Port == 0 {
		c.Port = 3000
		if c.DatabaseURL == "" && composed {
			c.Port = 3001 // the credential guide's compose file maps it without setting PORT
		}
	}
	if c.DatabaseURL == "" && composed {
		c.DatabaseURL = Secret(composeURL(c))
	}
	base := fmt.Sprintf("http://localhost:%d", c.Port)
	if c.JWTIssuer == "" {
		c.JWTIssuer = or(c.PublicURL, base)
	}
	if c.PublicURL == "" {
		c.PublicURL = c.JWTIssuer
	}
	if len(c.Origins) == 0 {
		c.Origins = []string{"http://localhost:3000"}
	}
	if len(c.MoreOrigins) == 0 && !c.Production() {
		c.MoreOrigins = []string{"http://localhost:3001", "http://localhost:5173"}
	}
	c.LogLevel = or(strings.ToLower(c.LogLevel), map[bool]string{true: "info", false: "debug"}[c.Production()])
	c.LogFormat = or(strings.ToLower(c.LogFormat), map[bool]string{true: "json", false: "pretty"}[c.Production()])
	if c.JWTSecret == "" && c.Production() { // elsewhere a secret made at the first start comes before it
		c.SaltForJWT()
	}
}

// SaltForJWT lets ENCRYPTION_KEY_SALT stand in for JWT_SECRET, also while it is replaced. Each derives its keys for its own
// purpose.
func (c *Config) SaltForJWT() {
	c.JWTSecret = c.EncryptionSalt
	if c.PreviousSecret == "" {
		c.PreviousSecret = c.PreviousSalt
	}
}

// Vault reports whether there is anything to make root keys of.
func (c *Config) Vault() bool { return c.EncryptionSalt != "" || len(c.Keyring) > 0 }

func composeURL(c *Config) string {
	u := url.URL{Scheme: "postgresql", Host: net.JoinHostPort(or(c.DBHost, "localhost"), or(c.DBPort, "5432")), Path: "/" + or(c.DBName, "kpi_etl")}
	u.User = url.UserPassword(or(c.DBUser, "postgres"), or(string(c.DBPassword), "postgres"))
	return u.String()
}

func or(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}

// AllowedOrigins is the union of both lists, trimmed.
func (c *Config) AllowedOrigins() []string {
	var all []string
	for _, o := range append(slices.Clone(c.Origins), c.MoreOrigins...) {
		if o = strings.TrimSpace(o); o != "" && !slices.Contains(all, o) {
			all = append(all, o)
		}
	}
	return all
}

// check lists what would make the server unsafe or unable to run.
func (c *Config) check() (problems []string) {
	add := func(problem string) { problems = append(problems, problem) }
	if !slices.Contains([]string{"development", "test", "production"}, c.Env) {
		add("NODE_ENV: expected development, test or production")
	}
	if c.Port < 1 || c.Port > 65535 {
		add("PORT: expected a number from 1 to 65535")
	}
	if c.JWTAlgorithm != "ES256" {
		add("JWT_ALGORITHM: only ES256 is supported; remove the variable")
	}
	if c.Workers < 0 {
		add("WORKERS: not negative; 0 works no jobs")
	}
	if c.RunWorkers < 1 {
		add("RUN_WORKERS: at least 1")
	}
	if c.RunSilence < Duration(time.Second) {
		add("RUN_SILENCE: at least 1s")
	}
	if c.BackupCron != "" && c.BackupDir == "" {
		add("BACKUP_DIR: needed for BACKUP_CRON, the directory of the backups")
	}
	if c.AuditRetentionDays < 0 {
		add("AUDIT_RETENTION_DAYS: not negative")
	}
	if c.BackupDays < 1 {
		add("BACKUP_RETENTION_DAYS: at least 1")
	}
	if c.CleanupHours < 1 {
		add("CLEANUP_INTERVAL_HOURS: at least 1")
	}
	if c.ReplicaMaxLag < Duration(time.Second) {
		add("DATABASE_REPLICA_MAX_LAG: at least 1s")
	}
	if c.PoolMax < 2 {
		add("DB_POOL_MAX: at least 2 connections are needed")
	}
	if c.JWTSecret != "" && len(c.JWTSecret) < 32 && c.JWTSecret != c.EncryptionSalt {
		add("JWT_SECRET: at least 32 characters are needed (openssl rand -base64 32)")
	}
	if c.EncryptionSalt != "" && len(c.EncryptionSalt) < 16 {
		add("ENCRYPTION_KEY_SALT: at least 16 characters are needed (openssl rand -base64 32)")
	}
	for _, source := range c.Keyring {
		kind, rest, _ := strings.Cut(strings.TrimSpace(source), ":")
		if !slices.Contains([]string{"file", "transit", "awskms", "gcpkms"}, kind) || rest == "" {
			add("VAULT_KEYRING: expected file:/path/keyring.json, transit:https://host:8200/v1/transit/keys/name, awskms:… or gcpkms:…, separated by commas")
			break
		}
		if kind == "transit" && c.KMSToken == "" {
			add("VAULT_KMS_TOKEN: needed for the transit key in VAULT_KEYRING")
		}
	}
	if c.AccessTTL <= 0 || c.RefreshTTL <= 0 {
		add("JWT_ACCESS_EXPIRES_IN, JWT_REFRESH_EXPIRES_IN: a token must live for some time")
	}
	if c.RefreshGrace > Duration(300*time.Second) {
		add("REFRESH_GRACE: at most 300s")
	}
	if _, err := time.LoadLocation(c.Zone); err != nil {
		add("TZ: not an IANA time zone")
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel) {
		add("LOG_LEVEL: expected debug, info, warn or error")
	}
	if c.LogFormat != "json" && c.LogFormat != "pretty" {
		add("LOG_FORMAT: expected json or pretty")
	}
	for name, u := range map[string]Secret{"DATABASE_URL": c.DatabaseURL, "DATABASE_ADMIN_URL": c.DatabaseAdminURL, "DATABASE_DIRECT_URL": c.DirectURL, "DATABASE_REPLICA_URL": c.ReplicaURL} {
		problems = append(problems, c.checkDatabaseURL(name, u)...)
	}
	problems = append(problems, c.checkIssuers()...)
	problems = append(problems, c.checkProviders()...)
	problems = append(problems, c.checkOperator()...)
	problems = append(problems, c.checkObservability()...)
	if c.Production() {
		problems = append(problems, c.checkProduction()...)
	}
	return problems
}

func (c *Config) checkProduction() (problems []string) {
	add := func(s string) { problems = append(problems, s) }
	if c.JWTSecret == "" {
		add("JWT_SECRET: required in production, at least 32 characters (openssl rand -base64 32)")
	}
	if c.SaltIsKnown() {
		add("ENCRYPTION_KEY_SALT: this value is publicly known; make one of your own (openssl rand -base64 32)")
	} else if c.EncryptionSalt != "" && len(c.EncryptionSalt) < 32 {
		add("ENCRYPTION_KEY_SALT: 32 random bytes are required in production (openssl rand -base64 32)")
	}
	if c.AllowRole {
		add("ALLOW_ROLE_ON_REGISTER: anybody could register as an administrator; not allowed in production")
	}
	if c.HookPrivate != nil && *c.HookPrivate {
		add("WEBHOOK_ALLOW_PRIVATE: users' webhooks could reach into the server's own network; not allowed in production")
	}
	if c.Sandbox {
		add("TURKEY_SANDBOX: fake providers are not allowed in production")
	}
	if c.PrivatePostgres() && !c.EmbeddedPostgres {
		add("DATABASE_URL: required in production (or TURKEY_EMBEDDED_POSTGRES=true for a private PostgreSQL on this machine)")
	}
	return problems
}

// checkDatabaseURL demands TLS towards another machine in production.
func (c *Config) checkDatabaseURL(name string, u Secret) (problems []string) {
	if u == "" {
		return nil
	}
	cc, err := pgx.ParseConfig(string(u))
	if err != nil {
		return []string{name + ": cannot be parsed; expected postgresql://user:password@host:5432/name?sslmode=require"}
	}
	if !c.Production() || c.InsecureDatabase {
		return nil
	}
	plain := !local(cc.Host) && cc.TLSConfig == nil
	for _, f := range cc.Fallbacks {
		plain = plain || (!local(f.Host) && f.TLSConfig == nil)
	}
	if plain {
		problems = append(problems, name+": production needs TLS to a database on another machine: add sslmode=require (or verify-full), or set ALLOW_INSECURE_DATABASE=true if the network is private by other means")
	}
	return problems
}

func local(host string) bool {
	ip := net.ParseIP(host)
	return strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || host == "localhost" || (ip != nil && ip.IsLoopback())
}
