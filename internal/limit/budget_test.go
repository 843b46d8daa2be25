package limit_test

import (
	"testing"
	"time"

	"turkey/internal/limit"
)

func TestBudgetsAreSharedByReplicas(t *testing.T) {
	t.Parallel()
	b := setup(t, func(*limit.Config) {})
	rules := map[string]limit.Rule{"sheets": {Window: time.Minute, Max: 6}, "free": {Window: time.Minute}}
	both := replicas(b, 2, limit.Rule{}, func(*limit.Config) {})
	first, second := both[0].Budgets(rules), both[1].Budgets(rules)
	for range 4 {
		if wait := first.Take("sheets", "robot"); wait != 0 {
			t.Fatalf("held for %s with calls left", wait)
		}
	}
	both[0].Merge(t.Context())
	second.Take("sheets", "robot")
	both[1].Merge(t.Context())
	if wait := second.Take("sheets", "robot"); wait != 0 {
		t.Errorf("the sixth call is held for %s", wait)
	}
	if wait := second.Take("sheets", "robot"); wait <= 0 || wait > time.Minute {
		t.Errorf("the seventh waits %s, want up to a minute", wait)
	}
	for _, other := range []time.Duration{second.Take("sheets", "another robot"), second.Take("free", "robot"), second.Take("no such", "robot")} {
		if other != 0 {
			t.Errorf("held for %s by a budget that is not its own", other)
		}
	}
}
