// An API in Go: orders of the user who asks. Tokens are verified in memory, and those that end early are refused within a second.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"time"

	"turkey/client"
)

type order struct {
	Item string    `json:"item"`
	At   time.Time `json:"at"`
}

// orders by user. A real shop has a database.
type orders struct {
	mu     sync.Mutex
	byUser map[string][]order
}

func (o *orders) list(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	mine := append([]order{}, o.byUser[client.ClaimsFrom(r.Context()).UserID]...)
	o.mu.Unlock()
	answer(w, http.StatusOK, mine)
}

func (o *orders) add(w http.ResponseWriter, r *http.Request) {
	var in order
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4096)).Decode(&in); err != nil || in.Item == "" {
		answer(w, http.StatusBadRequest, map[string]string{"error": "item is required"})
		return
	}
	in.At = time.Now()
	user := client.ClaimsFrom(r.Context()).UserID
	o.mu.Lock()
	o.byUser[user] = append(o.byUser[user], in)
	o.mu.Unlock()
	answer(w, http.StatusCreated, in)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that is gone hears nothing
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	turkey := client.New(cmp.Or(os.Getenv("TURKEY_URL"), "http://localhost:3000"), client.WithApp(cmp.Or(os.Getenv("APP_ID"), "shop")))
	verifier := turkey.NewVerifier(client.WithRevocations(os.Getenv("TURKEY_SERVICE_API_KEY"), 5*time.Second))
	go func() {
		if err := verifier.Follow(ctx); !errors.Is(err, context.Canceled) {
			log.Print(err) // from now on every token is refused
		}
	}()

	o := &orders{byUser: map[string][]order{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders", o.list)
	mux.HandleFunc("POST /orders", o.add)
	server := &http.Server{Addr: "localhost:" + cmp.Or(os.Getenv("PORT"), "4001"), Handler: verifier.Handler(mux), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	log.Print("http://", server.Addr)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}
