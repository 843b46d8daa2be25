package chaos_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"turkey/internal/connector"
)

// deed is an act whose transaction has several statements.
type deed struct {
	name string
	mark []byte     // of a statement in it
	do   func() int // plays it, and returns the status of the answer
	done func() int // how often it has happened
	// again are the statuses that a repetition may have after the act was done, and nobody was told.
	again []int
}

// TestACommitThatIsCutIsNoSuccess cuts the line to PostgreSQL in transactions of several statements. Before the commit the act has
// not happened, and its repetition does it; after the commit it has happened once. It is never said to be done in either case.
func TestACommitThatIsCutIsNoSuccess(t *testing.T) {
	t.Parallel()
	g := newGround(t, scratch(t), "--no-workers")
	worker := start(t, slices.Concat(g.env, []string{"DATABASE_URL=" + g.pg.DSN("postgres", "postgres")}), "worker") // sends mails, past the line
	defer worker.stop(15)
	c := g.at(g.base)
	person := g.join(c, connector.GA4)
	person.furnishes(connector.GA4)
	operator := &actor{t: t, base: g.base, http: &http.Client{}}
	proof := object{"email": "operator@example.com", "password": actorPassword, "appId": "default-app"}
	operator.act(t.Context(), "POST", "/v1/auth/register", "", proof, nil)
	g.exec(`UPDATE users SET role = 'admin' WHERE email = $1`, proof["email"])
	var signedIn tokenAnswer
	operator.act(t.Context(), "POST", "/v1/auth/login", "", proof, &signedIn)
	operator.access = signedIn.Data.AccessToken
	n := 0
	for _, at := range []moment{inTheMiddle, beforeCommit, afterCommit} {
		for _, d := range []func(t *testing.T, n int) deed{g.registering, g.resetting, g.leaving, g.rotating(operator), g.collecting(person), g.importing} {
			n++
			d := d(t, n)
			t.Run(d.name+" "+string(at), func(t *testing.T) {
				before := d.done()
				sprung := g.line.set(at, d.mark)
				status := d.do()
				select {
				case <-sprung:
				case <-time.After(patience):
					t.Fatalf("nothing was cut, and the answer was %d", status)
				}
				if d.name == "collecting" {
					eventually(t, "the run is in the queue", func() bool { return d.done() > before })
					time.Sleep(2 * time.Second) // the dispatcher looks once a second
					if n := d.done() - before; n != 1 {
						t.Errorf("handed to the queue %d times", n)
					}
					return
				}
				if status < 300 && status != 0 || status == http.StatusInternalServerError {
					t.Errorf("the answer was %d", status)
				}
				happened := d.done() - before
				if want := map[bool]int{true: 1}[at == afterCommit]; happened != want {
					t.Errorf("it happened %d times instead of %d", happened, want)
				}
				g.recovers(d.name)
				status = d.do()
				switch {
				case happened == 0 && (status > 299 || d.done()-before != 1):
					t.Errorf("the repetition: %d, and it happened %d times", status, d.done()-before)
				case happened > 0 && !slices.Contains(d.again, status):
					t.Errorf("the repetition of what was done: %d, expected one of %v", status, d.again)
				}
			})
		}
	}
}

func (g *ground) registering(t *testing.T, n int) deed {
	a := &actor{t: t, base: g.base, http: &http.Client{}, email: fmt.Sprintf("guest-commit-%d@example.com", n)}
	return deed{name: "registering", mark: []byte(a.email), again: []int{409},
		do: func() int {
			status, _ := a.act(t.Context(), "POST", "/v1/auth/register", "", object{"email": a.email, "password": actorPassword, "appId": "shop"}, nil)
			return status
		},
		done: func() int {
			return g.number(`SELECT count(*) FROM users u WHERE u.email = $1 AND EXISTS (SELECT FROM refresh_tokens r WHERE r.user_id = u.id) AND EXISTS (SELECT FROM mails m WHERE m.user_id = u.id)`, a.email)
		}}
}

func (g *ground) resetting(t *testing.T, n int) deed {
	a := newActor(t, g.base, 1000+n, 1)
	token := g.resetToken(a)
	hash := sha256.Sum256([]byte(token))
	return deed{name: "resetting", mark: []byte(hex.EncodeToString(hash[:])), again: []int{400},
		do: func() int {
			status, _ := a.act(t.Context(), "POST", "/v1/auth/reset-password", "", object{"token": token, "newPassword": actorPassword + "2"}, nil)
			return status
		},
		done: func() int {
			return g.number(`SELECT token_version FROM users u WHERE u.email = $1 AND NOT EXISTS (SELECT FROM refresh_tokens r WHERE r.user_id = u.id AND (r.revoked_at IS NULL) = (u.token_version > 0))`, a.email)
		}}
}

func (g *ground) leaving(t *testing.T, n int) deed {
	a := newActor(t, g.base, 1000+n, 1)
	var id uuid.UUID
	must(t, g.sql.QueryRow(t.Context(), `SELECT id::text FROM users WHERE email = $1`, a.email).Scan(&id))
	return deed{name: "leaving", mark: id[:], again: []int{401, 404},
		do: func() int {
			status, _ := a.act(t.Context(), "DELETE", "/v1/users/me", a.access, nil, nil)
			return status
		},
		done: func() int {
			return 1 - g.number(`SELECT count(*) FROM (SELECT id FROM users WHERE id = $1::text::uuid UNION SELECT user_id FROM refresh_tokens WHERE user_id = $1::text::uuid) x`, id.String())
		}}
}

func (g *ground) rotating(operator *actor) func(t *testing.T, n int) deed {
	return func(t *testing.T, _ int) deed {
		return deed{name: "rotating", mark: []byte("PUBLIC KEY"), again: []int{200},
			do: func() int {
				status, _ := operator.act(t.Context(), "POST", "/v1/admin/keys/rotate", operator.access, object{"keepOld": true}, nil)
				return status
			},
			done: func() int { return g.number(`SELECT count(*) FROM keys`) }}
	}
}

// collecting is a run that is handed to the queue: the mark on the run and the job are one transaction, which nobody waits for.
func (g *ground) collecting(p *person) func(t *testing.T, n int) deed {
	return func(t *testing.T, n int) deed {
		return deed{name: "collecting", mark: []byte("kpi_run"),
			do: func() int {
				p.asks(g.at(g.base), connector.GA4, n+2, n+1)
				return http.StatusAccepted
			},
			done: func() int { return g.number(`SELECT count(*) FROM river.river_job WHERE kind = 'kpi_run'`) }}
	}
}

// importing is the import from the original TurKey, by the command.
func (g *ground) importing(t *testing.T, n int) deed {
	name := fmt.Sprintf("predecessor_%d", n)
	schema, err := os.ReadFile("../cli/testdata/turkey.sql")
	must(t, err)
	g.exec(`CREATE DATABASE ` + name)
	from := g.pg.DSN("postgres", name)
	other := newWorldOn(t, from, from)
	other.exec(string(schema))
	email := fmt.Sprintf("imported-%d@example.com", n)
	other.exec(`INSERT INTO users (email, password_hash, email_verified, app_id) VALUES ($1, '$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW', true, 'shop')`, email)
	return deed{name: "importing", mark: []byte(email), again: []int{200},
		do: func() int {
			p := start(t, g.env, "import", "turkey", "--from", from, "--yes")
			<-p.exited
			if p.cmd.ProcessState.ExitCode() == 0 {
				return http.StatusOK
			}
			return http.StatusServiceUnavailable
		},
		done: func() int { return g.number(`SELECT count(*) FROM users WHERE email = $1`, email) }}
}
