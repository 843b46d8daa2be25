package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"turkey/internal/db"
	"turkey/internal/notify/notifydb"
	"turkey/internal/wire"
)

// pauses between the attempts of a delivery: three days in all, as the Standard Webhooks specification suggests.
var pauses = []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour,
	20 * time.Hour, 24 * time.Hour}

var maxAttempts = len(pauses) + 1

// mostAttempts is how often a receiver may be called that asks for patience each time: until then its answers do not count as
// attempts.
const mostAttempts = 50

// deliveryArgs are the arguments of a job: ids, never secrets.
type deliveryArgs struct {
	Delivery uuid.UUID `json:"delivery"`
	User     uuid.UUID `json:"user"`
	Replay   bool      `json:"replay,omitempty"` // one attempt, whatever became of the delivery
}

// Kind names the job in the queue's table.
func (deliveryArgs) Kind() string { return "webhook" }

type worker struct {
	river.WorkerDefaults[deliveryArgs]
	service *Service
}

// NextRetry follows the pauses, with a little chance, so that what failed together does not come back together.
func (w *worker) NextRetry(job *river.Job[deliveryArgs]) time.Time { return nextRetry(job.Attempt) }

func nextRetry(attempt int) time.Time {
	pause := pauses[min(max(attempt, 1), len(pauses))-1]
	return time.Now().Add(pause + rand.N(pause/10)) //nolint:gosec // spreads load, guards nothing
}

// Timeout leaves room for the statements around the attempt.
func (w *worker) Timeout(*river.Job[deliveryArgs]) time.Duration { return 3 * attemptTimeout }

// Work makes one attempt. A receiver may get a delivery twice when the server dies between answer and note.
func (w *worker) Work(ctx context.Context, job *river.Job[deliveryArgs]) error {
	a := job.Args
	err := w.service.attempt(ctx, a, job.Attempt >= job.MaxAttempts)
	if errors.Is(err, db.ErrNoTenant) {
		why := "the account may not act"
		return errors.Join(w.service.q.AbandonDeliverySystem(ctx, w.service.cfg.DB.In(db.System()), why, a.Delivery), river.JobCancel(errors.New(why)))
	}
	return outcome(err)
}

// outcome is what the queue makes of an attempt.
func outcome(err error) error {
	f, failed := errors.AsType[*failure](err)
	switch {
	case failed && f.interrupted:
		return river.JobSnooze(time.Second) // the server stops; that counts for nothing
	case failed && f.after > 0:
		return river.JobSnooze(f.after + rand.N(f.after/10+1)) //nolint:gosec // spreads load, guards nothing
	case failed && f.final:
		return river.JobCancel(err)
	}
	return err
}

// attempt sends a delivery and records what came of it.
func (s *Service) attempt(ctx context.Context, a deliveryArgs, last bool) error {
	conn := s.scope(a.User)
	d, err := s.q.TakeDelivery(ctx, conn, a.Delivery, a.Replay)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	status, failed := s.send(ctx, a, d)
	arg := notifydb.RecordDeliveryParams{ID: a.Delivery, Delivered: failed == nil, Last: last && !a.Replay}
	if failed != nil {
		if failed.interrupted {
			return failed
		}
		if d.Attempts >= mostAttempts {
			failed.after = 0
		}
		arg.Error, arg.Last = &failed.words, arg.Last && failed.after == 0 || failed.final
	}
	if status != 0 {
		code := int16(status)
		arg.ResponseStatus = &code
	}
	if err := s.q.RecordDelivery(ctx, conn, arg); err != nil {
		return err
	}
	s.attempted(d.Format, arg)
	if failed == nil {
		return nil
	}
	if arg.Last {
		s.cfg.Log.InfoContext(ctx, "a webhook was not delivered", "webhook", d.WebhookID, "delivery", a.Delivery, "error", failed.words)
	}
	return failed
}

// attempted tells who looks on what came of an attempt.
func (s *Service) attempted(format string, arg notifydb.RecordDeliveryParams) {
	if s.cfg.Attempted == nil {
		return
	}
	outcome := "retried"
	switch {
	case arg.Delivered:
		outcome = "delivered"
	case arg.Last:
		outcome = "failed"
	}
	s.cfg.Attempted(format, outcome)
}

// send opens the webhook's secret, makes the message and calls. status is of the answer; 0: there was none.
func (s *Service) send(ctx context.Context, a deliveryArgs, d notifydb.TakeDeliveryRow) (status int, failed *failure) {
	secret, err := s.sealer.OpenFor(ctx, a.User, secretPurpose, d.WebhookID.String(), d.Secret)
	if err != nil {
		s.cfg.Log.WarnContext(ctx, "the secret of a webhook could not be opened", "webhook", d.WebhookID, "error", err)
		if d.Format != formatTurkey {
			return 0, &failure{words: "the sealed address could not be opened"}
		}
		return 0, &failure{words: "the signing secret could not be opened"}
	}
	defer clear(secret)
	if d.Format != formatTurkey {
		return s.sendChat(ctx, d, string(secret))
	}
	body, err := json.Marshal(message{Type: d.Event, Timestamp: wire.Time(d.CreatedAt), Data: d.Payload})
	if err != nil {
		return 0, &failure{words: "the message could not be made", final: true}
	}
	at := s.cfg.Now()
	return post(ctx, s.client, d.Url, body, http.Header{
		"Webhook-Id":        {a.Delivery.String()},
		"Webhook-Timestamp": {strconv.FormatInt(at.Unix(), 10)},
		"Webhook-Signature": {sign(secret, a.Delivery.String(), at, body)},
	}, judge)
}

// sendChat tells a chat in words.
func (s *Service) sendChat(ctx context.Context, d notifydb.TakeDeliveryRow, address string) (status int, failed *failure) {
	var subject map[string]any
	var chat string
	if d.ChatID != nil {
		chat = *d.ChatID
	}
	err := json.Unmarshal(d.Payload, &subject)
	var body []byte
	if err == nil {
		body, err = chatBody(d.Format, chat, words(d.Event, subject, plainFor(d.Format)))
	}
	if err != nil {
		return 0, &failure{words: "the message could not be made", final: true}
	}
	return post(ctx, s.client, address, body, nil, judgeChat)
}

// message is the body of a delivery. It is made from what is stored and comes out the same each time.
type message struct {
	Type      string          `json:"type"`
	Timestamp wire.Time       `json:"timestamp"` // of the event
	Data      json.RawMessage `json:"data"`
}

// sign is the signature of Standard Webhooks 1.0: HMAC-SHA-256 over id, time of the attempt and body.
func sign(secret []byte, id string, at time.Time, body []byte) string {
	m := hmac.New(sha256.New, secret)
	fmt.Fprintf(m, "%s.%d.", id, at.Unix())
	m.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil))
}
