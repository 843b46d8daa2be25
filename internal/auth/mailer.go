package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"turkey/internal/auth/authdb"
	"turkey/internal/db"
	"turkey/internal/mail"
)

// mailArgs are the arguments of a mail's job.
type mailArgs struct {
	Mail uuid.UUID `json:"mail"`
}

// Kind names the job in the queue's table.
func (mailArgs) Kind() string { return "mail" }

// mailAttempts bounds the deliveries of one mail; with the queue's growing pauses they span about eleven hours.
const mailAttempts = 12

// enqueueMail hands a row of mails to the queue in the transaction that wrote it.
func (s *Service) enqueueMail(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
	return s.cfg.Queue.InsertTx(ctx, tx, river.InsertManyParams{Args: mailArgs{Mail: id}, InsertOpts: &river.InsertOpts{MaxAttempts: mailAttempts}})
}

type mailWorker struct {
	river.WorkerDefaults[mailArgs]
	service *Service
}

// Work sends one mail. A mail may be sent twice when the server dies between delivery and note; its link then is the
// newer one.
func (w *mailWorker) Work(ctx context.Context, job *river.Job[mailArgs]) error {
	err := w.service.sendMail(ctx, job.Args.Mail)
	if mail.IsPermanent(err) {
		return river.JobCancel(err)
	}
	return err
}

func (s *Service) sendMail(ctx context.Context, id uuid.UUID) error {
	system := s.cfg.DB.In(db.System())
	row, err := s.q.TakeMailSystem(ctx, system, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	err = s.deliver(ctx, row)
	if err == nil {
		return s.q.MailSentSystem(ctx, system, id)
	}
	return errors.Join(err, s.q.MailFailedSystem(ctx, system, err.Error(), id))
}

// deliver makes the mail, with a fresh token where its kind has a link, and sends it.
func (s *Service) deliver(ctx context.Context, row authdb.TakeMailSystemRow) error {
	a, err := s.knownApp(ctx, row.AppID)
	if err != nil {
		return fmt.Errorf("app of the mail: %w", err)
	}
	kind := mail.Kind(row.Kind)
	data, err := s.mailData(ctx, a, row)
	if errors.Is(err, pgx.ErrNoRows) || errors.Is(err, db.ErrNoTenant) {
		return nil // the account is gone, or has another address by now: there is nobody to write to
	}
	if err != nil {
		return err
	}
	subject, text, html, err := s.renderMail(ctx, a.id, kind, data)
	if err != nil {
		return fmt.Errorf("render mail: %w", err)
	}
	return s.cfg.Mail.Send(ctx, mail.Message{FromName: s.cfg.MailFromName, From: s.cfg.MailFrom, To: row.Recipient, Subject: subject, Text: text, HTML: html, Kind: kind})
}

func (s *Service) mailData(ctx context.Context, a app, row authdb.TakeMailSystemRow) (mail.Data, error) {
	var facts struct {
		IP        string `json:"ip"`
		UserAgent string `json:"userAgent"`
		NewEmail  string `json:"newEmail"`
	}
	if err := json.Unmarshal(row.Data, &facts); err != nil {
		return mail.Data{}, fmt.Errorf("facts of the mail: %w", err)
	}
	data := mail.Data{AppName: s.appName(a), AppURL: a.baseURL, Email: row.Recipient, IP: facts.IP, UserAgent: facts.UserAgent, NewEmail: facts.NewEmail,
		When: s.cfg.Now().UTC().Format(time.RFC1123)}
	addNoticeFacts(&data, row.Data)
	var path, kind string
	switch mail.Kind(row.Kind) {
	case mail.VerifyEmail:
		path, kind, data.ExpiresIn = verifyPath, typeVerification, s.cfg.VerificationTTL
	case mail.ResetPassword:
		path, kind, data.ExpiresIn = resetPath, typeReset, s.cfg.ResetTTL
	default:
		return data, nil
	}
	token, hash := newEmailToken()
	err := s.cfg.DB.Tx(ctx, db.App(a.id), func(tx pgx.Tx) error {
		u, err := s.q.LockUser(ctx, tx, a.id, row.UserID)
		if err != nil {
			return err
		}
		if u.Email != row.Recipient || u.Status != "active" || kind == typeReset && u.Elsewhere {
			return pgx.ErrNoRows
		}
		return s.q.IssueEmailToken(ctx, tx, authdb.IssueEmailTokenParams{AppID: a.id, UserID: row.UserID, Type: kind, TokenHash: hash, Email: row.Recipient,
			ExpiresAt: later(s.cfg.Now(), s.cfg.DB.Now()).Add(data.ExpiresIn)})
	})
	data.Link = a.baseURL + path + "?token=" + url.QueryEscape(token)
	return data, err
}

// appName is the name in mails: the product's for the default app and for apps that were never named.
func (s *Service) appName(a app) string {
	if a.name == "" || a.name == a.id {
		return ""
	}
	return a.name
}

// Mailbox keeps the mails of development in a table, for the console and `gravy dev mailbox`.
type Mailbox struct{ DB *db.DB }

// Put keeps one mail.
func (m Mailbox) Put(ctx context.Context, msg mail.Message) error {
	return authdb.New().PutMailboxSystem(ctx, m.DB.In(db.System()), authdb.PutMailboxSystemParams{Sender: msg.From, Recipient: msg.To,
		Subject: msg.Subject, BodyText: msg.Text, BodyHtml: msg.HTML})
}
