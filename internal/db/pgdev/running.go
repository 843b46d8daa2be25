package pgdev

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ErrInUse is the error of Start where another process runs the server of the directory.
var ErrInUse = errors.New("is in use")

// Running finds the server that another process runs on a data directory, waiting a moment for one that starts up. dsn is as
// Server.DSN gives it. The server lives as long as that process wants it to.
func Running(ctx context.Context, dataDir, role, database string) (dsn string, ok bool) {
	place, err := choosePlace(dataDir)
	if err != nil {
		return "", false
	}
	if place.dir, err = filepath.EvalSymlinks(place.dir); err != nil {
		return "", false
	}
	if place.root, err = os.OpenRoot(place.dir); err != nil {
		return "", false
	}
	defer place.root.Close() // it was only read from
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		if socket, ready := place.socketOfLive(); ready {
			return (&Server{SocketDir: socket}).DSN(role, database), true
		}
		select {
		case <-ctx.Done():
			return "", false
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// socketOfLive reads postmaster.pid: line 1 is the pid, line 5 the directory of the socket, line 8 the status.
func (p *place) socketOfLive() (dir string, ready bool) {
	lines := strings.Split(p.read("pg/postmaster.pid"), "\n")
	if len(lines) < 8 || strings.TrimSpace(lines[7]) != "ready" || lines[4] == "" {
		return "", false
	}
	pid, err := strconv.Atoi(lines[0])
	return lines[4], err == nil && isPostmaster(pid, filepath.Join(p.dir, "pg"))
}
