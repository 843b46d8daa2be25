package cli

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/lmittmann/tint"

	"turkey/internal/config"
)

// newLogger logs to the console and to LOG_FILE, as configured. close closes the file.
func newLogger(cfg *config.Config, console io.Writer) (log *slog.Logger, closeLog func(), err error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.LogLevel)); err != nil {
		return nil, nil, err
	}
	var handlers []slog.Handler
	if cfg.LogConsole {
		handlers = append(handlers, logHandler(cfg.LogFormat, level, console))
	}
	closeLog = func() {}
	if cfg.LogFile != "" {
		if err := os.MkdirAll(filepath.Dir(cfg.LogFile), 0o750); err != nil {
			return nil, nil, fmt.Errorf("LOG_FILE: %w", err)
		}
		f, err := os.OpenFile(cfg.LogFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640) //nolint:gosec // G302: an operator's group may read logs, which hold no secrets
		if err != nil {
			return nil, nil, fmt.Errorf("LOG_FILE: %w", err)
		}
		closeLog = func() { _ = f.Close() } // nothing is buffered
		handlers = append(handlers, logHandler(cfg.LogFormat, level, f))
	}
	return slog.New(slog.NewMultiHandler(handlers...)), closeLog, nil
}

func logHandler(format string, level slog.Level, w io.Writer) slog.Handler {
	if format == "json" {
		return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})
	}
	return tint.NewTextHandler(w, &tint.Options{Level: level, TimeFormat: time.TimeOnly, NoColor: !colors(w),
		// Full level names: the guides grep for ERROR.
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.LevelKey && len(groups) == 0 {
				return slog.String(slog.LevelKey, fmt.Sprintf("%-5s", a.Value.Any()))
			}
			return a
		}})
}

func colors(w io.Writer) bool { return os.Getenv("NO_COLOR") == "" && terminal(w) }

// terminal reports whether somebody sits at the other end.
func terminal(file any) bool {
	f, ok := file.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
