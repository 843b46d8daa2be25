package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"turkey/internal/db"
	"turkey/internal/notify/notifydb"
	"turkey/internal/outbound"
	"turkey/internal/queue"
)

// OperatorConfig is what an Operator needs. Without an address incidents are in the log and in their table, and nowhere else.
type OperatorConfig struct {
	DB    *db.DB
	Log   *slog.Logger
	Queue *queue.Queue
	Name  string // of this server, for whoever has several

	SlackURL, DiscordURL string // of incoming webhooks
	TelegramToken        string // of a bot
	TelegramChat         string // where it writes
	TelegramBase         string // of the Bot API; empty: https://api.telegram.org
	Emails               []string
	Mail                 func(ctx context.Context, to, subject, text string) error
}

// Operator is whoever runs the server, and the one who hears what is wrong with it.
type Operator struct {
	cfg      OperatorConfig
	q        *notifydb.Queries
	client   *http.Client
	channels map[string]channel
}

// channel is one way to the operator.
type channel struct{ format, url, chat, email string }

// NewOperator makes the way to the operator and registers its jobs. Addresses are the operator's own, so they may be private.
func NewOperator(cfg OperatorConfig) *Operator {
	o := &Operator{cfg: cfg, q: notifydb.New(), client: outbound.Client(true), channels: map[string]channel{}}
	if cfg.SlackURL != "" {
		o.channels[formatSlack] = channel{format: formatSlack, url: cfg.SlackURL}
	}
	if cfg.DiscordURL != "" {
		o.channels[formatDiscord] = channel{format: formatDiscord, url: cfg.DiscordURL}
	}
	if cfg.TelegramToken != "" {
		base := cfg.TelegramBase
		if base == "" {
			base = "https://api.telegram.org"
		}
		o.channels[formatTelegram] = channel{format: formatTelegram, url: strings.TrimRight(base, "/") + "/bot" + cfg.TelegramToken + "/sendMessage", chat: cfg.TelegramChat}
	}
	for i, to := range cfg.Emails {
		o.channels["mail:"+strconv.Itoa(i)] = channel{email: to}
	}
	queue.Register(cfg.Queue, &noticeWorker{operator: o})
	queue.Register(cfg.Queue, &watchWorker{operator: o})
	if len(o.channels) > 0 {
		queue.Every(cfg.Queue, watchEvery, watchArgs{})
	}
	return o
}

// Tell tells the operator that something is wrong, once until Over is called with the same event and subject. event is what
// happens ("backup.failed"), subject what it is about ("" where the event says it), message says in a sentence or two what is
// wrong and what to do, without secrets.
func (o *Operator) Tell(ctx context.Context, event, subject, message string) error {
	return o.change(ctx, event, subject, func(tx pgx.Tx) (uuid.UUID, error) {
		id, err := o.q.OpenIncidentSystem(ctx, tx, notifydb.OpenIncidentSystemParams{Event: event, Subject: cut(line(subject), 255), Message: cut(line(message), 2*mostDetail)})
		if err == nil {
			o.cfg.Log.WarnContext(ctx, "incident: "+message, "event", event, "subject", subject)
		}
		return id, err
	}, false)
}

// Over tells the operator that what Tell told is over, if it did. message says what is well again.
func (o *Operator) Over(ctx context.Context, event, subject, message string) error {
	return o.change(ctx, event, subject, func(tx pgx.Tx) (uuid.UUID, error) {
		id, err := o.q.CloseIncidentSystem(ctx, tx, notifydb.CloseIncidentSystemParams{Event: event, Subject: cut(line(subject), 255), Ending: cut(line(message), 2*mostDetail)})
		if err == nil {
			o.cfg.Log.InfoContext(ctx, "incident over: "+message, "event", event, "subject", subject)
		}
		return id, err
	}, true)
}

// change opens or closes an incident and enqueues what tells of it, in one transaction. No row: there is nothing to tell.
func (o *Operator) change(ctx context.Context, event, subject string, write func(pgx.Tx) (uuid.UUID, error), over bool) error {
	err := o.cfg.DB.Tx(ctx, db.System(), func(tx pgx.Tx) error {
		id, err := write(tx)
		if err != nil || len(o.channels) == 0 {
			return err
		}
		var jobs []river.InsertManyParams
		for name := range o.channels {
			jobs = append(jobs, river.InsertManyParams{Args: noticeArgs{Incident: id, Channel: name, Over: over}, InsertOpts: &river.InsertOpts{MaxAttempts: maxAttempts}})
		}
		return o.cfg.Queue.InsertTx(ctx, tx, jobs...)
	})
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("incident %s %q: %w", event, subject, err)
	}
	return nil
}

// noticeArgs are the arguments of a job: ids, never an address.
type noticeArgs struct {
	Incident uuid.UUID `json:"incident"`
	Channel  string    `json:"channel"`
	Over     bool      `json:"over,omitempty"`
}

// Kind names the job in the queue's table.
func (noticeArgs) Kind() string { return "operator_notice" }

type noticeWorker struct {
	river.WorkerDefaults[noticeArgs]
	operator *Operator
}

// NextRetry is as with webhooks.
func (w *noticeWorker) NextRetry(job *river.Job[noticeArgs]) time.Time { return nextRetry(job.Attempt) }

// Timeout leaves room for the statements around the attempt.
func (w *noticeWorker) Timeout(*river.Job[noticeArgs]) time.Duration { return 3 * attemptTimeout }

// Work tells one channel of one incident.
func (w *noticeWorker) Work(ctx context.Context, job *river.Job[noticeArgs]) error {
	o, a := w.operator, job.Args
	to, known := o.channels[a.Channel]
	if !known {
		return errors.New("this server has no such channel: another may have it, or it was taken from the configuration")
	}
	row, err := o.q.IncidentSystem(ctx, o.cfg.DB.In(db.System()), a.Incident)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	if !a.Over && row.ClosedAt != nil {
		return nil // too late: the end tells of the beginning, too
	}
	failed := o.send(ctx, to, row, a.Over)
	if failed == nil {
		return nil
	}
	if time.Since(job.CreatedAt) > pauses[len(pauses)-1] { // nobody is put off for ever
		failed.after = 0
	}
	if failed.final || job.Attempt >= job.MaxAttempts {
		o.cfg.Log.ErrorContext(ctx, "the operator could not be told of an incident", "channel", a.Channel, "event", row.Event, "subject", row.Subject, "error", failed.words)
	}
	return outcome(failed)
}

func (o *Operator) send(ctx context.Context, to channel, row notifydb.IncidentSystemRow, over bool) *failure {
	plain := plainFor(to.format)
	who := "TurKey"
	if o.cfg.Name != "" {
		who += " at " + plain(line(o.cfg.Name))
	}
	what, text := "incident", plain(row.Message)
	if over && row.Ending != nil {
		what, text = "over", plain(*row.Ending)+"\nIt began on "+moment(row.OpenedAt)+": "+plain(row.Message)
	}
	if to.email != "" {
		if err := o.cfg.Mail(ctx, to.email, who+": "+what+" "+strings.TrimSpace(row.Event+" "+row.Subject), text+"\n"); err != nil {
			o.cfg.Log.WarnContext(ctx, "a mail to the operator was not taken over", "error", err)
			return &failure{words: "the mail was not taken over"}
		}
		return nil
	}
	body, err := chatBody(to.format, to.chat, who+", "+what+": "+text)
	if err != nil {
		return &failure{words: "the message could not be made", final: true}
	}
	_, failed := post(ctx, o.client, to.url, body, nil, judgeChat)
	return failed
}
