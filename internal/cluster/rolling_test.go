package cluster_test

import (
	"syscall"
	"testing"
	"time"
)

// TestRollingRestart restarts three replicas behind nginx one after the other, under load. Not one request fails.
func TestRollingRestart(t *testing.T) {
	pg := newPostgres(t)
	env := settings(t, url(pg), "TRUST_PROXY=127.0.0.1", "SHUTDOWN_DELAY=1000")
	var replicas []*server
	var ports []string
	for range 3 {
		s := serve(t, env)
		replicas, ports = append(replicas, s), append(ports, s.port)
	}
	_, front := nginx(t, ports...)
	var people []*person
	for range 12 {
		people = append(people, newPerson(front))
	}
	l := drive(t, people, 10*time.Millisecond)
	eventually(t, "the load is on", func() bool { return l.requests() > 200 })
	for i, s := range replicas {
		before := l.requests()
		if code := s.stop(syscall.SIGTERM); code != 0 {
			t.Errorf("exit %d:\n%s", code, s.log.tail())
		}
		if l.requests() == before {
			t.Error("nothing was asked during the stop")
		}
		replicas[i] = serve(t, append(env, "PORT="+s.port))
		time.Sleep(2100 * time.Millisecond) // as long as nginx leaves a server alone that refused it
	}
	l.stop()
	l.none(nil)
	l.kept(front)
	t.Logf("%d requests during the restart of three replicas", l.requests())
	l.report()
}
