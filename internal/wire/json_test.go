package wire_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"turkey/internal/wire"
)

// spellings of JSON that a reader could fall over.
var spellings = []string{
	`{}`, ` { } `, `[]`, `[ ]`, `{"a":1}`, ` { "a" : 1 , "b" : [ 1 , 2 ] } `, `{"a":{"b":{"c":"}"}},"d":"]"}`, `{"a":"\"","b":"\\","c":"\\\""}`,
	`{"\u0061":"\u00e9\ud83d\ude00","b":"\ud800"}`, `{"a":1,"a":2}`, `[1,-2.5e+10,true,false,null,"x",[[]],{"a":[{}]}]`, "[\n1\t,\r\n2]", `{"":""}`,
	"{\"a\xff\":\"\xff\"}", `"text"`, `"\b\f\n\r\t\/\"\\"`, `-0`, `1e5`, `null`, `{"a":"<&>  "}`, `{"k":"line\nline\n"}`,
}

// FuzzReadsAsEncodingJSON: the parts of valid JSON are those that encoding/json finds.
func FuzzReadsAsEncodingJSON(f *testing.F) {
	for _, s := range spellings {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		// Whatever it is, nothing panics and nothing goes on for ever.
		got := maps.Collect(wire.Members(raw))
		items := slices.Collect(wire.Elements(raw))
		text, err := wire.Text(raw)
		if !json.Valid(raw) {
			return
		}
		var members map[string]json.RawMessage
		if json.Unmarshal(raw, &members) != nil {
			members = nil
		}
		if !maps.EqualFunc(got, members, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }) {
			t.Errorf("%s has the members %s, want %s", raw, got, members)
		}
		var elements []json.RawMessage
		if json.Unmarshal(raw, &elements) != nil {
			elements = nil
		}
		if !slices.EqualFunc(items, elements, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }) {
			t.Errorf("%s has the elements %s, want %s", raw, items, elements)
		}
		if trimmed := bytes.TrimSpace(raw); len(trimmed) == len(raw) && raw[0] == '"' {
			var want string
			if json.Unmarshal(raw, &want) != nil || err != nil || text != want {
				t.Errorf("%s says %q, %v, want %q", raw, text, err, want)
			}
		}
	})
}
