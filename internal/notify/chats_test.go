package notify_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Secrets of the chats: parts of their addresses.
const (
	slackToken    = "T00000000/B00000000/canary-slack-token-XyZ1"
	discordToken  = "123456789012345678/canary-discord-token-AbC2"
	telegramToken = "123456:canary-telegram-token_QwE3"
	chatNumber    = "-1001234567890"
)

// chats is Slack, Discord and Telegram on one address. It answers as they do: what they refuse it refuses.
type chats struct {
	*httptest.Server
	t       testing.TB
	mu      sync.Mutex
	limited float64 // seconds that the next call is told to wait; 0: it is answered
	status  int     // of all answers; 0: what the chat would answer
	got     []said
}

// said is one message that reached a chat, as its people read it.
type said struct{ format, text, raw string }

func newChats(t testing.TB) *chats {
	t.Helper()
	c := &chats{t: t}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

// address of an incoming webhook or method of a chat.
func (c *chats) address(format string) string {
	return map[string]string{"slack": c.URL + "/services/" + slackToken, "discord": c.URL + "/api/webhooks/" + discordToken,
		"telegram": c.URL + "/bot" + telegramToken + "/sendMessage"}[format]
}

func (c *chats) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body)
	var body struct {
		Text     *string
		Mrkdwn   *bool
		Content  *string
		Mentions *struct{ Parse []string } `json:"allowed_mentions"`
		Chat     string                    `json:"chat_id"`
		Mode     *string                   `json:"parse_mode"`
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	answer := func(status int, text string) { w.WriteHeader(status); _, _ = io.WriteString(w, text) }
	if err := json.Unmarshal(raw, &body); err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" ||
		r.Header.Get("Webhook-Signature") != "" {
		c.t.Errorf("%s %s %v: %s", r.Method, r.Header, err, raw)
	}
	wait := c.limited
	c.limited = 0
	switch r.URL.Path {
	case "/services/" + slackToken:
		switch {
		case wait > 0:
			w.Header().Set("Retry-After", fmt.Sprintf("%.0f", wait))
			answer(429, "rate_limited")
		case c.status != 0:
			answer(c.status, "no_service")
		case body.Text == nil || body.Mrkdwn == nil || *body.Mrkdwn:
			answer(400, "invalid_payload")
		default:
			c.got = append(c.got, said{"slack", strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(*body.Text), *body.Text})
			answer(200, "ok")
		}
	case "/api/webhooks/" + discordToken:
		switch {
		case wait > 0:
			answer(429, fmt.Sprintf(`{"message": "You are being rate limited.", "retry_after": %g, "global": false}`, wait))
		case c.status != 0:
			answer(c.status, `{"message": "Unknown Webhook", "code": 10015}`)
		case body.Content == nil || utf8.RuneCountInString(*body.Content) > 2000 || *body.Content == "" || body.Mentions == nil || body.Mentions.Parse == nil || len(body.Mentions.Parse) > 0:
			answer(400, `{"code": 50006}`)
		default:
			c.got = append(c.got, said{"discord", unescaped(*body.Content), *body.Content})
			w.WriteHeader(204)
		}
	case "/bot" + telegramToken + "/sendMessage":
		switch {
		case wait > 0:
			answer(429, fmt.Sprintf(`{"ok":false,"error_code":429,"description":"Too Many Requests: retry after %.0[1]f","parameters":{"retry_after":%.0[1]f}}`, wait))
		case c.status != 0:
			answer(c.status, `{"ok":false,"error_code":403,"description":"Forbidden: bot was kicked"}`)
		case body.Text == nil || utf8.RuneCountInString(*body.Text) > 4096 || body.Chat != chatNumber || body.Mode != nil:
			answer(400, `{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}`)
		default:
			c.got = append(c.got, said{"telegram", *body.Text, *body.Text})
			answer(200, `{"ok":true,"result":{"message_id":1}}`)
		}
	default:
		c.t.Errorf("called at %s", r.URL.Path)
		answer(404, "")
	}
}

// unescaped is what Discord shows of a text.
func unescaped(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func (c *chats) answers(status int, wait float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status, c.limited = status, wait
}

func (c *chats) heard() []said {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.got)
}

// chat gives a user a webhook that leads to a chat.
func (b *bundle) chat(user uuid.UUID, c *chats, format string) (id uuid.UUID, shown string) {
	b.t.Helper()
	number := ""
	if format == "telegram" {
		number = chatNumber
	}
	id, shown, err := b.CreateChat(b.t.Context(), user, format, c.address(format), number)
	must(b.t, err)
	return id, shown
}

var formats = []string{"slack", "discord", "telegram"}
