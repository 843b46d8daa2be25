package audit

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"turkey/internal/wire"
)

// seal is a link of the chain.
type seal struct {
	no              int64
	log             string // a log, or eraLog
	era             int16
	cluster         int64
	snapshot        string // "": the next seal of the log goes on
	count           int32
	firstAt, lastAt *time.Time
	root, prev      []byte
	sealedAt        time.Time
}

// eraLog marks the seal that begins an era; it covers no rows.
const eraLog = "era"

// hash covers all of the seal, and by prev all before it.
func (s seal) hash() []byte {
	var b encoder
	b.text("turkey/audit-seal/1")
	b.number(s.no)
	b.text(s.log)
	b.number(int64(s.era))
	b.number(s.cluster)
	b.text(s.snapshot)
	b.number(int64(s.count))
	for _, at := range []*time.Time{s.firstAt, s.lastAt} {
		if at == nil {
			b.number(-1)
			continue
		}
		b.number(at.UnixMicro())
	}
	b.text(string(s.root))
	b.text(string(s.prev))
	b.number(s.sealedAt.UnixMicro())
	h := sha256.Sum256(b.Bytes())
	return h[:]
}

// Signatures are over a purpose and what is signed, so that one cannot stand in another's place.
const (
	sealPurpose    = "turkey/audit-seal/1\x00"
	archivePurpose = "turkey/audit-archive/1\x00"
)

func signed(purpose string, content []byte) []byte { return append([]byte(purpose), content...) }

// Checkpoint names the newest seal. Kept where this server cannot change it, it proves later that the log still has what it
// had, whoever holds the signing key by then.
type Checkpoint struct {
	No        int64     `json:"no" doc:"Number of the seal"`
	Hash      string    `json:"hash" doc:"Of the seal and of all before it, SHA-256, hexadecimal"`
	SealedAt  wire.Time `json:"sealedAt" format:"date-time"`
	Signature string    `json:"signature" doc:"Ed25519 over the hash, hexadecimal"`
	PublicKey string    `json:"publicKey" doc:"That verifies the signature, Ed25519, hexadecimal"`
}

// verify checks the checkpoint's own signature.
func (c Checkpoint) verify(key ed25519.PublicKey) error {
	hash, err1 := hex.DecodeString(c.Hash)
	signature, err2 := hex.DecodeString(c.Signature)
	switch {
	case err1 != nil || err2 != nil || len(hash) != hashSize:
		return errors.New("it is damaged")
	case c.PublicKey != hex.EncodeToString(key):
		return fmt.Errorf("it was signed with the key %.16s…, and this server's is %.16s…", c.PublicKey, hex.EncodeToString(key))
	case !ed25519.Verify(key, signed(sealPurpose, hash), signature):
		return errors.New("its signature does not fit")
	}
	return nil
}

// ParseCheckpoints reads checkpoints as JSON, one after the other, as AUDIT_CHECKPOINT_FILE and `gravy audit checkpoint` write
// them.
func ParseCheckpoints(text []byte) (all []Checkpoint, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	for d.More() {
		var c Checkpoint
		if err := d.Decode(&c); err != nil || c.No <= 0 {
			return nil, errors.New("expected checkpoints, as `gravy audit checkpoint --json` prints them")
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errors.New("there is no checkpoint in it")
	}
	return all, nil
}
