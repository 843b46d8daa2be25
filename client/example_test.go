package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"turkey/client"
	"turkey/client/api"
)

const password = "Correct-Horse-1"

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// Sign up, look who one is, and sign out: the access token ends with the session.
func Example() {
	ctx := context.Background()
	c := client.New(serverURL()) // in your program: https://auth.example.com
	s, err := c.Register(ctx, "ada@example.com", password)
	check(err)
	me, err := s.Me(ctx)
	check(err)
	fmt.Println(me.Email, me.Role)

	check(s.Logout(ctx))
	_, err = s.Me(ctx)
	var e *client.Error
	fmt.Println(errors.As(err, &e), e.Status, e.Code)
	// Output:
	// ada@example.com user
	// true 401 token_revoked
}

// A backend lets requests with a good token through, and hears within a second of those that end early.
func ExampleVerifier_Handler() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := client.New(serverURL(), client.WithApp("default-app"))
	verifier := c.NewVerifier(client.WithRevocations(serviceKey, 5*time.Second))
	go func() { _ = verifier.Follow(ctx) }() // until ctx is done; log its error in your program

	backend := httptest.NewServer(verifier.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, client.ClaimsFrom(r.Context()).Email)
	})))
	defer backend.Close()

	s, err := c.Register(ctx, "grace@example.com", password)
	check(err)
	// An http.Client in the name of the session: it adds the token and renews it.
	asGrace := &http.Client{Transport: s.Transport(nil)}
	for { // the first sign of life is on its way
		resp, err := asGrace.Get(backend.URL)
		check(err)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusServiceUnavailable {
			fmt.Println(resp.Status)
			break
		}
		time.Sleep(50 * time.Millisecond)
	}

	token := s.Tokens().AccessToken
	check(s.Logout(ctx))
	for {
		if _, err = verifier.Verify(ctx, token); err != nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Println(err)
	// Output:
	// 200 OK
	// turkey: the token was revoked
}

// Every operation has a method in package api, here those of runs and webhooks.
func ExampleSession_API() {
	ctx := context.Background()
	s, err := client.New(serverURL()).Register(ctx, "joan@example.com", password)
	check(err)

	// The same key with the same request has one effect, however often it is sent.
	write := api.WithIdempotencyKey(ctx, "6f1c2e")
	hook := api.CreateWebhookRequest{URL: "https://hooks.example.com/turkey", Events: []string{"run.failed"}}
	first, err := s.API().CreateWebhook(write, hook)
	check(err)
	again, err := s.API().CreateWebhook(write, hook)
	check(err)
	fmt.Println(first.ID == again.ID)

	schedules, err := s.API().ListSchedules(ctx)
	check(err)
	fmt.Println(len(schedules.Data) > 0)

	_, err = s.API().CreateRun(ctx, api.CreateRunRequest{Service: "ga4"})
	var e *client.Error
	fmt.Println(errors.As(err, &e), e.Status, e.Code)
	// Output:
	// true
	// true
	// true 404 SERVICE_NOT_FOUND
}

// A credential is sealed when it is saved, and its content never comes back.
func ExampleSession_SaveCredential() {
	ctx := context.Background()
	s, err := client.New(serverURL()).Register(ctx, "mary@example.com", password)
	check(err)
	_, err = s.SaveCredential(ctx, client.NewCredential{Service: "ga4", Name: "Analytics", Content: json.RawMessage(`{"type":"service_account"}`)})
	var e *client.Error
	if errors.As(err, &e) {
		fmt.Println(e.Code, len(e.Problems) > 0)
	}
	// Output:
	// INVALID_CREDENTIAL_FORMAT true
}
