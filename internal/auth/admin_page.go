package auth

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"turkey/internal/fault"
)

// Page is where a list goes on and how far. Lists show the newest first.
type Page struct {
	Cursor string // of the answer before; "": from the start
	Limit  int
}

// One more row than asked for is read: whether there is one says whether the list goes on.
func (p Page) max() int32 { return int32(p.Limit) + 1 }

var errCursor = invalidRequest.WithFields(fault.Field{Name: "cursor", Message: "Not a cursor of this list", Code: "invalid_string"})

// position is a row's in a list by (created_at, id). PostgreSQL keeps microseconds.
type position struct {
	at time.Time
	id uuid.UUID
}

func (p Page) after() (at *time.Time, id uuid.UUID, err error) {
	if p.Cursor == "" {
		return nil, uuid.Nil, nil
	}
	text, err := p.text()
	if err != nil {
		return nil, uuid.Nil, err
	}
	stamp, key, _ := strings.Cut(text, " ")
	micros, err1 := strconv.ParseInt(stamp, 10, 64)
	id, err2 := uuid.Parse(key)
	t := time.UnixMicro(micros).UTC()
	if err1 != nil || err2 != nil || t.Year() < 1970 || t.Year() > 9999 {
		return nil, uuid.Nil, errCursor
	}
	return &t, id, nil
}

// text is what a cursor stands for; in lists by one key it is that key.
func (p Page) text() (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	if err != nil || len(b) > 200 {
		return "", errCursor
	}
	return string(b), nil
}

func cursor(text string) *string {
	c := base64.RawURLEncoding.EncodeToString([]byte(text))
	return &c
}

func (p position) String() string {
	return strconv.FormatInt(p.at.UnixMicro(), 10) + " " + p.id.String()
}

// pageOf makes a page of rows: what to show of each, and the cursor of the last one shown if there are more.
func pageOf[R, V any](rows []R, p Page, show func(R) V, key func(R) string) (shown []V, next *string) {
	if len(rows) > p.Limit {
		rows = rows[:p.Limit]
		next = cursor(key(rows[len(rows)-1]))
	}
	shown = make([]V, len(rows))
	for i, r := range rows {
		shown[i] = show(r)
	}
	return shown, next
}
