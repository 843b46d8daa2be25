package mail

import (
	"context"
	"net"
)

// DialTo makes an SMTP sender reach its host at another address, so that a host has a name without a name server.
func DialTo(s Sender, address string) {
	s.(*checked).Sender.(*smtpSender).dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
}

// Exported for their tables of cases.
var (
	DeviceName   = device
	DurationText = duration
	OwnName      = ownName
)
