package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// refusal is an error answer in a provider's shape.
type refusal struct {
	status     int
	body       any
	retryAfter int // seconds
	header     map[string]string
}

func (e *refusal) Error() string { return fmt.Sprintf("sandbox: status %d", e.status) }

// statusNames are the canonical codes of google.rpc.Code by HTTP status.
var statusNames = map[int]string{
	400: "INVALID_ARGUMENT",
	401: "UNAUTHENTICATED",
	403: "PERMISSION_DENIED",
	404: "NOT_FOUND",
	409: "ABORTED",
	429: "RESOURCE_EXHAUSTED",
	500: "INTERNAL",
	501: "UNIMPLEMENTED",
	503: "UNAVAILABLE",
	504: "DEADLINE_EXCEEDED",
}

// refuse makes a google.rpc.Status. A reason becomes its ErrorInfo.
func refuse(status int, reason, format string, args ...any) *refusal {
	inner := map[string]any{"code": status, "message": fmt.Sprintf(format, args...), "status": statusNames[status]}
	if reason != "" {
		inner["details"] = []any{map[string]any{
			"@type":    "type.googleapis.com/google.rpc.ErrorInfo",
			"reason":   reason,
			"domain":   "googleapis.com",
			"metadata": map[string]string{"consumer": "projects/" + projectNumber},
		}}
	}
	return &refusal{status: status, body: map[string]any{"error": inner}}
}

func quotaRefusal(kind string) *refusal {
	return refuse(http.StatusTooManyRequests, "RATE_LIMIT_EXCEEDED",
		"Quota exceeded for quota metric '%[1]s requests' and limit '%[1]s requests per minute per user' of service "+
			"'sheets.googleapis.com' for consumer 'project_number:%[2]s'.", kind, projectNumber)
}

// refuseControl is the shape of the control routes, which no provider has.
func refuseControl(status int, format string, args ...any) *refusal {
	return &refusal{status: status, body: map[string]string{"error": fmt.Sprintf(format, args...)}}
}

// created marks an answer as 201.
type created struct{ body any }

func writeAnswer(w http.ResponseWriter, r *http.Request, body any) {
	status := http.StatusOK
	if c, ok := body.(created); ok {
		status, body = http.StatusCreated, c.body
	}
	filtered, err := applyFields(r.URL.Query().Get("fields"), body)
	if err != nil {
		writeRefusal(w, err)
		return
	}
	writeJSON(w, status, filtered)
}

func writeRefusal(w http.ResponseWriter, err error) {
	e, ok := errors.AsType[*refusal](err)
	if !ok {
		e = refuse(http.StatusInternalServerError, "", "Internal error encountered: %v", err)
	}
	if e.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(e.retryAfter))
	}
	for name, value := range e.header {
		w.Header().Set(name, value)
	}
	writeJSON(w, e.status, e.body)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(body) // the client went away
}

// notHere is what Google's front end says about a path that no API has.
func notHere(w http.ResponseWriter, _ *http.Request) {
	writeHTML(w, http.StatusNotFound)
}

func writeHTML(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<!DOCTYPE html>\n<title>Error %d</title>\n<p>The requested URL was not served.\n", status)
}

// readBody decodes the JSON body of a call; numbers keep their text.
func readBody(r *http.Request, out any) error {
	d := json.NewDecoder(r.Body)
	d.UseNumber()
	if err := d.Decode(out); err != nil {
		return refuse(http.StatusBadRequest, "", "Invalid JSON payload received. %v", err)
	}
	return nil
}

// fieldMask is a partial response mask, "a,b.c,d(e,f)". A nil mask keeps everything.
type fieldMask map[string]fieldMask

// applyFields reduces an answer to the fields asked for, as the fields parameter of Google's APIs does.
func applyFields(text string, body any) (any, error) {
	if text == "" || text == "*" {
		return body, nil
	}
	mask, rest, ok := parseFields(text)
	if !ok || rest != "" {
		return nil, refuse(http.StatusBadRequest, "", "Request contains an invalid argument: fields")
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode answer: %w", err)
	}
	var value any
	d := json.NewDecoder(bytes.NewReader(encoded))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		return nil, fmt.Errorf("decode answer: %w", err)
	}
	return mask.apply(value), nil
}

// parseFields reads a comma separated list up to its end or a closing bracket, which stays in rest.
func parseFields(text string) (mask fieldMask, rest string, ok bool) {
	mask = fieldMask{}
	for {
		n := strings.IndexAny(text, ",.(/)")
		if n < 0 {
			n = len(text)
		}
		name := text[:n]
		if name == "" {
			return nil, text, false
		}
		below, after, ok := parseBelow(text[n:])
		if !ok {
			return nil, after, false
		}
		mask.add(name, below)
		if text, ok = strings.CutPrefix(after, ","); !ok {
			return mask, after, true
		}
	}
}

// parseBelow reads what follows a name: ".name…", "(list)" or nothing.
func parseBelow(text string) (below fieldMask, rest string, ok bool) {
	if text == "" {
		return nil, text, true
	}
	switch text[0] {
	case '(':
		below, rest, ok = parseFields(text[1:])
		if !ok || !strings.HasPrefix(rest, ")") {
			return nil, rest, false
		}
		return below, rest[1:], true
	case '.', '/':
		n := strings.IndexAny(text[1:], ",.(/)") + 1
		if n == 0 {
			n = len(text)
		}
		if n == 1 {
			return nil, text, false
		}
		inner, rest, ok := parseBelow(text[n:])
		return fieldMask{text[1:n]: inner}, rest, ok
	}
	return nil, text, true
}

func (m fieldMask) add(name string, below fieldMask) {
	known, ok := m[name]
	if !ok || below == nil || known == nil {
		if ok && known == nil {
			return // everything below is wanted already
		}
		m[name] = below
		return
	}
	for k, v := range below {
		known.add(k, v)
	}
}

func (m fieldMask) apply(value any) any {
	if m == nil {
		return value
	}
	switch v := value.(type) {
	case []any:
		for i := range v {
			v[i] = m.apply(v[i])
		}
	case map[string]any:
		if _, all := m["*"]; all {
			return v
		}
		for name := range v {
			below, wanted := m[name]
			if !wanted {
				delete(v, name)
				continue
			}
			v[name] = below.apply(v[name])
		}
	}
	return value
}
