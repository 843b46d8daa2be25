package cli

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/lmittmann/tint"

	"turkey/internal/config"
	"turkey/internal/trace"
)

// newLogger logs to the console and to LOG_FILE, as configured. The file is opened anew at each SIGHUP, for whoever moved it
// away (logrotate). close closes it.
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
	var file *logFile
	if cfg.LogFile != "" {
		if file, err = openLog(cfg.LogFile); err != nil {
			return nil, nil, fmt.Errorf("LOG_FILE: %w", err)
		}
		handlers = append(handlers, logHandler(cfg.LogFormat, level, file))
	}
	handler := slog.Handler(slog.NewMultiHandler(handlers...))
	if cfg.TracesURL() != "" {
		handler = trace.Logs(handler)
	}
	log = slog.New(handler)
	if file != nil {
		closeLog = file.follow(log)
	}
	return log, closeLog, nil
}

// logFile is LOG_FILE. Lines go to the old file until the new one is open, so none is lost.
type logFile struct {
	path string
	mu   sync.Mutex
	file *os.File
}

func openLog(path string) (*logFile, error) {
	l := &logFile{path: path}
	return l, l.reopen()
}

func (l *logFile) reopen() error {
	if err := os.MkdirAll(filepath.Dir(l.path), 0o750); err != nil {
		return err
	}
	file, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640) //nolint:gosec // G302: an operator's group may read logs, which hold no secrets
	if err != nil {
		return err
	}
	l.mu.Lock()
	old := l.file
	l.file = file
	l.mu.Unlock()
	if old != nil {
		_ = old.Close() // nothing is buffered
	}
	return nil
}

// Write takes one line.
func (l *logFile) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Write(line)
}

// follow opens the file anew at each SIGHUP until stop, which closes it.
func (l *logFile) follow(log *slog.Logger) (stop func()) {
	hangups, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(hangups, syscall.SIGHUP)
	var following sync.WaitGroup
	following.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-hangups:
			}
			if err := l.reopen(); err != nil {
				log.Error("LOG_FILE cannot be opened anew; lines go to the old file", "error", err)
				continue
			}
			log.Info("LOG_FILE was opened anew")
		}
	})
	return func() {
		signal.Stop(hangups)
		close(done)
		following.Wait()
		_ = l.file.Close() // nothing is buffered
	}
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
