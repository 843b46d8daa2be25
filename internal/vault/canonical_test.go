package vault

import (
	"bytes"
	"encoding/json"
	"testing"
)

// FuzzCanonical: the spelling is the one of encoding/json, which stored fingerprints were made of.
func FuzzCanonical(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"b":1.0,"a":[1, 2 ,{"z":null,"y":true}]}`, `[1,{"b":null}]`, `"x"`, `{"a":1,"a":2}`, `{"k":"line\nline\t\"\\\b\f\r"}`, `"\/"`, `"\u0041\u00e9"`,
		`"<>&"`, "\"\u2028\x7f\xff é\"", `-1.50E+007`, `{"é":"é","\u00e9":1}`, `{"a<":1}`, `[[],{},""]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		raw = bytes.TrimSpace(raw)
		if !json.Valid(raw) {
			return
		}
		got, err := canonical(nil, raw, 0)
		if err != nil {
			if bytes.Count(raw, []byte("{"))+bytes.Count(raw, []byte("[")) <= maxNesting {
				t.Errorf("%s: %v", raw, err)
			}
			return
		}
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(v)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is spelled %s, want %s (%v)", raw, got, want, err)
		}
	})
}
