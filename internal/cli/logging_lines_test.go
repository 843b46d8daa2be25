package cli

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// TestTerminalLinesAreOneLine: a value that a client sent makes no line of its own and gives a terminal no order, in either
// form of the log.
func TestTerminalLinesAreOneLine(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"json", "text"} {
		var b bytes.Buffer
		log := slog.New(logHandler(format, slog.LevelInfo, &b))
		for _, forged := range []string{"a\nERROR forged", "a\r\nERROR forged", "\x1b[2J\x1b[31mforged", "a\x00b", "a\u2028b", "\x9b31m", "a\u202eb", `a" level=ERROR msg="b`} {
			b.Reset()
			log.Info("request", "path", forged, forged, 1, slog.Group(forged, "a", forged))
			line := strings.TrimSuffix(b.String(), "\n")
			if strings.ContainsAny(line, "\n\r\x1b\x00") || line == "" {
				t.Errorf("%s: %q", format, line)
			}
		}
	}
}
