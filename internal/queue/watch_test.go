package queue

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// TestWhoLooksOnHearsHowAnAttemptEnded plays attempts through the middleware that River is given.
func TestWhoLooksOnHearsHowAnAttemptEnded(t *testing.T) {
	t.Parallel()
	type mark struct{}
	var heard []string
	q := &Queue{}
	q.Watch(func(ctx context.Context, kind string) (context.Context, func(string)) {
		return context.WithValue(ctx, mark{}, true), func(result string) { heard = append(heard, kind+" "+result) }
	})
	play := q.middleware()[0].(rivertype.WorkerMiddleware)
	for want, err := range map[string]error{"completed": nil, "snoozed": river.JobSnooze(time.Second), "cancelled": river.JobCancel(errors.New("no")), "retried": errors.New("x")} {
		job := &rivertype.JobRow{Kind: "mail", Attempt: 1, MaxAttempts: 2}
		heard = nil
		if got := play.Work(t.Context(), job, func(ctx context.Context) error {
			if ctx.Value(mark{}) == nil {
				t.Error("the work has another context")
			}
			return err
		}); !errors.Is(got, err) || len(heard) != 1 || heard[0] != "mail "+want {
			t.Errorf("%v: %v, want %s", err, heard, want)
		}
	}
	heard = nil
	func() {
		defer func() { _ = recover() }() // River answers for panics
		_ = play.Work(t.Context(), &rivertype.JobRow{Kind: "mail", Attempt: 2, MaxAttempts: 2}, func(context.Context) error { panic("boom") })
	}()
	if len(heard) != 1 || heard[0] != "mail discarded" {
		t.Errorf("a panic at the last attempt: %v", heard)
	}
}
