package fault_test

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"turkey/internal/fault"
)

func TestCopiesLeaveTheOriginAlone(t *testing.T) {
	t.Parallel()
	origin := fault.New(fault.Invalid, "validation_error", "Invalid request data")
	want := *origin
	copies := map[string]*fault.Error{
		"Because":        origin.Because(io.EOF),
		"WithFields":     origin.WithFields(fault.Field{Name: "email", Code: "too_big"}),
		"WithDetails":    origin.WithDetails(map[string]any{"errors": []string{"x"}}),
		"WithRetryAfter": origin.WithRetryAfter(time.Second),
	}
	if origin.Kind != want.Kind || origin.Code != want.Code || origin.Message != want.Message || origin.Fields != nil ||
		origin.Details != nil || origin.RetryAfter != 0 || origin.Cause != nil {
		t.Errorf("the origin changed: %+v", origin)
	}
	for name, c := range copies {
		if c == origin {
			t.Errorf("%s gives the origin itself", name)
		}
		if !errors.Is(c, origin) {
			t.Errorf("%s gives a copy that is not its origin", name)
		}
	}
	if !errors.Is(copies["Because"].Cause, io.EOF) || copies["WithFields"].Fields[0].Name != "email" ||
		copies["WithDetails"].Details["errors"] == nil || copies["WithRetryAfter"].RetryAfter != time.Second {
		t.Errorf("a copy misses what it was made for: %v", copies)
	}
	all := origin.Because(io.EOF).WithRetryAfter(time.Minute).WithFields(fault.Field{Name: "a"}).WithDetails(map[string]any{})
	if !errors.Is(all.Cause, io.EOF) || all.RetryAfter != time.Minute || len(all.Fields) != 1 || all.Details == nil {
		t.Errorf("copies of copies lose what they had: %+v", all)
	}
}

func TestFaultsAreEqualByKindCodeAndMessage(t *testing.T) {
	t.Parallel()
	f := fault.New(fault.NotFound, "not_found", "User not found")
	for _, c := range []struct {
		other error
		want  bool
	}{
		{fault.New(fault.NotFound, "not_found", "User not found"), true},
		{fmt.Errorf("wrapped: %w", f.Because(io.EOF)), true},
		{fault.New(fault.Invalid, "not_found", "User not found"), false},
		{fault.New(fault.NotFound, "", "User not found"), false},
		{fault.New(fault.NotFound, "not_found", "Job not found"), false},
		{io.EOF, false},
	} {
		if got := errors.Is(c.other, f); got != c.want {
			t.Errorf("errors.Is(%#v) = %t", c.other, got)
		}
	}
}

func TestTheCauseIsForTheLogAndForErrorsIs(t *testing.T) {
	t.Parallel()
	f := fault.New(fault.Internal, "", "Failed").Because(fmt.Errorf("query: %w", io.ErrUnexpectedEOF))
	if f.Error() != "Failed: query: unexpected EOF" || f.Message != "Failed" {
		t.Errorf("Error() = %q, Message = %q", f.Error(), f.Message)
	}
	if !errors.Is(f, io.ErrUnexpectedEOF) {
		t.Error("the cause is not in the chain")
	}
	if got := fault.New(fault.Internal, "", "Failed").Error(); got != "Failed" {
		t.Errorf("without a cause: %q", got)
	}
}

func TestFromFindsAFaultAnywhereInTheChain(t *testing.T) {
	t.Parallel()
	f := fault.New(fault.Conflict, "user_exists", "User already exists")
	if got, ok := fault.From(fmt.Errorf("a: %w", fmt.Errorf("b: %w", f))); !ok || got != f {
		t.Errorf("From = %v, %t", got, ok)
	}
	for _, err := range []error{nil, io.EOF} {
		if got, ok := fault.From(err); ok {
			t.Errorf("From(%v) = %v", err, got)
		}
	}
}
