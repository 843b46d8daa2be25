package cluster_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// nginx puts deploy/nginx's example in front of the ports: the file of the repository with other names in it.
func nginx(t testing.TB, ports ...string) (*process, caller) {
	t.Helper()
	dir := t.TempDir()
	https := freePort(t)
	content, err := os.ReadFile("../../deploy/nginx/turkey.conf")
	must(t, err)
	text := string(content)
	edit := func(old, replacement string) {
		t.Helper()
		if !strings.Contains(text, old) {
			t.Fatalf("deploy/nginx/turkey.conf has no %q", old)
		}
		text = strings.ReplaceAll(text, old, replacement)
	}
	var servers strings.Builder
	for line := range strings.Lines(text) {
		if rest, found := strings.CutPrefix(line, "    server 127.0.0.1:3000"); found { // with the example's parameters
			for _, port := range ports {
				fmt.Fprintf(&servers, "    server 127.0.0.1:%s%s", port, rest)
			}
			edit(line, servers.String())
		}
	}
	if servers.Len() == 0 {
		t.Fatal("deploy/nginx/turkey.conf has no server")
	}
	edit("listen 443 ssl http2;", "listen 127.0.0.1:"+https+" ssl http2;")
	edit("    listen [::]:443 ssl http2;\n", "")
	edit("listen 80;", "listen 127.0.0.1:"+freePort(t)+";")
	edit("    listen [::]:80;\n", "")
	edit("/etc/ssl/auth.example.com", dir)
	main := "error_log stderr warn;\npid " + dir + "/nginx.pid;\nworker_processes 1;\nworker_rlimit_nofile 4096;\nevents { worker_connections 2048; }\nhttp {\naccess_log off;\n"
	if os.Getuid() == 0 {
		main = "user root;\n" + main // the test's directory is root's
	}
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		main += kind + "_temp_path " + dir + "/" + kind + ";\n"
	}
	must(t, os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(main+text+"}\n"), 0o600))
	pool := certificate(t, dir)
	args := []string{"-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-e", "stderr"}
	if out, err := exec.Command(needs(t, "nginx"), append(args, "-t")...).CombinedOutput(); err != nil || bytes.Contains(out, []byte("[warn]")) && !bytes.Contains(out, []byte("deprecated")) {
		t.Fatalf("nginx -t: %v\n%s", err, out)
	}
	p := start(t, nil, nil, needs(t, "nginx"), append(args, "-g", "daemon off;")...)
	c := caller{t: t, base: "https://127.0.0.1:" + https, http: newHTTP()}
	c.http.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: pool, ServerName: "auth.example.com"}
	eventually(t, "nginx answers", func() bool {
		p.alive()
		a, err := c.try("GET", "/readyz", "", nil)
		return err == nil && a.status == 200
	})
	return p, c
}

// certificate makes one for auth.example.com.
func certificate(t testing.TB, dir string) *x509.CertPool {
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
