package keyring

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// kmsTimeout bounds one question to a key service.
const kmsTimeout = 10 * time.Second

// newClient asks key services. It follows no redirects: a token goes where the operator said, or nowhere.
func newClient() *http.Client {
	return &http.Client{Timeout: kmsTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// endpoint checks the address of a key service: https, or this machine.
func endpoint(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("the address of a key service has the form https://host:port/path")
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme != "https" && (u.Scheme != "http" || u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback())) {
		return nil, fmt.Errorf("%s: root keys go over https only", u.Host)
	}
	return u, nil
}

// answer is what a key service said.
type answer struct {
	status int
	body   []byte
}

// ask sends JSON and reads the answer, whatever its status.
func ask(ctx context.Context, client *http.Client, req *http.Request) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, kmsTimeout)
	defer cancel()
	resp, err := client.Do(req.WithContext(ctx))
	if err != nil {
		if cause, ok := errors.AsType[*url.Error](err); ok {
			err = cause.Err
		}
		return answer{}, fmt.Errorf("the key service at %s did not answer: %w", req.URL.Host, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return answer{}, fmt.Errorf("the key service at %s did not answer in full: %w", req.URL.Host, err)
	}
	return answer{resp.StatusCode, body}, nil
}

func postJSON(address string, body any) (*http.Request, []byte, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, nil, err
	}
	req, err := http.NewRequest(http.MethodPost, address, bytes.NewReader(raw))
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	return req, raw, nil
}

// words cuts what a key service says about a refusal to one short line.
func words(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 200 {
		s = string(r[:200]) + "…"
	}
	if s == "" {
		return "no reason given"
	}
	return s
}
