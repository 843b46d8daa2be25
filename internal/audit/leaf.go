package audit

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"turkey/internal/audit/auditdb"
)

// The two logs, by their tables.
const (
	authLog  = "audit"
	vaultLog = "audit_logs"
)

var logs = []string{authLog, vaultLog}

// The forms in which rows are sealed. In form 1 the address alone of a row's facts is the person's; in form 2 all facts are
// but those of keptKeys, and the error message.
const (
	firstForm  = 1
	newestForm = 2
)

// entry is a row of either log, as it is sealed. Who, IP, agent, the personal ones of the facts, and the actor where that is
// the same person, make up the person: what an erasure takes out.
type entry struct {
	log, id                  string
	at                       time.Time
	who                      string // "": nobody
	actor, ip                *string
	action                   string
	service, status, message *string
	agent                    *string
	facts                    *string // JSON, or what an import brought
	erasure                  *int64
	form                     int16
}

func newEntry(log string, r auditdb.RowsSystemRow) entry {
	return entry{log: log, id: r.ID, at: r.CreatedAt, who: r.Who, actor: marked(r.Actor), ip: marked(r.Ip), action: r.Action, service: r.Service,
		status: r.Status, message: r.ErrorMessage, agent: r.Agent, facts: r.Facts, erasure: r.Erasure, form: r.Form}
}

// under is the row in the form in which a server sealed it that knew forms up to this one.
func (e entry) under(newest int16) entry {
	e.form = min(e.form, newest)
	return e
}

// marked undoes the '+' of the statement.
func marked(s string) *string {
	v, ok := strings.CutPrefix(s, "+")
	if !ok {
		return nil
	}
	return &v
}

// sealedAs is what a row's leaf is made of besides the row: the pseudonym of its person, and what the leaf holds in place of
// the person's fields.
type sealedAs struct{ pseudonym, person [hashSize]byte }

// present is how a row is sealed under the key of its person; without one it belongs to nobody.
func (e entry) present(key []byte) sealedAs {
	fields := e.personal()
	if len(key) == 0 {
		return sealedAs{person: sha256.Sum256(append([]byte("turkey/audit-nobody\x00"), fields...))}
	}
	m := hmac.New(sha256.New, key)
	m.Write(fields)
	return sealedAs{pseudonym: pseudonymOf(key), person: [hashSize]byte(m.Sum(nil))}
}

// pseudonymOf is what an erasure keeps of a key (forget_in_audit computes it in SQL).
func pseudonymOf(key []byte) [hashSize]byte { return sha256.Sum256(key) }

// blank tells whether nothing of a person is left.
func (e entry) blank() bool {
	_, personal := e.split()
	return e.who == "" && e.ip == nil && e.agent == nil && personal == nil && (e.form == firstForm || e.message == nil)
}

// leaf is the row's leaf. erased: its person is gone, so that an actor who is "deleted" was the person.
func (e entry) leaf(as sealedAs, erased bool) [hashSize]byte {
	var b encoder
	b.text("turkey/audit-row/" + strconv.Itoa(int(e.form)))
	b.text(e.log)
	b.text(e.id)
	b.number(e.at.UnixMicro())
	actor := e.actor
	if self := "\x00the person"; e.own() || erased && actor != nil && *actor == "deleted" {
		actor = &self
	}
	b.maybe(actor)
	b.text(e.action)
	b.maybe(e.service)
	b.maybe(e.status)
	if e.form == firstForm {
		b.maybe(e.message)
	}
	rest, _ := e.split()
	b.maybe(rest)
	b.Write(as.pseudonym[:])
	b.Write(as.person[:])
	return leafHash(b.Bytes())
}

// own: the person did it.
func (e entry) own() bool { return e.actor != nil && e.who != "" && *e.actor == e.who }

func (e entry) personal() []byte {
	var b encoder
	b.text(e.log)
	b.text(e.id)
	b.text(e.who)
	b.maybe(e.ip)
	b.maybe(e.agent)
	_, personal := e.split()
	b.maybe(personal)
	b.text(strconv.FormatBool(e.own()))
	if e.form != firstForm {
		b.maybe(e.message)
	}
	return b.Bytes()
}

// encoder writes fields so that no two lists of fields look alike.
type encoder struct{ bytes.Buffer }

func (b *encoder) number(n int64) {
	b.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
}

func (b *encoder) text(s string) {
	b.number(int64(len(s)))
	b.WriteString(s)
}

func (b *encoder) maybe(s *string) {
	if s == nil {
		b.number(-1)
		return
	}
	b.text(*s)
}
