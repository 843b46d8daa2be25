package server_test

import (
	"bytes"
	"compress/gzip"
	"runtime"
	"strings"
	"testing"
	"time"
)

// bombs are bodies that cost a careless reader far more than they cost to send. Each is below the limit of its size.
func bombs(t *testing.T) map[string]string {
	t.Helper()
	var z bytes.Buffer
	w, err := gzip.NewWriterLevel(&z, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(`{"email":"a@b","password":"` + strings.Repeat("x", 64<<20) + `"}`)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	const n = 100_000
	good := func(more string) string { return `{"email":"a@b","password":"long enough",` + more + `}` }
	return map[string]string{
		"lists in lists":          strings.Repeat("[", n),
		"lists in lists, closed":  good(`"content":` + strings.Repeat("[", n/3) + strings.Repeat("]", n/3)),
		"objects in objects":      strings.Repeat(`{"a":`, n/5),
		"objects in unread ones":  good(`"unknown":` + strings.Repeat(`{"a":`, n/7) + "1" + strings.Repeat("}", n/7)),
		"a long number":           good(`"age":` + strings.Repeat("9", n/2)),
		"a long fraction":         good(`"age":0.` + strings.Repeat("1", n/2)),
		"a huge exponent":         good(`"age":1e999999999`),
		"a tiny exponent":         good(`"labels":{"a":1e-999999999}`),
		"a number for bits":       good(`"options":{"sheet":"s","depth":1e40}`),
		"one member many times":   good(strings.TrimSuffix(strings.Repeat(`"age":1,`, n/10), ",")),
		"many members":            good(strings.TrimSuffix(strings.Repeat(`"x":0,`, n/8), ",")),
		"many entries":            good(`"labels":{` + strings.TrimSuffix(strings.Repeat(`"k":0,`, n/8), ",") + "}"),
		"a long list":             good(`"tags":[` + strings.TrimSuffix(strings.Repeat(`"",`, n/4), ",") + "]"),
		"a wrong long list":       good(`"tags":[` + strings.TrimSuffix(strings.Repeat(`1,`, n/3), ",") + "]"),
		"escapes":                 good(`"note":"` + strings.Repeat(`\u0000`, n/8) + `"`),
		"halves of pairs":         good(`"note":"` + strings.Repeat(`\ud800`, n/8) + `"`),
		"a long name":             good(`"` + strings.Repeat("n", n/2) + `":1`),
		"white space":             strings.Repeat(" ", n),
		"gzip that grows to 64 M": z.String(),
	}
}

// TestBombs: no body costs more than a fraction of a second, or memory far beyond its size; none is unpacked.
func TestBombs(t *testing.T) {
	b := setup(t, nil) // not parallel: it looks at what all of the process allocates
	for name, body := range bombs(t) {
		for _, path := range []string{"/v1/sign-up", "/api/sign-up"} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			headers := []string{"Content-Type", "application/json"}
			if strings.HasPrefix(name, "gzip") {
				headers = append(headers, "Content-Encoding", "gzip")
			}
			a := b.do("POST", path, body, headers...)
			took := time.Since(began)
			runtime.ReadMemStats(&after)
			if a.status != 200 && a.status != 400 && a.status != 413 {
				t.Errorf("%s: %d %.200s", name, a.status, a.body)
			}
			if strings.HasPrefix(name, "gzip") && a.status == 200 {
				t.Errorf("%s was unpacked", name)
			}
			if grew := after.TotalAlloc - before.TotalAlloc; took > 5*time.Second || grew > 64<<20 {
				t.Errorf("%s (%d bytes) took %s and %d bytes of memory", name, len(body), took, grew)
			}
			if len(a.body) > 1<<20 && a.status != 200 {
				t.Errorf("%s: the error has %d bytes", name, len(a.body))
			}
		}
	}
}
