package outbound_test

import (
	"net/netip"
	"testing"

	"turkey/internal/outbound"
)

func TestPublic(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]bool{
		"142.250.185.74": true, "2a00:1450:4001:81d::200a": true, "64:ff9b::8efa:b94a": true,
		"127.0.0.1": false, "::1": false, "::ffff:127.0.0.1": false, "0.0.0.0": false, "::": false, "10.1.2.3": false, "172.16.0.1": false,
		"192.168.1.1": false, "169.254.169.254": false, "fe80::1%eth0": false, "fd00:ec2::254": false, "224.0.0.1": false, "ff02::1": false,
		"100.100.100.200": false, "168.63.129.16": false, "255.255.255.255": false, "192.0.0.192": false, "64:ff9b::7f00:1": false,
		"64:ff9b::a9fe:a9fe": false, "2002:7f00:1::": false, "::7f00:1": false, "198.18.0.1": false,
		"::ffff:100.100.100.200": false, "::ffff:168.63.129.16": false, "::ffff:198.18.0.1": false, // which netip has no predicate for, mapped
	} {
		if got := outbound.Public(netip.MustParseAddr(addr)); got != want {
			t.Errorf("public(%s) = %v", addr, got)
		}
	}
}
