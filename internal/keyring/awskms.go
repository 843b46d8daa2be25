//go:build awskms

package keyring

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// awsKMS is a symmetric key of AWS KMS (https://docs.aws.amazon.com/kms/latest/APIReference/API_Encrypt.html), with the
// access key of the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, with temporary ones, AWS_SESSION_TOKEN.
type awsKMS struct {
	client            *http.Client
	arn, region       string
	endpoint          *url.URL
	id, secret, token string
	now               func() time.Time
}

// newAWS takes the ARN of a key or of an alias. AWS_ENDPOINT_URL_KMS names another endpoint, such as one inside a VPC.
func newAWS(cfg Config, arn string) (KMS, error) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "kms" || parts[3] == "" {
		return nil, errors.New("awskms: expected the ARN of a key, arn:aws:kms:region:account:key/id")
	}
	k := &awsKMS{client: cfg.HTTP, arn: arn, region: parts[3], now: time.Now,
		id: cfg.Getenv("AWS_ACCESS_KEY_ID"), secret: cfg.Getenv("AWS_SECRET_ACCESS_KEY"), token: cfg.Getenv("AWS_SESSION_TOKEN")}
	if k.id == "" || k.secret == "" {
		return nil, errors.New("awskms: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are needed")
	}
	address := cfg.Getenv("AWS_ENDPOINT_URL_KMS")
	if address == "" {
		address = "https://kms." + k.region + ".amazonaws.com"
		if parts[1] == "aws-cn" {
			address += ".cn"
		}
	}
	var err error
	k.endpoint, err = endpoint(strings.TrimSuffix(address, "/") + "/")
	return k, err
}

// Describe is the ARN.
func (k *awsKMS) Describe() string { return "awskms:" + k.arn }

type awsBody struct {
	KeyID             string            `json:"KeyId,omitempty"`
	Plaintext         []byte            `json:",omitempty"`
	CiphertextBlob    []byte            `json:",omitempty"`
	EncryptionContext map[string]string `json:",omitempty"`
	Type              string            `json:"__type,omitempty"` // of an error
	Message           string            `json:"message,omitempty"`
}

// Wrap encrypts; aad is the encryption context, which shows in CloudTrail.
func (k *awsKMS) Wrap(ctx context.Context, plain, aad []byte) ([]byte, error) {
	out, err := k.ask(ctx, "Encrypt", awsBody{KeyID: k.arn, Plaintext: plain, EncryptionContext: map[string]string{"place": string(aad)}})
	if err == nil && len(out.CiphertextBlob) == 0 {
		err = fmt.Errorf("%s answered without a ciphertext", k.Describe())
	}
	return out.CiphertextBlob, err
}

// Unwrap decrypts, under this key and no other.
func (k *awsKMS) Unwrap(ctx context.Context, wrapped, aad []byte) ([]byte, error) {
	out, err := k.ask(ctx, "Decrypt", awsBody{KeyID: k.arn, CiphertextBlob: wrapped, EncryptionContext: map[string]string{"place": string(aad)}})
	return out.Plaintext, err
}

func (k *awsKMS) ask(ctx context.Context, action string, body awsBody) (awsBody, error) {
	req, raw, err := postJSON(k.endpoint.String(), body)
	if err != nil {
		return awsBody{}, err
	}
	defer clear(raw)
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "TrentService."+action)
	k.sign(req, raw)
	a, err := ask(ctx, k.client, req)
	if err != nil {
		return awsBody{}, err
	}
	defer clear(a.body)
	var out awsBody
	if json.Unmarshal(a.body, &out) != nil || a.status != http.StatusOK {
		return awsBody{}, fmt.Errorf("%s refused (%d): %s", k.Describe(), a.status, words(out.Type+" "+out.Message))
	}
	return out, nil
}

// sign is Signature Version 4 of a POST to / without a query
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
func (k *awsKMS) sign(req *http.Request, body []byte) {
	moment := k.now().UTC().Format("20060102T150405Z")
	day := moment[:8]
	req.Header.Set("X-Amz-Date", moment)
	names := []string{"content-type", "host", "x-amz-date", "x-amz-target"} // in order
	if k.token != "" {
		req.Header.Set("X-Amz-Security-Token", k.token)
		names = []string{"content-type", "host", "x-amz-date", "x-amz-security-token", "x-amz-target"}
	}
	var headers strings.Builder
	for _, name := range names {
		value := req.Header.Get(name)
		if name == "host" {
			value = req.URL.Host
		}
		headers.WriteString(name + ":" + strings.TrimSpace(value) + "\n")
	}
	signed := strings.Join(names, ";")
	canonical := strings.Join([]string{http.MethodPost, req.URL.EscapedPath(), "", headers.String(), signed, hexSum(body)}, "\n")
	scope := day + "/" + k.region + "/kms/aws4_request"
	text := "AWS4-HMAC-SHA256\n" + moment + "\n" + scope + "\n" + hexSum([]byte(canonical))
	key := []byte("AWS4" + k.secret)
	for _, part := range []string{day, k.region, "kms", "aws4_request", text} {
		key = mac(key, part)
	}
	req.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s", k.id, scope, signed, hex.EncodeToString(key)))
}

func mac(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
