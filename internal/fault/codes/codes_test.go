package codes_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"turkey/internal/fault"
	"turkey/internal/fault/codes"
)

var update = flag.Bool("update", false, "rewrite operations.json and docs/errors.md")

const (
	operationsFile = "operations.json"
	pageFile       = "../../../docs/errors.md"
)

// operation is what openapi.json says of a route.
type operation struct {
	path       string
	ID         string                `json:"operationId"`
	Security   []map[string][]string `json:"security"`
	Parameters []struct {
		Ref string `json:"$ref"`
	} `json:"parameters"`
}

// before names what runs ahead of an operation's handler: the limits, and what recognises the caller.
func (o operation) before() []string {
	if !strings.HasPrefix(o.path, "/v1/") && !strings.HasPrefix(o.path, "/api/") {
		return nil
	}
	names := []string{"(*turkey/internal/limit.Limits).Layer"}
	for _, way := range o.Security {
		_, byToken := way["bearerAuth"]
		switch {
		case strings.HasPrefix(o.path, "/v1/admin/"):
			names = append(names, "(*turkey/internal/auth.Service).Operators")
		case byToken && strings.HasPrefix(o.path, "/api/"):
			names = append(names, "(*turkey/internal/auth.Service).Recognised")
		case byToken:
			names = append(names, "(*turkey/internal/auth.Service).Bearer")
		}
	}
	for _, p := range o.Parameters {
		if strings.HasSuffix(p.Ref, "/IdempotencyKey") {
			names = append(names, "(*turkey/internal/idempotency.Service).Once")
		}
	}
	return names
}

func published(t *testing.T) map[string]operation {
	t.Helper()
	text, err := os.ReadFile("../../../openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]operation
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	all := map[string]operation{}
	for path, item := range doc.Paths {
		for _, o := range item {
			o.path = path
			all[o.ID] = o
		}
	}
	return all
}

// program is the source, read once for all tests.
var program = sync.OnceValues(func() (*source, error) { return readSource() })

func read(t *testing.T) *source {
	t.Helper()
	s, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A handler that learns a new error changes the document: what an operation can answer is read from the source.
func TestOperations(t *testing.T) {
	t.Parallel()
	s := read(t)
	found := map[string][]string{}
	for id, o := range published(t) {
		if faults := s.of(id, o.before()...); len(faults) > 0 {
			found[id] = faults
		}
		if strings.HasPrefix(o.path, "/v1") && s.handlers[id] == nil {
			t.Errorf("the handler of %s was not found in the source", id)
		}
	}
	for _, f := range slices.Concat(slices.Collect(maps.Values(found))...) {
		if strings.Contains(f, unread) {
			t.Errorf("a fault whose kind or code cannot be read from the source: %q", f)
		}
	}
	var lines []string // one of each operation, for the diffs
	for _, id := range slices.Sorted(maps.Keys(found)) {
		faults, err := json.Marshal(found[id])
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("  %q: %s", id, faults))
	}
	same(t, operationsFile, []byte("{\n"+strings.Join(lines, ",\n")+"\n}\n"))
}

// Every code that the source spells has an explanation with the status it comes with, and no explanation is of nothing.
func TestCatalogue(t *testing.T) {
	t.Parallel()
	told := map[string]map[int]bool{}
	tell := func(api bool, f codes.Fault) {
		status, code, ok := f.Tell(api)
		if !ok {
			return
		}
		half := "auth "
		if api {
			half = "api "
		}
		if told[half+code] == nil {
			told[half+code] = map[int]bool{}
		}
		told[half+code][status] = true
	}
	kinds := map[string]fault.Kind{}
	for kind, as := range codes.Kinds {
		kinds[as.Name] = kind
		tell(true, codes.Fault{Kind: kind})
		if kind != fault.Upstream { // no provider stands behind /v1
			tell(false, codes.Fault{Kind: kind})
		}
	}
	for made := range read(t).made() {
		name, code, _ := strings.Cut(made, " ")
		kind, ok := kinds[name]
		switch {
		case !ok:
			continue
		case code == strings.ToUpper(code):
			tell(true, codes.Fault{Kind: kind, Code: code})
		default:
			tell(false, codes.Fault{Kind: kind, Code: code})
			tell(true, codes.Fault{Kind: kind, Code: code})
		}
	}
	for half, entries := range map[string][]codes.Entry{"auth ": codes.Catalogue(false), "api ": codes.Catalogue(true)} {
		for _, e := range entries {
			statuses := slices.Sorted(maps.Keys(told[half+e.Code]))
			if !slices.Equal(statuses, e.Statuses) {
				t.Errorf("%s%s: the source has %v, the catalogue %v", half, e.Code, statuses, e.Statuses)
			}
			if e.Meaning == "" || e.Remedy == "" {
				t.Errorf("%s%s: meaning %q, remedy %q", half, e.Code, e.Meaning, e.Remedy)
			}
			delete(told, half+e.Code)
		}
	}
	for code, statuses := range told {
		t.Errorf("the catalogue lacks %s (%v)", code, slices.Sorted(maps.Keys(statuses)))
	}
}

func TestPage(t *testing.T) {
	t.Parallel()
	same(t, pageFile, page())
}

func page() []byte {
	var b bytes.Buffer
	b.WriteString(`# Errors

<!-- Written by go test ./internal/fault/codes -update from internal/fault/codes; do not edit. -->

Every answer from 400 on is JSON in the shape of its half of the API. Branch on the code, never on the text: texts change.
Which operation can answer what stands in the API reference and in ` + "`openapi.json`" + `, status by status.

- [Outside /api](#outside-api)
- [Under /api](#under-api)
- [What to do in general](#what-to-do-in-general)

## Outside /api

` + "```json" + `
{"error": "validation_error", "message": "Invalid request data", "details": [{"field": "email", "message": "Required", "code": "invalid_type", "received": "undefined"}],
 "timestamp": "2026-01-31T12:00:00.000Z", "path": "/v1/auth/login", "requestId": "0f0e…"}
` + "```" + `

The code is ` + "`error`" + `. ` + "`requestId`" + ` is also the header ` + "`X-Request-Id`" + ` and names the request in the server's log.

`)
	table(&b, codes.Catalogue(false))
	b.WriteString(`
## Under /api

` + "```json" + `
{"error": "Credential not found", "code": "CREDENTIAL_NOT_FOUND"}
` + "```" + `

The code is ` + "`code`" + `. Limits, timeouts and the routes whose answers carry ` + "`success`" + ` also say ` + "`\"success\": false`" + `.

`)
	table(&b, codes.Catalogue(true))
	b.WriteString(`
## What to do in general

- **401**: refresh the access token once and repeat. If the refresh answers ` + "`invalid_grant`" + `, sign in again. Both SDKs do this.
- **429 and 503**: wait ` + "`Retry-After`" + ` seconds with some jitter, and repeat. Never end a session for it.
- **5xx and broken lines**: repeat reads. Repeat writes with the same [` + "`Idempotency-Key`" + `](idempotency.md).
- **Everything else** fails again the same way: change the request.
`)
	return b.Bytes()
}

func table(b *bytes.Buffer, entries []codes.Entry) {
	b.WriteString("| code | status | meaning | what to do |\n|---|---|---|---|\n")
	for _, e := range entries {
		statuses := make([]string, len(e.Statuses))
		for i, s := range e.Statuses {
			statuses[i] = fmt.Sprint(s)
		}
		code := "`" + e.Code + "`"
		if e.Code == "" {
			code = "(none)"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", code, strings.Join(statuses, ", "), e.Meaning, e.Remedy)
	}
}

// same compares a generated file with what it should hold, or writes it.
func same(t *testing.T, file string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what the source says (%v): run make generate and look at the diff", file, err)
	}
}
