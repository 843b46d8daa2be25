package notify

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"turkey/internal/caller"
	"turkey/internal/notify/notifydb"
	"turkey/internal/wire"
)

// Mount adds the routes; bearer lets authenticated users through.
func (s *Service) Mount(api huma.API, bearer func(huma.Context, func(huma.Context))) {
	op := func(method, path, id string, status int, summary, description string) huma.Operation {
		return huma.Operation{Method: method, Path: path, OperationID: id, Tags: []string{"Notifications"}, Summary: summary, Description: description,
			SkipValidateBody: true, DefaultStatus: status, Security: []map[string][]string{{"bearerAuth": {}}}, Middlewares: huma.Middlewares{bearer}}
	}
	huma.Register(api, op(http.MethodGet, "/api/notifications", "getNotifications", 200, "What is told by mail", "Whoever never chose hears of everything."), s.handleSettings)
	huma.Register(api, op(http.MethodPut, "/api/notifications", "setNotifications", 200, "Choose what is told by mail",
		"Replaces the settings. Webhooks have their own list of events."), s.handleChoose)
	huma.Register(api, op(http.MethodPost, "/api/notifications/test", "testNotifications", 202, "Send a test",
		"By mail, unless mails are switched off, and to every webhook, whatever it listens to. At most ten an hour."), s.handleTest)
	huma.Register(api, op(http.MethodGet, "/api/webhooks", "listWebhooks", 200, "List webhooks", "Newest first. No secret is in it."), s.handleWebhooks)
	huma.Register(api, op(http.MethodPost, "/api/webhooks", "createWebhook", 201, "Add a webhook",
		"The secret in the answer signs every delivery (Standard Webhooks); it is shown once. In the format of a chat the address is the\n"+
			"secret: host and last four characters are all that is ever shown of it. At most ten per user."), s.handleCreate)
	huma.Register(api, op(http.MethodDelete, "/api/webhooks/{id}", "deleteWebhook", 200, "Delete a webhook", "Its deliveries go with it."), s.handleDelete)
	huma.Register(api, op(http.MethodGet, "/api/webhooks/{id}/deliveries", "listDeliveries", 200, "Deliveries of a webhook",
		"Newest first; kept for 30 days."), s.handleDeliveries)
	huma.Register(api, op(http.MethodPost, "/api/webhooks/{id}/deliveries/{delivery}/replay", "replayDelivery", 202, "Deliver again",
		"One attempt, at once, with the same id and body. What it comes to is seen in the list. At most thirty an hour."), s.handleReplay)
}

// Settings are what a user wants to hear of by mail.
type Settings struct {
	Email       bool       `json:"email" doc:"Mails at all"`
	Events      []string   `json:"events" nullable:"true" doc:"null: all, also those to come"`
	KnownEvents []string   `json:"knownEvents" doc:"What can be chosen"`
	UpdatedAt   *wire.Time `json:"updatedAt" format:"date-time" doc:"null: never chosen"`
}

func shownSettings(s settings) *struct{ Body Settings } {
	return &struct{ Body Settings }{Settings{Email: s.email, Events: s.events, KnownEvents: Events, UpdatedAt: wire.TimePtr(s.updatedAt)}}
}

func (s *Service) handleSettings(ctx context.Context, _ *struct{}) (*struct{ Body Settings }, error) {
	user, _ := caller.UserFrom(ctx)
	chosen, err := s.settings(ctx, user.ID)
	if err != nil {
		return nil, err
	}
	return shownSettings(chosen), nil
}

type chooseBody struct {
	Email  bool     `json:"email" doc:"Mails at all"`
	Events []string `json:"events,omitempty" nullable:"true" doc:"null or left out: all, also those to come" example:"[\"credential.broken\"]"`
}

func (s *Service) handleChoose(ctx context.Context, in *struct{ Body chooseBody }) (*struct{ Body Settings }, error) {
	user, _ := caller.UserFrom(ctx)
	chosen, err := s.choose(ctx, user.ID, in.Body.Email, in.Body.Events)
	if err != nil {
		return nil, err
	}
	return shownSettings(chosen), nil
}

type testOutput struct {
	Body struct {
		Success  bool   `json:"success"`
		Message  string `json:"message"`
		Email    bool   `json:"email" doc:"A mail was queued"`
		Webhooks int    `json:"webhooks" doc:"Deliveries that were queued"`
	}
}

func (s *Service) handleTest(ctx context.Context, _ *struct{}) (*testOutput, error) {
	user, _ := caller.UserFrom(ctx)
	t, err := s.test(ctx, user.ID)
	if err != nil {
		return nil, err
	}
	out := &testOutput{}
	b := &out.Body
	b.Success, b.Message, b.Email, b.Webhooks = true, "Test queued", t.mail, t.webhooks
	return out, nil
}

// Webhook is an address of a user's.
type Webhook struct {
	ID        uuid.UUID `json:"id" format:"uuid"`
	Format    string    `json:"format" enum:"turkey,slack,discord,telegram" doc:"What goes there, and how"`
	URL       string    `json:"url" doc:"Of a chat only the host and the last four characters, without a scheme" example:"https://example.com/hooks/turkey"`
	ChatID    *string   `json:"chatId" doc:"Where a Telegram bot writes; null of other formats"`
	Events    []string  `json:"events" nullable:"true" doc:"null: all, also those to come"`
	CreatedAt wire.Time `json:"createdAt" format:"date-time"`
}

func shownWebhooks(rows []notifydb.ListWebhooksRow) []Webhook {
	out := make([]Webhook, len(rows))
	for i, r := range rows {
		out[i] = Webhook{ID: r.ID, Format: r.Format, URL: r.Url, ChatID: r.ChatID, Events: r.Events, CreatedAt: wire.Time(r.CreatedAt)}
	}
	return out
}

type webhooksOutput struct {
	Body struct {
		Webhooks   []Webhook `json:"webhooks"`
		NextCursor *string   `json:"nextCursor" doc:"Always null: they are few"`
	}
}

func (s *Service) handleWebhooks(ctx context.Context, _ *struct{}) (*webhooksOutput, error) {
	user, _ := caller.UserFrom(ctx)
	rows, err := s.q.ListWebhooks(ctx, s.scope(user.ID))
	if err != nil {
		return nil, err
	}
	out := &webhooksOutput{}
	out.Body.Webhooks = shownWebhooks(rows)
	return out, nil
}

type createBody struct {
	URL    string   `json:"url" missing:"handler" doc:"https, at most 2048 bytes, a public address; outside production also http" example:"https://example.com/hooks/turkey"`
	Format string   `json:"format,omitempty" enum:"turkey,slack,discord,telegram" doc:"Left out: turkey, signed JSON. The others take the address of an incoming webhook, or of a bot's sendMessage"`
	ChatID string   `json:"chatId,omitempty" doc:"Of format telegram, and required there: a number, or the @name of a public channel" example:"-1001234567890"`
	Events []string `json:"events,omitempty" nullable:"true" doc:"null or left out: all, also those to come" example:"[\"credential.broken\"]"`
}

type createOutput struct {
	Body struct {
		Webhook
		Secret string `json:"secret,omitempty" doc:"Of format turkey. Shown once. whsec_ and 32 bytes in base64" example:"whsec_…"`
	}
}

func (s *Service) handleCreate(ctx context.Context, in *struct{ Body createBody }) (*createOutput, error) {
	user, _ := caller.UserFrom(ctx)
	b := in.Body
	w, err := s.create(ctx, user.ID, draft{format: b.Format, url: b.URL, chat: b.ChatID, events: b.Events})
	if err != nil {
		return nil, err
	}
	out := &createOutput{}
	out.Body.Webhook = Webhook{ID: w.id, Format: w.format, URL: w.address, Events: w.events, CreatedAt: wire.Time(w.createdAt)}
	if w.chat != "" {
		out.Body.ChatID = &w.chat
	}
	out.Body.Secret = w.secret
	return out, nil
}

type doneOutput struct {
	Body struct {
		Success bool   `json:"success"`
		Message string `json:"message"`
	}
}

func done(message string) *doneOutput {
	out := &doneOutput{}
	out.Body.Success, out.Body.Message = true, message
	return out
}

type webhookPath struct {
	ID string `path:"id" doc:"Webhook id"`
}

func (s *Service) handleDelete(ctx context.Context, in *webhookPath) (*doneOutput, error) {
	user, _ := caller.UserFrom(ctx)
	id, err := uuid.Parse(in.ID)
	if err != nil {
		return nil, errWebhook
	}
	if err := s.remove(ctx, user.ID, id); err != nil {
		return nil, err
	}
	return done("Webhook deleted successfully"), nil
}

// Delivery is one message to one webhook.
type Delivery struct {
	ID             uuid.UUID       `json:"id" format:"uuid" doc:"The webhook-id of its attempts"`
	Event          string          `json:"event"`
	Status         string          `json:"status" enum:"pending,delivered,failed"`
	Attempts       int16           `json:"attempts"`
	ResponseStatus *int16          `json:"responseStatus" doc:"Of the last answer; null: there was none"`
	Error          *string         `json:"error" doc:"Why the last attempt failed"`
	Data           json.RawMessage `json:"data"`
	CreatedAt      wire.Time       `json:"createdAt" format:"date-time"`
	DeliveredAt    *wire.Time      `json:"deliveredAt" format:"date-time"`
}

type deliveriesInput struct {
	ID     string `path:"id" doc:"Webhook id"`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"50"`
	Cursor string `query:"cursor" doc:"nextCursor of the page before"`
}

type deliveriesOutput struct {
	Body struct {
		Deliveries []Delivery `json:"deliveries"`
		NextCursor *string    `json:"nextCursor" doc:"null: this is the last page"`
	}
}

func (s *Service) handleDeliveries(ctx context.Context, in *deliveriesInput) (*deliveriesOutput, error) {
	user, _ := caller.UserFrom(ctx)
	id, err := uuid.Parse(in.ID)
	if err != nil {
		return nil, errWebhook
	}
	rows, next, err := s.deliveries(ctx, user.ID, id, in.Limit, in.Cursor)
	if err != nil {
		return nil, err
	}
	out := &deliveriesOutput{}
	out.Body.NextCursor, out.Body.Deliveries = next, make([]Delivery, len(rows))
	for i, r := range rows {
		out.Body.Deliveries[i] = shownDelivery(r)
	}
	return out, nil
}

func shownDelivery(r notifydb.ListDeliveriesRow) Delivery {
	return Delivery{ID: r.ID, Event: r.Event, Status: r.Status, Attempts: r.Attempts, ResponseStatus: r.ResponseStatus, Error: r.Error,
		Data: r.Payload, CreatedAt: wire.Time(r.CreatedAt), DeliveredAt: wire.TimePtr(r.DeliveredAt)}
}

func (s *Service) handleReplay(ctx context.Context, in *struct {
	ID       string `path:"id" doc:"Webhook id"`
	Delivery string `path:"delivery" doc:"Delivery id"`
}) (*doneOutput, error) {
	user, _ := caller.UserFrom(ctx)
	id, idErr := uuid.Parse(in.ID)
	delivery, deliveryErr := uuid.Parse(in.Delivery)
	if idErr != nil || deliveryErr != nil {
		return nil, errDelivery
	}
	if err := s.replay(ctx, user.ID, id, delivery); err != nil {
		return nil, err
	}
	return done("Delivery queued"), nil
}
