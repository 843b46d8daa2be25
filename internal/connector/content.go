package connector

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"turkey/internal/wire"
)

// maxDepth bounds the nesting of a pasted credential. Real ones are flat.
const maxDepth = 32

const invalidJSON = "Invalid JSON format"

// fields reads the members of a pasted credential by exact name and collects the problems in the contract's words.
// encoding/json alone would match names regardless of case and let the last of two equal names win.
type fields struct {
	members  map[string]any
	within   string // what precedes names in problems: "auth.", "metrics[2]."
	problems []string
}

// readFields accepts one JSON object and nothing else; ok is false for everything the contract calls invalid JSON.
func readFields(raw []byte) (f *fields, ok bool) {
	raw = bytes.TrimSpace(raw)
	if !utf8.Valid(raw) || !json.Valid(raw) || raw[0] != '{' {
		return nil, false
	}
	value, err := readValue(raw, 1)
	if err != nil {
		return nil, false
	}
	return &fields{members: value.(map[string]any)}, true
}

var errContent = errors.New("connector: refused content")

// readValue reads valid JSON, refusing deep nesting, repeated names and NUL, which PostgreSQL cannot store. Numbers are kept as
// they are spelled.
func readValue(raw json.RawMessage, depth int) (any, error) {
	switch c := raw[0]; c {
	case '{', '[':
		if depth > maxDepth {
			return nil, errContent
		}
		if c == '{' {
			return readObject(raw, depth)
		}
		return readArray(raw, depth)
	case '"':
		text, err := wire.Text(raw)
		if err != nil || strings.ContainsRune(text, 0) {
			return nil, errContent
		}
		return text, nil
	case 't', 'f':
		return c == 't', nil
	case 'n':
		return nil, nil
	default:
		return json.Number(raw), nil
	}
}

func readObject(raw json.RawMessage, depth int) (map[string]any, error) {
	members := map[string]any{}
	for name, value := range wire.Members(raw) {
		if _, repeated := members[name]; repeated || strings.ContainsRune(name, 0) {
			return nil, errContent
		}
		var err error
		if members[name], err = readValue(value, depth+1); err != nil {
			return nil, err
		}
	}
	return members, nil
}

func readArray(raw json.RawMessage, depth int) (any, error) {
	elements := []any{}
	for element := range wire.Elements(raw) {
		value, err := readValue(element, depth+1)
		if err != nil {
			return nil, err
		}
		elements = append(elements, value)
	}
	return elements, nil
}

func (f *fields) problem(text string) { f.problems = append(f.problems, text) }

func (f *fields) missing(name string) { f.problem("Missing " + f.within + name) }
func (f *fields) invalid(name string) { f.problem("Invalid " + f.within + name) }

// below reads the members of an object that stands in a field. Its problems become those of f when read has returned.
func (f *fields) below(name string, value any, read func(*fields)) {
	members, ok := value.(map[string]any)
	if !ok {
		f.invalid(name)
		return
	}
	inner := &fields{members: members, within: f.within + name + "."}
	read(inner)
	f.problems = append(f.problems, inner.problems...)
}

// only refuses members of other names: where many are optional, a misspelt one would be passed over without a word.
func (f *fields) only(names ...string) {
	for _, name := range slices.Sorted(maps.Keys(f.members)) {
		if !slices.Contains(names, name) {
			f.problem("Unknown " + f.within + plainName(name))
		}
	}
}

// plainName keeps what may be anything, a secret in the wrong place too, out of a message.
func plainName(name string) string {
	if !columnName.MatchString(strings.ToLower(name)) {
		return "(a field of another name)"
	}
	return name
}

// required returns a non-empty string member as sent.
func (f *fields) required(name string) string {
	value, _ := f.members[name].(string)
	if strings.TrimSpace(value) == "" {
		f.missing(name)
		return ""
	}
	return value
}

// optional returns a string member as sent, "" when it is absent, null or empty.
func (f *fields) optional(name string) string {
	switch value := f.members[name].(type) {
	case nil:
		return ""
	case string:
		return value
	default:
		f.invalid(name)
		return ""
	}
}

// canonical is the compact JSON that gets sealed: struct order, absent optional fields left out.
func canonical(content any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(content); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// mask shows the first and last three characters of an identifying value, nothing of a short one.
func mask(value string) string {
	r := []rune(value)
	if len(r) <= 6 {
		return "***"
	}
	return string(r[:3]) + "..." + string(r[len(r)-3:])
}
