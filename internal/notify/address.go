package notify

import (
	"net/netip"
	"net/url"
	"strings"
	"unicode"

	"turkey/internal/fault"
	"turkey/internal/outbound"
)

// maxURL is the longest address of a webhook, in bytes.
const maxURL = 2048

// checkURL says what is wrong with the address of a webhook, and returns its host. Where a name leads is checked at each
// delivery, after its resolution; what can be said at once is said here.
func (s *Service) checkURL(text string) (host string, err error) {
	bad := func(why string) (string, error) {
		return "", fault.New(fault.Invalid, "VALIDATION_ERROR", "url "+why)
	}
	if text == "" {
		return "", fault.New(fault.Invalid, "MISSING_FIELDS", "url is required")
	}
	if len(text) > maxURL {
		return bad("must have at most 2048 bytes")
	}
	u, parseErr := url.Parse(text)
	if parseErr != nil || u.Host == "" || strings.ContainsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return bad("must be an absolute address, such as https://example.com/hooks")
	}
	switch {
	case u.Scheme == "http" && s.cfg.Production:
		return bad("must begin with https://")
	case u.Scheme != "https" && u.Scheme != "http":
		return bad("must begin with https:// (outside production also http://)")
	case u.User != nil:
		return bad("must not hold a user or password: deliveries are signed")
	case u.Fragment != "":
		return bad("must not hold a fragment (#…), which never reaches a server")
	}
	host = strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if host == "" {
		return bad("must name a host")
	}
	if s.cfg.AllowPrivate {
		return host, nil
	}
	addr, notLiteral := netip.ParseAddr(host)
	if notLiteral == nil && !outbound.Public(addr) || host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return bad("must lead to a public address")
	}
	return host, nil
}
