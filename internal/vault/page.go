package vault

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"turkey/internal/fault"
)

// pageSize is that of lists which are not bounded otherwise, unless a limit is given.
const pageSize = 50

var errCursor = fault.New(fault.Invalid, "VALIDATION_ERROR", "cursor is not one of this list")

// cursor names a place in a list: the numbers that it is ordered by. PostgreSQL keeps microseconds.
func cursor(numbers ...int64) *string {
	var text []byte
	for i, n := range numbers {
		if i > 0 {
			text = append(text, ' ')
		}
		text = strconv.AppendInt(text, n, 10)
	}
	c := base64.RawURLEncoding.EncodeToString(text)
	return &c
}

// readCursor gives the numbers of a cursor, n of them, none negative.
func readCursor(c string, n int) ([]int64, error) {
	text, err := base64.RawURLEncoding.Strict().DecodeString(c)
	if err != nil {
		return nil, errCursor
	}
	parts := strings.SplitN(string(text), " ", n+1)
	if len(parts) != n {
		return nil, errCursor
	}
	numbers := make([]int64, n)
	for i, p := range parts {
		if numbers[i], err = strconv.ParseInt(p, 10, 64); err != nil || numbers[i] < 0 {
			return nil, errCursor
		}
	}
	return numbers, nil
}

// readPlace reads the cursor of a list by creation and id; "" is its beginning.
func readPlace(c string) (at *time.Time, id int64, err error) {
	if c == "" {
		return nil, 0, nil
	}
	n, err := readCursor(c, 2)
	if err != nil {
		return nil, 0, err
	}
	t := time.UnixMicro(n[0]).UTC()
	if t.Year() > 9999 {
		return nil, 0, errCursor
	}
	return &t, n[1], nil
}
