package deploy_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"turkey/internal/db/dbtest"
)

// front is a proxy in front of a server.
type front struct {
	t    *testing.T
	url  string
	pool *x509.CertPool
}

// from is a client at an address of this machine. Linux has all of 127.0.0.0/8.
func (f front) from(address string) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	return &http.Client{Timeout: patience, Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true,
		ExpectContinueTimeout: patience, // as curl does with a big body: the refusal comes before it is sent
		TLSClientConfig:       &tls.Config{RootCAs: f.pool, ServerName: "auth.example.com"}}}
}

func (f front) call(c *http.Client, method, path string, header map[string]string, body []byte) (int, map[string]any, string) {
	f.t.Helper()
	req, err := http.NewRequest(method, f.url+path, bytes.NewReader(body))
	must(f.t, err)
	req.Host = "auth.example.com"
	req.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		req.Header.Set(name, value)
	}
	resp, err := c.Do(req)
	must(f.t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	must(f.t, err)
	var answer map[string]any
	_ = json.Unmarshal(raw, &answer) // a proxy's own page is none
	return resp.StatusCode, answer, string(raw)
}

// certificate makes one for auth.example.com.
func certificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"auth.example.com"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	for name, block := range map[string]*pem.Block{"fullchain.pem": {Type: "CERTIFICATE", Bytes: der}, "privkey.pem": {Type: "PRIVATE KEY", Bytes: private}} {
		must(t, os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600))
	}
	parsed, err := x509.ParseCertificate(der)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return pool
}

// edit changes lines of an example and fails if one of them is not there any more.
func edit(t *testing.T, file string, changes ...string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	must(t, err)
	text := string(content)
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(text, changes[i]) {
			t.Fatalf("%s has no %q", file, changes[i])
		}
		text = strings.ReplaceAll(text, changes[i], changes[i+1])
	}
	return text
}

// nginx starts it with the example, on other ports and with a certificate of its own.
func nginx(t *testing.T, dir, server, port string) *exec.Cmd {
	t.Helper()
	http := freePort(t)
	conf := edit(t, "nginx/turkey.conf", "127.0.0.1:3000", "127.0.0.1:"+server, "listen 443 ssl http2;", "listen 127.0.0.1:"+port+" ssl http2;",
		"    listen [::]:443 ssl http2;\n", "", "listen 80;", "listen 127.0.0.1:"+http+";", "    listen [::]:80;\n", "", "/etc/ssl/auth.example.com", dir)
	main := "error_log stderr notice;\npid " + dir + "/nginx.pid;\nworker_processes 1;\nevents {}\nhttp {\naccess_log off;\n"
	if os.Getuid() == 0 {
		main = "user root;\n" + main // the test's directory is root's
	}
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		main += kind + "_temp_path " + dir + "/" + kind + ";\n"
	}
	must(t, os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(main+conf+"}\n"), 0o600))
	args := []string{"-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-e", "stderr"}
	program := needs(t, "nginx")
	if out, err := exec.Command(program, append(args, "-t")...).CombinedOutput(); err != nil || bytes.Contains(out, []byte("[warn]")) && !bytes.Contains(out, []byte("deprecated")) {
		t.Fatalf("nginx -t: %v\n%s", err, out)
	}
	return exec.Command(program, append(args, "-g", "daemon off;")...)
}

func caddy(t *testing.T, dir, server, port string) *exec.Cmd {
	t.Helper()
	program := needs(t, "caddy")
	home := append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	validate := exec.Command(program, "validate", "--adapter", "caddyfile", "--config", "caddy/Caddyfile") // as it is
	validate.Env = home
	if out, err := validate.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	conf := edit(t, "caddy/Caddyfile", "127.0.0.1:3000", "127.0.0.1:"+server, "\nauth.example.com {\n", "\nhttps://auth.example.com:"+port+" {\n\ttls "+dir+"/fullchain.pem "+dir+"/privkey.pem\n",
		"{\n\tservers {", "{\n\tadmin off\n\tauto_https disable_redirects\n\tservers {")
	file := filepath.Join(dir, "Caddyfile")
	must(t, os.WriteFile(file, []byte(conf), 0o600))
	cmd := exec.Command(program, "run", "--adapter", "caddyfile", "--config", file)
	cmd.Env = home
	return cmd
}

// TestProxies: behind either of them a client is who it is, whatever it says; limits answer in the server's own words; events
// arrive while the stream is open.
func TestProxies(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs more than one loopback address")
	}
	for name, command := range map[string]func(t *testing.T, dir, server, port string) *exec.Cmd{"nginx": nginx, "caddy": caddy} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const key = "a-service-key-that-only-this-test-knows"
			server, port, dir := freePort(t), freePort(t), t.TempDir()
			s := turkey(t, []string{"DATABASE_URL=" + dbtest.URL(t), "TURKEY_DATA_DIR=" + t.TempDir(), "HOST=127.0.0.1", "PORT=" + server, "TRUST_PROXY=127.0.0.1,::1",
				"PUBLIC_URL=https://auth.example.com", "TURKEY_SERVICE_API_KEY=" + key, "LOG_FORMAT=json"}, "serve")
			s.await(t, http.DefaultClient, "http://127.0.0.1:"+server+"/readyz")
			f := front{t, "https://127.0.0.1:" + port, certificate(t, dir)}
			proxy := start(t, command(t, dir, server, port))
			proxy.await(t, f.asHost("127.0.0.1"), f.url+"/readyz")

			here, there := f.asHost("127.0.0.1"), f.asHost("127.0.0.2")
			spoof := map[string]string{"X-Forwarded-For": "203.0.113.9", "X-Real-Ip": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
			status, answer, raw := f.call(there, "POST", "/v1/auth/register", spoof, []byte(`{"email":"proxy@example.com","password":"Correct-Horse-7","appId":"shop"}`))
			data, _ := answer["data"].(map[string]any)
			token, _ := data["accessToken"].(string)
			if status != 201 || token == "" {
				t.Fatalf("%d %.80s", status, raw)
			}
			status, _, raw = f.call(here, "GET", "/v1/users/me/sessions", map[string]string{"Authorization": "Bearer " + token}, nil)
			if status != 200 || !strings.Contains(raw, "127.0.0.2") || strings.Contains(raw, "203.0.113.9") {
				t.Errorf("the session is not of the client: %d %s", status, raw)
			}
			status, answer, raw = f.call(here, "POST", "/v1/auth/login", nil, fmt.Appendf(nil, `{"email":"%s"}`, strings.Repeat("x", 150<<10)))
			if status != 413 || answer["requestId"] == nil {
				t.Errorf("150 KiB under /v1: %d %.200s", status, raw)
			}
			if status, answer, raw = f.call(here, "POST", "/api/credentials/save", map[string]string{"Authorization": "Bearer " + token, "Expect": "100-continue"},
				fmt.Appendf(nil, `{"credentialName":"%s"}`, strings.Repeat("x", 1500<<10))); status != 413 || answer["code"] == nil {
				t.Errorf("1.5 MiB under /api: %d %.200s", status, raw)
			}
			f.streams(here, key)
		})
	}
}

// asHost is a client that knows the proxy by the name in its certificate.
func (f front) asHost(address string) *http.Client {
	c := f.from(address)
	next := c.Transport
	c.Transport = named{next}
	return c
}

type named struct{ next http.RoundTripper }

// RoundTrip is for http.Client.
func (n named) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Host = "auth.example.com"
	return n.next.RoundTrip(r)
}

// streams reads events of a stream that stays open: three of them, a second apart, so none of them waited for a buffer.
func (f front) streams(c *http.Client, key string) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url+"/v1/revocations/stream", nil)
	must(f.t, err)
	req.Header.Set("X-Turkey-Service-Key", key)
	resp, err := c.Do(req)
	must(f.t, err)
	defer resp.Body.Close()
	var events []string
	begin := time.Now()
	for in := bufio.NewScanner(resp.Body); len(events) < 3 && in.Scan(); {
		if event, found := strings.CutPrefix(in.Text(), "event: "); found {
			events = append(events, event)
		}
	}
	if len(events) < 3 || events[0] != "snapshot" || time.Since(begin) > patience/2 {
		f.t.Errorf("%d %s: events %q in %s", resp.StatusCode, resp.Header.Get("Content-Type"), events, time.Since(begin))
	}
}
