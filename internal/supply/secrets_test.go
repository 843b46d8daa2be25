package supply

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// tokens are forms of secrets that say what they are.
var tokens = regexp.MustCompile(`-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s*(?:\\n)?\s*[A-Za-z0-9+/=]{40}|\bA(?:KIA|SIA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}|\bgithub_pat_[A-Za-z0-9_]{60}|` +
	`\bxox[abprs]-[A-Za-z0-9-]{20}|\bAIza[0-9A-Za-z_-]{35}|\b[sr]k_live_[0-9A-Za-z]{20}|\bshp(?:at|ss|ca|pa)_[0-9a-fA-F]{32}|\bEAA[A-Za-z0-9]{60}|\bglpat-[A-Za-z0-9_-]{20}|\bnpm_[A-Za-z0-9]{36}|` +
	`\bAGE-SECRET-KEY-1[0-9A-Z]{50}|\bya29\.[A-Za-z0-9_-]{40}|\bkey-[0-9a-f]{32}\b|\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{40}|\bhvs\.[A-Za-z0-9_-]{60}|\beyJ[A-Za-z0-9_-]{20,}\.eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}`)

// assignments give a value to a name that speaks of a secret.
var assignments = regexp.MustCompile(`(?i)\b[a-z0-9_]*(?:secret|passw(?:or)?d|api_?key|access_?key|private_?key|salt|credential)[a-z0-9_]*["']?\s*[:=]{1,2}\s*["'` + "`" + `]?([A-Za-z0-9+/_=-]{24,})["'` + "`" + `\s,;]`)

// planted are what only looks like a secret, by the file it is in, and why.
var planted = map[string]string{
	"internal/sandbox/":               "keys and tokens of providers that do not exist",
	"internal/legacy/testdata/":       "databases made up for imports, with their keys",
	"internal/auth/testdata/":         "hashes and tokens made up for tests",
	"internal/audit/testdata/":        "seals of rows made up for tests",
	"internal/mail/testdata/":         "mails made up for tests",
	"internal/cli/testdata/":          "answers and settings made up for tests",
	"openapi.json":                    "examples",
	"sdk/typescript/src/api/":         "examples of openapi.json",
	"client/api/":                     "examples of openapi.json",
	"docs/":                           "examples, which no server takes",
	"internal/supply/secrets_test.go": "the forms themselves",
}

// entropy is in bits a character.
func entropy(s string) (bits float64) {
	n := map[rune]float64{}
	for _, r := range s {
		n[r]++
	}
	total := float64(utf8.RuneCountInString(s))
	for _, c := range n {
		bits -= c / total * math.Log2(c/total)
	}
	return bits
}

// suspicious is the first text of a file that looks like a secret.
func suspicious(text string) string {
	if found := tokens.FindString(text); found != "" {
		return found
	}
	for _, m := range assignments.FindAllStringSubmatch(text, -1) {
		// Words are below 4 bits; random base64 of this length is above.
		if digits := strings.ContainsAny(m[1], "0123456789"); digits && entropy(m[1]) > 4.2 && !strings.Contains(strings.ToLower(m[1]), "example") {
			return m[0]
		}
	}
	return ""
}

// TestNoSecretLiesInTheTree looks through every file that is or could be committed.
func TestNoSecretLiesInTheTree(t *testing.T) {
	t.Parallel()
	for _, name := range sources(t) {
		base := filepath.Base(name)
		if base == ".env" || strings.HasSuffix(base, ".pem") || strings.HasSuffix(base, ".key") || strings.HasSuffix(base, ".p12") || strings.HasPrefix(base, "id_rsa") {
			t.Errorf("%s is a file of secrets by its name", name)
		}
		if strings.HasSuffix(name, "package-lock.json") || strings.HasSuffix(name, ".sum") || isPlanted(name) {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			continue // gone meanwhile
		}
		if len(raw) > 4<<20 || strings.Contains(string(raw[:min(len(raw), 8000)]), "\x00") {
			continue // pictures
		}
		if found := suspicious(string(raw)); found != "" {
			t.Errorf("%s holds what looks like a secret: %.60s", name, strings.ReplaceAll(found, "\n", " "))
		}
	}
}

func isPlanted(name string) bool {
	for known := range planted {
		if name == known || strings.HasSuffix(known, "/") && strings.HasPrefix(name, known) {
			return true
		}
	}
	return strings.HasSuffix(name, "_test.go") || strings.Contains(name, "/test/") // tests make up what they need
}

// TestSecretsAreRecognised: the search itself.
func TestSecretsAreRecognised(t *testing.T) {
	t.Parallel()
	random := "q7Zr0Vx2LwT9mKpB4nYhC6dFsG1jA8eU"
	for text, want := range map[string]bool{
		"-----BEGIN PRIVATE KEY-----\n" + strings.Repeat("MIIEvQIBADAN", 6): true, "-----BEGIN PRIVATE KEY-----\nfresh": false,
		"AKIA" + "IOSFODNN7EXAMPLE": true, "ghp_" + strings.Repeat("a1B2", 9): true, "JWT_SECRET=" + random + "\n": true, `"api_key": "` + random + `",`: true,
		"password: 'a-sentence-of-words-only'": false, "SECRET=${JWT_SECRET:?set it}": false, "secret := config.JWTSecretFromFile\n": false,
	} {
		if got := suspicious(text) != ""; got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
