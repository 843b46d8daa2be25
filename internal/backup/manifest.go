package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"turkey/internal/keyring"
)

// Kinds of backups.
const (
	Full        = "full"
	Credentials = "credentials" // the tables that hold credentials, and those without which they do not open
)

// Manifest is what is known about a backup without opening it.
type Manifest struct {
	Format     int       `json:"format"`
	File       string    `json:"file"`
	CreatedAt  time.Time `json:"createdAt"`
	Kind       string    `json:"kind"`
	Size       int64     `json:"size"`
	SHA256     string    `json:"sha256"` // of the file, in hex
	Recipients []string  `json:"recipients,omitempty"`
	Program    string    `json:"program"`  // version of TurKey
	PgDump     int       `json:"pgDump"`   // major version
	Server     string    `json:"server"`   // version of PostgreSQL
	Database   string    `json:"database"` // its name
	Schema     int64     `json:"schema"`   // newest migration
	Queue      int64     `json:"queue"`    // newest migration of the job queue
	Tables     []Table   `json:"tables"`
	RootKeys   []string  `json:"rootKeys"` // ids of those that the credentials need
	Roles      []string  `json:"roles"`    // that own something or have rights
}

// Table is a table as it was dumped.
type Table struct {
	Name      string `json:"name"` // with its schema
	Rows      int64  `json:"rows"`
	Protected bool   `json:"protected"` // row-level security is enabled and forced
}

const manifestFormat = 1

// Encrypted reports whether an identity is needed to read the backup.
func (m Manifest) Encrypted() bool { return len(m.Recipients) > 0 }

// Rows is the sum over all tables.
func (m Manifest) Rows() (n int64) {
	for _, t := range m.Tables {
		n += t.Rows
	}
	return n
}

// Verification is the outcome of the last verification of a backup.
type Verification struct {
	File       string    `json:"file"`
	At         time.Time `json:"at"`
	OK         bool      `json:"ok"`
	Problems   []string  `json:"problems,omitempty"`
	Tables     int       `json:"tables"`
	Rows       int64     `json:"rows"`
	Opened     int64     `json:"sealedTextsOpened"`
	WithKeys   bool      `json:"withKeys"` // sealed texts were opened
	RestoredBy string    `json:"restoredOn,omitempty"`
	Seconds    float64   `json:"seconds"`
}

// Failure is the last backup that did not come to be, of those that the server makes by itself.
type Failure struct {
	At    time.Time `json:"at"`
	Error string    `json:"error"`
}

// Names beside a backup.
func manifestOf(path string) string     { return path + ".json" }
func verificationOf(path string) string { return path + ".verified.json" }

// maxJSON bounds what is read of a file beside a backup.
const maxJSON = 4 << 20

func readJSON(path string, v any) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() > maxJSON {
		return fmt.Errorf("%s is too large", path)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%s is damaged: %w", path, err)
	}
	return nil
}

func writeJSON(path string, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return keyring.WritePrivate(path, append(raw, '\n'))
}

// readManifest reads what stands beside a backup.
func readManifest(path string) (m Manifest, err error) {
	err = readJSON(manifestOf(path), &m)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return m, fmt.Errorf("%s has no manifest beside it (%s): copy both files of a backup; without one it is not known whether it is whole or ours", path, manifestOf(path))
	case err != nil:
		return m, err
	case m.Format != manifestFormat:
		return m, fmt.Errorf("%s is of format %d, which this program does not know", manifestOf(path), m.Format)
	}
	return m, nil
}
