package mail

import (
	"context"
	"log/slog"
	"regexp"
	"strings"
)

// toLog prints messages. It is the only place where a link is logged (contract §12).
type toLog struct{ log *slog.Logger }

func (toLog) Name() string { return "log" }

var links = regexp.MustCompile(`https?://[^\s<>"]+`)

func (s toLog) Send(ctx context.Context, m Message) error {
	s.log.InfoContext(ctx, "mail", "kind", string(m.Kind), "to", m.To, "subject", m.Subject,
		"link", strings.Join(links.FindAllString(m.Text, -1), " "), "text", m.Text)
	return nil
}

// toNobody drops messages; NewSender has warned.
type toNobody struct{}

func (toNobody) Name() string                        { return "none" }
func (toNobody) Send(context.Context, Message) error { return nil }

// toMailbox keeps messages on this server.
type toMailbox struct{ box Mailbox }

func (toMailbox) Name() string { return "mailbox" }

func (s toMailbox) Send(ctx context.Context, m Message) error {
	if err := s.box.Put(ctx, m); err != nil {
		return temporaryf("mail: mailbox: %w", err)
	}
	return nil
}
