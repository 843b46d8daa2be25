package mail

import (
	"fmt"
	"strings"
	"time"
)

// functions is what templates can call besides the built-in ones.
var functions = map[string]any{"duration": duration, "device": device, "button": newButton}

// button is what {{template "button"}} takes.
type button struct{ Link, Label string }

func newButton(link, label string) button { return button{link, label} }

// duration puts a length of time into words, 90 minutes or 2 days; empty for none.
func duration(d time.Duration) string {
	if d < time.Second {
		return ""
	}
	for _, u := range []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		switch n := d / u.length; {
		case d%u.length >= time.Second: // not a whole number of them
		case n == 1 && u.name == "day":
			return "24 hours"
		case n == 1:
			return "1 " + u.name
		default:
			return fmt.Sprintf("%d %ss", n, u.name)
		}
	}
	return ""
}

// What user agents hold, most telling first: every browser also claims to be the ones that were there before it.
var (
	browsers = [][2]string{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"},
		{"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"},
	}
	systems = [][2]string{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"CrOS", "ChromeOS"},
		{"Mac OS X", "macOS"}, {"Linux", "Linux"},
	}
)

// device names browser and system of a user agent. It never repeats any of it: in a message that a stranger can cause, that
// would be a line for the stranger to write. Empty if nothing is recognised.
func device(userAgent string) string {
	browser, system := first(browsers, userAgent), first(systems, userAgent)
	if browser != "" && system != "" {
		return browser + " on " + system
	}
	return browser + system
}

func first(names [][2]string, in string) string {
	for _, n := range names {
		if strings.Contains(in, n[0]) {
			return n[1]
		}
	}
	return ""
}
