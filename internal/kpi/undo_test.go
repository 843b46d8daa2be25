package kpi

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/uuid"

	"turkey/internal/db"
	"turkey/internal/kpi/kpidb"
)

func TestUndoPutsBackWhatWasThere(t *testing.T) {
	t.Parallel()
	l := running(t)
	l.completes(l.ago(4), l.ago(2))
	l.edit("D3", "=1+1")
	l.edit("E3", nil)
	l.edit("K5", "my note")
	before := l.tab("Google")
	for i := range 4 {
		l.correct(l.ago(1+i), float64(1000+i))
	}
	id := l.make(l.ago(4), l.ago(1), false)
	if status, r := l.ends(id); status != "completed" || r.Appended != 1 || r.Updated != 3 {
		t.Fatalf("%s %+v", status, r)
	}
	l.edit("C2", 5.0) // after the load: not for the undo to touch
	stored := scan[int](l, `SELECT count(*) FROM kpi_rows`)
	u, err := l.undo(t.Context(), l.user, id)
	if err != nil || u.Left != 1 || u.Restored < 3+9 {
		t.Errorf("%+v, %v", u, err)
	}
	after := l.tab("Google")
	before[1][2] = 5.0
	if !reflect.DeepEqual(after, before) {
		t.Errorf("the tab holds %v\nwant %v", after, before)
	}
	if n := scan[int](l, `SELECT count(*) FROM kpi_rows`); n != stored {
		t.Errorf("%d stored days, had %d", n, stored)
	}
	if _, err := l.undo(t.Context(), l.user, id); !errors.Is(err, errUndone) {
		t.Errorf("a second time: %v", err)
	}
	if n := scan[int](l, `SELECT count(*) FROM audit_logs WHERE action = 'workflow_undone'`); n != 1 {
		t.Errorf("%d are audited", n)
	}
	// The next run writes again, below what people have beside the emptied row, and counts none of it as theirs but C2.
	if r := l.completes(l.ago(4), l.ago(1)); r.Appended != 1 || r.Overwritten != 1 || r.RowNumber != 6 {
		t.Errorf("%+v", r)
	}
}

func TestUndoOfALongRun(t *testing.T) {
	t.Parallel()
	l := running(t)
	id := l.make(l.ago(100), l.ago(1), false)
	l.ends(id)
	l.calls.reset(nil)
	u, err := l.undo(t.Context(), l.user, id)
	if err != nil || u.Left != 0 || u.Restored != 100*9 || l.calls.writes() != 1 {
		t.Errorf("%+v, %v, %d writes", u, err, l.calls.writes())
	}
	if cells := l.tab("Google"); len(cells) != 1 || !reflect.DeepEqual(cells[0], ourHeader) {
		t.Errorf("the tab holds %v", cells)
	}
}

func TestUndoIsRefused(t *testing.T) {
	t.Parallel()
	l := running(t)
	undo := func(id uuid.UUID) error { _, err := l.undo(t.Context(), l.user, id); return err }
	first := l.make(l.ago(3), l.ago(1), false)
	if err := undo(first); !errors.Is(err, errUnderway) {
		t.Errorf("underway: %v", err)
	}
	l.ends(first)
	same := l.make(l.ago(3), l.ago(1), false)
	l.ends(same)
	if err := undo(same); !errors.Is(err, errNothing) {
		t.Errorf("it wrote nothing: %v", err)
	}
	l.correct(l.ago(1), 5)
	last := l.make(l.ago(3), l.ago(1), false)
	l.ends(last)
	if err := undo(first); !errors.Is(err, errNotLast) {
		t.Errorf("not the last: %v", err)
	}
	if err := undo(uuid.New()); !errors.Is(err, errRun) {
		t.Errorf("unknown: %v", err)
	}
	release, err := l.lease(t.Context(), uuid.New(), uuid.Nil, l.spreadsheet, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := undo(last); !errors.Is(err, errTabBusy) {
		t.Errorf("busy: %v", err)
	}
	release()
	if err := undo(last); err != nil {
		t.Error(err)
	}
	eve := uuid.New()
	l.system(`INSERT INTO users (id, app_id, email, password_hash) VALUES ($1, 'a', 'eve@example.com', 'x')`, eve)
	if _, err := l.undo(t.Context(), eve, last); !errors.Is(err, errRun) {
		t.Errorf("somebody else's: %v", err)
	}
}

// A load that was interrupted after its write is undone as a whole.
func TestUndoKnowsWhatACrashedAttemptReplaced(t *testing.T) {
	t.Parallel()
	l := running(t)
	l.completes(l.ago(3), l.ago(1))
	before := l.tab("Google")
	for i := range 3 {
		l.correct(l.ago(1+i), float64(1000+i))
	}
	id := l.make(l.ago(4), l.ago(1), false)
	l.calls.reset(func(_ int, call string) (func(), func()) {
		if l.calls.writes() == 1 && call[:4] == "POST" && call[len(call)-11:] == "batchUpdate" {
			return nil, cut
		}
		return nil, nil
	})
	if status, r := l.ends(id); status != "completed" || r.Skipped != 4 || l.look(id).Attempt != 2 {
		t.Fatalf("%s %+v", status, r)
	}
	l.calls.reset(nil)
	if u, err := l.undo(t.Context(), l.user, id); err != nil || u.Left != 0 {
		t.Errorf("%+v, %v", u, err)
	}
	if after := l.tab("Google"); !reflect.DeepEqual(after, before) {
		t.Errorf("the tab holds %v\nwant %v", after, before)
	}
}

// So is one whose process was told to stop, which counts as no attempt, or that was tried again by hand.
func TestUndoKnowsWhatAnAttemptReplacedThatDoesNotCount(t *testing.T) {
	t.Parallel()
	for name, retried := range map[string]bool{"given back": false, "tried again": true} {
		l := running(t)
		l.completes(l.ago(3), l.ago(1))
		before := l.tab("Google")
		for i := range 3 {
			l.correct(l.ago(1+i), float64(1000+i))
		}
		id := l.make(l.ago(3), l.ago(1), false)
		ctx, cancel := context.WithCancel(t.Context())
		l.calls.reset(func(_ int, call string) (func(), func()) {
			if strings.HasSuffix(call, "batchUpdate") {
				return nil, func() { cancel(); cut() }
			}
			return nil, nil
		})
		_ = l.execute(ctx, l.user, id)
		l.calls.reset(nil)
		if r := l.look(id); r.Status != "delayed" || r.Attempt != 0 {
			t.Fatalf("%s: %+v", name, r)
		}
		if retried {
			conn := l.db.In(db.User(l.user))
			if _, err := l.q.CancelRun(t.Context(), conn, id, []byte(`{}`)); err != nil {
				t.Fatal(err)
			}
			if _, err := l.q.RetryRun(t.Context(), conn, kpidb.RetryRunParams{ID: id, Most: mostWaiting, Metadata: []byte(`{}`)}); err != nil {
				t.Fatal(err)
			}
		}
		l.correct(l.ago(2), 7) // so that there is something to write
		if status, r := l.ends(id); status != "completed" || r.Updated != 1 {
			t.Fatalf("%s: %s %+v", name, status, r)
		}
		if u, err := l.undo(t.Context(), l.user, id); err != nil || u.Restored != 3 || u.Left != 0 {
			t.Errorf("%s: %+v, %v", name, u, err)
		}
		if after := l.tab("Google"); !reflect.DeepEqual(after, before) {
			t.Errorf("%s: the tab holds %v\nwant %v", name, after, before)
		}
	}
}
