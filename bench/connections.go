package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"turkey/bench/internal/ask"
)

// connections looks whether they are kept: after a success, after a refusal, after a body that was not to be read.
func (b *bench) connections(ctx context.Context) error {
	s, err := b.serve(ctx, "connections", nil)
	if err != nil {
		return err
	}
	defer s.stop()
	b.title("Connections")
	b.printf("The server speaks HTTP/1.1 without TLS: TLS and HTTP/2 are the work of the proxy in front ([operations](../docs/operations.md)), so there is nothing of the "+
		"server's to measure in them. Towards the proxy connections are kept: %d clients open one each, whatever the answers are.", clients)
	b.table("1,000 requests", "answer", "connections opened")
	for _, k := range []struct {
		name, answer string
		code         int // 0: a success
		do           func(*account) error
	}{
		{"users/me", "200", 0, (*account).me},
		{"refresh", "200", 0, (*account).refreshed},
		{"credential list", "200", 0, (*account).list},
		{"users/me with junk", "401", 401, func(a *account) error {
			return callBy(a.client, http.MethodGet, turkeyBase+"/v1/users/me", junk[1], nil, nil)
		}},
		{"credential save with junk", "401, the body is not looked at", 401, func(a *account) error {
			return callBy(a.client, http.MethodPost, turkeyBase+"/api/credentials/save", junk[1], map[string]any{"service": "google_sheets", "credentialName": "x", "credentialJson": ask.ServiceAccount()}, nil)
		}},
		{"credential save of a service that is not", "400", 400, func(a *account) error { _, err := a.saveFor("nothing", ask.ServiceAccount()); return err }},
		{"an address that is not", "404", 404, func(a *account) error { return a.get("/v1/nothing") }},
	} {
		n, err := opened(k.code, k.do)
		if err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
		b.row(k.name, k.answer, n)
	}
	return nil
}

// opened counts the connections of 1,000 requests.
func opened(code int, do func(*account) error) (int64, error) {
	var dialed atomic.Int64
	var d net.Dialer
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients, MaxConnsPerHost: clients, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		dialed.Add(1)
		return d.DialContext(ctx, network, address)
	}}}
	defer client.CloseIdleConnections()
	users, err := newAccounts(clients)
	if err != nil {
		return 0, err
	}
	failed := make([]error, clients)
	var all sync.WaitGroup
	for i, u := range users {
		u.client = client
		all.Go(func() {
			for range 1000 / clients {
				if err := do(u); err != nil && (code == 0 || !ask.Refused(err, code)) {
					failed[i] = err
					return
				}
			}
		})
	}
	all.Wait()
	for _, err := range failed {
		if err != nil {
			return 0, err
		}
	}
	return dialed.Load(), nil
}
