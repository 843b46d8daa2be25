package connector

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"strings"
)

// jsonPath leads to a value within another: names of members and numbers of elements.
type jsonPath []string

const (
	maxPath  = 200 // characters
	maxSteps = 16
)

// newJSONPath reads "a.b.0" or the JSON pointer "/a/b/0" (RFC 6901). "" is the value itself.
func newJSONPath(text string) (p jsonPath, ok bool) {
	switch {
	case text == "":
		return nil, true
	case len(text) > maxPath:
		return nil, false
	case text[0] == '/':
		p = strings.Split(text[1:], "/")
		for i, step := range p {
			p[i] = strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
		}
	default:
		p = strings.Split(text, ".")
	}
	for _, step := range p {
		if step == "" {
			return nil, false
		}
	}
	return p, len(p) <= maxSteps
}

// seek leaves d before the value that p leads to from the one before which d is. found is false where there is none. What is
// passed over is not kept, so an answer of any form costs no more memory than its text.
func (p jsonPath) seek(d *json.Decoder) (found bool, err error) {
	var passed json.RawMessage
	for _, step := range p {
		token, err := d.Token()
		if err != nil {
			return false, err
		}
		switch token {
		case json.Delim('{'):
			found = false
			for d.More() && !found {
				name, err := d.Token()
				if err != nil {
					return false, err
				}
				if found = name == step; !found {
					if err := d.Decode(&passed); err != nil {
						return false, err
					}
				}
			}
			if !found {
				return false, nil
			}
		case json.Delim('['):
			n, err := strconv.ParseUint(step, 10, 31)
			if err != nil {
				return false, nil //nolint:nilerr // a list has no members, so there is no such value
			}
			for ; n > 0 && d.More(); n-- {
				if err := d.Decode(&passed); err != nil {
					return false, err
				}
			}
			if !d.More() {
				return false, nil
			}
		default:
			return false, nil
		}
	}
	return true, nil
}

// each calls f with every element of the list that p leads to; null is an empty one. ok is false where there is no list. The
// element is overwritten by the next one.
func (p jsonPath) each(body []byte, f func(element []byte) error) (ok bool, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	if found, err := p.seek(d); err != nil || !found {
		return false, err
	}
	token, err := d.Token()
	if err != nil || token != json.Delim('[') {
		return token == nil && err == nil, err
	}
	var element json.RawMessage
	for d.More() {
		if err := d.Decode(&element); err != nil {
			return true, err
		}
		if err := f(element); err != nil {
			return true, err
		}
	}
	return true, nil
}

// scalar is the value that p leads to: a string, a json.Number, a bool, nil for null, or a json.Delim of something larger.
func (p jsonPath) scalar(body []byte) (value json.Token, found bool) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	found, err := p.seek(d)
	if err != nil || !found {
		return nil, false
	}
	value, err = d.Token()
	return value, err == nil || err == io.EOF //nolint:errorlint // the decoder returns it unwrapped
}
