package db

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// scramIterations is PostgreSQL's own default.
const scramIterations = 4096

// checkPassword keeps to passwords that need no SASLprep and that a URL can carry.
func checkPassword(password string) error {
	if password == "" {
		return nil
	}
	if len(password) < 12 || len(password) > 128 {
		return errors.New("the password of a login has 12 to 128 characters")
	}
	for _, c := range []byte(password) {
		if c < 0x21 || c > 0x7e {
			return errors.New("the password of a login is letters, digits and punctuation of ASCII, without spaces")
		}
	}
	return nil
}

// scramVerifier is what PostgreSQL stores of a password (RFC 5803), made here so that the password itself is in no
// statement, and with that in no log of the server.
func scramVerifier(password string) (string, error) {
	salt := make([]byte, 16)
	rand.Read(salt) // never fails, it ends the program
	return verifierOf(password, salt, scramIterations)
}

func verifierOf(password string, salt []byte, iterations int) (string, error) {
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	if err != nil {
		return "", err
	}
	mac := func(text string) []byte {
		h := hmac.New(sha256.New, salted)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	stored := sha256.Sum256(mac("Client Key"))
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, b64(salt), b64(stored[:]), b64(mac("Server Key"))), nil
}

// scramMatches reports whether a stored verifier is that of the password.
func scramMatches(stored, password string) bool {
	rest, ok := strings.CutPrefix(stored, "SCRAM-SHA-256$")
	head, _, _ := strings.Cut(rest, "$")
	count, encoded, found := strings.Cut(head, ":")
	iterations, err := strconv.Atoi(count)
	if !ok || !found || err != nil || iterations < 1 || iterations > 10_000_000 {
		return false
	}
	salt, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return false
	}
	again, err := verifierOf(password, salt, iterations)
	return err == nil && hmac.Equal([]byte(again), []byte(stored))
}
