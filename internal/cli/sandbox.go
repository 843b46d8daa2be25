package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"turkey/internal/config"
	"turkey/internal/connector"
	"turkey/internal/sandbox"
)

// startConnectors connects to the real providers, or with the sandbox to fake ones inside this process. They listen on
// their own port, so that everything goes over HTTP as it would to the real ones.
func startConnectors(cfg *config.Config, log *slog.Logger, hooks connector.Config) (*connector.Set, func(), error) {
	if !cfg.Sandbox {
		return connector.New(hooked(providerBases(cfg), hooks)), func() {}, nil
	}
	dir, err := dataDir(cfg)
	if err != nil {
		return nil, nil, err
	}
	fake, url, stop, err := startSandbox(filepath.Join(dir, "sandbox.json"), cfg.SandboxPort)
	if err != nil {
		return nil, nil, err
	}
	if cfg.SandboxPort, err = portOf(url); err != nil { // it may have been any
		stop()
		return nil, nil, err
	}
	log.Info("Sandbox providers started: they are fake, nothing leaves this machine", "url", url)
	return connector.New(hooked(withChoices(fake.Bases(url), cfg), hooks)), stop, nil
}

// hooked adds who looks on at the calls and who counts them.
func hooked(c, hooks connector.Config) connector.Config {
	c.Watch, c.Gate = hooks.Watch, hooks.Gate
	return c
}

// joinConnectors is startConnectors for a process beside a server: the fake providers are that server's, or those of
// `gravy sandbox`.
func joinConnectors(cfg *config.Config, _ *slog.Logger, hooks connector.Config) (*connector.Set, func(), error) {
	if !cfg.Sandbox {
		return connector.New(hooked(providerBases(cfg), hooks)), func() {}, nil
	}
	if cfg.SandboxPort == 0 {
		return nil, nil, errors.New("TURKEY_SANDBOX: the fake providers are the server's: set TURKEY_SANDBOX_PORT to their port")
	}
	url := "http://" + net.JoinHostPort("localhost", strconv.Itoa(cfg.SandboxPort))
	return connector.New(hooked(withChoices((&sandbox.Sandbox{}).Bases(url), cfg), hooks)), func() {}, nil
}

// providerBases are the real providers, or where the configuration says they are.
func providerBases(cfg *config.Config) connector.Config {
	bases := connector.Config{}
	if !cfg.Production() {
		bases = connector.Config{GoogleOAuthBase: cfg.GoogleOAuth, GoogleSheetsBase: cfg.GoogleSheets, GoogleDriveBase: cfg.GoogleDrive,
			GADataBase: cfg.GoogleGAData, MetaBase: cfg.MetaBase, ShopifyBase: cfg.ShopifyBase, HTTPJSONBase: cfg.JSONBase}
		bases.AllowPrivate = cfg.GoogleOAuth+cfg.GoogleSheets+cfg.GoogleDrive+cfg.GoogleGAData+cfg.MetaBase+cfg.ShopifyBase+cfg.JSONBase != ""
	}
	return withChoices(bases, cfg)
}

// withChoices adds what the operator chose of the providers, wherever they are.
func withChoices(bases connector.Config, cfg *config.Config) connector.Config {
	bases.MetaVersion, bases.ShopifyVersion, bases.Off = cfg.MetaVersion, cfg.ShopifyVer, cfg.SourcesOff()
	bases.HTTPJSON = cfg.HTTPJSON
	return bases
}

// startSandbox serves fake providers on this machine alone; file keeps their state, "" keeps it in memory.
func startSandbox(file string, port int) (fake *sandbox.Sandbox, url string, stop func(), err error) {
	fake, err = sandbox.New(sandbox.Config{File: file})
	if err != nil {
		return nil, "", nil, err
	}
	l, err := net.Listen("tcp", net.JoinHostPort("localhost", strconv.Itoa(port)))
	if err != nil {
		return nil, "", nil, fmt.Errorf("sandbox: port %d is taken: set TURKEY_SANDBOX_PORT (0: any)", port)
	}
	srv := &http.Server{Handler: fake.Handler(), ReadHeaderTimeout: 10 * time.Second}
	go srv.Serve(l) //nolint:errcheck // ends when it is closed
	return fake, "http://" + l.Addr().String(), func() { _ = srv.Close() }, nil
}

func (p *program) sandboxCommand() *cobra.Command {
	var port int
	var file, envFile string
	c := &cobra.Command{Use: "sandbox", Short: "Run the fake providers alone, to play with", Args: noArgs,
		Long: "Runs fakes of Google's sign-in, Drive, Sheets and GA4, of Meta's Graph API and of Shopify on this machine until Ctrl-C. It\n" +
			"prints the variables that lead a server or worker there, one credential of each kind, and calls that let things go wrong.",
		Example: "  gravy sandbox\n  gravy sandbox --env-file .env.local --file sandbox.json\n  gravy sandbox --port 0 --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig()
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("port") {
				cfg.SandboxPort = port
			}
			fake, url, stop, err := startSandbox(file, cfg.SandboxPort)
			if err != nil {
				return err
			}
			defer stop()
			g, err := newGuide(cmd.Context(), fake, url)
			if err != nil {
				return err
			}
			if envFile != "" {
				if err := writeEnvironment(envFile, g.Environment); err != nil {
					return fmt.Errorf("--env-file: %w", err)
				}
			}
			if err := p.print(g, "%s", g); err != nil {
				return err
			}
			<-cmd.Context().Done()
			return nil
		}}
	c.Flags().IntVar(&port, "port", 0, "port on localhost, 0 for any (default TURKEY_SANDBOX_PORT, 3900)")
	c.Flags().StringVar(&file, "file", "", "keep the state in this file (default: in memory)")
	c.Flags().StringVar(&envFile, "env-file", "", "put the variables into this file too; its other lines stay")
	return c
}

// guide is what somebody needs to know to play with the fake providers.
type guide struct {
	URL           string            `json:"url"`
	Environment   []variable        `json:"environment"`
	Credentials   map[string]object `json:"credentials"` // by service, as they are pasted
	SpreadsheetID string            `json:"spreadsheetId"`
	Tabs          []string          `json:"tabs"`
	PropertyID    string            `json:"propertyId"`
	Calls         []call            `json:"calls"`
}

type object = map[string]any

type variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// call is one that changes how the providers behave, or what they hold.
type call struct {
	What   string `json:"what"`
	Method string `json:"method"`
	Path   string `json:"path"`
	Body   object `json:"body,omitzero"`
}

// newGuide makes one of everything in the sandbox and says how to use it.
func newGuide(ctx context.Context, fake *sandbox.Sandbox, url string) (*guide, error) {
	b := fake.Bases(url)
	g := &guide{URL: url, Environment: []variable{{"GOOGLE_OAUTH_BASE", b.GoogleOAuthBase}, {"GOOGLE_SHEETS_BASE", b.GoogleSheetsBase},
		{"GOOGLE_DRIVE_BASE", b.GoogleDriveBase}, {"GA_DATA_BASE", b.GADataBase}, {"META_API_BASE", b.MetaBase}, {"SHOPIFY_API_BASE", b.ShopifyBase},
		{"HTTP_JSON_API_BASE", b.HTTPJSONBase}},
		Credentials: map[string]object{}, Tabs: []string{"ga4", "meta", "shopify"}}
	var key, ad, shop object
	if err := askSandbox(ctx, url, "/_sandbox/service-accounts", object{"name": "robot"}, &key); err != nil {
		return nil, err
	}
	email := fmt.Sprint(key["client_email"])
	var made struct{ SpreadsheetID, PropertyID string }
	for _, step := range []struct {
		path string
		in   object
		out  any
	}{
		{"/_sandbox/spreadsheets", object{"title": "KPIs", "tabs": g.Tabs, "shareWith": email}, &made},
		{"/_sandbox/properties", object{"timeZone": "Europe/Berlin", "currency": "EUR", "shareWith": email}, &made},
		{"/_sandbox/ad-accounts", object{"timeZone": "Europe/Berlin", "currency": "EUR"}, &ad},
		{"/_sandbox/shops", object{"timeZone": "Europe/Berlin", "currency": "EUR"}, &shop},
	} {
		if err := askSandbox(ctx, url, step.path, step.in, step.out); err != nil {
			return nil, err
		}
	}
	g.SpreadsheetID, g.PropertyID = made.SpreadsheetID, made.PropertyID
	analytics := object{"property_id": g.PropertyID}
	for name, v := range key {
		analytics[name] = v
	}
	g.Credentials = map[string]object{"google_sheets": key, "ga4": analytics, "meta": ad, "shopify": shop}
	g.Calls = calls(g, email, fmt.Sprint(ad["account_id"]), fmt.Sprint(shop["shop_url"]), time.Now().UTC().AddDate(0, 0, -2).Format(time.DateOnly))
	return g, nil
}

// calls are one example of each thing that can be played.
func calls(g *guide, email, account, shop, day string) []call {
	const post, put, del = http.MethodPost, http.MethodPut, http.MethodDelete
	sheet := "/_sandbox/spreadsheets/" + g.SpreadsheetID
	return []call{
		{"The next GA4 report is refused, quota used up", post, "/_sandbox/faults", object{"path": "/analyticsdata", "status": 429, "retryAfter": 20}},
		{"Sheets is down for two calls", post, "/_sandbox/faults", object{"path": "/sheets", "status": 503, "times": 2}},
		{"Meta is slow once", post, "/_sandbox/faults", object{"path": "/graph", "delayMs": 5000}},
		{"The next write is done, and the connection cut before the answer", post, "/_sandbox/faults",
			object{"path": "/sheets/v4/spreadsheets/" + g.SpreadsheetID + "/values:batchUpdate", "cut": true}},
		{"No more failures", del, "/_sandbox/faults", nil},
		{"GA4 corrects a day", put, "/_sandbox/properties/" + g.PropertyID + "/days", object{"date": day, "metrics": object{"sessions": 4711}}},
		{"Meta corrects a day", put, "/_sandbox/ad-accounts/" + account + "/days", object{"date": day, "row": object{"spend": "12.34"}}},
		{"Shopify corrects a day", put, "/_sandbox/shops/" + shop + "/days", object{"date": day, "metrics": object{"orders": 42}}},
		{"A person types into the sheet", put, sheet + "/cells", object{"tab": "ga4", "a1": "Z1", "value": "a note"}},
		{"The spreadsheet is not shared any more", put, sheet + "/sharing", object{"email": email, "role": "none"}},
		{"What stands in the spreadsheet", http.MethodGet, sheet, nil},
		{"A Shopify credential whose refresh token rotates at each renewal", post, "/_sandbox/shops?kind=expiring", object{}},
		{"A Google sign-in whose refresh token ends in an hour", post, "/_sandbox/oauth-clients", object{"expiresIn": 3600}},
		{"Meta ends all tokens of the account: a changed password", del, "/_sandbox/ad-accounts/" + account + "/tokens?subcode=460", nil},
		{"The app is taken out of the shop", del, "/_sandbox/shops/" + shop + "/app", nil},
		{"The service account's keys are revoked", del, "/_sandbox/service-accounts/" + email, nil},
	}
}

// String is the guide for a terminal.
func (g *guide) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Fake providers at %s; nothing there is real. Open it to see what there is; Ctrl-C ends it.\n", g.URL)
	b.WriteString("\nVariables that lead a server or worker there (not with NODE_ENV=production):\n\n")
	b.WriteString(dotenv(g.Environment))
	fmt.Fprintf(&b, "\nCredentials, as they are pasted. Spreadsheet %s (tabs %s) and property %s are shared with the first two:\n",
		g.SpreadsheetID, strings.Join(g.Tabs, ", "), g.PropertyID)
	for _, service := range []string{"google_sheets", "ga4", "meta", "shopify"} {
		fmt.Fprintf(&b, "\n%s: %s\n", service, compact(g.Credentials[service]))
	}
	b.WriteString("\nWhat can be played:\n")
	for _, c := range g.Calls {
		fmt.Fprintf(&b, "\n# %s\ncurl", c.What)
		if c.Method != http.MethodGet {
			b.WriteString(" -X " + c.Method)
		}
		fmt.Fprintf(&b, " '%s%s'", g.URL, c.Path)
		if c.Body != nil {
			fmt.Fprintf(&b, " -d '%s'", compact(c.Body))
		}
		b.WriteString("\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func compact(v object) string {
	text, _ := json.Marshal(v) // it came out of JSON, or is a literal of ours
	return string(text)
}

func dotenv(vars []variable) string {
	var b strings.Builder
	for _, v := range vars {
		fmt.Fprintf(&b, "%s=%s\n", v.Name, v.Value)
	}
	return b.String()
}

// writeEnvironment puts the variables at the end of a file, in place of those of their names that are in it.
func writeEnvironment(path string, vars []variable) error {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var kept strings.Builder
	for line := range strings.Lines(string(old)) {
		name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		if !slices.ContainsFunc(vars, func(v variable) bool { return v.Name == strings.TrimSpace(name) }) {
			kept.WriteString(strings.TrimSuffix(line, "\n") + "\n")
		}
	}
	return os.WriteFile(path, []byte(kept.String()+dotenv(vars)), 0o600)
}

// askSandbox does in a sandbox what a person does in a provider's console.
func askSandbox(ctx context.Context, sandbox, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, sandbox+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() // everything has been read
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusCreated {
		return fmt.Errorf("sandbox answered %s", resp.Status)
	}
	return json.Unmarshal(answer, out)
}
