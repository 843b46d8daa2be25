package vault

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"turkey/internal/wire"
)

// maxNesting is more than any service takes.
const maxNesting = 64

var errNesting = errors.New("vault: nested too deep")

// canonical appends the one spelling of equal values to out: no white space, members sorted by name, the last of equal names, strings
// as json.Marshal writes them, numbers as they stand. raw is valid JSON.
func canonical(out, raw []byte, depth int) ([]byte, error) {
	if depth > maxNesting {
		return nil, errNesting
	}
	switch raw[0] {
	case '{':
		values := map[string]json.RawMessage{}
		for name, value := range wire.Members(raw) {
			values[name] = value
		}
		out = append(out, '{')
		for i, name := range slices.Sorted(maps.Keys(values)) {
			if i > 0 {
				out = append(out, ',')
			}
			text, err := json.Marshal(name)
			if err != nil {
				return nil, err
			}
			out = append(append(out, text...), ':')
			if out, err = canonical(out, values[name], depth+1); err != nil {
				return nil, err
			}
		}
		return append(out, '}'), nil
	case '[':
		out = append(out, '[')
		first := true
		for value := range wire.Elements(raw) {
			if !first {
				out = append(out, ',')
			}
			first = false
			var err error
			if out, err = canonical(out, value, depth+1); err != nil {
				return nil, err
			}
		}
		return append(out, ']'), nil
	case '"':
		if asMarshalled(raw) {
			return append(out, raw...), nil
		}
		text, err := wire.Text(raw)
		if err != nil {
			return nil, err
		}
		again, err := json.Marshal(text)
		return append(out, again...), err
	default:
		return append(out, raw...), nil
	}
}

// asMarshalled reports whether json.Marshal would write a string in this way. It may say no where it would.
func asMarshalled(raw []byte) bool {
	for i := 1; i < len(raw)-1; i++ {
		switch c := raw[i]; {
		case c == '\\':
			i++
			if c := raw[i]; c == '/' || c == 'u' {
				return false
			}
		case c >= 0x7f, c == '<', c == '>', c == '&':
			return false
		}
	}
	return true
}
