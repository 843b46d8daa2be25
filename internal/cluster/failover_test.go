package cluster_test

import (
	"errors"
	"testing"
	"time"
)

// TestThePrimaryFailsOver under load: the primary dies with everything in it, its synchronous standby is promoted. Nothing that
// was acknowledged is lost, everybody works again within five seconds, and so do the revocation feed and the schedules.
func TestThePrimaryFailsOver(t *testing.T) {
	primary := newPostgres(t)
	standby := primary.standby("second")
	primary.exec(`ALTER SYSTEM SET synchronous_standby_names = 'second'`)
	primary.exec(`SELECT pg_reload_conf()`)
	eventually(t, "commits wait for the standby", func() bool {
		return primary.count(`SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'`) == 1
	})
	env := settings(t, url(primary, standby))
	a, b := serve(t, env), serve(t, env)
	var people []*person
	for i := range 16 {
		people = append(people, newPerson([]*server{a, b}[i%2].caller))
	}
	l := drive(t, people, 5*time.Millisecond)
	eventually(t, "the load is on", func() bool { return l.requests() > 500 })
	acknowledged := l.requests()
	primary.kill()
	killed := time.Now()
	time.Sleep(2 * time.Second) // until somebody notices
	standby.promote()
	promoted := time.Now()
	back := func(at int64) bool { return at > promoted.UnixNano() }
	eventually(t, "writes are acknowledged again", func() bool { return back(l.last.Load()) })
	t.Logf("%d requests before; written again %s after the promotion, %s after the kill", acknowledged, time.Since(promoted).Round(time.Millisecond), time.Since(killed).Round(time.Millisecond))
	if took := time.Since(promoted); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}

	eventually(t, "both servers listen again", func() bool {
		return standby.count(`SELECT count(*) FROM pg_stat_activity WHERE application_name = 'turkey-listen' AND wait_event = 'ClientRead'`) == 2
	})
	t.Logf("both listen again %s after the promotion", time.Since(promoted).Round(time.Millisecond))
	revocationsReachAll(t, []*server{a, b, b}, a.caller)
	schedulesFireOnce(t, standby, b.caller)
	t.Logf("schedules have fired %s after the promotion", time.Since(promoted).Round(time.Millisecond))
	l.stop()

	failed := l.failed(nil)
	if len(failed) == 0 {
		t.Error("nothing failed: was there an outage?")
	}
	l.none(func(e event) bool { // 503 with the time to wait, and none of them once everything was back
		f, ok := errors.AsType[failure](e.err)
		return ok && f.status == 503 && f.header.Get("Retry-After") != "" && e.at.After(killed.Add(-time.Second)) && e.at.Before(promoted.Add(5*time.Second))
	})
	l.kept(b.caller)
	t.Logf("%d requests answered, %d of them 503 in between, none lost", l.requests(), len(failed))
}
