package cli_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"turkey/internal/db/dbtest"
)

// TestTheOperatorHearsOfADeadJob in every way that the environment names, and no address of theirs is stored or logged.
func TestTheOperatorHearsOfADeadJob(t *testing.T) {
	t.Parallel()
	url, chat := dbtest.URL(t), newReceiver(t)
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), `INSERT INTO river.river_job (kind, args, max_attempts, attempt, state, finalized_at) VALUES ('mail', '{}', 3, 3, 'discarded', now())`)
	must(t, err)
	const discord, slack, telegram = "canary-of-discord", "canary-of-slack", "canary-of-telegram"
	s := serve(t, []string{"DATABASE_URL=" + url, "PUBLIC_URL=https://auth.example.com", "DISCORD_WEBHOOK_URL=" + chat.URL + "/api/webhooks/1/" + discord, "SLACK_WEBHOOK_URL=" + chat.URL + "/services/" + slack,
		"TELEGRAM_API_BASE=" + chat.URL, "TELEGRAM_BOT_TOKEN=1:" + telegram, "TELEGRAM_CHAT_ID=-1001", "EMAIL_TO=ops@example.com", "EMAIL_SERVICE=mailbox"}, "serve")
	for _, v := range []string{discord, slack, telegram} {
		s.secret(v)
	}
	eventually(t, "every chat is told", func() bool {
		got := chat.String()
		return strings.Count(got, "Jobs of kind mail were given up") == 3 && strings.Contains(got, "/api/webhooks/1/"+discord+" ") &&
			strings.Contains(got, "/services/"+slack+" ") && strings.Contains(got, "/bot1:"+telegram+"/sendMessage ") && strings.Contains(got, `"chat_id":"-1001"`)
	})
	read := func(sql string) (text string) {
		t.Helper()
		must(t, conn.QueryRow(t.Context(), sql).Scan(&text))
		return text
	}
	eventually(t, "a mail is sent", func() bool {
		return strings.Contains(read(`SELECT coalesce(string_agg(recipient || subject, ''), '') FROM mailbox`), "ops@example.comTurKey at auth.example.com: incident job.dead mail")
	})
	if stored := read(`SELECT (SELECT string_agg(j::text, '') FROM river.river_job j) || (SELECT string_agg(i::text, '') FROM operator_incidents i)`); strings.Contains(stored, "canary") {
		t.Errorf("an address is stored: %s", stored)
	}
}
