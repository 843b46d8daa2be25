package audit

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"slices"
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

// entry is a row of either log, as it is sealed. Who, IP, agent, the address among the facts, and the actor where that is
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
}

func newEntry(log string, r auditdb.RowsSystemRow) entry {
	return entry{log: log, id: r.ID, at: r.CreatedAt, who: r.Who, actor: marked(r.Actor), ip: marked(r.Ip), action: r.Action, service: r.Service,
		status: r.Status, message: r.ErrorMessage, agent: r.Agent, facts: r.Facts, erasure: r.Erasure}
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
	_, ip := e.split()
	return e.who == "" && e.ip == nil && e.agent == nil && ip == nil
}

// leaf is the row's leaf. erased: its person is gone, so that an actor who is "deleted" was the person.
func (e entry) leaf(as sealedAs, erased bool) [hashSize]byte {
	var b encoder
	b.text("turkey/audit-row/1")
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
	b.maybe(e.message)
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
	_, ip := e.split()
	b.maybe(ip)
	b.text(strconv.FormatBool(e.own()))
	return b.Bytes()
}

// split parts the facts from the address among them. Both are spelled in one way for all texts of the same value, because
// jsonb spells JSON in its own.
func (e entry) split() (rest, ip *string) {
	if e.facts == nil {
		return nil, nil
	}
	d := json.NewDecoder(strings.NewReader(*e.facts))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil || d.More() {
		return e.facts, nil
	}
	if m, ok := v.(map[string]any); ok {
		if a, ok := m["ip"]; ok {
			text := spelled(a)
			ip = &text
			delete(m, "ip")
		}
	}
	text := spelled(v)
	return &text, ip
}

// spelled is the canonical form of a JSON value: keys sorted, no spaces, numbers as digits and exponent.
func spelled(v any) string {
	var b bytes.Buffer
	spell(&b, v)
	return b.String()
}

func spell(b *bytes.Buffer, v any) {
	switch v := v.(type) {
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		b.WriteByte('{')
		for i, k := range keys {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strconv.Quote(k))
			b.WriteByte(':')
			spell(b, v[k])
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			spell(b, e)
		}
		b.WriteByte(']')
	case string:
		b.WriteString(strconv.Quote(v))
	case json.Number:
		b.WriteString(digits(string(v)))
	case bool:
		b.WriteString(strconv.FormatBool(v))
	default:
		b.WriteString("null")
	}
}

// digits is a number as its digits without leading and trailing zeros, and the exponent that belongs to them.
func digits(s string) string {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(s), "e")
	e, _ := strconv.ParseInt(exponent, 10, 64) // absent: 0
	sign := ""
	if rest, negative := strings.CutPrefix(mantissa, "-"); negative {
		sign, mantissa = "-", rest
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	e -= int64(len(fraction))
	all := strings.TrimLeft(whole+fraction, "0")
	short := strings.TrimRight(all, "0")
	if short == "" {
		return "0"
	}
	return sign + short + "e" + strconv.FormatInt(e+int64(len(all)-len(short)), 10)
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
