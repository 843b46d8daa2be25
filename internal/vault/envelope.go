package vault

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// envelopeV1 marks a record: "v1." and the base64 of Tink's ciphertext, whose first five bytes name the key.
const envelopeV1 = "v1."

// placed is what a sealed text is bound to.
type placed interface{ place() []byte }

// record is what a sealed credential is bound to.
type record struct {
	user    uuid.UUID
	uid     uuid.UUID
	service string
	version int32
}

func (r record) place() []byte {
	return place("credential", r.user[:], r.uid[:], []byte(r.service), binary.BigEndian.AppendUint32(nil, uint32(r.version))) // versions count up from 1
}

func (k userKeys) sealRecord(r placed, content []byte) (string, error) {
	sealed, err := k.seal.Encrypt(content, r.place())
	if err != nil {
		return "", fmt.Errorf("seal credential: %w", err)
	}
	text := make([]byte, 0, len(envelopeV1)+base64.RawURLEncoding.EncodedLen(len(sealed)))
	return string(base64.RawURLEncoding.AppendEncode(append(text, envelopeV1...), sealed)), nil
}

func (k userKeys) openRecord(r placed, envelope string) ([]byte, error) {
	text, ok := strings.CutPrefix(envelope, envelopeV1)
	if !ok {
		return nil, errUnreadable.Because(fmt.Errorf("unknown envelope version"))
	}
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, errUnreadable.Because(err)
	}
	content, err := k.seal.Decrypt(sealed, r.place())
	if err != nil {
		return nil, errUnreadable.Because(err)
	}
	return content, nil
}

// fingerprint is equal for equal JSON values of one user and service, whatever their order and white space, and says
// nothing to anybody without the user's index key.
func (k userKeys) fingerprint(service string, raw []byte) ([]byte, error) {
	raw = bytes.TrimSpace(raw)
	if !json.Valid(raw) {
		return nil, errNoJSON
	}
	text, err := canonical(make([]byte, 0, len(raw)), raw, 0)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	m := hmac.New(sha256.New, k.index)
	m.Write(place("fingerprint", []byte(service), text))
	return m.Sum(nil), nil
}

var errNoJSON = errors.New("vault: not JSON")

// place builds associated data: a purpose and parts, each with its length before it, so no two places read alike.
func place(purpose string, parts ...[]byte) []byte {
	size := 4 + len(purpose)
	for _, p := range parts {
		size += 4 + len(p)
	}
	out := binary.BigEndian.AppendUint32(make([]byte, 0, size), uint32(len(purpose))) // far below 4 GiB
	out = append(out, purpose...)
	for _, p := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p))) // bodies are at most 1 MiB
		out = append(out, p...)
	}
	return out
}
