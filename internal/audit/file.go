package audit

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// An archived month is a gzip of lines of JSON: a header, then the rows as PostgreSQL's to_jsonb gives them.

const fileFormat = "turkey-audit/1"

type fileHeader struct {
	Format string `json:"format"`
	Log    string `json:"log"`
	Month  string `json:"month"`
}

// line is a row in a file.
type line struct {
	ID           json.RawMessage `json:"id"` // a number, or a UUID in quotes
	CreatedAt    time.Time       `json:"created_at"`
	UserID       json.RawMessage `json:"user_id"`
	Actor        *string         `json:"actor"`
	Action       string          `json:"action"`
	Service      *string         `json:"service"`
	Status       *string         `json:"status"`
	ErrorMessage *string         `json:"error_message"`
	IP           *string         `json:"ip"`
	UserAgent    *string         `json:"user_agent"`
	Meta         *string         `json:"meta"`     // audit
	Metadata     json.RawMessage `json:"metadata"` // audit_logs
	Erasure      *int64          `json:"erasure"`
	SealForm     *int16          `json:"seal_form"`
}

func entryOf(log string, content []byte) (entry, error) {
	var l line
	if err := json.Unmarshal(content, &l); err != nil {
		return entry{}, errors.New("a line is no row of the audit")
	}
	e := entry{log: log, id: plainText(l.ID), at: l.CreatedAt, who: plainText(l.UserID), actor: l.Actor, ip: l.IP, action: l.Action, service: l.Service,
		status: l.Status, message: l.ErrorMessage, agent: l.UserAgent, facts: l.Meta, erasure: l.Erasure, form: firstForm}
	if l.SealForm != nil {
		e.form = *l.SealForm
	}
	if log == vaultLog {
		facts := string(l.Metadata)
		e.facts = &facts
	}
	return e, nil
}

// plainText is a JSON string or number as text, "" for null.
func plainText(raw json.RawMessage) string {
	if string(raw) == "null" {
		return ""
	}
	if s, err := strconv.Unquote(string(raw)); err == nil {
		return s
	}
	return string(raw)
}

// fileWriter writes an archive under another name until it is whole.
type fileWriter struct {
	f    *os.File
	zip  *gzip.Writer
	sum  hash.Hash
	rows int32
}

func newFileWriter(path string, h fileHeader) (*fileWriter, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, err
	}
	w := &fileWriter{f: f, sum: sha256.New()}
	w.zip = gzip.NewWriter(io.MultiWriter(f, w.sum))
	header, err := json.Marshal(h)
	if err == nil {
		_, err = w.zip.Write(append(header, '\n'))
	}
	if err != nil {
		w.drop()
	}
	return w, err
}

func (w *fileWriter) add(row []byte) error {
	var b bytes.Buffer
	if err := json.Compact(&b, row); err != nil {
		return err
	}
	b.WriteByte('\n')
	w.rows++
	_, err := w.zip.Write(b.Bytes())
	return err
}

// close makes the file durable under its name, which nothing has yet.
func (w *fileWriter) close(path string) ([]byte, error) {
	err := errors.Join(w.zip.Close(), w.f.Sync())
	if err == nil {
		err = os.Link(w.f.Name(), path) // unlike a rename it replaces nothing
	}
	w.drop()
	if err != nil {
		return nil, err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	return w.sum.Sum(nil), errors.Join(dir.Sync(), dir.Close())
}

func (w *fileWriter) drop() {
	_ = w.f.Close()
	_ = os.Remove(w.f.Name()) // what is left is hidden and of no use
}

// maxLine bounds a row in a file.
const maxLine = 64 << 20

// readFile gives every row of an archive to fn, and returns the SHA-256 of the file.
func readFile(path string, fn func(h fileHeader, row []byte) error) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read
	sum := sha256.New()
	unzip, err := gzip.NewReader(io.TeeReader(f, sum))
	if err != nil {
		return nil, fmt.Errorf("%s is no archive of the audit: %w", path, err)
	}
	lines := bufio.NewScanner(unzip)
	lines.Buffer(make([]byte, 0, 1<<16), maxLine)
	var h fileHeader
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &h) != nil || h.Format != fileFormat || h.Log != authLog && h.Log != vaultLog {
		return nil, fmt.Errorf("%s is no archive of the audit", path)
	}
	for lines.Scan() {
		if err := fn(h, bytes.Clone(lines.Bytes())); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", path, err)
	}
	if _, err := io.Copy(sum, f); err != nil { // whatever stands after the end
		return nil, err
	}
	return sum.Sum(nil), nil
}
