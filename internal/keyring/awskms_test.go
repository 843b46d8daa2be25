//go:build awskms

package keyring_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"turkey/internal/keyring"
)

const (
	awsKey    = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd"
	awsSecret = "canary-secret-access-key"
)

// newAWS plays AWS KMS: it checks the signature as the documentation describes it, and the encryption context.
func newAWS(t *testing.T) *httptest.Server {
	block, err := aes.NewCipher(make([]byte, 32))
	must(t, err)
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	must(t, err)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		must(t, err)
		refuse := func(kind, text string) {
			w.WriteHeader(400)
			_ = json.NewEncoder(w).Encode(map[string]string{"__type": kind, "message": text})
		}
		if why := checkSignature(r, body); why != "" {
			refuse("InvalidSignatureException", why)
			return
		}
		var in struct {
			KeyId                     string // AWS spells it so
			Plaintext, CiphertextBlob []byte
			EncryptionContext         map[string]string
		}
		if json.Unmarshal(body, &in) != nil || in.KeyId != awsKey || len(in.EncryptionContext) == 0 {
			refuse("NotFoundException", "no such key, or no context")
			return
		}
		aad, err := json.Marshal(in.EncryptionContext)
		must(t, err)
		out := map[string]any{"KeyId": awsKey}
		switch r.Header.Get("X-Amz-Target") {
		case "TrentService.Encrypt":
			out["CiphertextBlob"] = gcm.Seal(nil, nil, in.Plaintext, aad)
		case "TrentService.Decrypt":
			plain, err := gcm.Open(nil, nil, in.CiphertextBlob, aad)
			if err != nil {
				refuse("InvalidCiphertextException", "")
				return
			}
			out["Plaintext"] = plain
		default:
			refuse("UnknownOperationException", "")
			return
		}
		_ = json.NewEncoder(w).Encode(out)
	}))
	t.Cleanup(srv.Close)
	return srv
}

// checkSignature is the other side of Signature Version 4, written from its description.
func checkSignature(r *http.Request, body []byte) string {
	rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
	if !ok {
		return "no credential"
	}
	scope, rest, _ := strings.Cut(rest, ", SignedHeaders=")
	signed, signature, _ := strings.Cut(rest, ", Signature=")
	moment, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil || time.Since(moment).Abs() > 5*time.Minute || scope != moment.Format("20060102")+"/eu-central-1/kms/aws4_request" {
		return "Signature expired"
	}
	names := strings.Split(signed, ";")
	if !slices.IsSorted(names) || !slices.Contains(names, "host") || !slices.Contains(names, "x-amz-date") || !slices.Contains(names, "x-amz-security-token") {
		return "headers are missing"
	}
	canonical := "POST\n/\n\n"
	for _, n := range names {
		v := r.Header.Get(n)
		if n == "host" {
			v = r.Host
		}
		canonical += n + ":" + v + "\n"
	}
	hash := func(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }
	canonical += "\n" + signed + "\n" + hash(body)
	hm := func(k []byte, s string) []byte { m := hmac.New(sha256.New, k); m.Write([]byte(s)); return m.Sum(nil) }
	key := hm(hm(hm(hm([]byte("AWS4"+awsSecret), moment.Format("20060102")), "eu-central-1"), "kms"), "aws4_request")
	want := hex.EncodeToString(hm(key, fmt.Sprintf("AWS4-HMAC-SHA256\n%s\n%s\n%s", moment.Format("20060102T150405Z"), scope, hash([]byte(canonical)))))
	if want != signature {
		return "The request signature we calculated does not match the signature you provided"
	}
	return ""
}

func awsConfig(env map[string]string) keyring.Config {
	return keyring.Config{Sources: []string{"awskms:" + awsKey}, Getenv: func(name string) string { return env[name] }}
}

func TestAWSWrapsRootKeys(t *testing.T) {
	t.Parallel()
	srv := newAWS(t)
	env := map[string]string{"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": awsSecret, "AWS_SESSION_TOKEN": "session", "AWS_ENDPOINT_URL_KMS": srv.URL}
	testService(t, awsConfig(env))

	env["AWS_SECRET_ACCESS_KEY"] = "canary-another"
	if _, err := open(t, awsConfig(env)).Make(t.Context()); err == nil || !strings.Contains(err.Error(), "does not match the signature") || strings.Contains(err.Error(), "canary") {
		t.Errorf("%v", err)
	}
	env["AWS_SECRET_ACCESS_KEY"] = ""
	refused(t, awsConfig(env), "VAULT_KEYRING", "AWS_SECRET_ACCESS_KEY")
	cfg := awsConfig(env)
	cfg.Sources[0] = "awskms:alias/turkey"
	refused(t, cfg, "VAULT_KEYRING", "ARN")
}
