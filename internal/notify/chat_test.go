package notify_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"turkey/internal/fault"
	"turkey/internal/notify"
)

func TestChatsAreTold(t *testing.T) {
	t.Parallel()
	b, c := setup(t), newChats(t)
	for i, format := range formats {
		_, shown := b.chat(b.user, c, format)
		if want := "127.0.0.1/…" + []string{"XyZ1", "AbC2", "QwE3"}[i]; shown != want {
			t.Errorf("%s is shown as %s, want %s", format, shown, want)
		}
	}
	subject := map[string]any{"service": "ga4", "name": "Main", "message": "Share the property with robot@p.iam.gserviceaccount.com, then try again", "expiresAt": "2026-02-03T04:05:06.000Z", "from": "2026-01-01", "to": "2026-01-03"}
	for _, e := range []struct{ event, text string }{
		{notify.CredentialExpiring, "TurKey: the ga4 credential “Main” expires on 3 February 2026, 04:05 UTC.\nWhat to do: make a new one at the provider and replace the stored one with it. After that, figures that need it are not collected any more."},
		{notify.CredentialBroken, "TurKey: the ga4 credential “Main” no longer works.\nReason: Share the property with robot@p.iam.gserviceaccount.com, then try again\nWhat to do: mend it at the provider or replace the stored one. Until then, figures that need it are not collected."},
		{notify.CredentialRecovered, "TurKey: the ga4 credential “Main” works again.\nNothing to do."},
		{notify.RunFailed, "TurKey: ga4 figures of 2026-01-01 to 2026-01-03 were not collected, and no further attempt is made.\nReason: Share the property with robot@p.iam.gserviceaccount.com, then try again\nWhat to do: mend the reason, then start the run again."},
		{notify.RunRecovered, "TurKey: ga4 figures of 2026-01-01 to 2026-01-03 are collected again.\nNothing to do."},
	} {
		before := len(c.heard())
		must(t, b.tell(b.user, e.event, subject))
		b.eventually(e.event, func() bool { return len(c.heard()) == before+3 && b.delivered() })
		for _, s := range c.heard()[before:] {
			if s.text != e.text {
				t.Errorf("%s says %q, want %q", s.format, s.text, e.text)
			}
		}
	}
	_, n, err := b.Test(t.Context(), b.user)
	must(t, err)
	if n != 3 {
		t.Errorf("%d deliveries of a test", n)
	}
	b.eventually("the test", func() bool { return len(c.heard()) == 18 })
	if s := c.heard()[17]; s.text != "TurKey: this is a test. Messages arrive here.\nNothing to do." {
		t.Errorf("%+v", s)
	}
}

// TestNamesAreHarmless: what somebody wrote pings nobody, leads nowhere, marks nothing up and fits.
func TestNamesAreHarmless(t *testing.T) {
	t.Parallel()
	b, c := setup(t), newChats(t)
	for _, format := range formats {
		b.chat(b.user, c, format)
	}
	const name = "@everyone <!channel> <@U1|x> [free](https://evil.example/a) **b** `c` /stop ||d|| evil.example\n# \u202egnp.exe & <b>"
	const read = "@everyone <!channel> <@U1|x> [free](https://evil.example/a) **b** `c` /stop ||d|| evil.example # gn…"
	must(t, b.tell(b.user, notify.CredentialBroken, map[string]any{"name": name, "service": "ga4", "message": strings.Repeat("*@here* ", 400)}))
	b.eventually("told", func() bool { return len(c.heard()) == 3 })
	for _, s := range c.heard() {
		if n := utf8.RuneCountInString(s.raw); n > 2000 {
			t.Errorf("%s: %d characters", s.format, n)
		}
		if seen := strings.ReplaceAll(s.text, "\u2060", ""); !strings.Contains(seen, "“"+read+"”") || !strings.Contains(seen, "Reason: *@here* *@here*") || strings.Count(seen, "\n") != 2 {
			t.Errorf("%s: people read %q", s.format, seen)
		}
		active := map[string][]string{
			"slack":    {"@everyone", "@here", "<", ">", "& ", "https://", "evil.example", "/stop"},
			"discord":  {"@", "<", "[", "(", "*", "`", "|", "#", "://"},
			"telegram": {"@everyone", "@here", "@U1", "https://", "evil.example", "/stop"},
		}[s.format]
		text := s.raw
		if s.format == "discord" {
			text = escaped.ReplaceAllString(text, "")
		}
		for _, never := range active {
			if strings.Contains(text, never) {
				t.Errorf("%s: %q acts in %q", s.format, never, text)
			}
		}
	}
}

// escaped is what Discord shows as it is.
var escaped = regexp.MustCompile(`\\[^0-9A-Za-z\s]`)

// TestChatsThatAskForPatience get it, however often they ask, and it does not count as an attempt.
func TestChatsThatAskForPatience(t *testing.T) {
	t.Parallel()
	for format, wait := range map[string]float64{"slack": 600, "discord": 1199.4, "telegram": 1800} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			b, c := setup(t), newChats(t)
			id, _ := b.chat(b.user, c, format)
			c.answers(0, wait)
			must(t, b.tell(b.user, notify.RunFailed, nil))
			due := func() float64 {
				return one[float64](b, `SELECT coalesce(max(extract(epoch FROM scheduled_at - now())), 0)::float8 FROM river.river_job WHERE kind = 'webhook' AND state = 'scheduled'`)
			}
			b.eventually("put off", func() bool { return due() > 0 })
			if d := due(); d < wait-60 || d > wait*1.11+2 {
				t.Errorf("due in %.0f s, asked for %.0f", d, wait)
			}
			if s := b.state(); s != "pending 1 429 the receiver answered 429" {
				t.Error(s)
			}
			b.hurry()
			b.eventually("delivered", b.delivered)
			if n := one[int](b, `SELECT max_attempts - attempt FROM river.river_job WHERE kind = 'webhook'`); n != 9 {
				t.Errorf("%d attempts are left of ten", n)
			}

			// A replay, too.
			delivery := one[uuid.UUID](b, `SELECT id FROM webhook_deliveries`)
			c.answers(0, wait)
			must(t, b.Replay(t.Context(), b.user, id, delivery))
			b.eventually("the replay is put off", func() bool { return due() > 0 })
			b.hurry()
			b.eventually("replayed", func() bool { return len(c.heard()) == 2 })
			if got := c.heard(); got[0] != got[1] {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestPatienceEnds: who asks for it for ever is told no more.
func TestPatienceEnds(t *testing.T) {
	t.Parallel()
	b, c := setup(t), newChats(t)
	b.chat(b.user, c, "discord")
	c.answers(429, 0.2)
	must(t, b.tell(b.user, notify.RunFailed, nil))
	b.eventually("put off", func() bool { return strings.HasPrefix(b.state(), "pending ") && strings.Contains(b.state(), "429") })
	b.exec(`UPDATE webhook_deliveries SET attempts = 60`)
	c.answers(429, 0.2)
	b.hurry()
	b.eventually("counted as an attempt", func() bool {
		return one[int](b, `SELECT count(*)::int FROM river.river_job WHERE kind = 'webhook' AND state = 'retryable' OR coalesce(array_length(errors, 1), 0) > 0`) == 1
	})
}

// TestChatsThatRefuse are not asked again.
func TestChatsThatRefuse(t *testing.T) {
	t.Parallel()
	for status, words := range map[int]string{
		404: "the receiver answered 404: it does not take messages at this address (any more)",
		403: "the receiver answered 403: it does not take messages at this address (any more)",
		400: "the receiver answered 400: it does not take the message, or does not know the chat",
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			b, c := setup(t), newChats(t)
			b.chat(b.user, c, "slack")
			c.answers(status, 0)
			must(t, b.tell(b.user, notify.RunFailed, nil))
			b.eventually("failed", func() bool { return b.state() == fmt.Sprintf("failed 1 %d %s", status, words) })
		})
	}
	t.Run("later", func(t *testing.T) {
		t.Parallel()
		b, c := setup(t), newChats(t)
		b.chat(b.user, c, "telegram")
		c.answers(502, 0)
		must(t, b.tell(b.user, notify.RunFailed, nil))
		b.eventually("tried again", b.failedWith("the receiver answered 502"))
		c.answers(0, 0)
		b.eventually("delivered", func() bool { b.hurry(); return b.delivered() })
	})
}

// TestAddressesOfChatsStaySecret: they stand nowhere but under the user's keys, also when a delivery fails.
func TestAddressesOfChatsStaySecret(t *testing.T) {
	t.Parallel()
	b, c := setup(t), newChats(t)
	for _, format := range formats {
		b.chat(b.user, c, format)
	}
	c.answers(500, 0)
	must(t, b.tell(b.user, notify.RunFailed, nil))
	b.eventually("failed", func() bool {
		return one[int](b, `SELECT count(*)::int FROM webhook_deliveries WHERE error = 'the receiver answered 500'`) == 3
	})
	c.Close()
	b.hurry()
	b.eventually("nobody listens", func() bool {
		return one[int](b, `SELECT count(*)::int FROM webhook_deliveries WHERE error = 'the connection failed'`) == 3
	})
	export, err := b.Export(t.Context(), b.user)
	must(t, err)
	shown, err := json.Marshal(export)
	must(t, err)
	for _, want := range []string{"127.0.0.1/…XyZ1", "127.0.0.1/…AbC2", "127.0.0.1/…QwE3", chatNumber} {
		if !strings.Contains(string(shown), want) {
			t.Errorf("%s is not in %s", want, shown)
		}
	}
	for name, text := range map[string]string{
		"log": b.log.String(), "export": string(shown),
		"webhooks":   one[string](b, `SELECT string_agg(w::text, '') FROM webhooks w`),
		"deliveries": one[string](b, `SELECT string_agg(w::text, '') FROM webhook_deliveries w`),
		"audit":      one[string](b, `SELECT string_agg(w::text, '') FROM audit_logs w`),
		"jobs":       one[string](b, `SELECT string_agg(w::text, '') FROM river.river_job w`),
	} {
		if strings.Contains(text, "canary") || strings.Contains(text, "/services/") || strings.Contains(text, "/bot") {
			t.Errorf("%s holds an address: %s", name, text)
		}
	}
}

// TestAServerThatKnowsNoChats, older than they are, calls nobody: what it takes for an address is none.
func TestAServerThatKnowsNoChats(t *testing.T) {
	t.Parallel()
	b, c := setup(t), newChats(t)
	b.chat(b.user, c, "slack")
	b.exec(`UPDATE webhooks SET format = 'turkey'`)
	must(t, b.tell(b.user, notify.RunFailed, nil))
	b.eventually("left to a newer one", func() bool { return b.state() == "pending 1 the connection failed" })
	b.exec(`UPDATE webhooks SET format = 'slack'`)
	b.eventually("delivered", func() bool { b.hurry(); return len(c.heard()) == 1 })
}

func TestChatsThatAreNone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const bot = "https://api.telegram.org/bot1:canary/sendMessage"
	for name, c := range map[string]struct{ format, url, chat string }{
		"format":                  {"irc", "https://example.com/canary", ""},
		"no address":              {"slack", "", ""},
		"host alone":              {"discord", "https://discord.com/", ""},
		"user":                    {"slack", "https://u:canary@hooks.slack.com/services/x", ""},
		"telegram without a chat": {"telegram", bot, ""},
		"chat":                    {"telegram", bot, "my group"},
		"channel":                 {"telegram", bot, "@x"},
		"method":                  {"telegram", "https://api.telegram.org/bot1:canary/getUpdates", "1"},
		"token":                   {"telegram", "https://api.telegram.org/bot<canary>/sendMessage", "1"},
		"query":                   {"telegram", bot + "?chat_id=2", "1"},
		"chat of another":         {"slack", "https://hooks.slack.com/services/canary", "1"},
		"chat of ours":            {"", "https://example.com/canary", "1"},
		"port":                    {"slack", "https://hooks.slack.com:canary/x", ""},
	} {
		_, _, err := b.CreateChat(t.Context(), b.user, c.format, c.url, c.chat)
		if f, ok := fault.From(err); !ok || f.Kind != fault.Invalid || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for address, want := range map[string]string{
		"https://hooks.slack.com/services/T000/B000/abcdWXYZ":             "hooks.slack.com/…WXYZ",
		"https://Chat.Example.com:8443/hooks/x":                           "chat.example.com/…",
		"https://discord.com/api/webhooks/1234567890/abcdWXYZ?thread_id=": "discord.com/…WXYZ",
	} {
		if _, shown, err := b.CreateChat(t.Context(), b.user, "slack", address, ""); shown != want || err != nil {
			t.Errorf("%s is shown as %q, %v", address, shown, err)
		}
	}
}

func TestPatienceIsRead(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		header, body string
		want         time.Duration
	}{
		{"", "", 0}, {"30", "", 30 * time.Second}, {"0", "", 0}, {"-5", "", 0}, {"x", "rate_limited", 0}, {"NaN", "", 0}, {"Inf", "", 24 * time.Hour},
		{"Fri, 02 Jan 2026 03:05:05 GMT", "", time.Minute}, {"Fri, 02 Jan 2026 03:04:00 GMT", "", 0},
		{"1", `{"retry_after": 64.57, "global": true}`, 65 * time.Second}, {"", `{"retry_after": 0.2}`, time.Second},
		{"", `{"parameters":{"retry_after":35}}`, 35 * time.Second}, {"", `{"parameters":{"retry_after":"35"}}`, 0},
		{"", `{"retry_after": 1e300}`, 24 * time.Hour}, {"", `[1]`, 0}, {"40", `{"parameters":{"retry_after":35}}`, 40 * time.Second},
	} {
		if got := notify.Patience(c.header, c.body, now); got != c.want {
			t.Errorf("%q and %s: %s, want %s", c.header, c.body, got, c.want)
		}
	}
}
