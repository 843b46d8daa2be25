// Package codes is the one place where the codes of errors stand: the status and the default code of each kind of fault in
// either half of the API, how the one half tells what the other words, what each code means and what to do about it, and
// which faults each operation can come to. The server's answers, the OpenAPI document and docs/errors.md are made of it.
package codes

import (
	_ "embed"
	"encoding/json"
	"strings"

	"turkey/internal/fault"
)

// Text is a code with the message used when a fault has none.
type Text struct{ Code, Message string }

// Kind says how a kind of fault is told: its status, and its code and message in either half.
type Kind struct {
	Name      string // of the constant in package fault
	Status    int
	Auth, API Text
}

// Kinds has every kind of fault.
var Kinds = map[fault.Kind]Kind{
	fault.Internal:         {"Internal", 500, Text{"internal_server_error", "An unexpected error occurred"}, Text{"SERVICE_ERROR", "An unexpected error occurred"}},
	fault.Invalid:          {"Invalid", 400, Text{"validation_error", "Invalid request data"}, Text{"VALIDATION_ERROR", "Invalid request data"}},
	fault.Unauthenticated:  {"Unauthenticated", 401, Text{"unauthorized", "Authentication failed"}, Text{"AUTH_FAILED", "Authentication failed"}},
	fault.Forbidden:        {"Forbidden", 403, Text{"forbidden", "Access denied"}, Text{"ACCESS_DENIED", "Access denied"}},
	fault.NotFound:         {"NotFound", 404, Text{"not_found", "Not found"}, Text{"NOT_FOUND", "Not found"}},
	fault.Timeout:          {"Timeout", 408, Text{"request_timeout", "Request timeout"}, Text{"", "Request timeout"}},
	fault.Conflict:         {"Conflict", 409, Text{"already_exists", "Already exists"}, Text{"DUPLICATE_CREDENTIAL", "Already exists"}},
	fault.TooLarge:         {"TooLarge", 413, Text{"payload_too_large", "Request size exceeds 100KB limit"}, Text{"VALIDATION_ERROR", "Request size exceeds 1MB limit"}},
	fault.UnsupportedMedia: {"UnsupportedMedia", 415, Text{"unsupported_media_type", "Content-Type must be application/json"}, Text{"VALIDATION_ERROR", "Content-Type must be application/json"}},
	fault.Limited:          {"Limited", 429, Text{"rate_limit_exceeded", "Too many requests from this IP, please try again later."}, Text{"RATE_LIMITED", "Too many requests. Please try again later."}},
	fault.Upstream:         {"Upstream", 502, Text{"bad_gateway", "The provider failed to answer"}, Text{"SERVICE_ERROR", "The provider failed to answer"}},
	fault.Unavailable:      {"Unavailable", 503, Text{"service_unavailable", "Service temporarily unavailable"}, Text{"DATABASE_ERROR", "Service temporarily unavailable"}},
}

// apiCodes says how a fault that speaks the language of /v1 is told under /api; an empty message keeps the fault's own.
// Codes that are missing here become the default of their kind.
var apiCodes = map[string]Text{
	"bad_request":         {"INVALID_JSON", ""},
	"missing_token":       {"MISSING_TOKEN", "Missing authorization token"},
	"invalid_token":       {"INVALID_TOKEN", "Invalid token"},
	"invalid_signature":   {"AUTH_FAILED", "Authentication failed"},
	"invalid_issuer":      {"AUTH_FAILED", "Authentication failed"},
	"invalid_audience":    {"AUTH_FAILED", "Authentication failed"},
	"token_expired":       {"AUTH_FAILED", "Authentication failed"},
	"token_revoked":       {"AUTH_FAILED", "Authentication failed"},
	"rate_limit_exceeded": {"RATE_LIMITED", "Too many requests. Please try again later."},

	"idempotency_conflict":    {"IDEMPOTENCY_CONFLICT", ""},
	"idempotency_in_progress": {"IDEMPOTENCY_IN_PROGRESS", ""},
}

// Auth gives the code and message of a fault outside /api.
func Auth(kind fault.Kind, code, message string) Text {
	return filled(Text{code, message}, Kinds[kind].Auth)
}

// API gives the code and message of a fault under /api.
func API(kind fault.Kind, code, message string) Text {
	told := Text{code, message}
	if isAuth(code) {
		as, known := apiCodes[code]
		if !known {
			as.Code = Kinds[kind].API.Code
		}
		told.Code = as.Code
		if as.Message != "" {
			told.Message = as.Message
		}
	}
	return filled(told, Kinds[kind].API)
}

func filled(t, otherwise Text) Text {
	if t.Code == "" {
		t.Code = otherwise.Code
	}
	if t.Message == "" {
		t.Message = otherwise.Message
	}
	return t
}

// isAuth is true for the codes of /v1, which are in small letters.
func isAuth(code string) bool { return strings.ToUpper(code) != code }

// Fault is what an operation can come to. An empty code stands for the default of the kind.
type Fault struct {
	Kind fault.Kind
	Code string
}

// operationsJSON lists the faults of each operation as "Kind code". A test writes it from the source: whatever a handler, and
// what is before it, can reach. What the server itself refuses (bodies, paths, deadlines) is added by the server.
//
//go:embed operations.json
var operationsJSON []byte

var operations = readOperations()

func readOperations() map[string][]Fault {
	var texts map[string][]string
	if err := json.Unmarshal(operationsJSON, &texts); err != nil {
		panic("operations.json: " + err.Error())
	}
	kinds := map[string]fault.Kind{}
	for kind, as := range Kinds {
		kinds[as.Name] = kind
	}
	out := map[string][]Fault{}
	for id, faults := range texts {
		for _, text := range faults {
			name, code, _ := strings.Cut(text, " ")
			out[id] = append(out[id], Fault{kinds[name], code})
		}
	}
	return out
}

// Of lists the faults that the program's own code can answer an operation with.
func Of(operation string) []Fault { return operations[operation] }

// Tell gives status and code of a fault in a half of the API; ok is false where the fault is not one of that half.
func (f Fault) Tell(api bool) (status int, code string, ok bool) {
	status = Kinds[f.Kind].Status
	if api {
		return status, API(f.Kind, f.Code, "").Code, true
	}
	if f.Code != "" && !isAuth(f.Code) {
		return status, "", false
	}
	return status, Auth(f.Kind, f.Code, "").Code, true
}
