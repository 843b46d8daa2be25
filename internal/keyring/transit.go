package keyring

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// transit is the transit engine of OpenBao or Vault
// (https://openbao.org/api-docs/secret/transit/#encrypt-data). Its key needs an AEAD type such as aes256-gcm96.
type transit struct {
	client           *http.Client
	address          string // …/v1/transit/keys/name
	encrypt, decrypt string
	token            string
	namespace        string
}

func newTransit(cfg Config, address string) (KMS, error) {
	u, err := endpoint(address)
	if err != nil {
		return nil, err
	}
	mount, name, ok := strings.Cut(u.Path, "/keys/")
	if !ok || name == "" || strings.Contains(name, "/") || !strings.HasPrefix(mount, "/v1/") {
		return nil, errors.New("transit: expected the address of a key, https://host:8200/v1/transit/keys/name")
	}
	if len(cfg.Token) == 0 {
		return nil, errors.New("transit: VAULT_KMS_TOKEN (or VAULT_KMS_TOKEN_FILE) is needed")
	}
	at := func(verb string) string {
		v := url.URL{Scheme: u.Scheme, Host: u.Host, Path: mount + "/" + verb + "/" + name}
		return v.String()
	}
	return &transit{client: cfg.HTTP, address: address, encrypt: at("encrypt"), decrypt: at("decrypt"), token: string(cfg.Token), namespace: cfg.Namespace}, nil
}

// Describe is the address of the key.
func (t *transit) Describe() string { return "transit:" + t.address }

type transitBody struct {
	Plaintext      []byte `json:"plaintext,omitempty"`
	Ciphertext     string `json:"ciphertext,omitempty"`
	AssociatedData []byte `json:"associated_data,omitempty"`
}

// Wrap encrypts under the latest version of the key.
func (t *transit) Wrap(ctx context.Context, plain, aad []byte) ([]byte, error) {
	out, err := t.ask(ctx, t.encrypt, transitBody{Plaintext: plain, AssociatedData: aad})
	if err == nil && out.Ciphertext == "" {
		err = fmt.Errorf("%s answered without a ciphertext", t.Describe())
	}
	return []byte(out.Ciphertext), err
}

// Unwrap decrypts under the version of the key that the ciphertext names.
func (t *transit) Unwrap(ctx context.Context, wrapped, aad []byte) ([]byte, error) {
	out, err := t.ask(ctx, t.decrypt, transitBody{Ciphertext: string(wrapped), AssociatedData: aad})
	return out.Plaintext, err
}

func (t *transit) ask(ctx context.Context, address string, body transitBody) (transitBody, error) {
	req, raw, err := postJSON(address, body)
	if err != nil {
		return transitBody{}, err
	}
	defer clear(raw)
	req.Header.Set("X-Vault-Token", t.token)
	if t.namespace != "" {
		req.Header.Set("X-Vault-Namespace", t.namespace)
	}
	a, err := ask(ctx, t.client, req)
	if err != nil {
		return transitBody{}, err
	}
	defer clear(a.body)
	var said struct {
		Data   transitBody `json:"data"`
		Errors []string    `json:"errors"`
	}
	if json.Unmarshal(a.body, &said) != nil || a.status != http.StatusOK {
		return transitBody{}, fmt.Errorf("%s refused (%d): %s", t.Describe(), a.status, words(strings.Join(said.Errors, "; ")))
	}
	return said.Data, nil
}
