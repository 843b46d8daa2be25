package doctor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"turkey/internal/queue"
)

// Operator hears what is wrong, once, and that it is over.
type Operator interface {
	Tell(ctx context.Context, event, subject, message string) error
	Over(ctx context.Context, event, subject, message string) error
}

// What the watch tells of: what comes at a day that is known.
const (
	keyOld    = "key.old"
	apiSunset = "api.sunset"
)

const (
	watchEvery = 6 * time.Hour
	keyNotice  = 7 * day // how long before a signing key counts as old
)

// Watch lets the queue look every few hours, by one server.
func (d *Doctor) Watch(q *queue.Queue, o Operator) {
	queue.Register(q, &watchWorker{doctor: d, operator: o})
	queue.Every(q, watchEvery, watchArgs{})
}

// watchArgs are the arguments of the job: none.
type watchArgs struct{}

// Kind names the job in the queue's table.
func (watchArgs) Kind() string { return "doctor_watch" }

type watchWorker struct {
	river.WorkerDefaults[watchArgs]
	doctor   *Doctor
	operator Operator
}

// Work looks once.
func (w *watchWorker) Work(ctx context.Context, _ *river.Job[watchArgs]) error {
	return errors.Join(w.keys(ctx), w.apis(ctx))
}

// keys tells of the key that signs before it is old, and takes it back of those that no longer do.
func (w *watchWorker) keys(ctx context.Context) error {
	found, err := w.doctor.cfg.Keys(ctx)
	if err != nil {
		return err
	}
	var failed []error
	for _, k := range found.Keys {
		old := k.CreatedAt.Add(oldKey)
		switch {
		case k.State == "signing" && !w.doctor.cfg.Now().Before(old.Add(-keyNotice)):
			failed = append(failed, w.operator.Tell(ctx, keyOld, k.ID, fmt.Sprintf("Signing key %s is older than %d days from %s on: run gravy key rotate. Nobody is signed out by it.",
				k.ID, int(oldKey/day), old.UTC().Format(time.DateOnly))))
		case k.State != "signing":
			failed = append(failed, w.operator.Over(ctx, keyOld, k.ID, fmt.Sprintf("Key %s does not sign any more.", k.ID)))
		}
	}
	return errors.Join(failed...)
}

// apis tells of a version that a provider soon serves no more. Its subject is the API, so that a later version ends it.
func (w *watchWorker) apis(ctx context.Context) error {
	var failed []error
	for _, a := range w.doctor.cfg.APIs {
		ends := a.Ends.UTC().Format(time.DateOnly)
		if !a.Ends.IsZero() && a.Ends.Sub(w.doctor.cfg.Now()) <= soonOver {
			failed = append(failed, w.operator.Tell(ctx, apiSunset, a.Name, fmt.Sprintf("%s %s is served until %s: %s", a.Name, a.Version, ends, a.check(w.doctor.cfg.Now()).Remedy)))
			continue
		}
		failed = append(failed, w.operator.Over(ctx, apiSunset, a.Name, fmt.Sprintf("%s %s is spoken now.", a.Name, a.Version)))
	}
	return errors.Join(failed...)
}
