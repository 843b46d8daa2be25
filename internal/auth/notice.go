package auth

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/auth/authdb"
	"turkey/internal/mail"
)

// noticesPerHour bounds the mails of one kind that a user gets in an hour: a hundred runs may fail for one reason.
const noticesPerHour = 20

// MailUser writes a mail of a kind to the user whose scope the transaction is in, and enqueues it there. No mail goes to
// addresses that were made up for want of one; queued then is false, as it is for a user who had enough of the kind.
func (s *Service) MailUser(ctx context.Context, tx pgx.Tx, _ uuid.UUID, kind string, data map[string]any) (queued bool, err error) {
	facts, err := json.Marshal(data)
	if err != nil {
		return false, err
	}
	id, err := s.q.QueueNotice(ctx, tx, authdb.QueueNoticeParams{Kind: kind, Data: facts, Most: noticesPerHour})
	if err != nil || id == uuid.Nil {
		return false, err
	}
	return true, s.enqueueMail(ctx, tx, id)
}

// addNoticeFacts adds what notices show. Facts of another form are left out: a notice that says less beats none.
func addNoticeFacts(data *mail.Data, facts []byte) {
	var known map[string]any
	if json.Unmarshal(facts, &known) != nil {
		return
	}
	text := func(name string) string { v, _ := known[name].(string); return v }
	data.Service, data.Name, data.Detail = text("service"), text("name"), text("message")
	if at, err := time.Parse(time.RFC3339, text("expiresAt")); err == nil {
		data.Until = at.UTC().Format("2 January 2006, 15:04 MST")
	}
}
