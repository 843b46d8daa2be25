// Package fault is the only error type that crosses packages. A fault says what went wrong in three registers: a Kind
// that decides the status, a stable Code that programs branch on, and a Message that a person can act on. The cause,
// which may hold SQL, addresses or other people's data, is for the log alone and is never rendered.
//
// An error that is not a fault is a bug or an outage; it leaves the server as "internal error" with the request id.
package fault

import (
	"errors"
	"time"
)

// Kind is the class of a fault; the server maps it to one HTTP status.
type Kind int

// The kinds, with the HTTP status each is rendered as.
const (
	Internal         Kind = iota // 500
	Invalid                      // 400
	Unauthenticated              // 401
	Forbidden                    // 403
	NotFound                     // 404
	Timeout                      // 408
	Conflict                     // 409
	TooLarge                     // 413
	UnsupportedMedia             // 415
	Limited                      // 429
	Upstream                     // 502
	Unavailable                  // 503
)

// Field is one rule that one field of a request broke. It never holds the value that was sent.
type Field struct {
	Name     string // dotted path in the body, "" for the body itself
	Message  string
	Code     string // invalid_type, too_small, too_big, invalid_string, invalid_enum_value
	Received string // the JSON type that came instead, for invalid_type: "undefined", "number", …
}

// Error is a fault. Values are immutable: the With methods return copies, so package-level faults can be shared.
type Error struct {
	Kind       Kind
	Code       string // stable code of the wire contract; "" means the default of the kind
	Message    string
	Fields     []Field        // rendered as `details` under /v1
	Details    map[string]any // rendered as `details` under /api
	RetryAfter time.Duration  // > 0 sets Retry-After, rounded up to whole seconds
	Cause      error          // for the log only
}

// New makes a fault. An empty code stands for the default code of the kind in the half of the API that answers.
func New(kind Kind, code, message string) *Error {
	return &Error{Kind: kind, Code: code, Message: message}
}

// Error gives message and cause: the text for the log, not for the wire.
func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Message + ": " + e.Cause.Error()
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Cause }

// Is makes errors.Is compare faults by kind and code, so a copy with a cause still matches its origin.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Kind == e.Kind && t.Code == e.Code && t.Message == e.Message
}

// Because returns a copy with the cause for the log.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.Cause = cause
	return &c
}

// WithFields returns a copy that names the fields that broke a rule.
func (e *Error) WithFields(fields ...Field) *Error {
	c := *e
	c.Fields = fields
	return &c
}

// WithDetails returns a copy with a details object for the /api half.
func (e *Error) WithDetails(details map[string]any) *Error {
	c := *e
	c.Details = details
	return &c
}

// WithRetryAfter returns a copy that tells the client when to come back.
func (e *Error) WithRetryAfter(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}

// From finds the fault in an error's chain.
func From(err error) (*Error, bool) { return errors.AsType[*Error](err) }
