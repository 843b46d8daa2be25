package limit

import (
	"context"
	"errors"
	"time"

	"turkey/internal/fault"
)

// The answers of the contract (auth-api.md §2, credential-api.md §1).
var (
	errGeneral = fault.New(fault.Limited, "rate_limit_exceeded", "Too many requests from this IP, please try again later.")
	errAPI     = fault.New(fault.Limited, "RATE_LIMITED", "Too many requests. Please try again later.")
	errLogin   = tooMany("login")
	errLocked  = fault.New(fault.Limited, "account_locked",
		"Account temporarily locked due to too many failed login attempts. Please try again later.")
	errUnavailable = fault.New(fault.Unavailable, "", "")
)

// What refuses besides the limiters: the lock on a client that failed too often, and the slow-down of an account that many
// guess at.
const (
	refusedLockout = "lockout"
	refusedAccount = "account"
)

// Limiters names everything that refuses, as Config.Refused hears of it.
func Limiters() []string {
	return []string{"general", "api", "login", "mail", "refresh", "register", "admin", "administration", refusedLockout, refusedAccount}
}

func tooMany(what string) *fault.Error {
	return fault.New(fault.Limited, "rate_limit_exceeded", "Too many "+what+" requests. Please try again later.")
}

// unavailable makes the trouble of a store a fault that may be retried. What the caller gave up on stays as it is.
func unavailable(err error) error {
	if _, ok := fault.From(err); err == nil || ok || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return errUnavailable.WithRetryAfter(time.Second).Because(err)
}
