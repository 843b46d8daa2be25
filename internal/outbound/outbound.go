// Package outbound is the one way out of the server to addresses that users or their providers name. No proxy, no
// redirects, and no address that is not public: what a name resolves to is checked at the dial, so none leads inside.
package outbound

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// Client makes calls to public addresses only, unless allowPrivate (sandbox, tests, the operator's own overrides). It has
// no time limit of its own: give each call a context with one.
func Client(allowPrivate bool) *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	if !allowPrivate {
		dialer.Control = refusePrivate
	}
	return &http.Client{
		// No Proxy: the dialer could then only check the proxy's address, not the one asked for.
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			ForceAttemptHTTP2:      true,
			MaxIdleConns:           512,
			MaxIdleConnsPerHost:    128, // of a provider that speaks HTTP/1 alone, as many as runs ask it at once
			IdleConnTimeout:        90 * time.Second,
			TLSHandshakeTimeout:    5 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// ErrPrivate is why a dial was refused.
var ErrPrivate = errors.New("address is not public")

// refusePrivate runs after DNS resolution, for each address that is dialled, so no name can lead inside.
func refusePrivate(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !Public(ap.Addr()) {
		return fmt.Errorf("dial: %w", ErrPrivate)
	}
	return nil
}

// reserved lists what netip has no predicate for. Source: IANA special-purpose address registries.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),    // carrier-grade NAT; 100.100.100.200 is Alibaba's metadata service
	netip.MustParsePrefix("168.63.129.16/32"), // Azure's host agent, though the address is public
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"), // reserved and broadcast
	netip.MustParsePrefix("::/96"),       // IPv4-compatible
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"), // Teredo and other protocol assignments
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), // 6to4 embeds any IPv4 address
	netip.MustParsePrefix("fec0::/10"), // site-local
}

// nat64 is the well-known prefix of networks without IPv4; the address behind it is what counts.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// Public reports whether an address is one of the Internet: not loopback, private, link-local or otherwise reserved.
func Public(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	if nat64.Contains(addr) {
		b := addr.As16()
		addr = netip.AddrFrom4([4]byte(b[12:]))
	}
	if !addr.IsGlobalUnicast() || addr.IsPrivate() {
		return false // loopback, link-local (with 169.254.169.254), multicast, unspecified, private
	}
	for _, p := range reserved {
		if p.Contains(addr) {
			return false
		}
	}
	return true
}
