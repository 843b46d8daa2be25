package server

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// TrustProxy says which peers may name the client in X-Forwarded-For: a number of hops in front of the server, or the
// networks of the proxies. The zero value trusts nobody.
type TrustProxy struct {
	hops     int
	networks []netip.Prefix
}

// maxHops bounds TRUST_PROXY=<n>; more proxies than this in a row is a typing error.
const maxHops = 32

// ParseTrustProxy reads TRUST_PROXY: empty or "false" (nobody), "true" (one hop), a number of hops, or a comma list of
// addresses and CIDR networks.
func ParseTrustProxy(s string) (TrustProxy, error) {
	s = strings.TrimSpace(s)
	switch strings.ToLower(s) {
	case "", "false":
		return TrustProxy{}, nil
	case "true":
		return TrustProxy{hops: 1}, nil
	}
	if n, err := strconv.Atoi(s); err == nil {
		if n < 0 || n > maxHops {
			return TrustProxy{}, fmt.Errorf("number of proxies must be between 0 and %d, got %d", maxHops, n)
		}
		return TrustProxy{hops: n}, nil
	}
	var t TrustProxy
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		network, err := netip.ParsePrefix(part)
		if err != nil {
			addr, addrErr := netip.ParseAddr(part)
			if addrErr != nil {
				return TrustProxy{}, fmt.Errorf("%q is neither true, a number of hops, an address nor a network", part)
			}
			addr = addr.Unmap().WithZone("")
			network = netip.PrefixFrom(addr, addr.BitLen())
		}
		t.networks = append(t.networks, network.Masked())
	}
	return t, nil
}

// clientIP is the right-most address of the chain client, proxy, …, socket peer that no trusted proxy stands for. It is
// empty when the peer has no address (a unix socket without a proxy).
func (t TrustProxy) clientIP(r *http.Request) string {
	client, known := parseAddr(r.RemoteAddr)
	if !t.believes(client, known) {
		return text(client, known)
	}
	var forwarded []string
	for _, line := range r.Header.Values("X-Forwarded-For") {
		forwarded = append(forwarded, strings.Split(line, ",")...)
	}
	for hop, element := range slices.Backward(forwarded) {
		addr, ok := parseAddr(strings.TrimSpace(element))
		if !ok {
			break // whatever stands left of garbage is not to be believed either
		}
		client, known = addr, true
		if t.hops > 0 {
			if len(forwarded)-hop >= t.hops {
				break
			}
		} else if !t.trusts(addr) {
			break
		}
	}
	return text(client, known)
}

// believes reports whether the socket peer is a trusted proxy. With a number of hops it always is: that is what the
// number says.
func (t TrustProxy) believes(peer netip.Addr, known bool) bool {
	return t.hops > 0 || known && t.trusts(peer)
}

func (t TrustProxy) trusts(addr netip.Addr) bool {
	return slices.ContainsFunc(t.networks, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// parseAddr reads an address with or without port and brackets, as proxies write them.
func parseAddr(s string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	s = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}, false
	}
	return addr.Unmap().WithZone(""), true
}

func text(addr netip.Addr, known bool) string {
	if !known {
		return ""
	}
	return addr.String()
}
