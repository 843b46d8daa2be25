package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"turkey/client"
	"turkey/internal/cli/clitest"
)

const (
	serviceKey = "service-key-of-the-example-0123"
	password   = "Correct-Horse-1"
	patience   = 30 * time.Second
)

func TestMain(m *testing.M) { clitest.Main(m, map[string]func(){"go-api": main}) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestOrders starts the example before a real server, and orders.
func TestOrders(t *testing.T) {
	t.Parallel()
	server, err := clitest.Server(serviceKey)
	must(t, err)
	port, err := clitest.Port()
	must(t, err)
	api := "http://localhost:" + port + "/orders"
	clitest.Program(t, "go-api", api, "TURKEY_URL="+server, "APP_ID=shop", "TURKEY_SERVICE_API_KEY="+serviceKey, "PORT="+port)
	ask := func(token, method, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, api, bytes.NewBufferString(body))
		must(t, err)
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		text, err := io.ReadAll(resp.Body)
		must(t, err)
		must(t, resp.Body.Close())
		return resp.StatusCode, string(text)
	}
	becomes := func(token string, want int, within time.Duration) {
		t.Helper()
		for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			status, body := ask(token, http.MethodGet, "")
			if status == want {
				return
			}
			if time.Since(begun) > within {
				t.Fatalf("%d %s; want %d", status, body, want)
			}
		}
	}
	c := client.New(server, client.WithApp("shop"))
	ada, err := c.Register(t.Context(), "ada@example.com", password)
	must(t, err)
	grace, err := c.Register(t.Context(), "grace@example.com", password)
	must(t, err)
	foreign, err := client.New(server, client.WithApp("blog")).Register(t.Context(), "ada@example.com", password)
	must(t, err)
	token := ada.Tokens().AccessToken
	becomes(token, 200, patience) // the first sign of life of the revocations is on its way
	for what, c := range map[string]struct {
		token, method, body string
		want                int
	}{
		"no token":               {"", "GET", "", 401},
		"junk":                   {"junk", "GET", "", 401},
		"a token of another app": {foreign.Tokens().AccessToken, "GET", "", 401},
		"no item":                {token, "POST", `{}`, 400},
		"no JSON":                {token, "POST", `{`, 400},
		"an order":               {token, "POST", `{"item":"Tea"}`, 201},
	} {
		if status, body := ask(c.token, c.method, c.body); status != c.want {
			t.Errorf("%s: %d %s; want %d", what, status, body, c.want)
		}
	}
	var mine []order
	_, body := ask(token, "GET", "")
	if err := json.Unmarshal([]byte(body), &mine); err != nil || len(mine) != 1 || mine[0].Item != "Tea" {
		t.Errorf("orders of who ordered: %s", body)
	}
	if _, body := ask(grace.Tokens().AccessToken, "GET", ""); strings.TrimSpace(body) != "[]" {
		t.Errorf("orders of somebody else: %s", body)
	}
	must(t, ada.Logout(t.Context()))
	becomes(token, 401, time.Second)
	becomes(grace.Tokens().AccessToken, 200, 0)
}
