package doctor

import (
	"context"
	"strings"
	"time"
)

// soonOver is how early the end of a provider's API is told.
const soonOver = 60 * day

// API is a version of a provider's API that the server speaks.
type API struct {
	Name    string
	Version string
	Ends    time.Time // first day without the provider's promise; zero: none is known
	Source  string    // where the provider says so
	Setting string    // the variable that asks for another version than the program was written for; "": none does
}

func (d *Doctor) apis(context.Context) []Check {
	checks := make([]Check, len(d.cfg.APIs))
	for i, a := range d.cfg.APIs {
		checks[i] = a.check(d.cfg.Now())
	}
	return checks
}

func (a API) check(now time.Time) Check {
	name := "providers." + strings.ReplaceAll(strings.ToLower(a.Name), " ", "_")
	remedy := "Upgrade to a release that speaks a later version; the provider says what changes: " + a.Source
	if a.Setting != "" {
		remedy = "Remove " + a.Setting + ", so that the version is used that this release was written for."
	}
	ends := a.Ends.UTC().Format(time.DateOnly)
	switch {
	case a.Ends.IsZero() && a.Setting != "":
		return warn(name, remedy, "%s asks for %s %s, whose end this release does not know", a.Setting, a.Name, a.Version)
	case a.Ends.IsZero():
		return ok(name, "%s %s: no end is announced", a.Name, a.Version)
	case !now.Before(a.Ends):
		return fail(name, remedy, "%s %s ended on %s: calls are refused, or answered by another version", a.Name, a.Version, ends)
	case a.Ends.Sub(now) <= soonOver:
		return warn(name, remedy, "%s %s ends on %s, in %d days", a.Name, a.Version, ends, age(now, a.Ends))
	}
	return ok(name, "%s %s is served until %s", a.Name, a.Version, ends)
}

// Issuer is another issuer whose tokens are taken, and how it stands with its keys.
type Issuer struct {
	Name string
	Keys string // ok; stale: they were read and could not be read again; unread: they never could; off: the setting is no key
}

var issuerChecks = []string{"issuers"}

func (d *Doctor) issuers(ctx context.Context) []Check {
	name := issuerChecks[0]
	if d.cfg.Issuers == nil {
		return nil
	}
	var stale, unread, off []string
	all := d.cfg.Issuers(ctx)
	for _, i := range all {
		switch i.Keys {
		case "stale":
			stale = append(stale, i.Name)
		case "unread":
			unread = append(unread, i.Name)
		case "off":
			off = append(off, i.Name)
		}
	}
	switch {
	case len(off) > 0:
		return []Check{fail(name, "Correct CLERK_PUBLIC_KEY.", "CLERK_PUBLIC_KEY cannot be used: tokens of %s are refused", strings.Join(off, ", "))}
	case len(unread) > 0:
		return []Check{fail(name, "See whether this machine reaches the issuer, and CLERK_PUBLIC_KEY, CLERK_ISSUER, OIDC_ISSUERS.",
			"Keys that could not be read: %s. Their tokens are refused", strings.Join(unread, ", "))}
	case len(stale) > 0:
		return []Check{warn(name, "See whether this machine reaches the issuer. The known keys are used for a day.", "Keys that could not be read again: %s", strings.Join(stale, ", "))}
	case len(all) == 0:
		return []Check{ok(name, "Only this server's own tokens are taken")}
	}
	return []Check{ok(name, "The keys of all %d other issuers are known", len(all))}
}
