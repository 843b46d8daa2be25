package cli_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"turkey/client"
	"turkey/internal/db/dbtest"
)

// TestSandboxAlone plays with the fake providers as their guide says: a server gets the variables, a user the credentials, and
// each of the calls does what it is there for.
func TestSandboxAlone(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), ".env")
	must(t, os.WriteFile(file, []byte("PORT=3000\nMETA_API_BASE=http://old\n# kept\nAPPS=shop"), 0o640))
	cmd := program(t, []string{"TURKEY_TEST_LEASH=1"}, "sandbox", "--json", "--env-file", file)
	out, err := cmd.StdoutPipe()
	must(t, err)
	leash, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGINT) // as Ctrl-C
		if err := cmd.Wait(); err != nil {
			t.Errorf("Ctrl-C: %v", err)
		}
		_ = leash.Close() // nobody is at the other end
	})
	var g struct {
		URL           string
		Environment   []struct{ Name, Value string }
		Credentials   map[string]json.RawMessage
		SpreadsheetID string
		Tabs          []string
		Calls         []struct {
			What, Method, Path string
			Body               json.RawMessage
		}
	}
	must(t, json.NewDecoder(out).Decode(&g))
	env := []string{"DATABASE_URL=" + dbtest.URL(t)}
	written, err := os.ReadFile(file)
	must(t, err)
	want := "PORT=3000\n# kept\nAPPS=shop\n"
	for _, v := range g.Environment {
		env = append(env, v.Name+"="+v.Value)
		want += v.Name + "=" + v.Value + "\n"
	}
	if info, err := os.Stat(file); string(written) != want || len(g.Environment) < 6 || err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the file holds %q, want %q", written, want)
	}

	s := serve(t, env, "serve")
	u := s.user("shop")
	for _, service := range []string{"google_sheets", "ga4", "meta", "shopify"} {
		id, err := u.SaveCredential(t.Context(), client.NewCredential{Service: service, Name: service, Content: g.Credentials[service]})
		must(t, err)
		_, err = u.Verify(t.Context(), id)
		must(t, err)
		if service == "google_sheets" {
			continue
		}
		must(t, u.Enable(t.Context(), service, id))
		_, err = u.SetMapping(t.Context(), mapping(service, g.SpreadsheetID, service))
		must(t, err)
		job, err := u.Sync(t.Context(), service, "")
		must(t, err)
		if j, err := u.WaitJob(t.Context(), job); err != nil || j.Status != "completed" {
			t.Errorf("%s: %+v, %v", service, j, err)
		}
	}
	for _, c := range g.Calls {
		req, err := http.NewRequest(c.Method, g.URL+c.Path, strings.NewReader(string(c.Body)))
		must(t, err)
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		answer, err := io.ReadAll(resp.Body)
		must(t, err)
		_ = resp.Body.Close() // read
		if resp.StatusCode > 201 {
			t.Errorf("%s: %d %s", c.What, resp.StatusCode, answer)
		}
	}
}

// TestSandboxForATerminal: the text that people read has the same things in it.
func TestSandboxForATerminal(t *testing.T) {
	t.Parallel()
	cmd := program(t, []string{"TURKEY_TEST_LEASH=1"}, "sandbox")
	out := &lines{}
	cmd.Stdout, cmd.Stderr = out, out
	leash, err := cmd.StdinPipe()
	must(t, err)
	defer leash.Close()
	must(t, cmd.Start())
	eventually(t, "the guide is there, all of it", func() bool {
		_, last, found := strings.Cut(out.String(), "The service account's keys are revoked")
		return found && strings.HasSuffix(last, "gserviceaccount.com'\n")
	})
	for _, want := range []string{"\nMETA_API_BASE=http://127.0.0.1:", "\nmeta: {", `"access_token":"EAA`, `"cut":true`, `"status":429`, "kind=expiring", "curl -X PUT 'http://127.0.0.1:"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	must(t, cmd.Process.Signal(syscall.SIGINT)) // as Ctrl-C
	if err := cmd.Wait(); err != nil {
		t.Errorf("Ctrl-C: %v", err)
	}
}
