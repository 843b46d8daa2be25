package notify_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"turkey/internal/db"
	"turkey/internal/notify"
	"turkey/internal/queue"
)

// letters are the mails to the operator.
type letters struct {
	mu   sync.Mutex
	got  []string
	down bool
}

func (l *letters) send(_ context.Context, to, subject, text string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		return errors.New("mail is down")
	}
	l.got = append(l.got, to+"|"+subject+"|"+text)
	return nil
}

func (l *letters) sent() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.got)
}

// office is an operator who is reached in every way.
type office struct {
	*bundle
	*notify.Operator
	chats   *chats
	letters *letters
}

func setupOffice(t testing.TB, change ...func(*notify.OperatorConfig)) *office {
	t.Helper()
	o := &office{chats: newChats(t), letters: &letters{}}
	o.bundle = setupQueue(t, func(b *bundle, jobs *queue.Queue) {
		cfg := notify.OperatorConfig{DB: b.db, Log: b.logger(), Queue: jobs, Name: "auth.example.com", SlackURL: o.chats.address("slack"), DiscordURL: o.chats.address("discord"),
			TelegramToken: telegramToken, TelegramChat: chatNumber, TelegramBase: o.chats.URL + "/", Emails: []string{"ops@example.com", "second@example.com"}, Mail: o.letters.send}
		for _, c := range change {
			c(&cfg)
		}
		o.Operator = notify.NewOperator(cfg)
	})
	return o
}

// texts are what each chat said, without what nobody sees.
func (o *office) texts() map[string][]string {
	all := map[string][]string{}
	for _, s := range o.chats.heard() {
		all[s.format] = append(all[s.format], strings.ReplaceAll(s.text, "\u2060", ""))
	}
	return all
}

// hears waits until every channel has told so many things.
func (o *office) hears(n int) {
	o.t.Helper()
	o.eventually(fmt.Sprintf("every channel told %d times, got %v and %v", n, o.texts(), o.letters.sent()), func() bool {
		all := o.texts()
		return len(all["slack"]) == n && len(all["discord"]) == n && len(all["telegram"]) == n && len(o.letters.sent()) == 2*n
	})
}

// TestTheOperatorIsToldOnce of each incident, however often and by however many it is noticed, and once of its end.
func TestTheOperatorIsToldOnce(t *testing.T) {
	t.Parallel()
	o := setupOffice(t)
	const why = "The backup of last night is missing. Look at gravy backup list <!channel> https://evil.example."
	together(8, func() {
		if err := o.Tell(context.Background(), "backup.failed", "nightly", why); err != nil {
			t.Error(err)
		}
	})
	o.hears(1)
	must(t, o.Tell(t.Context(), "backup.failed", "nightly", "Another one is missing."))
	must(t, o.Over(t.Context(), "backup.failed", "weekly", "Nobody was told of this."))
	together(4, func() {
		if err := o.Over(context.Background(), "backup.failed", "nightly", "The backup is there."); err != nil {
			t.Error(err)
		}
	})
	o.hears(2)
	for format, said := range o.texts() {
		if said[0] != "TurKey at auth.example.com, incident: "+why {
			t.Errorf("%s: %q", format, said[0])
		}
		if !strings.HasPrefix(said[1], "TurKey at auth.example.com, over: The backup is there.\nIt began on ") || !strings.HasSuffix(said[1], " UTC: "+why) {
			t.Errorf("%s: %q", format, said[1])
		}
	}
	for _, s := range o.chats.heard() {
		if strings.Contains(s.raw, "<!channel>") && s.format == "slack" || s.format != "discord" && strings.Contains(s.raw, "https://") {
			t.Errorf("%s acts: %q", s.format, s.raw)
		}
	}
	if got := o.letters.sent(); !slices.ContainsFunc(got, func(l string) bool {
		return strings.HasPrefix(l, "second@example.com|TurKey at auth.example.com: over backup.failed nightly|The backup is there.\n")
	}) {
		t.Errorf("%q", got)
	}
	must(t, o.Tell(t.Context(), "backup.failed", "nightly", "It happened again."))
	o.hears(3)
	must(t, o.Tell(t.Context(), "backup.failed", "weekly", "Something else."))
	o.hears(4)

	if n := one[int](o.bundle, `SELECT count(*)::int FROM river.river_job WHERE kind = 'operator_notice'`); n != 4*5 {
		t.Errorf("%d notices by five channels", n)
	}

	held := one[string](o.bundle, `SELECT (SELECT string_agg(j::text, '') FROM river.river_job j) || (SELECT string_agg(i::text, '') FROM operator_incidents i)`) + o.log.String()
	if strings.Contains(held, "canary") || strings.Contains(held, "ops@example.com") {
		t.Errorf("an address is held: %s", held)
	}
}

// TestOperatorNoticesAreTriedAgain as those of users are.
func TestOperatorNoticesAreTriedAgain(t *testing.T) {
	t.Parallel()
	o := setupOffice(t, func(c *notify.OperatorConfig) { c.SlackURL, c.TelegramToken, c.Emails = "", "", c.Emails[:1] })
	jobs := func(state string) int {
		return one[int](o.bundle, `SELECT count(*)::int FROM river.river_job WHERE kind = 'operator_notice' AND state = $1::text::river.river_job_state`, state)
	}
	o.chats.answers(0, 700)
	o.letters.down = true
	must(t, o.Tell(t.Context(), "key.old", "", "Rotate the keys."))
	o.eventually("Discord asks for patience", func() bool {
		return one[int](o.bundle, `SELECT count(*)::int FROM river.river_job WHERE kind = 'operator_notice' AND scheduled_at BETWEEN now() + interval '650 s' AND now() + interval '800 s'`) == 1
	})
	o.eventually("the mail failed", func() bool {
		return one[int](o.bundle, `SELECT count(*)::int FROM river.river_job WHERE errors::text LIKE '%the mail was not taken over%'`) == 1
	})
	o.letters.mu.Lock()
	o.letters.down = false
	o.letters.mu.Unlock()
	o.eventually("both are told", func() bool { o.hurry(); return len(o.chats.heard()) == 1 && len(o.letters.sent()) == 1 })

	o.chats.answers(404, 0)
	must(t, o.Tell(t.Context(), "key.older", "", "Rotate the keys."))
	o.eventually("what is refused is not tried again", func() bool { return jobs("cancelled") == 1 })
	if !strings.Contains(o.log.String(), "the operator could not be told of an incident") {
		t.Error("the log does not say that nobody was told")
	}
}

// TestWithoutAChannel: an incident is in the log, once.
func TestWithoutAChannel(t *testing.T) {
	t.Parallel()
	o := setupOffice(t, func(c *notify.OperatorConfig) {
		c.SlackURL, c.DiscordURL, c.TelegramToken, c.Emails = "", "", "", nil
	})
	for range 3 {
		must(t, o.Tell(t.Context(), "key.old", "k1", "Rotate the keys."))
	}
	must(t, o.Over(t.Context(), "key.old", "k1", "They are new."))
	if log := o.log.String(); strings.Count(log, "incident: Rotate the keys.") != 1 || strings.Count(log, "incident over: They are new.") != 1 {
		t.Error(log)
	}
	if n := one[int](o.bundle, `SELECT count(*)::int FROM river.river_job`); n != 0 {
		t.Errorf("%d jobs", n)
	}
}

// run writes one run that ended.
func (o *office) run(user uuid.UUID, service, status, reason, ago string) {
	o.t.Helper()
	o.exec(`INSERT INTO kpi_runs (id, user_id, service, status, error_reason, finished_at)
		SELECT gen_random_uuid(), user_no, $2, $3, nullif($4, ''), now() - $5::interval FROM users WHERE id = $1`, user, service, status, reason, ago)
}

// TestTheWatch notices what went wrong by itself, and when it is well again.
func TestTheWatch(t *testing.T) {
	t.Parallel()
	o := setupOffice(t, func(c *notify.OperatorConfig) { c.SlackURL, c.TelegramToken, c.Emails = "", "", nil })
	other := o.person()
	look := func() []string {
		t.Helper()
		must(t, o.Watch(t.Context()))
		return one[[]string](o.bundle, `SELECT coalesce(array_agg(event || ' ' || subject ORDER BY event, subject), '{}') FROM operator_incidents WHERE closed_at IS NULL`)
	}
	expect := func(what string, want ...string) {
		t.Helper()
		if got := look(); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	dead := func(kind, ago string) {
		t.Helper()
		o.exec(`INSERT INTO river.river_job (kind, args, max_attempts, attempt, state, finalized_at) VALUES ($1, '{}', 3, 3, 'discarded', now() - $2::interval)`, kind, ago)
	}
	expect("all is well")
	dead("webhook", "1 minute") // a user's own receiver
	dead("operator_notice", "1 minute")
	dead("mail", "2 hours")
	o.run(o.user, "ga4", "failed", "rejected", "1 minute")
	o.run(o.user, "ga4", "failed", "internal", "2 hours")
	for range 9 {
		o.run(o.user, "shopify", "failed", "rejected", "1 minute") // of one user
	}
	expect("nothing of the operator's")

	dead("mail", "1 minute")
	expect("a job is dead", "job.dead mail")
	dead("mail", "1 second")
	expect("another", "job.dead mail")
	o.run(o.user, "ga4", "failed", "internal", "1 minute")
	expect("an unexpected error", "job.dead mail", "run.internal ga4")
	for range 5 {
		o.run(o.user, "meta", "failed", "unavailable", "10 minutes")
	}
	expect("one user's", "job.dead mail", "run.internal ga4")
	o.run(other, "meta", "failed", "limited", "5 minutes")
	expect("many users'", "job.dead mail", "run.internal ga4", "source.failing meta")
	o.eventually("told", func() bool { return len(o.chats.heard()) == 3 })
	for _, want := range []string{"incident: Jobs of kind mail were given up: 1 within an hour. Look with gravy job list --state discarded, mend the reason, and repeat each with gravy job retry.",
		"incident: Runs of ga4 failed with an unexpected error: 1 within an hour, users: 1. Look for “run failed” in the log of the server.",
		"incident: No run of meta ended well within an hour: 6 failed, users: 2. Look at the status page of the provider, and with gravy doctor at the server."} {
		if !slices.ContainsFunc(o.chats.heard(), func(s said) bool { return strings.HasSuffix(s.text, want) }) {
			t.Errorf("%q is not in %+v", want, o.chats.heard())
		}
	}

	o.exec(`UPDATE kpi_runs SET finished_at = finished_at - interval '2 hours'`)
	expect("an outage without runs is not over", "job.dead mail", "source.failing meta")
	o.exec(`UPDATE river.river_job SET finalized_at = now() - interval '2 hours' WHERE state = 'discarded'`)
	o.run(other, "meta", "completed", "", "0")
	o.exec(`UPDATE operator_incidents SET opened_at = opened_at - interval '1 minute'`)
	expect("all is over")
	o.eventually("told of it", func() bool { return len(o.chats.heard()) == 6 })
	for _, want := range []string{"over: For an hour no job of kind mail was given up.", "over: For an hour no run of ga4 failed with an unexpected error.", "over: Runs of meta end well again."} {
		if !slices.ContainsFunc(o.chats.heard(), func(s said) bool { return strings.Contains(s.text, want) }) {
			t.Errorf("%q is not in %+v", want, o.chats.heard())
		}
	}
	o.run(other, "shopify", "failed", "limited", "1 second")
	o.run(o.user, "shopify", "completed", "", "30 minutes")
	for range 9 {
		o.run(o.user, "shopify", "failed", "rejected", "1 minute")
	}
	expect("one that ended well is enough")
}

// TestTheWatchLooksByItself: once a minute, and at the start.
func TestTheWatchLooksByItself(t *testing.T) {
	t.Parallel()
	o := setupOffice(t)
	o.eventually("it looked", func() bool {
		return one[int](o.bundle, `SELECT count(*)::int FROM river.river_job WHERE kind = 'incident_watch' AND state = 'completed'`) > 0
	})
}

func TestIncidentsAreForgotten(t *testing.T) {
	t.Parallel()
	o := setupOffice(t)
	for _, subject := range []string{"old", "new", "open"} {
		must(t, o.Tell(t.Context(), "e", subject, "m"))
		if subject != "open" {
			must(t, o.Over(t.Context(), "e", subject, "m"))
		}
	}
	o.exec(`UPDATE operator_incidents SET closed_at = closed_at - interval '31 days', opened_at = opened_at - interval '32 days' WHERE subject = 'old'`)
	o.exec(`UPDATE operator_incidents SET opened_at = opened_at - interval '32 days' WHERE subject = 'open'`)
	purge := notify.PurgeIncidents(o.db)
	for _, want := range []int{1, 0} {
		if n, err := purge(t.Context(), 10); n != want || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	err := o.db.In(db.User(o.user)).QueryRow(t.Context(), `SELECT count(*) FROM operator_incidents`).Scan(new(int))
	if err == nil {
		t.Error("a user reads incidents")
	}
}
