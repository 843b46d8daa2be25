package kpi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/audit"
	"turkey/internal/connector"
	"turkey/internal/db"
	"turkey/internal/db/dbtest"
	"turkey/internal/queue"
	"turkey/internal/sandbox"
)

// keys is a vault that keeps contents open.
type keys map[int64][]byte

func (k keys) Use(_ context.Context, _ uuid.UUID, id int64, _ audit.Use) (string, []byte, error) {
	return map[int64]string{1: connector.GoogleSheets, 2: connector.GA4}[id], bytes.Clone(k[id]), nil
}

// told is a Notifier that remembers.
type told struct {
	mu     sync.Mutex
	events []string
}

func (n *told) Notify(_ context.Context, _ pgx.Tx, _ uuid.UUID, event string, subject map[string]any) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.events = append(n.events, fmt.Sprintf("%s %v %v", event, subject["service"], subject["reason"]))
	return nil
}

// live is a user whose ga4 is collected from a sandbox into the tab Google of a spreadsheet there.
type live struct {
	runs
	url, spreadsheet, property, email string
	told                              *told
	calls                             *calls
}

// calls is what the providers were asked, and what happens at which call.
type calls struct {
	next http.Handler
	mu   sync.Mutex
	log  []string
	at   func(n int, call string) (before, after func()) // n counts from 1 since the last reset
}

func (c *calls) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/_sandbox") || strings.HasPrefix(r.URL.Path, "/oauth2") {
		c.next.ServeHTTP(w, r)
		return
	}
	c.mu.Lock()
	call := r.Method + " " + r.URL.Path
	c.log = append(c.log, call)
	n, at := len(c.log), c.at
	c.mu.Unlock()
	if at == nil {
		c.next.ServeHTTP(w, r)
		return
	}
	before, after := at(n, call)
	if before != nil {
		before()
	}
	answer := httptest.NewRecorder()
	c.next.ServeHTTP(answer, r)
	if after != nil {
		after()
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// reset forgets the calls so far; at is what happens at the ones to come.
func (c *calls) reset(at func(n int, call string) (before, after func())) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log, c.at = nil, at
}

// count is how many calls had the text in them.
func (c *calls) count(text string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.log {
		if strings.Contains(l, text) {
			n++
		}
	}
	return n
}

// writes counts the calls that change a spreadsheet.
func (c *calls) writes() int { return c.count("batchUpdate") }

func cut() { panic(http.ErrAbortHandler) }

// running is setup with providers that answer.
func running(t *testing.T) live {
	t.Helper()
	fake, err := sandbox.New(sandbox.Config{ReadsPerMinute: -1, WritesPerMinute: -1})
	if err != nil {
		t.Fatal(err)
	}
	c := &calls{next: fake.Handler()}
	srv := httptest.NewServer(c)
	t.Cleanup(srv.Close)
	d := dbtest.New(t)
	log := slog.New(slog.DiscardHandler)
	l := live{url: srv.URL, told: &told{}, calls: c}
	k := keys{}
	l.runs = runs{t: t, user: uuid.New(), Service: New(Config{DB: d, Log: log, Now: time.Now, Credentials: k, Connectors: connector.New(fake.Bases(srv.URL)), Zone: "UTC",
		MaxAttempts: 3, Queue: queue.New(d, log, 1), Notifier: l.told})}
	l.person()
	var key map[string]any
	l.console("POST", "/service-accounts", map[string]any{"name": "robot"}, &key)
	l.email = key["client_email"].(string)
	var made struct{ SpreadsheetID, PropertyID string }
	l.console("POST", "/spreadsheets", map[string]any{"tabs": []string{"Google", "Other"}, "shareWith": l.email}, &made)
	l.console("POST", "/properties", map[string]any{"timeZone": "Europe/Berlin", "currency": "EUR", "shareWith": l.email}, &made)
	l.spreadsheet, l.property = made.SpreadsheetID, made.PropertyID
	k[1] = l.content(connector.GoogleSheets, key)
	key["property_id"] = l.property
	k[2] = l.content(connector.GA4, key)
	l.system(`UPDATE sheet_mappings SET spreadsheet_id = $1, sheet_name = 'Google'`, l.spreadsheet)
	l.system(`UPDATE credentials SET source_timezone = 'Europe/Berlin' WHERE id = 2`)
	return l
}

func (l live) content(service string, key map[string]any) []byte {
	raw, err := json.Marshal(key)
	if err != nil {
		l.t.Fatal(err)
	}
	s, _ := l.connectors.Service(service)
	c, problems := s.Parse(raw)
	if len(problems) > 0 {
		l.t.Fatal(problems)
	}
	return c.JSON
}

func (l live) console(method, path string, in, out any) {
	l.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		l.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(l.t.Context(), method, l.url+"/_sandbox"+path, bytes.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode > 299 {
		l.t.Fatalf("%s %s: %d", method, path, resp.StatusCode)
	}
	if out != nil {
		if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
			l.t.Fatal(err)
		}
	}
}

// tab is a tab as Google keeps it, formulas as such.
func (l live) tab(name string) [][]any {
	l.t.Helper()
	var file struct {
		Tabs []struct {
			Title string
			Cells [][]any
		}
	}
	l.console("GET", "/spreadsheets/"+l.spreadsheet, nil, &file)
	for _, t := range file.Tabs {
		if t.Title == name {
			return t.Cells
		}
	}
	l.t.Fatalf("no tab %s", name)
	return nil
}

func (l live) edit(a1 string, value any) {
	l.t.Helper()
	l.console("PUT", "/spreadsheets/"+l.spreadsheet+"/cells", map[string]any{"tab": "Google", "a1": a1, "value": value}, nil)
}

func (l live) correct(day string, sessions float64) {
	l.t.Helper()
	l.console("PUT", "/properties/"+l.property+"/days", map[string]any{"date": day, "metrics": map[string]any{"sessions": sessions}}, nil)
}

// ago is a day in the property's zone.
func (l live) ago(n int) string {
	return yesterday(time.Now(), "Europe/Berlin").AddDate(0, 0, 1-n).Format(time.DateOnly)
}

// make makes a run over a range; "" and "" is the trailing window.
func (l live) make(from, to string, dry bool) uuid.UUID {
	l.t.Helper()
	id := uuid.New()
	l.system(`INSERT INTO kpi_runs (id, user_id, service, enqueued, from_day, to_day, dry_run)
		SELECT $1, user_no, 'ga4', true, nullif($3, '')::date, nullif($4, '')::date, $5 FROM users WHERE id = $2`, id, l.user, from, to, dry)
	return id
}

// ends plays a run until it ends, and returns how.
func (l live) ends(id uuid.UUID) (string, Result) {
	l.t.Helper()
	for range 50 {
		// As the dispatcher does.
		l.system(`UPDATE kpi_runs SET enqueued = true WHERE id = $1 AND NOT enqueued`, id)
		_ = l.execute(l.t.Context(), l.user, id) // what it says is for the queue; the row says the rest
		if r := l.look(id); final(r.Status) {
			var result Result
			if err := json.Unmarshal(r.Result, &result); err != nil {
				l.t.Fatal(err)
			}
			return r.Status, result
		}
	}
	l.t.Fatal("the run does not end")
	return "", Result{}
}

type row struct {
	Status, Reason string
	Attempt        int
	Progress       int
	Result         json.RawMessage
}

func (l live) look(id uuid.UUID) (r row) {
	l.t.Helper()
	err := l.db.In(db.System()).QueryRow(l.t.Context(), `SELECT status, coalesce(error_reason, ''), attempt, progress, coalesce(result, '{}') FROM kpi_runs WHERE id = $1`, id).
		Scan(&r.Status, &r.Reason, &r.Attempt, &r.Progress, &r.Result)
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

// completes plays a run that must end well.
func (l live) completes(from, to string) Result {
	l.t.Helper()
	id := l.make(from, to, false)
	status, r := l.ends(id)
	if status != "completed" || !r.Success {
		l.t.Fatalf("%s: %+v", status, r)
	}
	return r
}

func scan[T any](l live, sql string, args ...any) (v T) {
	l.t.Helper()
	if err := l.db.In(db.System()).QueryRow(l.t.Context(), sql, args...).Scan(&v); err != nil {
		l.t.Fatal(err)
	}
	return v
}

// agrees checks that the tab holds each stored day once, as it is stored, and no other row of ours.
func (l live) agrees(tab string, days int) {
	l.t.Helper()
	cells := l.tab(tab)
	seen := map[string][]any{}
	for _, r := range cells[1:] {
		if len(r) < 9 {
			l.t.Errorf("a gap: %v", r)
			continue
		}
		if seen[fmt.Sprint(r[1])] != nil {
			l.t.Errorf("%v stands there twice", r[1])
		}
		seen[fmt.Sprint(r[1])] = r
	}
	rows, err := l.db.In(db.System()).Query(l.t.Context(), `SELECT day::text, id::text, metrics FROM kpi_rows ORDER BY day`)
	if err != nil {
		l.t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var day, id string
		var metrics map[string]float64
		if err := rows.Scan(&day, &id, &metrics); err != nil {
			l.t.Fatal(err)
		}
		n++
		r := seen[day]
		if r == nil || r[0] != id {
			l.t.Errorf("%s is %v in the tab, and has the id %s", day, r, id)
			continue
		}
		for i, name := range ga4Columns[2:] {
			if r[i+2] != metrics[name] {
				l.t.Errorf("%s: %s is %v in the tab, %v stored", day, name, r[i+2], metrics[name])
			}
		}
	}
	if n != days || len(seen) != days {
		l.t.Errorf("%d days are stored, %d stand in the tab, want %d", n, len(seen), days)
	}
	dates := make([]string, 0, len(cells))
	for _, r := range cells[1:] {
		dates = append(dates, fmt.Sprint(r[1]))
	}
	if !slices.IsSorted(dates) {
		l.t.Error("the days are not in order")
	}
}
