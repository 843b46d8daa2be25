package notify

import (
	"fmt"
	"slices"
	"strings"

	"turkey/internal/fault"
)

// The events. Their names are the type of a webhook's body.
//
//nolint:gosec // names, not credentials
const (
	CredentialExpiring  = "credential.expiring"
	CredentialBroken    = "credential.broken"
	CredentialRecovered = "credential.recovered"
	RunFailed           = "run.failed"
	RunRecovered        = "run.recovered"
	test                = "notification.test" // sent on demand, to all
)

// Events is what a user can ask to hear of, in the order in which they are shown.
var Events = []string{CredentialExpiring, CredentialBroken, CredentialRecovered, RunFailed, RunRecovered}

// mailKind is the mail that tells of an event.
func mailKind(event string) string { return strings.ReplaceAll(event, ".", "_") }

// checkEvents accepts a list of known events, each once; nil stands for all, now and later.
func checkEvents(events []string) error {
	for i, e := range events {
		if !slices.Contains(Events, e) {
			return fault.New(fault.Invalid, "VALIDATION_ERROR", "events: known are "+strings.Join(Events, ", "))
		}
		if slices.Contains(events[:i], e) {
			return fault.New(fault.Invalid, "VALIDATION_ERROR", fmt.Sprintf("events: %s stands there twice", e))
		}
	}
	return nil
}
