//go:build gcpkms

package keyring

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"regexp"
	"strings"
)

// googleKMS is a symmetric key of Google Cloud KMS
// (https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys). The access token is
// GOOGLE_ACCESS_TOKEN, or that of the machine's service account, from the metadata server.
type googleKMS struct {
	client   *http.Client
	name     string
	base     string
	token    string
	metadata string
}

var googleKey = regexp.MustCompile(`^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/:]+$`)

// newGoogle takes the resource name of a key. CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS names another endpoint.
func newGoogle(cfg Config, name string) (KMS, error) {
	if !googleKey.MatchString(name) {
		return nil, errors.New("gcpkms: expected projects/p/locations/l/keyRings/r/cryptoKeys/k")
	}
	k := &googleKMS{client: cfg.HTTP, name: name, token: cfg.Getenv("GOOGLE_ACCESS_TOKEN"), base: cfg.Getenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS"),
		metadata: cfg.Getenv("GCE_METADATA_HOST")}
	if k.base == "" {
		k.base = "https://cloudkms.googleapis.com/"
	}
	k.base = strings.TrimSuffix(k.base, "/") + "/v1/"
	if k.metadata == "" {
		k.metadata = "metadata.google.internal"
	}
	_, err := endpoint(k.base)
	return k, err
}

// Describe is the resource name.
func (k *googleKMS) Describe() string { return "gcpkms:" + k.name }

type googleBody struct {
	Plaintext     []byte `json:"plaintext,omitempty"`
	Ciphertext    []byte `json:"ciphertext,omitempty"`
	AAD           []byte `json:"additionalAuthenticatedData,omitempty"`
	PlaintextSum  *int64 `json:"plaintextCrc32c,string,omitempty"`
	CiphertextSum *int64 `json:"ciphertextCrc32c,string,omitempty"`
	AADSum        *int64 `json:"additionalAuthenticatedDataCrc32c,string,omitempty"`

	VerifiedPlaintext bool `json:"verifiedPlaintextCrc32c,omitempty"`
	VerifiedAAD       bool `json:"verifiedAdditionalAuthenticatedDataCrc32c,omitempty"`
	Error             struct {
		Status  string `json:"status"`
		Message string `json:"message"`
	} `json:"error,omitzero"`
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sum lets both ends see that nothing was changed on the way (https://cloud.google.com/kms/docs/data-integrity-guidelines).
func sum(b []byte) *int64 {
	n := int64(crc32.Checksum(b, castagnoli))
	return &n
}

func (k *googleKMS) errDamaged() error {
	return fmt.Errorf("%s: what was sent or answered was damaged on the way: try again", k.Describe())
}

// Wrap encrypts under the primary version of the key.
func (k *googleKMS) Wrap(ctx context.Context, plain, aad []byte) ([]byte, error) {
	out, err := k.ask(ctx, "encrypt", googleBody{Plaintext: plain, AAD: aad, PlaintextSum: sum(plain), AADSum: sum(aad)})
	if err != nil {
		return nil, err
	}
	if !out.VerifiedPlaintext || !out.VerifiedAAD || out.CiphertextSum == nil || *out.CiphertextSum != *sum(out.Ciphertext) || len(out.Ciphertext) == 0 {
		return nil, k.errDamaged()
	}
	return out.Ciphertext, nil
}

// Unwrap decrypts under the version that the ciphertext names.
func (k *googleKMS) Unwrap(ctx context.Context, wrapped, aad []byte) ([]byte, error) {
	out, err := k.ask(ctx, "decrypt", googleBody{Ciphertext: wrapped, AAD: aad, CiphertextSum: sum(wrapped), AADSum: sum(aad)})
	if err != nil {
		return nil, err
	}
	if out.PlaintextSum == nil || *out.PlaintextSum != *sum(out.Plaintext) {
		return nil, k.errDamaged()
	}
	return out.Plaintext, nil
}

func (k *googleKMS) ask(ctx context.Context, verb string, body googleBody) (googleBody, error) {
	token, err := k.bearer(ctx)
	if err != nil {
		return googleBody{}, err
	}
	req, raw, err := postJSON(k.base+k.name+":"+verb, body)
	if err != nil {
		return googleBody{}, err
	}
	defer clear(raw)
	req.Header.Set("Authorization", "Bearer "+token)
	a, err := ask(ctx, k.client, req)
	if err != nil {
		return googleBody{}, err
	}
	defer clear(a.body)
	var out googleBody
	if json.Unmarshal(a.body, &out) != nil || a.status != http.StatusOK {
		return googleBody{}, fmt.Errorf("%s refused (%d): %s", k.Describe(), a.status, words(out.Error.Status+" "+out.Error.Message))
	}
	return out, nil
}

// bearer is asked for each time: the key service is asked at starts and rotations only.
func (k *googleKMS) bearer(ctx context.Context) (string, error) {
	if k.token != "" {
		return k.token, nil
	}
	req, err := http.NewRequest(http.MethodGet, "http://"+k.metadata+"/computeMetadata/v1/instance/service-accounts/default/token", nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Metadata-Flavor", "Google")
	a, err := ask(ctx, k.client, req)
	if err != nil {
		return "", fmt.Errorf("%s: set GOOGLE_ACCESS_TOKEN, or run where there is a metadata server (%w)", k.Describe(), err)
	}
	var out struct {
		AccessToken string `json:"access_token"`
	}
	if json.Unmarshal(a.body, &out) != nil || a.status != http.StatusOK || out.AccessToken == "" {
		return "", fmt.Errorf("%s: the metadata server gave no access token (%d)", k.Describe(), a.status)
	}
	return out.AccessToken, nil
}
