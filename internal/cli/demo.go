package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"turkey/client"
	"turkey/internal/config"
)

// The demo app and user of `serve --demo`. The password is known to the world: the flag is refused in production.
const (
	demoApp      = "demo"
	demoEmail    = "demo@turkey.local"
	demoPassword = "Demo-Turkey-1"
)

func (p *program) demoCommand() *cobra.Command {
	return &cobra.Command{Use: "demo", Short: "Play the main job through the HTTP API", Example: "  turkey demo", Args: noArgs,
		Long: "Plays the main job through the public HTTP API, as an app would, and prints each step and the rows that landed in the\n" +
			"spreadsheet. It uses the server that `make run` started, or starts one of its own for the time.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig()
			if err != nil {
				return err
			}
			base := fmt.Sprintf("http://localhost:%d", cfg.Port)
			stop := func() {}
			if !answers(cmd.Context(), base) {
				if stop, err = startOwnServer(cmd.Context(), base); err != nil {
					return err
				}
			}
			defer stop()
			d := &demo{program: p, base: base, sandbox: fmt.Sprintf("http://localhost:%d", cfg.SandboxPort)}
			return d.play(cmd.Context(), cfg)
		}}
}

func answers(ctx context.Context, base string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/health", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close() // only the status counts
	return resp.StatusCode == http.StatusOK
}

// startOwnServer runs `serve --demo` as a child, in a directory that goes with it, until stop.
func startOwnServer(ctx context.Context, base string) (stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "turkey-demo-")
	if err != nil {
		return nil, err
	}
	_ = os.Chmod(dir, 0o711) //nolint:gosec // PostgreSQL's own account passes through; every file in it is 0600
	var log bytes.Buffer
	server := exec.CommandContext(ctx, self, "serve", "--demo") //nolint:gosec // this very program
	server.Env = append(os.Environ(), "TURKEY_DATA_DIR="+filepath.Join(dir, "data"))
	server.Stdout, server.Stderr = &log, &log
	server.Cancel = func() error { return server.Process.Signal(syscall.SIGTERM) }
	if err := server.Start(); err != nil {
		return nil, err
	}
	exited := make(chan struct{})
	go func() {
		_ = server.Wait() // the demo has its outcome
		close(exited)
	}()
	stop = func() {
		_ = server.Process.Signal(syscall.SIGTERM) // gone already is as good
		<-exited
		_ = os.RemoveAll(dir)
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if answers(ctx, base) {
			return stop, nil
		}
		select {
		case <-exited:
			deadline = time.Time{}
		case <-time.After(100 * time.Millisecond):
		}
	}
	stop()
	return nil, fmt.Errorf("the server of the demo did not start:\n%s", log.String())
}

type demo struct {
	*program
	base, sandbox string
	n             int
}

// step prints what happens next.
func (d *demo) step(format string, args ...any) {
	d.n++
	fmt.Fprintf(d.out, "%2d. %s\n", d.n, fmt.Sprintf(format, args...))
}

// play is the main job, from an account to rows in a spreadsheet.
func (d *demo) play(ctx context.Context, _ *config.Config) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	c := client.New(d.base, client.WithApp(demoApp))
	email := "ada-" + strconv.FormatInt(time.Now().UnixNano(), 36) + "@example.com"
	if _, err := c.Register(ctx, email, demoPassword); err != nil {
		return err
	}
	d.step("Registered %s in app %s", email, demoApp)
	s, err := c.Login(ctx, email, demoPassword)
	if err != nil {
		return err
	}
	d.step("Logged in; the access token is an ES256 JWT that anybody can verify through %s/.well-known/jwks.json", d.base)

	key, spreadsheet, property, err := d.provider(ctx)
	if err != nil {
		return fmt.Errorf("the sandbox providers at %s do not answer; was the server started with `make run`? (%w)", d.sandbox, err)
	}
	sheetsKey, err := d.credential(ctx, s, "google_sheets", key)
	if err != nil {
		return err
	}
	if key, err = withProperty(key, property); err != nil {
		return err
	}
	analyticsKey, err := d.credential(ctx, s, "ga4", key)
	if err != nil {
		return err
	}
	if err := s.Enable(ctx, "ga4", analyticsKey); err != nil {
		return err
	}
	d.step("Enabled the service ga4 with credential %d", analyticsKey)
	if _, err := s.SetMapping(ctx, client.Mapping{Service: "ga4", SpreadsheetID: spreadsheet, SheetName: "Google"}); err != nil {
		return err
	}
	d.step("Mapped ga4 to the tab Google of spreadsheet %s", spreadsheet)
	if err := d.sync(ctx, s); err != nil {
		return err
	}
	rows, err := s.Tab(ctx, sheetsKey, spreadsheet, "Google")
	if err != nil {
		return err
	}
	d.step("These rows are in the spreadsheet now:")
	w := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintln(w, "    "+strings.Join(r, "\t"))
	}
	return w.Flush()
}

// provider does what a person does in Google's consoles: a service account with a key, a spreadsheet and a GA4 property
// shared with it. The key is a real RSA key; the sandbox keeps only its public half.
func (d *demo) provider(ctx context.Context) (key json.RawMessage, spreadsheet, property string, err error) {
	if err := d.console(ctx, "/_sandbox/service-accounts", map[string]any{"name": "kpi-robot"}, &key); err != nil {
		return nil, "", "", err
	}
	var account struct {
		Email string `json:"client_email"`
	}
	if err := json.Unmarshal(key, &account); err != nil {
		return nil, "", "", err
	}
	d.step("Sandbox: made service account %s and downloaded its key", account.Email)
	var sheet struct{ SpreadsheetID string }
	if err := d.console(ctx, "/_sandbox/spreadsheets", map[string]any{"title": "KPIs", "tabs": []string{"Google"}, "shareWith": account.Email}, &sheet); err != nil {
		return nil, "", "", err
	}
	var ga struct{ PropertyID string }
	if err := d.console(ctx, "/_sandbox/properties", map[string]any{"timeZone": "Europe/Berlin", "currency": "EUR", "shareWith": account.Email}, &ga); err != nil {
		return nil, "", "", err
	}
	d.step("Sandbox: shared spreadsheet %s and GA4 property %s with it", sheet.SpreadsheetID, ga.PropertyID)
	return key, sheet.SpreadsheetID, ga.PropertyID, nil
}

func (d *demo) console(ctx context.Context, path string, in, out any) error {
	return askSandbox(ctx, d.sandbox, path, in, out)
}

// withProperty adds the property id that a ga4 credential needs besides the key.
func withProperty(key json.RawMessage, property string) (json.RawMessage, error) {
	var m map[string]any
	if err := json.Unmarshal(key, &m); err != nil {
		return nil, err
	}
	m["property_id"] = property
	return json.Marshal(m)
}

func (d *demo) credential(ctx context.Context, s *client.Session, service string, key json.RawMessage) (int64, error) {
	id, err := s.SaveCredential(ctx, client.NewCredential{Service: service, Name: "Demo " + service, Content: key})
	if err != nil {
		return 0, err
	}
	d.step("Saved the %s credential, sealed, as number %d", service, id)
	as, err := s.Verify(ctx, id)
	if err != nil {
		return 0, err
	}
	d.step("Verified it: connected as %s", as)
	return id, nil
}

func (d *demo) sync(ctx context.Context, s *client.Session) error {
	job, err := s.Sync(ctx, "ga4", "")
	if err != nil {
		return err
	}
	d.step("Asked for a sync: job %s", job)
	j, err := s.WaitJob(ctx, job)
	if err != nil {
		return err
	}
	if j.Status != "completed" || j.Result == nil {
		return errors.New("the job failed: " + j.FailedReason)
	}
	d.step("The job is completed: days %s to %s, %d appended, %d updated, %d unchanged", j.Result.From, j.Result.To, j.Result.Appended,
		j.Result.Updated, j.Result.Skipped)
	return nil
}
