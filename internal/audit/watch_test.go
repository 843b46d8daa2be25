package audit_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"turkey/internal/audit"
	"turkey/internal/queue"
)

// desk writes down what an operator is told.
type desk struct {
	mu   sync.Mutex
	text strings.Builder
}

func (d *desk) note(what, event, subject, message string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.text.WriteString(what + " " + event + "|" + subject + "|" + message + "\n")
	return nil
}

func (d *desk) Tell(_ context.Context, event, subject, message string) error {
	return d.note("told", event, subject, message)
}

func (d *desk) Over(_ context.Context, event, subject, message string) error {
	return d.note("over", event, subject, message)
}

func (d *desk) read() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.String()
}

// TestTheOperatorHearsOfTampering without asking: a server looks at its start and every day.
func TestTheOperatorHearsOfTampering(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]string{"over": `SELECT 1`, "told": `UPDATE audit SET action = 'nothing' WHERE id = (SELECT id FROM audit LIMIT 1)`} {
		b := setup(t)
		b.user(3)
		b.seal()
		b.exec(change)
		o, q := &desk{}, queue.New(b.db, slog.New(slog.DiscardHandler), 1)
		b.keeper.Watch(q, o)
		if err := q.Open(); err != nil {
			t.Fatal(err)
		}
		if err := q.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(time.Minute); o.read() == "" && time.Now().Before(end); {
			time.Sleep(50 * time.Millisecond)
		}
		if err := q.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		if got := o.read(); !strings.HasPrefix(got, want+" audit.tampered|of some months|") || strings.Count(got, "\n") != 1 {
			t.Errorf("%s: %q", want, got)
		}
	}
}

// TestScopesDoNotEndEachOther: months that are intact say nothing of the others.
func TestScopesDoNotEndEachOther(t *testing.T) {
	t.Parallel()
	o, r := &desk{}, audit.Report{Findings: []audit.Finding{{Message: "Row 1 of audit was changed"}}}
	for _, s := range []audit.Scope{{}, {From: time.Now()}, {Until: time.Now()}, {Checkpoints: make([]audit.Checkpoint, 1)}} {
		if err := s.Report(t.Context(), o, r); err != nil {
			t.Fatal(err)
		}
	}
	const said = "|The audit is not as it was sealed: Row 1 of audit was changed. gravy audit verify names every row.\n"
	if want := "told audit.tampered|" + said + strings.Repeat("told audit.tampered|of some months"+said, 2) + "told audit.tampered|against checkpoints" + said; o.read() != want {
		t.Errorf("%s", o.read())
	}
}
