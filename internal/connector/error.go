package connector

import (
	"fmt"
	"time"
)

// Reason is the class of a provider's failure.
type Reason string

// The reasons. Only Limited and Unavailable can pass by themselves.
const (
	Rejected    Reason = "rejected"    // the key or token is wrong, revoked or expired
	Forbidden   Reason = "forbidden"   // a right is missing: not shared, scope, API not enabled
	NotFound    Reason = "not_found"   // the spreadsheet, tab or property does not exist
	Invalid     Reason = "invalid"     // the content or the request cannot work as it is
	Limited     Reason = "limited"     // the provider's quota is used up
	Unavailable Reason = "unavailable" // unreachable, too slow, broken or not answering as the provider does
)

// Error is a provider's failure in words a person can act on. It never holds a secret or the provider's raw body.
type Error struct {
	Reason     Reason
	Message    string
	RetryAfter time.Duration // what the provider asked for, 0 if nothing
	Held       bool          // the provider was not asked: it would have refused
	Cause      error         // for the log
}

// Error gives message and cause.
func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Message + ": " + e.Cause.Error()
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Cause }

// Retryable reports whether the same call may succeed later without anybody changing anything.
func (e *Error) Retryable() bool { return e.Reason == Limited || e.Reason == Unavailable }

func fail(reason Reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

func (e *Error) because(cause error) *Error {
	e.Cause = cause
	return e
}
