package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// keptKeys are the facts that tell nothing about a person: they stay when one is taken out of the audit. The database has the
// same list (audit_parts.kept_keys), and it is part of form 2: a fact more or less is another form.
var keptKeys = map[string][]string{
	authLog: {"activate", "from", "job", "keepOld", "kid", "kind", "method", "requestId", "retiredAt", "role", "sessions", "signsFrom", "successor", "to"},
	vaultLog: {
		"attempt", "credentialId", "date", "deliveryId", "dryRun", "durationMs", "enabled", "final", "format", "from", "generation", "inDoubt",
		"jobId", "keyId", "left", "misfire", "mode", "purpose", "reason", "recordCount", "requestId", "restored", "restoredVersion", "rowNumber", "to",
		"trigger", "version", "webhookId",
	},
}

// keptText is what a fact may be that stays, if it is a text: a word without spaces.
var keptText = regexp.MustCompile(`^[A-Za-z0-9_.:+-]{1,64}$`)

// oddFacts and longFacts tell texts that jsonb might not take, as audit_parts.kept_text does: of them nothing stays.
var oddFacts = regexp.MustCompile(`\\u(0000|[dD])|[^"0-9A-Za-z.+-]-?[0-9.]+[eE][+-]?[0-9]{4}`)

const longFacts = 4096

// split parts the facts into those that stay when the person goes, and what is the person's; nil: nothing is. Both are spelled
// in one way for all texts of the same value, because jsonb spells JSON in its own.
func (e entry) split() (rest, personal *string) {
	if e.form == firstForm {
		return e.splitAddress()
	}
	none := "{}"
	if e.facts == nil {
		return &none, nil
	}
	v, ok := parsed(*e.facts)
	m, object := v.(map[string]any)
	switch {
	case !ok || e.odd():
		return &none, e.facts
	case !object:
		text := spelled(v)
		return &none, &text
	}
	kept := parting(e.log, m)
	if len(m) > 0 {
		text := spelled(m)
		personal = &text
	}
	text := spelled(kept)
	return &text, personal
}

// parting takes the facts out that stay when the person goes.
func parting(log string, facts map[string]any) (kept map[string]any) {
	kept = map[string]any{}
	for _, key := range keptKeys[log] {
		v, ok := facts[key]
		switch v := v.(type) {
		case map[string]any, []any:
			continue
		case string:
			ok = keptText.MatchString(v)
		}
		if ok {
			kept[key] = v
			delete(facts, key)
		}
	}
	return kept
}

// splitAddress is the split of form 1: the address among the facts is the person's.
func (e entry) splitAddress() (rest, ip *string) {
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

// left are the facts, as JSON, that stay when the person goes.
func (e entry) left() (*string, error) {
	if e.facts == nil {
		return nil, nil
	}
	v, ok := parsed(*e.facts)
	m, object := v.(map[string]any)
	switch {
	case e.form == firstForm && (!ok || !object):
		return e.facts, nil
	case e.form == firstForm:
		delete(m, "ip")
	case !ok || e.odd():
		m = map[string]any{}
	default:
		m = parting(e.log, m)
	}
	b, err := json.Marshal(m)
	text := string(b)
	return &text, err
}

// odd tells whether the facts are a text that jsonb might not take.
func (e entry) odd() bool {
	return e.log == authLog && (len(*e.facts) > longFacts || oddFacts.MatchString(*e.facts))
}

// parsed is a JSON text's value.
func parsed(text string) (v any, ok bool) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return nil, false
	}
	_, err := d.Token()
	return v, errors.Is(err, io.EOF)
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
