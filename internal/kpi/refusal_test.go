package kpi

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"turkey/internal/caller"
	"turkey/internal/db"
	"turkey/internal/fault"
)

// What a person did wrong fails the run at once, with a reason for programs and words that say what to do; nothing is written.
func TestWhatCannotBeLoadedSaysWhy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		do     func(l live)
		reason string
		words  string
	}{
		{"unknown spreadsheet", func(l live) { l.system(`UPDATE sheet_mappings SET spreadsheet_id = 'nobody-has-this'`) }, "sheet_not_found", "Spreadsheet not found: nobody-has-this"},
		{"no spreadsheet id", func(l live) { l.system(`UPDATE sheet_mappings SET spreadsheet_id = '../x'`) }, "sheet_not_found", "Not a spreadsheet id"},
		{"tab missing", func(l live) { l.system(`UPDATE sheet_mappings SET sheet_name = 'Nowhere'`) }, "sheet_not_found", `Sheet not found: "Nowhere"`},
		{"not shared", func(l live) { l.share("none") }, "forbidden", "share the spreadsheet with <email>"},
		{"shared to read", func(l live) { l.share("reader") }, "forbidden", "share the spreadsheet with <email> as Editor"},
		{"property not shared", func(l live) {
			l.console("PUT", "/properties/"+l.property+"/sharing", map[string]any{"email": l.email, "role": "none"}, nil)
		}, "forbidden", "add <email> as a Viewer"},
		{"broken credential", func(l live) { l.console("DELETE", "/service-accounts/"+l.email, nil, nil) }, "rejected", "create a new key"},
		{"foreign header", func(l live) { l.edit("A1", "Budget"); l.edit("B1", "2026") }, "schema_mismatch", "not the header of this service; missing columns: id"},
		{"another source's header", func(l live) {
			for i, name := range []string{"id", "date", "spend", "reach"} {
				l.edit(letters(i)+"1", name)
			}
		}, "schema_mismatch", "It looks like a meta tab"},
		{"no mapping", func(l live) { l.system(`DELETE FROM sheet_mappings`) }, "no_mapping", "No sheet mapping found"},
		{"no Google credential", func(l live) { l.system(`UPDATE credentials SET verified = false WHERE service = 'google_sheets'`) }, "no_sheets_credential", "No verified Google Sheets"},
		{"not enabled", func(l live) { l.system(`UPDATE service_configs SET enabled = false WHERE service = 'ga4'`) }, "not_enabled", "not enabled"},
	} {
		l := running(t)
		c.do(l)
		before := l.tab("Google")
		l.calls.reset(nil)
		id := l.make(l.ago(3), l.ago(1), false)
		status, r := l.ends(id)
		row := l.look(id)
		words := strings.ReplaceAll(c.words, "<email>", l.email)
		if status != "failed" || row.Reason != c.reason || row.Attempt != 1 || !strings.Contains(r.Error, words) {
			t.Errorf("%s: %s %s after %d attempts: %q, want %s, %q", c.name, status, row.Reason, row.Attempt, r.Error, c.reason, words)
		}
		if after := l.tab("Google"); len(after) != len(before) {
			t.Errorf("%s: the tab became %v", c.name, after)
		}
		if strings.Contains(r.Error, "PRIVATE KEY") {
			t.Errorf("%s: %s", c.name, r.Error)
		}
	}
}

func (l live) share(role string) {
	l.t.Helper()
	l.console("PUT", "/spreadsheets/"+l.spreadsheet+"/sharing", map[string]any{"email": l.email, "role": role}, nil)
}

func TestDaysThatCannotBeAskedForAreRefused(t *testing.T) {
	t.Parallel()
	l := running(t)
	ctx := caller.WithUser(t.Context(), caller.User{ID: l.user})
	for day, words := range map[string]string{
		"2026-02-30": "targetDate must be a date in the form YYYY-MM-DD", "01.02.2026": "targetDate must be a date in the form YYYY-MM-DD",
		"": "targetDate must be a date in the form YYYY-MM-DD", l.ago(-5): "targetDate must not be in the future",
		"2019-01-01": "nor more than 37 months ago",
	} {
		_, err := l.handleSync(ctx, &syncInput{Service: "ga4", Body: &syncBody{TargetDate: &day}})
		if f, ok := fault.From(err); !ok || f.Kind != fault.Invalid || f.Code != "VALIDATION_ERROR" || !strings.Contains(f.Message, words) {
			t.Errorf("%q: %v", day, err)
		}
	}
	if n := scan[int](l, `SELECT count(*) FROM kpi_runs`); n != 0 {
		t.Errorf("%d runs", n)
	}
}

// While it is tomorrow somewhere on earth, it may still be today at the source.
func TestADayThatTheSourceHasNotComeToIsRefused(t *testing.T) {
	t.Parallel()
	l := running(t)
	l.system(`UPDATE credentials SET source_timezone = 'Etc/GMT+12' WHERE id = 2`) // 12 hours behind UTC
	ctx := caller.WithUser(t.Context(), caller.User{ID: l.user})
	ahead := yesterday(time.Now(), "Etc/GMT+12").AddDate(0, 0, 2).Format(time.DateOnly)
	if _, err := l.handleSync(ctx, &syncInput{Service: "ga4", Body: &syncBody{TargetDate: &ahead}}); !refusedWith(err, "VALIDATION_ERROR") {
		t.Errorf("%v", err)
	}
	if n := scan[int](l, `SELECT count(*) FROM kpi_runs`); n != 0 {
		t.Errorf("%d runs", n)
	}
	for _, known := range []bool{true, false} { // the property's zone is Europe/Berlin: what is ahead there is ahead by a day more
		ahead := l.ago(-1)
		if !known {
			l.system(`UPDATE credentials SET source_timezone = NULL WHERE id = 2`)
		} else {
			l.system(`UPDATE credentials SET source_timezone = 'Europe/Berlin' WHERE id = 2`)
		}
		l.calls.reset(nil)
		id := l.make("", "", false)
		l.system(`UPDATE kpi_runs SET target_day = $2 WHERE id = $1`, id, ahead)
		status, r := l.ends(id)
		if status != "failed" || l.look(id).Reason != "future" || !strings.Contains(r.Error, ahead) || known != (len(l.calls.log) == 0) {
			t.Errorf("known %t: %s %+v, calls %v", known, status, r, l.calls.log)
		}
		run, err := l.q.GetRun(t.Context(), l.db.In(db.User(l.user)), id)
		if err != nil || !refusedWith(runFault(run), "VALIDATION_ERROR") {
			t.Errorf("to who waits: %v, %v", runFault(run), err)
		}
	}
	if len(l.tab("Google")) != 0 || scan[int](l, `SELECT count(*) FROM kpi_rows`) != 0 {
		t.Error("a day without figures was written")
	}
	today := l.ago(0)
	id := l.make(today, today, false)
	if status, r := l.ends(id); status != "completed" {
		t.Errorf("today: %s %+v", status, r)
	}
}

// Nobody's runs pile up: every dispatch looks at what waits, for all users.
func TestOnlySoManyRunsOfASourceWait(t *testing.T) {
	t.Parallel()
	l := running(t)
	ctx := caller.WithUser(t.Context(), caller.User{ID: l.user})
	dead := l.make("", "", false)
	l.system(`UPDATE kpi_runs SET status = 'failed' WHERE id = $1`, dead)
	add := func(n int) {
		l.system(`INSERT INTO kpi_runs (id, user_id, service) SELECT gen_random_uuid(), user_no, 'ga4' FROM users, generate_series(1, $2) WHERE id = $1`, l.user, n)
	}
	add(mostWaiting - 1)
	if _, err := l.handleSync(ctx, &syncInput{Service: "ga4"}); err != nil {
		t.Errorf("the last that may: %v", err)
	}
	for name, ask := range map[string]func() error{
		"sync": func() error { _, err := l.handleSync(ctx, &syncInput{Service: "ga4"}); return err },
		"range": func() error {
			_, err := l.handleCreateRun(ctx, &struct{ Body runBody }{runBody{Service: "ga4"}})
			return err
		},
		"schedule": func() error { _, err := l.handleRunSchedule(ctx, &servicePath{Service: "ga4"}); return err },
		"retry":    func() error { _, err := l.handleRetryRun(ctx, &runPath{ID: dead.String()}); return err },
		"awaited": func() error {
			_, err := l.handleAwaited(ctx, "ga4", awaitedBody{CredentialID: numberText{"2"}}, false)
			return err
		},
	} {
		if err := ask(); !refusedWith(err, "RATE_LIMITED") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if out, err := l.handleSyncAll(ctx, &struct{ Body *syncBody }{}); err != nil || len(out.Body.Data.Jobs) != 0 {
		t.Errorf("all: %+v, %v", out, err)
	}
	if n := scan[int](l, `SELECT count(*) FROM kpi_runs`); n != mostWaiting+1 {
		t.Errorf("%d runs", n)
	}
	if n := scan[int](l, `SELECT count(*) FROM audit_logs`); n != 1 {
		t.Errorf("%d are audited", n)
	}
	l.system(`UPDATE kpi_runs SET status = 'completed' WHERE id = (SELECT id FROM kpi_runs WHERE status = 'waiting' LIMIT 1)`)
	if _, err := l.handleRetryRun(ctx, &runPath{ID: dead.String()}); err != nil {
		t.Errorf("once one has ended: %v", err)
	}
	if _, err := l.handleRetryRun(ctx, &runPath{ID: dead.String()}); !refusedWith(err, "RUN_NOT_FAILED") {
		t.Errorf("one that waits: %v", err)
	}
}

func TestOnlySoManyStreamsOfAUserAreOpen(t *testing.T) {
	t.Parallel()
	l := running(t)
	ctx := caller.WithUser(t.Context(), caller.User{ID: l.user})
	in := &runPath{ID: l.make("", "", false).String()}
	for range mostWatches {
		if _, err := l.handleEvents(ctx, in); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.handleEvents(ctx, in); !refusedWith(err, "RATE_LIMITED") {
		t.Errorf("one more: %v", err)
	}
	if !l.watchers.enter(uuid.New()) {
		t.Error("somebody else's are refused")
	}
	l.watchers.leave(l.user)
	if _, err := l.handleEvents(ctx, in); err != nil {
		t.Errorf("after one was closed: %v", err)
	}
}

// A large tab is read in parts; without them it is refused with what to do.
func TestValuesOfALargeTab(t *testing.T) {
	t.Parallel()
	l := running(t)
	l.completes(l.ago(30), l.ago(1)) // a header and 30 days, in a grid of 1000 rows
	ctx := caller.WithUser(t.Context(), caller.User{ID: l.user})
	get := func(limit, offset string) (*valuesOutput, error) {
		return l.handleValues(ctx, &valuesInput{CredentialID: "1", SpreadsheetID: l.spreadsheet, SheetName: "Google", Limit: limit, Offset: offset})
	}
	whole, err := get("", "")
	if err != nil || len(whole.Body.Data) != 31 || whole.Body.NextOffset != nil {
		t.Fatalf("%+v, %v", whole, err)
	}
	for _, c := range []struct {
		limit, offset string
		first         int // of whole, -1: nothing
		rows, next    int
	}{{"10", "", 0, 10, 10}, {"10", "10", 10, 10, 20}, {"20", "25", 25, 6, 45}, {"10", "500", -1, 0, 510}, {"10", "995", -1, 0, 0}, {"10", "1000", -1, 0, 0}, {"10", "9999999", -1, 0, 0}} {
		out, err := get(c.limit, c.offset)
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		b := out.Body
		next := 0
		if b.NextOffset != nil {
			next = *b.NextOffset
		}
		if len(b.Data) != c.rows || next != c.next || c.first >= 0 && strings.Join(b.Data[0], ",") != strings.Join(whole.Body.Data[c.first], ",") {
			t.Errorf("%+v: %d rows, next %d", c, len(b.Data), next)
		}
	}
	for _, bad := range [][2]string{{"0", ""}, {"-1", ""}, {"10001", ""}, {"x", ""}, {"10", "-1"}, {"10", "x"}, {"10", "99999999999"}, {"", "10"}} {
		if _, err := get(bad[0], bad[1]); !refusedWith(err, "VALIDATION_ERROR") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for row := range 6 {
		l.edit("Z"+string(rune('1'+row)), strings.Repeat("x", 1<<20)) // more than is read at once
	}
	if _, err := get("", ""); !refusedWith(err, "VALIDATION_ERROR") || !strings.Contains(err.Error(), "limit and offset") {
		t.Errorf("all of a tab that is too large: %v", err)
	}
	if out, err := get("2", "0"); err != nil || len(out.Body.Data) != 2 {
		t.Errorf("a part of it: %v", err)
	}
	in := &valuesInput{CredentialID: "1", SpreadsheetID: l.spreadsheet, SheetName: "Nowhere", Limit: "5"}
	if _, err := l.handleValues(ctx, in); !refusedWith(err, "SHEET_NOT_FOUND") {
		t.Errorf("a part of no tab: %v", err)
	}
}

func refusedWith(err error, code string) bool {
	f, ok := fault.From(err)
	return ok && f.Code == code
}

func TestTheExportHoldsAllThatIsKept(t *testing.T) {
	t.Parallel()
	l := running(t)
	l.completes(l.ago(2), l.ago(1))
	l.edit("C2", "what I wrote here")
	l.completes(l.ago(2), l.ago(1))
	l.system(`INSERT INTO job_schedules (user_id, service, cron_expression, misfire) SELECT user_no, 'ga4', '0 2 * * *', 'each' FROM users WHERE id = $1`, l.user)
	other := uuid.New()
	l.system(`INSERT INTO users (id, app_id, email, password_hash) SELECT $1, id, 'other@example.com', 'x' FROM apps LIMIT 1`, other)
	for user, want := range map[uuid.UUID]int{l.user: 1, other: 0} {
		got, err := l.Export(t.Context(), user)
		if err != nil {
			t.Fatal(err)
		}
		e := got.(exported)
		if len(e.Mappings) != want || len(e.Schedules) != want || len(e.Figures) != 2*want || len(e.Runs) != 2*want || len(e.Replaced) != 2*want {
			t.Errorf("%+v", e)
		}
		if want == 1 && (!strings.Contains(string(e.Replaced[1].Cells), "what I wrote here") || e.Schedules[0].Misfire != "each") {
			t.Errorf("%s %+v", e.Replaced[1].Cells, e.Schedules)
		}
	}
}
