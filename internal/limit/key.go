package limit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"
)

// client is who a limiter counts: a user where one is known, else an address. Somebody without an address (behind a unix
// socket without a proxy) shares one count with all of their kind.
type client struct {
	user string
	addr netip.Addr
}

// networkBits is how much of an IPv6 address names a customer: providers hand out a /64 at least, so who is limited by the
// whole address has 2^64 of them.
const networkBits = 64

// clientOf is the client of an address in the form of caller.Request.IP.
func clientOf(ip string) client {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return client{}
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		if network, err := addr.Prefix(networkBits); err == nil {
			addr = network.Addr()
		}
	}
	return client{addr: addr}
}

// keyer makes what is stored instead of names: HMAC-SHA-256 cut to 128 bits, so that a copy of the store does not tell who
// has an account, and cannot be searched for one without the key.
type keyer []byte

// hash binds its parts and their order and borders; kind separates the uses of one key.
func (k keyer) hash(kind string, parts ...string) []byte {
	mac := hmac.New(sha256.New, k)
	for _, part := range append([]string{"turkey/limit", kind}, parts...) {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		mac.Write(length[:])
		mac.Write([]byte(part))
	}
	return mac.Sum(nil)[:16]
}

// text is the client in the key of a window.
func (k keyer) text(c client) string {
	switch {
	case c.user != "":
		return "user:" + hex.EncodeToString(k.hash("user", c.user))
	case c.addr.IsValid():
		return c.addr.String()
	default:
		return "unknown"
	}
}

// login names one person at one client in the store.
type login struct {
	account []byte // app and e-mail
	client  []byte // the address or the known device, in this account
}

// login brings the e-mail into normal form once more: neither case nor padding makes another account of it.
func (k keyer) login(app, email, ip string) login {
	account := k.hash("account", app, strings.ToLower(strings.TrimSpace(email)))
	return login{account: account, client: k.hash("client", string(account), k.text(clientOf(ip)))}
}

// at is a login at a device that the account knows.
func (k keyer) at(who login, device string) login {
	return login{account: who.account, client: k.hash("device", string(who.account), device)}
}
