// Command peers compares the server with other programs that sign people in or keep their secrets: what an operation costs
// in processor time, in the server and in its database, measured in turns on one machine and one PostgreSQL. How each of
// them is got is in README.md; `make bench-peers PEERS=directory` runs it on what is there and writes bench/PEERS.md. It
// needs an otherwise quiet machine to mean much.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/bench/internal/proc"
	"turkey/internal/db/pgdev"
)

func main() {
	f := &field{}
	flag.StringVar(&f.programs, "dir", "", "where the peers were built")
	flag.StringVar(&f.turkey, "binary", "bin/turkey", "our program")
	flag.IntVar(&f.rounds, "rounds", 5, "rounds in which the two take turns, for each operation")
	flag.DurationVar(&f.slice, "slice", 1500*time.Millisecond, "length of one measured slice")
	flag.DurationVar(&f.warm, "warm", 5*time.Second, "length of the first load of each, which is not measured: compilers at run time need some thousand calls")
	flag.StringVar(&f.remark, "remark", "", "what the report says about the machine besides, such as that it was busy")
	only := flag.String("only", "", "compare just with the peers whose name holds this")
	report := flag.String("report", "bench/PEERS.md", "where the report goes; empty: nowhere")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := f.run(ctx, *only)
	stop()
	if err == nil && *report != "" {
		err = os.WriteFile(*report, []byte(strings.TrimSpace(f.text.String())+"\n"), 0o600)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// field is where they meet.
type field struct {
	programs, turkey string
	rounds           int
	slice, warm      time.Duration
	remark           string
	dir              string // what they write
	pg               *pgdev.Server
	master           int // process of PostgreSQL
	text             strings.Builder
}

// contestant is a program that is measured.
type contestant struct {
	name    string
	file    string // of those in the directory of the peers
	inside  bool   // its database is a library in its own process
	differs string // from ours in what an operation does
	start   func(context.Context, *field) (*server, error)
	version func(path string) (string, error)
}

var peers = []contestant{betterAuth, kratos, pocketBase}

// operations are what is compared, where a peer has something of the kind. fewer is how many times less processor time ours
// is meant to take.
var operations = []struct {
	name  string
	fewer int
}{{me, 4}, {refresh, 5}, {write, 3}, {read, 3}}

const (
	me      = "me"
	refresh = "refresh"
	write   = "credential write"
	read    = "credential read"
)

func (f *field) run(ctx context.Context, only string) error {
	var err error
	for _, path := range []*string{&f.programs, &f.turkey} {
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	if f.dir, err = os.MkdirTemp("", "turkey-peers-"); err != nil {
		return err
	}
	defer os.RemoveAll(f.dir)
	if err := os.Chmod(f.dir, 0o711); err != nil { //nolint:gosec // PostgreSQL's own account passes through
		return err
	}
	if f.pg, err = pgdev.Start(ctx, pgdev.Config{DataDir: filepath.Join(f.dir, "pg")}); err != nil {
		return err
	}
	defer f.pg.Stop() //nolint:errcheck // a temporary cluster
	if f.master, err = proc.Postmaster(filepath.Join(f.pg.DataDir, "pg")); err != nil {
		return err
	}
	var found []found
	ours, err := startOurs(ctx, f)
	if err != nil {
		return err
	}
	defer ours.stop()
	for _, p := range peers {
		path := filepath.Join(f.programs, p.file)
		if _, err := os.Stat(path); err != nil || !strings.Contains(strings.ToLower(p.name), strings.ToLower(only)) {
			fmt.Printf("(%s: left out)\n", p.name)
			continue
		}
		one, err := f.compare(ctx, ours, p)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if one.version, err = p.version(path); err != nil {
			return err
		}
		found = append(found, one)
	}
	if len(found) == 0 {
		return fmt.Errorf("none of the peers is in %s: bench/peers/README.md says how to get them", f.programs)
	}
	return f.print(ctx, found)
}

// compare measures every operation that a peer has too.
func (f *field) compare(ctx context.Context, ours *server, p contestant) (found, error) {
	all := found{contestant: p}
	theirs, err := p.start(ctx, f)
	if err != nil {
		return all, err
	}
	defer theirs.stop()
	for _, op := range operations {
		if theirs.acts[op.name] == nil {
			continue
		}
		fmt.Printf("(%s: %s)\n", p.name, op.name)
		d, err := f.duel(ctx, op.name, ours, theirs)
		if err != nil {
			return all, fmt.Errorf("%s: %w", op.name, err)
		}
		all.duels = append(all.duels, duel{op.name, op.fewer, d})
	}
	return all, nil
}

// database makes an empty one.
func (f *field) database(ctx context.Context, name string) error {
	return f.execute(ctx, "postgres", "CREATE DATABASE "+name)
}

// url is the address of a database for programs that want one; it is reached by the same socket as by ours.
func (f *field) url(name string) string {
	return "postgres://postgres@/" + name + "?host=" + f.pg.SocketDir + "&sslmode=disable"
}

// execute runs statements as the superuser.
func (f *field) execute(ctx context.Context, database string, statements ...string) error {
	conn, err := pgx.Connect(ctx, f.pg.DSN("postgres", database))
	if err != nil {
		return err
	}
	for _, s := range statements {
		if _, err = conn.Exec(ctx, s); err != nil {
			err = fmt.Errorf("%s: %w", s, err)
			break
		}
	}
	return errors.Join(err, conn.Close(ctx))
}
