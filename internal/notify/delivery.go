package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"turkey/internal/db"
	"turkey/internal/notify/notifydb"
	"turkey/internal/outbound"
	"turkey/internal/wire"
)

// pauses between the attempts of a delivery: three days in all, as the Standard Webhooks specification suggests.
var pauses = []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour,
	20 * time.Hour, 24 * time.Hour}

var maxAttempts = len(pauses) + 1

// Bounds of one attempt.
const (
	attemptTimeout = 10 * time.Second
	maxResponse    = 64 << 10
)

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
func (w *worker) NextRetry(job *river.Job[deliveryArgs]) time.Time {
	pause := pauses[min(max(job.Attempt, 1), len(pauses))-1]
	return time.Now().Add(pause + rand.N(pause/10)) //nolint:gosec // spreads load, guards nothing
}

// Timeout leaves room for the statements around the attempt.
func (w *worker) Timeout(*river.Job[deliveryArgs]) time.Duration { return 3 * attemptTimeout }

// Work makes one attempt. A receiver may get a delivery twice when the server dies between answer and note.
func (w *worker) Work(ctx context.Context, job *river.Job[deliveryArgs]) error {
	a := job.Args
	err := w.service.attempt(ctx, a, job.Attempt >= job.MaxAttempts)
	f, failed := errors.AsType[*failure](err)
	switch {
	case failed && f.interrupted:
		return river.JobSnooze(time.Second) // the server stops; that counts for nothing
	case failed && f.final:
		return river.JobCancel(err)
	case errors.Is(err, db.ErrNoTenant):
		why := "the account may not act"
		return errors.Join(w.service.q.AbandonDeliverySystem(ctx, w.service.cfg.DB.In(db.System()), why, a.Delivery), river.JobCancel(errors.New(why)))
	}
	return err
}

// failure is why an attempt did not deliver, in words for the user and the queue.
type failure struct {
	words       string
	final       bool // no further attempt can help
	interrupted bool // by this server
}

func (f *failure) Error() string { return f.words }

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
		arg.Error, arg.Last = &failed.words, arg.Last || failed.final
	}
	if status != 0 {
		code := int16(status)
		arg.ResponseStatus = &code
	}
	if err := s.q.RecordDelivery(ctx, conn, arg); err != nil {
		return err
	}
	if failed == nil {
		return nil
	}
	if arg.Last {
		s.cfg.Log.InfoContext(ctx, "a webhook was not delivered", "webhook", d.WebhookID, "delivery", a.Delivery, "error", failed.words)
	}
	return failed
}

// send opens the webhook's secret and makes the call. status is of the answer; 0: there was none.
func (s *Service) send(ctx context.Context, a deliveryArgs, d notifydb.TakeDeliveryRow) (status int, failed *failure) {
	body, err := json.Marshal(message{Type: d.Event, Timestamp: wire.Time(d.CreatedAt), Data: d.Payload})
	if err != nil {
		return 0, &failure{words: "the message could not be made", final: true}
	}
	secret, err := s.sealer.OpenFor(ctx, a.User, secretPurpose, d.WebhookID.String(), d.Secret)
	if err != nil {
		s.cfg.Log.WarnContext(ctx, "the secret of a webhook could not be opened", "webhook", d.WebhookID, "error", err)
		return 0, &failure{words: "the signing secret could not be opened"}
	}
	at := s.cfg.Now()
	signature := sign(secret, a.Delivery.String(), at, body)
	clear(secret)

	call, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(call, http.MethodPost, d.Url, bytes.NewReader(body))
	if err != nil {
		return 0, &failure{words: "the address is not valid", final: true}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "TurKey-Webhooks/1")
	req.Header.Set("Webhook-Id", a.Delivery.String())
	req.Header.Set("Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10))
	req.Header.Set("Webhook-Signature", signature)
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, unreached(ctx, err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, maxResponse) // so that the connection may be used again; what it says is not for us
	return resp.StatusCode, judge(resp.StatusCode)
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

// judge tells what a status means; nil: delivered.
func judge(status int) *failure {
	f := &failure{words: "the receiver answered " + strconv.Itoa(status)}
	switch {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusGone:
		f.final, f.words = true, f.words+" (gone): no further attempt is made"
	case status >= 300 && status < 400:
		f.words += ": redirects are not followed"
	}
	return f
}

// unreached words why there was no answer. The errors of the HTTP client quote the address.
func unreached(ctx context.Context, err error) *failure {
	var timeout net.Error
	var name *net.DNSError
	switch {
	case ctx.Err() != nil:
		return &failure{words: "interrupted", interrupted: true}
	case errors.Is(err, outbound.ErrPrivate):
		return &failure{words: "the address is not public"}
	case errors.As(err, &name):
		return &failure{words: "the host name could not be resolved"}
	case errors.As(err, &timeout) && timeout.Timeout():
		return &failure{words: "no answer within 10 seconds"}
	}
	return &failure{words: "the connection failed"}
}
