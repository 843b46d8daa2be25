package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"
)

// canary stands for a secret that must not come back in a message.
const canary = "hunter2-canary"

// setup writes files into a directory and loads it with an environment of its own.
func setup(t *testing.T, files, environment map[string]string) (*Config, error) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return load(dir, maps.Clone(environment))
}

func mustLoad(t *testing.T, files, environment map[string]string) *Config {
	t.Helper()
	c, err := setup(t, files, environment)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// problems are the lines of a refusal.
func problems(t *testing.T, files, environment map[string]string) []string {
	t.Helper()
	c, err := setup(t, files, environment)
	if err == nil {
		return nil
	}
	if c != nil {
		t.Error("a refusal comes with settings")
	}
	return strings.Split(err.Error(), "\n")
}

// productionGuide is the "Required Configuration" of the production guide, as it is printed there.
const productionGuide = `
# Database Connection
DATABASE_URL="postgresql://username:password@host:5432/turkey?sslmode=require"

# Connection Pooling (optional, defaults shown)
DB_POOL_MIN=2
DB_POOL_MAX=10

# Cleanup Job Configuration
CLEANUP_INTERVAL_HOURS=24  # Run expired JTI cleanup every 24 hours

# JWT Configuration
JWT_SECRET="your-secure-secret-key-min-32-chars"
JWT_ACCESS_EXPIRES_IN="15m"
JWT_REFRESH_EXPIRES_IN="7d"

# Server Configuration
PORT=3000
NODE_ENV=production

# Email Configuration (for verification/password reset)
MAILGUN_API_KEY="your-mailgun-api-key"
MAILGUN_DOMAIN="mg.yourdomain.com"
FROM_EMAIL="noreply@yourdomain.com"

# CORS Configuration
ALLOWED_ORIGINS="https://app1.yourdomain.com,https://app2.yourdomain.com,https://app3.yourdomain.com"

# Rate Limiting (optional, defaults shown)
RATE_LIMIT_WINDOW_MS=900000  # 15 minutes
RATE_LIMIT_MAX_REQUESTS=100
`

func TestProductionGuidesVariablesStartAServer(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, map[string]string{".env": productionGuide}, nil)
	if !c.Production() || c.Port != 3000 || c.PoolMin != 2 || c.PoolMax != 10 || c.PrivatePostgres() ||
		c.DatabaseURL != "postgresql://username:password@host:5432/turkey?sslmode=require" ||
		c.JWTSecret != "your-secure-secret-key-min-32-chars" ||
		time.Duration(c.AccessTTL) != 15*time.Minute || time.Duration(c.RefreshTTL) != 7*24*time.Hour {
		t.Errorf("settings: %+v", c)
	}
	if c.MailgunKey != "your-mailgun-api-key" || c.MailgunDomain != "mg.yourdomain.com" || c.FromEmail != "noreply@yourdomain.com" ||
		c.CleanupHours != 24 || time.Duration(c.GeneralWindow) != 15*time.Minute || c.GeneralMax != 100 {
		t.Errorf("settings: %+v", c)
	}
	if got, want := c.AllowedOrigins(), []string{"https://app1.yourdomain.com", "https://app2.yourdomain.com", "https://app3.yourdomain.com"}; !slices.Equal(got, want) {
		t.Errorf("origins %q", got)
	}
	if c.LogLevel != "info" || c.LogFormat != "json" || c.JWTAudience != "default-app" || c.JWTIssuer != "http://localhost:3000" || c.PublicURL != c.JWTIssuer {
		t.Errorf("defaults: %+v", c)
	}
}

func TestCredentialGuidesVariablesStartAServer(t *testing.T) {
	t.Parallel()
	const password = `p@ss/w?rd:#%&= ü"'$`
	c := mustLoad(t, nil, map[string]string{
		"DB_HOST": "localhost", "DB_PORT": "5433", "DB_NAME": "kpi_etl", "DB_USER": "postgres", "DB_PASSWORD": password,
		"CLERK_PUBLIC_KEY": "pk_test_YOUR_KEY_HERE", "ENCRYPTION_KEY_SALT": "0123456789abcdef", "REDIS_URL": "redis://localhost:6379",
		"DB_POOL_SIZE": "20",
	})
	if c.Port != 3001 || c.PoolMax != 20 || c.PrivatePostgres() || c.Production() {
		t.Errorf("settings: %+v", c)
	}
	pg, err := pgx.ParseConfig(string(c.DatabaseURL))
	if err != nil {
		t.Fatal(err)
	}
	if pg.Host != "localhost" || pg.Port != 5433 || pg.Database != "kpi_etl" || pg.User != "postgres" || pg.Password != password {
		t.Errorf("the composed address names %s:%d/%s as %s", pg.Host, pg.Port, pg.Database, pg.User)
	}
	if c.JWTSecret != "" {
		t.Error("outside production the salt stands in for JWT_SECRET, where a secret made at the first start should")
	}
}

func TestComposedAddressCarriesAnyPassword(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := &Config{DBHost: "db.internal", DBUser: rapid.StringN(1, -1, 63).Draw(t, "user"), DBPassword: Secret(rapid.StringN(1, -1, 99).Draw(t, "password"))}
		u, err := url.Parse(composeURL(c))
		if err != nil {
			t.Fatal(err)
		}
		if password, _ := u.User.Password(); password != string(c.DBPassword) || u.User.Username() != c.DBUser || u.Host != "db.internal:5432" || u.Path != "/kpi_etl" {
			t.Fatalf("%q names %q, %q", u, u.User.Username(), u.Host)
		}
	})
}

func TestWhichDatabaseAndPort(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		environment map[string]string
		port        int
		url         string
	}{
		{"nothing set: a PostgreSQL of our own", nil, 3000, ""},
		{"one DB_ variable is enough", map[string]string{"DB_NAME": "x"}, 3001, "postgresql://postgres:postgres@localhost:5432/x"},
		{"DATABASE_URL wins over DB_ variables", map[string]string{"DATABASE_URL": "postgresql://u@h/d", "DB_NAME": "x"}, 3000, "postgresql://u@h/d"},
		{"PORT wins", map[string]string{"DB_NAME": "x", "PORT": "8080"}, 8080, "postgresql://postgres:postgres@localhost:5432/x"},
		{"an IPv6 address", map[string]string{"DB_HOST": "::1"}, 3001, "postgresql://postgres:postgres@[::1]:5432/kpi_etl"},
		{"a name with a question mark", map[string]string{"DB_NAME": "a?b"}, 3001, "postgresql://postgres:postgres@localhost:5432/a%3Fb"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := mustLoad(t, nil, c.environment)
			if got.Port != c.port || string(got.DatabaseURL) != c.url || got.PrivatePostgres() != (c.url == "") {
				t.Errorf("port %d, address %s", got.Port, string(got.DatabaseURL))
			}
		})
	}
}

func TestEnvironmentWinsOverEnvLocalOverEnv(t *testing.T) {
	t.Parallel()
	files := map[string]string{".env": "PORT=1\nHOST=env\nJWT_AUDIENCE=env", ".env.local": "PORT=2\nHOST=local"}
	c := mustLoad(t, files, map[string]string{"PORT": "3"})
	if c.Port != 3 || c.Host != "local" || c.JWTAudience != "env" || c.LogLevel != "debug" {
		t.Errorf("PORT %d, HOST %s, JWT_AUDIENCE %s, LOG_LEVEL %s", c.Port, c.Host, c.JWTAudience, c.LogLevel)
	}
}

func TestAnEmptyVariableIsAnUnsetOne(t *testing.T) {
	t.Parallel()
	empty := map[string]string{}
	for _, name := range []string{"NODE_ENV", "PORT", "DATABASE_URL", "DB_HOST", "DB_PASSWORD", "DB_POOL_MAX", "DB_POOL_SIZE", "AUTO_MIGRATE", "JWT_SECRET",
		"JWT_SECRET_FILE", "JWT_ACCESS_EXPIRES_IN", "REFRESH_GRACE", "HEALTH_CHECK_TIMEOUT", "ALLOWED_ORIGINS", "TZ", "ALLOW_ROLE_ON_REGISTER", "ENCRYPTION_KEY_SALT"} {
		empty[name] = ""
	}
	if got, want := fmt.Sprintf("%+v", mustLoad(t, nil, empty)), fmt.Sprintf("%+v", mustLoad(t, nil, nil)); got != want {
		t.Errorf("empty: %s\nunset: %s", got, want)
	}
	if c := mustLoad(t, map[string]string{".env": "HOST=file"}, map[string]string{"HOST": ""}); c.Host != "" {
		t.Errorf("HOST= in the environment does not switch off the one of .env: %q", c.Host)
	}
}

func TestAliasesStandInAndTheCanonicalNameWins(t *testing.T) {
	t.Parallel()
	const one, two = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
	for _, c := range []struct {
		name        string
		environment map[string]string
		ok          func(*Config) bool
	}{
		{"DB_MIN_CONNECTIONS", map[string]string{"DB_MIN_CONNECTIONS": "4"}, func(c *Config) bool { return c.PoolMin == 4 }},
		{"DB_MAX_CONNECTIONS", map[string]string{"DB_MAX_CONNECTIONS": "40"}, func(c *Config) bool { return c.PoolMax == 40 }},
		{"DB_POOL_SIZE", map[string]string{"DB_POOL_SIZE": "20"}, func(c *Config) bool { return c.PoolMax == 20 }},
		{"DB_POOL_MAX over both", map[string]string{"DB_POOL_MAX": "7", "DB_POOL_SIZE": "20", "DB_MAX_CONNECTIONS": "40"}, func(c *Config) bool { return c.PoolMax == 7 }},
		{"ACCESS_TOKEN_TTL", map[string]string{"ACCESS_TOKEN_TTL": "600"}, func(c *Config) bool { return time.Duration(c.AccessTTL) == 10*time.Minute }},
		{"REFRESH_TOKEN_TTL", map[string]string{"REFRESH_TOKEN_TTL": "7776000"}, func(c *Config) bool { return time.Duration(c.RefreshTTL) == 90*24*time.Hour }},
		{"KEY_ENCRYPTION_SECRET", map[string]string{"KEY_ENCRYPTION_SECRET": one}, func(c *Config) bool { return c.JWTSecret == one }},
		{"JWT_SECRET over it", map[string]string{"KEY_ENCRYPTION_SECRET": one, "JWT_SECRET": two}, func(c *Config) bool { return c.JWTSecret == two }},
		{"EMAIL_FROM", map[string]string{"EMAIL_FROM": "a@b.example"}, func(c *Config) bool { return c.FromEmail == "a@b.example" }},
		{"SMTP_PASS", map[string]string{"SMTP_PASS": one}, func(c *Config) bool { return c.SMTPPassword == one }},
		{"GENERAL_RATE_LIMIT_…", map[string]string{"GENERAL_RATE_LIMIT_WINDOW_MS": "5", "GENERAL_RATE_LIMIT_MAX_ATTEMPTS": "6"},
			func(c *Config) bool { return time.Duration(c.GeneralWindow) == 5*time.Millisecond && c.GeneralMax == 6 }},
		{"RATE_LIMIT_REQUESTS is of /api alone", map[string]string{"RATE_LIMIT_REQUESTS": "7"}, func(c *Config) bool { return c.APIMax == 7 && c.GeneralMax == 0 }},
		{"ALLOWED_APPS", map[string]string{"ALLOWED_APPS": "a,b"}, func(c *Config) bool { return slices.Equal(c.Apps, []string{"a", "b"}) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := mustLoad(t, nil, c.environment); !c.ok(got) {
				t.Errorf("%v gives %+v", c.environment, got)
			}
		})
	}
}

func TestOfTwoAliasesTheSameOneWinsEveryTime(t *testing.T) {
	t.Parallel()
	for range 50 {
		if c := mustLoad(t, nil, map[string]string{"DB_POOL_SIZE": "20", "DB_MAX_CONNECTIONS": "40"}); c.PoolMax != 40 {
			t.Fatalf("DB_POOL_MAX %d", c.PoolMax)
		}
	}
}

func TestSecretsComeFromFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const secret = "  0123456789abcdef0123456789abcdef  "
	path := write("secret", secret+"\r\n\n")
	for name, environment := range map[string]map[string]string{
		"NAME_FILE":              {"JWT_SECRET_FILE": path},
		"an alias with _FILE":    {"KEY_ENCRYPTION_SECRET_FILE": path},
		"NAME wins":              {"JWT_SECRET": secret, "JWT_SECRET_FILE": filepath.Join(dir, "missing")},
		"an empty NAME does not": {"JWT_SECRET": "", "JWT_SECRET_FILE": path},
	} {
		if c := mustLoad(t, nil, environment); string(c.JWTSecret) != secret {
			t.Errorf("%s: %q", name, string(c.JWTSecret))
		}
	}
	c := mustLoad(t, nil, map[string]string{"DATABASE_URL_FILE": write("url", "postgresql://u@h/d\n"), "DB_PASSWORD_FILE": write("password", "pw"),
		"ENCRYPTION_KEY_SALT_FILE": write("salt", "0123456789abcdef\n")})
	if c.DatabaseURL != "postgresql://u@h/d" || c.DBPassword != "pw" || c.EncryptionSalt != "0123456789abcdef" {
		t.Errorf("%s, %s, %s", string(c.DatabaseURL), string(c.DBPassword), string(c.EncryptionSalt))
	}
	got := problems(t, nil, map[string]string{"JWT_SECRET_FILE": filepath.Join(dir, "missing"), "DATABASE_URL_FILE": dir, "PORT": "x"})
	if len(got) != 3 || !strings.HasPrefix(got[0], "DATABASE_URL_FILE: ") || !strings.HasPrefix(got[1], "JWT_SECRET_FILE: ") ||
		!strings.Contains(got[1], "missing") || !strings.HasPrefix(got[2], "PORT: ") {
		t.Errorf("problems: %q", got)
	}
	if c := mustLoad(t, nil, map[string]string{"HOST_FILE": filepath.Join(dir, "missing")}); c.Host != "" {
		t.Error("a setting that is no secret is read from a file")
	}
}

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		want time.Duration // < 0: refused
	}{
		{"90", 90 * time.Second}, {"0", 0}, {"90s", 90 * time.Second}, {"15m", 15 * time.Minute}, {"12h", 12 * time.Hour},
		{"7d", 7 * 24 * time.Hour}, {"0d", 0}, {"1h30m", 90 * time.Minute}, {"500ms", 500 * time.Millisecond}, {"7776000", 90 * 24 * time.Hour},
		{"106751d", 106751 * 24 * time.Hour}, {"9223372036", 9223372036 * time.Second},
		{"", -1}, {"-1", -1}, {"-90s", -1}, {"-1d", -1}, {"d", -1}, {"1.5d", -1}, {"7 d", -1}, {" 7d", -1}, {"7D", -1}, {"1w", -1}, {"15 minutes", -1},
		{"0x10", -1}, {"1e3", -1}, {"forever", -1}, {"106752d", -1}, {"9223372037", -1}, {"99999999999999999999", -1}, {"9999999999999d", -1},
	} {
		got, err := ParseDuration(c.in)
		if (err != nil) != (c.want < 0) || err == nil && time.Duration(got) != c.want {
			t.Errorf("%q reads as %s, %v; want %s", c.in, time.Duration(got), err, c.want)
		}
	}
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"90", "7d", "15m", "-1", "9223372037", "106752d", "1e3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := ParseDuration(s); err == nil && d < 0 {
			t.Errorf("%q reads as %s", s, time.Duration(d))
		}
	})
}

func TestMillisecondsAreWholeAndFit(t *testing.T) {
	t.Parallel()
	if c := mustLoad(t, nil, map[string]string{"HEALTH_CHECK_TIMEOUT": "250"}); time.Duration(c.HealthTimeout) != 250*time.Millisecond {
		t.Errorf("250 reads as %s", time.Duration(c.HealthTimeout))
	}
	for _, s := range []string{"-1", "1.5", "5s", "x", fmt.Sprint(math.MaxInt64/1_000_000 + 1)} {
		got := problems(t, nil, map[string]string{"HEALTH_CHECK_TIMEOUT": s})
		if !slices.Equal(got, []string{"HEALTH_CHECK_TIMEOUT: expected a whole number of milliseconds"}) {
			t.Errorf("%q: %q", s, got)
		}
	}
}

func TestAllProblemsAreToldAtOnceSortedAndWithoutValues(t *testing.T) {
	t.Parallel()
	wrongForm := map[string]string{"PORT": canary, "DB_POOL_MAX": canary, "AUTO_MIGRATE": canary, "API_RATE_LIMIT_ENABLED": canary, "JWT_ACCESS_EXPIRES_IN": canary, "DB_RETRY_DELAY_MS": canary,
		"JWT_SECRET": canary}
	wantForm := []string{"API_RATE_LIMIT_ENABLED: expected true or false", "AUTO_MIGRATE: expected true or false", "DB_POOL_MAX: expected a whole number",
		"DB_RETRY_DELAY_MS: expected a whole number of milliseconds", "JWT_ACCESS_EXPIRES_IN: expected a length of time such as 90s, 15m, 12h or 7d",
		"PORT: expected a whole number"}
	wrongValue := map[string]string{"NODE_ENV": canary, "PORT": "70000", "DB_POOL_MAX": "1", "JWT_SECRET": canary, "ENCRYPTION_KEY_SALT": "short", "TZ": canary,
		"JWT_ALGORITHM": canary, "LOG_LEVEL": canary, "LOG_FORMAT": canary, "REFRESH_GRACE": "301", "JWT_ACCESS_EXPIRES_IN": "0",
		"DATABASE_URL": "postgresql://u:" + canary + "@h:x/d", "DATABASE_ADMIN_URL": canary + "://u:" + canary + "@",
		"CLEANUP_INTERVAL_HOURS": "0"}
	wantNames := []string{"CLEANUP_INTERVAL_HOURS", "DATABASE_ADMIN_URL", "DATABASE_URL", "DB_POOL_MAX", "ENCRYPTION_KEY_SALT", "JWT_ACCESS_EXPIRES_IN, JWT_REFRESH_EXPIRES_IN",
		"JWT_ALGORITHM", "JWT_SECRET", "LOG_FORMAT", "LOG_LEVEL", "NODE_ENV", "PORT", "REFRESH_GRACE", "TZ"}

	if got := problems(t, nil, wrongForm); !slices.Equal(got, wantForm) {
		t.Errorf("wrong forms: %q", got)
	}
	got := problems(t, nil, wrongValue)
	var names []string
	for _, p := range got {
		name, _, _ := strings.Cut(p, ": ")
		names = append(names, name)
	}
	if !slices.Equal(names, wantNames) {
		t.Errorf("wrong values: %q", got)
	}
	for _, p := range got {
		if strings.Contains(p, canary) || strings.Contains(p, "short") {
			t.Errorf("a value is echoed: %s", p)
		}
	}
}

func TestABrokenEnvFileIsNamedAndNotQuoted(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"a name with a hyphen": "JWT-SECRET=" + canary, "an open quote": `JWT_SECRET="` + canary, "no equals sign": canary + "\n",
	} {
		got := problems(t, map[string]string{".env.local": content}, nil)
		if len(got) != 1 || !strings.HasPrefix(got[0], ".env.local cannot be parsed") || strings.Contains(got[0], canary) {
			t.Errorf("%s: %q", name, got)
		}
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ".env"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := load(dir, map[string]string{}); err == nil || !strings.HasPrefix(err.Error(), ".env cannot be read") {
		t.Errorf("a directory in its place: %v", err)
	}
}

// production is the least that starts there.
func production(more ...string) map[string]string {
	m := map[string]string{"NODE_ENV": "production", "JWT_SECRET": strings.Repeat("s", 32), "DATABASE_URL": "postgresql://u:p@db.example.com/d?sslmode=require"}
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	return m
}

func TestProductionDemandsTLSTowardsAnotherMachine(t *testing.T) {
	t.Parallel()
	const remote, local = "postgresql://u:p@db.example.com:5432/d", "postgresql://u:p@localhost:5432/d"
	for _, c := range []struct {
		url string
		ok  bool
	}{
		{remote, false}, {remote + "?sslmode=disable", false}, {remote + "?sslmode=allow", false}, {remote + "?sslmode=prefer", false},
		{remote + "?sslmode=require", true}, {remote + "?sslmode=verify-ca", true}, {remote + "?sslmode=verify-full", true},
		{local, true}, {local + "?sslmode=disable", true}, {local + "?sslmode=prefer", true}, {local + "?sslmode=require", true}, {local + "?sslmode=verify-full", true},
		{"postgresql://u:p@127.0.0.1/d?sslmode=disable", true}, {"postgresql://u:p@[::1]/d?sslmode=disable", true},
		{"postgresql:///d?host=/var/run/postgresql&sslmode=disable", true}, {"host=/var/run/postgresql dbname=d sslmode=disable", true},
		{"postgresql://u:p@127.0.0.1.example.com/d?sslmode=disable", false}, {"postgresql://u:p@localhost.example.com/d?sslmode=disable", false},
		{"postgresql://u:p@10.0.0.5/d?sslmode=disable", false}, {"host=db.example.com dbname=d sslmode=prefer", false},
		{"postgresql://u:p@localhost,db.example.com/d?sslmode=disable", false}, {"postgresql://u:p@localhost,db.example.com/d?sslmode=require", true},
	} {
		for _, name := range []string{"DATABASE_URL", "DATABASE_ADMIN_URL", "DATABASE_DIRECT_URL"} {
			got := problems(t, nil, production(name, c.url))
			if (len(got) == 0) != c.ok || !c.ok && !strings.HasPrefix(got[0], name+": production needs TLS") {
				t.Errorf("%s=%s: %q", name, c.url, got)
			}
			if got := problems(t, nil, production(name, c.url, "ALLOW_INSECURE_DATABASE", "true")); len(got) != 0 {
				t.Errorf("%s=%s with ALLOW_INSECURE_DATABASE: %q", name, c.url, got)
			}
			if got := problems(t, nil, map[string]string{name: c.url}); len(got) != 0 {
				t.Errorf("%s=%s outside production: %q", name, c.url, got)
			}
		}
	}
	if got := problems(t, nil, map[string]string{"NODE_ENV": "production", "JWT_SECRET": strings.Repeat("s", 32), "DB_HOST": "db.example.com"}); len(got) != 1 {
		t.Errorf("an address composed of DB_HOST: %q", got)
	}
}

func TestProductionRefusesWhatIsUnsafe(t *testing.T) {
	t.Parallel()
	if got := problems(t, nil, production("ENCRYPTION_KEY_SALT", strings.Repeat("e", 32))); len(got) != 0 {
		t.Fatalf("a sound set: %q", got)
	}
	for _, c := range []struct{ name, value, problem string }{
		{"ENCRYPTION_KEY_SALT", "default-salt-change-in-production", "ENCRYPTION_KEY_SALT: this value is publicly known"},
		{"ENCRYPTION_KEY_SALT", "your-random-salt-change-in-production", "ENCRYPTION_KEY_SALT: this value is publicly known"},
		{"ENCRYPTION_KEY_SALT", "your-random-salt-CHANGE-THIS", "ENCRYPTION_KEY_SALT: this value is publicly known"},
		{"ENCRYPTION_KEY_SALT", "$(openssl rand -base64 32)", "ENCRYPTION_KEY_SALT: this value is publicly known"},
		{"ENCRYPTION_KEY_SALT", strings.Repeat("e", 31), "ENCRYPTION_KEY_SALT: 32 random bytes"},
		{"JWT_SECRET", "", "JWT_SECRET: required in production"},
		{"JWT_SECRET", strings.Repeat("s", 31), "JWT_SECRET: at least 32 characters"},
		{"ALLOW_ROLE_ON_REGISTER", "true", "ALLOW_ROLE_ON_REGISTER: "},
		{"TURKEY_SANDBOX", "true", "TURKEY_SANDBOX: "},
		{"WEBHOOK_ALLOW_PRIVATE", "true", "WEBHOOK_ALLOW_PRIVATE: "},
		{"DATABASE_URL", "", "DATABASE_URL: required in production"},
	} {
		got := problems(t, nil, production(c.name, c.value))
		if len(got) != 1 || !strings.HasPrefix(got[0], c.problem) {
			t.Errorf("%s=%s: %q", c.name, c.value, got)
		}
		if c.name == "ENCRYPTION_KEY_SALT" || c.name == "TURKEY_SANDBOX" || c.name == "ALLOW_ROLE_ON_REGISTER" {
			if got := problems(t, nil, map[string]string{c.name: c.value}); len(got) != 0 {
				t.Errorf("%s=%s outside production: %q", c.name, c.value, got)
			}
		}
	}
	if got := problems(t, nil, production("DATABASE_URL", "", "TURKEY_EMBEDDED_POSTGRES", "true")); len(got) != 0 {
		t.Errorf("a private PostgreSQL that is asked for: %q", got)
	}
	if mustLoad(t, nil, production()).WebhooksAnywhere() || !mustLoad(t, nil, nil).WebhooksAnywhere() ||
		mustLoad(t, nil, map[string]string{"WEBHOOK_ALLOW_PRIVATE": "false"}).WebhooksAnywhere() {
		t.Error("webhooks to private addresses: allowed by default outside production, never in it")
	}
	if c := mustLoad(t, nil, production("JWT_SECRET", "", "ENCRYPTION_KEY_SALT", strings.Repeat("e", 32))); string(c.JWTSecret) != strings.Repeat("e", 32) {
		t.Error("the salt alone does not stand in for JWT_SECRET")
	}
}

func TestSourcesOfRootKeys(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, nil, map[string]string{"ENCRYPTION_KEY_SALT_PREVIOUS": "an old one", "VAULT_KEYRING": "file:/etc/turkey/keyring.json, transit:https://bao:8200/v1/transit/keys/turkey",
		"VAULT_KMS_TOKEN": "token", "VAULT_KMS_NAMESPACE": "team"})
	if !c.Vault() || c.PreviousSalt != "an old one" || len(c.Keyring) != 2 || c.KMSToken != "token" || c.KMSNamespace != "team" {
		t.Errorf("%+v", c)
	}
	if c := mustLoad(t, nil, map[string]string{"ENCRYPTION_KEY_SALT_PREVIOUS": "an old one"}); c.Vault() {
		t.Error("an old value makes no vault")
	}
	for _, source := range []string{"/etc/turkey/keyring.json", "file", "file:", "vault:https://x", "FILE:/x", "file:/x,,"} {
		if got := problems(t, nil, map[string]string{"VAULT_KEYRING": source}); len(got) != 1 || !strings.HasPrefix(got[0], "VAULT_KEYRING: expected") {
			t.Errorf("%q: %q", source, got)
		}
	}
	if got := problems(t, nil, map[string]string{"VAULT_KEYRING": "transit:https://bao:8200/v1/transit/keys/turkey"}); len(got) != 1 || !strings.HasPrefix(got[0], "VAULT_KMS_TOKEN") {
		t.Errorf("%q", got)
	}
	// Where the salt stands in for JWT_SECRET, it does so while it is replaced too.
	one, two := strings.Repeat("1", 32), strings.Repeat("2", 32)
	if c := mustLoad(t, nil, production("JWT_SECRET", "", "ENCRYPTION_KEY_SALT", two, "ENCRYPTION_KEY_SALT_PREVIOUS", one)); string(c.JWTSecret) != two || string(c.PreviousSecret) != one {
		t.Error("the old salt does not open the signing keys")
	}
	if c := mustLoad(t, nil, production("ENCRYPTION_KEY_SALT", two, "ENCRYPTION_KEY_SALT_PREVIOUS", one)); c.PreviousSecret != "" {
		t.Error("the old salt is taken for an old JWT_SECRET")
	}
	// An old value need not be as good as a new one.
	if got := problems(t, nil, production("ENCRYPTION_KEY_SALT", two, "ENCRYPTION_KEY_SALT_PREVIOUS", "0123456789abcdef")); len(got) != 0 {
		t.Errorf("%q", got)
	}
}

// The guide prints ENCRYPTION_KEY_SALT=$(openssl rand -base64 32), which no .env file expands.
func TestTheGuidesUnexpandedSaltLineIsRefusedFromAFileToo(t *testing.T) {
	t.Parallel()
	for _, line := range []string{`ENCRYPTION_KEY_SALT=$(openssl rand -base64 32)`, `ENCRYPTION_KEY_SALT="$(openssl rand -base64 32)"`, `ENCRYPTION_KEY_SALT='$(openssl rand -base64 32)'`} {
		got := problems(t, map[string]string{".env": line}, production())
		if len(got) != 1 || !strings.HasPrefix(got[0], "ENCRYPTION_KEY_SALT: this value is publicly known") {
			t.Errorf("%s: %q", line, got)
		}
	}
}

func TestOriginsAreTheTrimmedUnionOfBothLists(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, nil, map[string]string{"ALLOWED_ORIGINS": " https://a.example , https://b.example,", "CORS_ORIGINS": "https://b.example, https://c.example"})
	if got, want := c.AllowedOrigins(), []string{"https://a.example", "https://b.example", "https://c.example"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got, want := mustLoad(t, nil, nil).AllowedOrigins(), []string{"http://localhost:3000", "http://localhost:3001", "http://localhost:5173"}; !slices.Equal(got, want) {
		t.Errorf("defaults: %q", got)
	}
}

func TestIssuerAndPublicURLStandInForEachOther(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ issuer, public, wantIssuer, wantPublic string }{
		{"", "", "http://localhost:4000", "http://localhost:4000"},
		{"https://i.example/", "", "https://i.example/", "https://i.example/"},
		{"", "https://p.example", "https://p.example", "https://p.example"},
		{"https://i.example", "https://p.example", "https://i.example", "https://p.example"},
	} {
		got := mustLoad(t, nil, map[string]string{"PORT": "4000", "JWT_ISSUER": c.issuer, "PUBLIC_URL": c.public})
		if got.JWTIssuer != c.wantIssuer || got.PublicURL != c.wantPublic {
			t.Errorf("%+v gives %s, %s", c, got.JWTIssuer, got.PublicURL)
		}
	}
}

func TestASecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	c := &Config{JWTSecret: canary, DatabaseURL: canary, DBPassword: canary, EncryptionSalt: canary}
	s := c.JWTSecret
	hidden := func(how, text string) {
		t.Helper()
		if strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) || strings.Contains(text, "104 117 110 116") /* hunt */ {
			t.Errorf("%s prints it: %s", how, text)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%t", "%10.3s", "%!"} {
		for what, v := range map[string]any{"secret": s, "pointer": &s, "slice": []Secret{s}, "map": map[string]Secret{"a": s}, "key": map[Secret]int{s: 1}, "settings": c, "settings by value": *c} {
			hidden(verb+" of a "+what, fmt.Sprintf(verb, v))
		}
	}
	hidden("Error", fmt.Errorf("wrapped: %w", errors.New(fmt.Sprint(s))).Error())
	body, err := json.Marshal(map[string]any{"s": s, "p": &s, "c": c, "m": map[string]Secret{"a": s}})
	if err != nil {
		t.Fatal(err)
	}
	hidden("JSON", string(body))
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(handler).Info("m", "s", s, "p", &s, "c", c, slog.Group("g", "s", s), "list", []Secret{s})
	}
	hidden("slog", log.String())
	if !strings.Contains(log.String(), "[redacted]") || !strings.Contains(string(body), "[redacted]") || s.String() != "[redacted]" {
		t.Errorf("nothing says that something was hidden: %s", log.String())
	}
}
