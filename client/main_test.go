package client_test

import (
	"sync"
	"testing"

	"turkey/internal/cli/clitest"
)

func TestMain(m *testing.M) { clitest.Main(m, nil) }

const serviceKey = "service-key-of-the-go-tests-0123"

// serverURL is a real server on a private PostgreSQL, with the sandbox of providers; it is started once for all tests.
var serverURL = sync.OnceValue(func() string {
	url, err := clitest.Server(serviceKey)
	if err != nil {
		panic(err)
	}
	return url
})
