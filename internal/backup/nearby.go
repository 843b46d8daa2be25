package backup

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// markers are what a file with keys holds, or the name that it has.
var (
	markers  = []string{"JWT_SECRET=", "ENCRYPTION_KEY_SALT=", "AGE-SECRET-KEY-1"}
	keyFiles = []string{"jwt_secret", "encryption_key_salt", "keyring.json"}
)

const maxKeyFile = 64 << 10

// KeysNearby lists files in the directory of backups that hold keys: whoever takes such a directory has the data and what
// opens it. secrets are those in use, as far as they are known.
func KeysNearby(dir string, secrets ...string) (found []string) {
	secrets = slices.DeleteFunc(append(secrets, markers...), func(s string) bool { return s == "" })
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error { // what cannot be read, nobody is warned of
		if err != nil || !e.Type().IsRegular() || ours.MatchString(e.Name()) || oursAnd.MatchString(e.Name()) {
			return nil
		}
		if slices.Contains(keyFiles, strings.ToLower(e.Name())) || holds(path, e, secrets) {
			found = append(found, path)
		}
		return nil
	})
	return found
}

func holds(path string, e fs.DirEntry, secrets []string) bool {
	info, err := e.Info()
	if err != nil || info.Size() > maxKeyFile {
		return false
	}
	content, err := os.ReadFile(path)
	defer clear(content)
	return err == nil && slices.ContainsFunc(secrets, func(s string) bool { return bytes.Contains(content, []byte(s)) })
}
