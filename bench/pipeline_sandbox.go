package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"turkey/internal/sandbox"
)

// sandboxAddress, set in the environment, makes this program the providers: a process of its own, so that what they cost is not counted as ours.
const sandboxAddress = "BENCH_SANDBOX"

// tally is how often the providers were asked.
type tally struct {
	Calls     int64 `json:"calls"`
	SignIns   int64 `json:"signIns"`
	Reads     int64 `json:"reads"`  // of Sheets
	Writes    int64 `json:"writes"` // of Sheets
	MostAtOne int64 `json:"mostAtOnce"`
}

// serveSandbox answers each provider call after the latency, and its control routes and /tally at once.
func serveSandbox(address string, latency time.Duration) error {
	fake, err := sandbox.New(sandbox.Config{ReadsPerMinute: -1, WritesPerMinute: -1})
	if err != nil {
		return err
	}
	providers := fake.Handler()
	var calls, signIns, reads, writes, now, most atomic.Int64
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		switch {
		case path == "/tally":
			_ = json.NewEncoder(w).Encode(tally{calls.Load(), signIns.Load(), reads.Load(), writes.Load(), most.Load()}) //nolint:errchkjson // numbers
			return
		case strings.HasPrefix(path, "/_sandbox/"):
			providers.ServeHTTP(w, r)
			return
		case strings.HasPrefix(path, "/oauth2/"):
			signIns.Add(1)
		case strings.HasPrefix(path, "/sheets/") && r.Method == http.MethodPost:
			writes.Add(1)
		case strings.HasPrefix(path, "/sheets/"):
			reads.Add(1)
		}
		calls.Add(1)
		for n := now.Add(1); ; {
			m := most.Load()
			if n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		defer now.Add(-1)
		time.Sleep(latency)
		providers.ServeHTTP(w, r)
	})
	srv := &http.Server{Addr: address, Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	return srv.ListenAndServe()
}

// startProviders starts them.
func startProviders(ctx context.Context, latency time.Duration) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return start(ctx, self, []string{"-latency", latency.String()}, []string{sandboxAddress + "=" + strings.TrimPrefix(providersBase, "http://")}, providersBase, "/tally")
}

// sandboxProcess is this program again, if it was started as the providers.
func sandboxProcess(latency time.Duration) {
	address := os.Getenv(sandboxAddress)
	if address == "" {
		return
	}
	fmt.Fprintln(os.Stderr, serveSandbox(address, latency))
	os.Exit(1)
}
