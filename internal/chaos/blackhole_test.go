package chaos_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"turkey/internal/connector"
)

// hole is the way to a provider, until it closes: then it takes connections and never answers, or does not even take them.
type hole struct {
	t        testing.TB
	to       string
	listener net.Listener
	closed   atomic.Bool
	mu       sync.Mutex
	open     []net.Conn
	asked    atomic.Int64 // connections since it closed
}

func newHole(t testing.TB, to string) *hole {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	h := &hole{t: t, to: to, listener: l}
	go h.serve()
	t.Cleanup(func() {
		_ = l.Close() // closed already is as good
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, c := range h.open {
			_ = c.Close() // as above
		}
	})
	return h
}

func (h *hole) address() string { return h.listener.Addr().String() }

func (h *hole) keep(c net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open = append(h.open, c)
}

func (h *hole) serve() {
	for {
		in, err := h.listener.Accept()
		if err != nil {
			return
		}
		h.keep(in)
		if h.closed.Load() {
			h.asked.Add(1)
			continue
		}
		out, err := net.Dial("tcp", h.to)
		if err != nil {
			_ = in.Close() // as a provider that is gone
			continue
		}
		h.keep(out)
		go h.carry(out, in)
		go h.carry(in, out)
	}
}

// carry stops in the middle when the hole closes, and closes nothing.
func (h *hole) carry(to io.Writer, from io.Reader) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if h.closed.Load() {
			h.asked.Add(1)
			return
		}
		if err != nil {
			if c, ok := to.(net.Conn); ok {
				_ = c.Close() // as the other end did
			}
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// unroutable lets packets of new connections be dropped: the queue of those that nobody takes is full.
func (h *hole) unroutable() {
	t := h.t
	t.Helper()
	h.closed.Store(true)
	at := h.listener.Addr().(*net.TCPAddr)
	must(t, h.listener.Close())
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { _ = syscall.Close(fd) })
	must(t, syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1))
	must(t, syscall.Bind(fd, &syscall.SockaddrInet4{Port: at.Port, Addr: [4]byte{127, 0, 0, 1}}))
	must(t, syscall.Listen(fd, 0))
	for range 8 {
		c, err := net.DialTimeout("tcp", at.String(), 300*time.Millisecond)
		if err != nil {
			return // it is full
		}
		h.keep(c)
	}
	t.Fatal("connections are taken still")
}

func (h *hole) silent() { h.closed.Store(true) }

// TestProvidersThatNeverAnswer: whoever asks for one gets an error that names it in bounded time, the runs of others go on, and a
// stop waits for none.
func TestProvidersThatNeverAnswer(t *testing.T) {
	t.Parallel()
	for name, closes := range map[string]func(*hole){"silent": (*hole).silent, "unroutable": (*hole).unroutable} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			gate, err := url.Parse(w.gate.url)
			must(t, err)
			analytics, google := newHole(t, gate.Host), newHole(t, gate.Host)
			post, keys := newHole(t, "127.0.0.1:1"), newHole(t, "127.0.0.1:1")
			closes(post)
			closes(keys)
			_, postPort, err := net.SplitHostPort(post.address())
			must(t, err)
			for i, v := range w.env {
				for prefix, h := range map[string]*hole{"GA_DATA_BASE=": analytics, "GOOGLE_": google} {
					if strings.HasPrefix(v, prefix) {
						w.env[i] = strings.Replace(v, gate.Host, h.address(), 1)
					}
				}
			}
			number := port(t)
			base := "http://localhost:" + number
			w.env = append(w.env, "PORT="+number, "SHUTDOWN_TIMEOUT=2000", "EMAIL_SERVICE=smtp", "SMTP_HOST=127.0.0.1", "SMTP_PORT="+postPort,
				"CLERK_ISSUER=https://clerk.example.com", "CLERK_PUBLIC_KEY=http://"+keys.address()+"/jwks.json")
			p := start(t, w.env, "serve")
			p.healthy(base)
			c := w.at(base)
			var all []*person
			for range 6 {
				u := w.join(c, connector.GA4)
				u.furnishes(connector.GA4)
				all = append(all, u)
			}
			other := w.join(c, connector.Shopify)
			other.furnishes(connector.Shopify)

			closes(analytics)
			for _, u := range all {
				u.asks(c, connector.GA4, 5, 1)
			}
			eventually(t, "runs hang at the provider", func() bool { return w.number(`SELECT count(*) FROM kpi_runs WHERE status = 'active'`) == len(all) })
			other.asks(c, connector.Shopify, 5, 1)
			w.within("somebody else's run", 8*time.Second, func() bool {
				return w.number(`SELECT count(*) FROM kpi_runs WHERE service = 'shopify' AND status = 'completed'`) == 1
			})
			w.within("an error that names the provider", 30*time.Second, func() bool {
				return w.number(`SELECT count(*) FROM kpi_runs WHERE service = 'ga4' AND error LIKE '%Google%'`) == len(all)
			})
			t.Logf("runs: %s", w.dump(`SELECT DISTINCT error FROM kpi_runs WHERE error IS NOT NULL`))
			if n := w.number(`SELECT count(*) FROM kpi_runs WHERE service = 'ga4' AND status NOT IN ('delayed', 'active')`); n > 0 {
				t.Errorf("%d runs do not come again", n)
			}

			// Requests of people, and those who have nothing to do with it.
			ask := func(what, method, path, token, word string, statuses ...int) {
				t.Helper()
				began := time.Now()
				status, body := fetch(t, method, base+path, token)
				took := time.Since(began)
				if !slices.Contains(statuses, status) || took > 15*time.Second || !strings.Contains(body, word) {
					t.Errorf("%s: %d after %s: %s", what, status, took, body)
				}
				t.Logf("%s: %d after %s", what, status, took.Round(time.Millisecond))
			}
			mine := all[0].session.Tokens().AccessToken
			ask("verifying a credential of GA4", "POST", w.path(all[0], connector.GA4)+"/verify", mine, "Google", 502)
			closes(google)
			ask("verifying a credential of Sheets", "POST", w.path(all[0], connector.GoogleSheets)+"/verify", mine, "Google", 502)
			ask("choosing a spreadsheet", "GET", fmt.Sprintf("/api/sheets/spreadsheets?credential_id=%d", w.credential(all[0], connector.GoogleSheets)), mine, "Google", 502)
			foreign := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","typ":"JWT","kid":"k"}`)) + "." +
				base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"iss":"https://clerk.example.com","sub":"user_1","exp":%d,"iat":%d}`, time.Now().Unix()+600, time.Now().Unix())) + "." +
				base64.RawURLEncoding.EncodeToString(make([]byte, 256))
			ask("a token whose keys nobody sends", "GET", "/api/credentials/list", foreign, "", 401, 503)
			began := time.Now()
			ask("a token of our own", "GET", "/api/credentials/list", mine, "", 200)
			a := &actor{t: t, base: base, http: &http.Client{}}
			must(t, a.join(t.Context(), "somebody-else@example.com"))
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("what needs no provider took %s", took)
			}
			w.within("the mail's failure", 45*time.Second, func() bool {
				return w.number(`SELECT count(*) FROM mails WHERE recipient = 'somebody-else@example.com' AND error <> '' AND sent_at IS NULL`) == 1
			})
			t.Logf("mail: %s", w.dump(`SELECT DISTINCT error FROM mails WHERE error IS NOT NULL`))

			// A stop in the middle of it all.
			hanging := make(chan struct{})
			go func() {
				defer close(hanging)
				_, _ = fetch(t, "POST", base+w.path(all[1], connector.GoogleSheets)+"/verify", all[1].session.Tokens().AccessToken)
			}()
			other.asks(c, connector.Shopify, 6, 1)
			eventually(t, "a run hangs", func() bool { return w.number(`SELECT count(*) FROM kpi_runs WHERE status = 'active'`) > 0 })
			began = time.Now()
			if code := p.stop(syscall.SIGTERM); code != 0 {
				t.Errorf("exit %d", code)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("a stop took %s", took)
			} else {
				t.Logf("a stop took %s", took.Round(time.Millisecond))
			}
			<-hanging
			if n := w.number(`SELECT count(*) FROM kpi_runs WHERE status = 'active'`); n > 0 {
				t.Errorf("%d runs were not given back", n)
			}
		})
	}
}

// within is eventually with a bound that is part of the promise.
func (w *world) within(what string, bound time.Duration, ok func() bool) {
	w.t.Helper()
	began := time.Now()
	for ; !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > bound {
			w.t.Fatalf("%s: not within %s: %s", what, bound, w.dump(`SELECT service, status, attempt, error FROM kpi_runs`))
		}
	}
	w.t.Logf("%s: after %s", what, time.Since(began).Round(time.Millisecond))
}

func (w *world) credential(p *person, service string) int {
	w.t.Helper()
	return w.number(`SELECT c.id FROM credentials c JOIN users u ON u.user_no = c.user_id WHERE u.id = $1::text::uuid AND c.service = $2`, p.id, service)
}

func (w *world) path(p *person, service string) string {
	return fmt.Sprintf("/api/credentials/%d", w.credential(p, service))
}

// fetch is a request without a client of the house, and what came back; 0 without an answer.
func fetch(t testing.TB, method, at, token string) (status int, body string) {
	req, err := http.NewRequestWithContext(t.Context(), method, at, nil)
	if err != nil {
		return 0, err.Error()
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return resp.StatusCode, err.Error()
	}
	return resp.StatusCode, string(text)
}
