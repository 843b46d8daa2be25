//go:build profile

package main

import (
	"log"
	"net/http"
	_ "net/http/pprof" // for whoever builds with this tag
	"os"
)

// A program built with the tag tells on PROFILE_ADDR where its time goes. It is what default.pgo is made with (scripts/profile.sh), and
// never what is released.
func init() {
	if addr := os.Getenv("PROFILE_ADDR"); addr != "" {
		go func() { log.Fatal(http.ListenAndServe(addr, nil)) }()
	}
}
