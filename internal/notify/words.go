package notify

import (
	"strings"
	"time"
)

// Bounds of what others wrote, in characters: with them a message fits every chat, however much of it is escaped.
const (
	mostName   = 100
	mostDetail = 500
)

// words tells people of an event: what happened, and what to do. plain makes text that is not ours harmless where the words
// go; our own words hold nothing that a chat would take for markup.
func words(event string, data map[string]any, plain func(string) string) string {
	text := func(name string, most int) string {
		v, _ := data[name].(string)
		return plain(cut(line(v), most))
	}
	service, name, message := text("service", mostName), text("name", mostName), text("message", mostDetail)
	whose := "the credential"
	if service != "" {
		whose = "the " + service + " credential"
	}
	if name != "" {
		whose += " “" + name + "”"
	}
	figures := "figures"
	if service != "" {
		figures = service + " figures"
	}
	if from, to := text("from", mostName), text("to", mostName); from != "" && from == to {
		figures += " of " + from
	} else if from != "" && to != "" {
		figures += " of " + from + " to " + to
	}
	say := func(what, why, todo string) string {
		lines := []string{"TurKey: " + what}
		if why != "" {
			lines = append(lines, "Reason: "+why)
		}
		return strings.Join(append(lines, todo), "\n")
	}
	switch event {
	case CredentialExpiring:
		when := "soon"
		raw, _ := data["expiresAt"].(string)
		if at, err := time.Parse(time.RFC3339, raw); err == nil {
			when = "on " + moment(at)
		}
		return say(whose+" expires "+when+".", "", "What to do: make a new one at the provider and replace the stored one with it. After that, figures that need it are not collected any more.")
	case CredentialBroken:
		return say(whose+" no longer works.", message, "What to do: mend it at the provider or replace the stored one. Until then, figures that need it are not collected.")
	case CredentialRecovered:
		return say(whose+" works again.", "", "Nothing to do.")
	case RunFailed:
		return say(figures+" were not collected, and no further attempt is made.", message, "What to do: mend the reason, then start the run again.")
	case RunRecovered:
		return say(figures+" are collected again.", "", "Nothing to do.")
	case test:
		return say("this is a test. Messages arrive here.", "", "Nothing to do.")
	}
	return say(plain(event), message, "What to do: look at your credentials and runs.")
}

// moment is a time as people read it.
func moment(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 MST") }
