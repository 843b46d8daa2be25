package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"
	"unicode/utf8"
)

// What follows reads JSON that json.Valid has seen, without looking at every byte again for each level of it. Of anything else the
// results mean nothing, but nothing panics.

var errNoString = errors.New("wire: no JSON string")

// Members are the names, unescaped, and the values of an object, in order. The values are parts of raw.
func Members(raw []byte) iter.Seq2[string, json.RawMessage] {
	return func(yield func(string, json.RawMessage) bool) {
		for i := within(raw, '{'); i < len(raw) && raw[i] == '"'; i = next(raw, i) {
			end := past(raw, i)
			name, err := Text(raw[i:end])
			if i = space(raw, end); err != nil || i >= len(raw) {
				return
			}
			i = space(raw, i+1) // the colon
			end = past(raw, i)
			if !yield(name, raw[i:end:end]) {
				return
			}
			i = end
		}
	}
}

// Elements are the values of an array, in order. They are parts of raw.
func Elements(raw []byte) iter.Seq[json.RawMessage] {
	return func(yield func(json.RawMessage) bool) {
		for i := within(raw, '['); i < len(raw) && raw[i] != ']'; i = next(raw, i) {
			end := past(raw, i)
			if end == i || !yield(raw[i:end:end]) {
				return
			}
			i = end
		}
	}
}

// Text is what a JSON string says, with its quotation marks.
func Text(raw []byte) (string, error) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", errNoString
	}
	inner := raw[1 : len(raw)-1]
	if !utf8.Valid(inner) {
		return decoded(raw)
	}
	first := bytes.IndexByte(inner, '\\')
	if first < 0 {
		return string(inner), nil
	}
	out := append(make([]byte, 0, len(inner)), inner[:first]...)
	for i := first; i < len(inner); i++ {
		c := inner[i]
		if c == '\\' {
			if i++; i == len(inner) || escapes[inner[i]] == 0 {
				return decoded(raw)
			}
			c = escapes[inner[i]]
		}
		out = append(out, c)
	}
	return string(out), nil
}

// escapes are those of one letter.
var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func decoded(raw []byte) (s string, err error) {
	err = json.Unmarshal(raw, &s)
	return s, err
}

// within is where the first value of an object or array starts, or its end.
func within(raw []byte, open byte) int {
	i := space(raw, 0)
	if i >= len(raw) || raw[i] != open {
		return len(raw)
	}
	return space(raw, i+1)
}

// next is where the value behind the comma starts.
func next(raw []byte, i int) int {
	i = space(raw, i)
	if i >= len(raw) || raw[i] != ',' {
		return len(raw)
	}
	return space(raw, i+1)
}

func space(raw []byte, i int) int {
	for i < len(raw) && (raw[i] == ' ' || raw[i] == '\n' || raw[i] == '\t' || raw[i] == '\r') {
		i++
	}
	return i
}

// past is the end of the value that starts at i.
func past(raw []byte, i int) int {
	depth := 0
	for ; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			if i = quote(raw, i+1); i >= len(raw) || depth == 0 {
				return min(i+1, len(raw))
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
			if depth < 0 { // of what a number stands in
				return i
			}
		case ',', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return i
			}
		}
	}
	return len(raw)
}

// quote is where the string ends that goes on at i.
func quote(raw []byte, i int) int {
	for i < len(raw) {
		switch at := bytes.IndexAny(raw[i:], `"\`); {
		case at < 0:
			return len(raw)
		case raw[i+at] == '"':
			return i + at
		default:
			i += at + 2 // an escape and what it escapes
		}
	}
	return len(raw)
}
