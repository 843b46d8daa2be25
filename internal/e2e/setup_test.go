package e2e_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/crypto/argon2"

	"turkey/internal/auth"
	"turkey/internal/connector"
	"turkey/internal/db"
	"turkey/internal/db/dbtest"
	"turkey/internal/kpi"
	"turkey/internal/limit"
	"turkey/internal/mail"
	"turkey/internal/queue"
	"turkey/internal/server"
	"turkey/internal/vault"
)

// patience bounds a wait for something that takes well under a second unless the machine is busy.
const patience = 30 * time.Second

// What every deployment of these tests has.
const (
	publicURL  = "https://auth.example.com" // nobody listens there: links must not follow the request
	secret     = "canary-jwt-secret-0123456789abcdef"
	serviceKey = "canary-service-key-0123456789"
	password   = "Canary-Pass-4711!" // of every user who is not said to have another
	wrong      = "Wrong-Canary-0815!"
	another    = "Other-Canary-1213!"
	device     = "e2e-device/1.0"
)

// settings are what a test changes of a deployment.
type settings struct {
	auth    auth.Config
	limits  limit.Config
	proxies string // TRUST_PROXY
	url     string // of the database; empty: a fresh one
	direct  string // where notifications are followed; empty: the database
	roomy   bool   // limits that no test reaches
}

type option func(*settings)

// with changes the settings of the auth half.
func with(change func(*auth.Config)) option { return func(s *settings) { change(&s.auth) } }

// limited gives the contract's limits, changed.
func limited(change func(*limit.Config)) option {
	return func(s *settings) {
		s.roomy = false
		change(&s.limits)
	}
}

// production is NODE_ENV=production.
func production(s *settings) { s.auth.Production, s.limits.Production = true, true }

// behindProxy trusts one hop, so that a test may be anywhere.
func behindProxy(s *settings) { s.proxies = "1" }

// on is the database of the deployment.
func on(url string) option { return func(s *settings) { s.url = url } }

// deployment is one database with everything that belongs to it but the servers.
type deployment struct {
	t       testing.TB
	url     string
	sql     *pgxpool.Pool // as a superuser, past every policy
	offset  *atomic.Int64 // of the services' clock
	log     *lines
	secrets sync.Map // planted values that no error and no log may hold
	users   atomic.Int64
	five    bool // a 5xx is part of the test
}

// server is a running replica.
type server struct {
	*deployment
	settings settings
	base     string
	http     *http.Client
	auth     *auth.Service
	api      *server_
	halt     func()
}

type server_ = server_alias

type server_alias = serverHTTP

type serverHTTP = server0

type server0 struct{ *server1 }

type server1 = serverPkg
