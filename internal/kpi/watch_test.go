package kpi

import (
	"context"
	"errors"
	"slices"
	"testing"

	"turkey/internal/connector"
	"turkey/internal/fault"
)

func TestWhoLooksOnHearsHowAnAttemptEnded(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"ga4 failed rejected":     &connector.Error{Reason: connector.Rejected, Message: "m"},
		"ga4 retried unavailable": &connector.Error{Reason: connector.Unavailable, Message: "m"},
		"ga4 retried internal":    errors.New("boom"),
		"ga4 interrupted outage":  fault.New(fault.Unavailable, "", "away"),
	} {
		r := setup(t, err)
		var heard []string
		r.watches = []Watch{func(ctx context.Context, service string) (context.Context, func(outcome, reason string)) {
			return ctx, func(outcome, reason string) { heard = append(heard, service+" "+outcome+" "+reason) }
		}}
		_ = r.execute(t.Context(), r.user, r.run()) // what it returns others test
		if !slices.Equal(heard, []string{want}) {
			t.Errorf("%v, want %s", heard, want)
		}
	}
}
