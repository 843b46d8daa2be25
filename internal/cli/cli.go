// Package cli is every command of the one binary: `turkey serve` runs the server, and `gravy` (a second name for the
// same program) is the operator's command line. It wires the domains together and is imported by nothing.
//
// Exit codes: 0 done, 1 failed, 2 used wrongly, 3 an import with rows that failed.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"turkey/internal/config"
)

// version is stamped by the build.
var version = "1.0.0"

// program is what a command needs from outside.
type program struct {
	in       io.Reader
	out, err io.Writer
	json     bool
	stopped  <-chan struct{} // Ctrl-C, SIGTERM
}

// usageError marks a command line that was wrong in itself.
type usageError struct{ error }

// Main runs a command line and returns its exit code.
func Main(args []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	p := &program{in: in, out: out, err: errOut, stopped: ctx.Done()}
	root := p.root(filepath.Base(args[0]))
	root.SetArgs(splitColon(args[1:]))
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errQuiet):
		return 1
	}
	fmt.Fprintln(errOut, "Error:", err)
	if _, ok := errors.AsType[usageError](err); ok {
		return 2
	}
	if errors.Is(err, errPartly) {
		return 3
	}
	return 1
}

// errQuiet fails a command that has said all there is to say.
var errQuiet = errors.New("failed")

// splitColon makes `gravy db:migrate` the same as `gravy db migrate`: the first colon of the first argument alone.
func splitColon(args []string) []string {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return args
	}
	group, command, found := strings.Cut(args[0], ":")
	if !found {
		return args
	}
	return append([]string{group, command}, args[1:]...)
}

func (p *program) root(name string) *cobra.Command {
	root := &cobra.Command{
		Use:           name,
		Short:         "TurKey: users, their third-party credentials, and the pipeline that uses them, for every app you run",
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE:          listCommands,
	}
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.err)
	root.PersistentFlags().BoolVar(&p.json, "json", false, "print JSON")
	root.Flags().BoolP("version", "V", false, "print the version")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(p.serveCommand(), p.workerCommand(), p.sandboxCommand(), p.dbCommand(), p.appCommand(), p.userCommand(), p.sessionCommand(), p.adminKeyCommand(), p.jobCommand(), p.devCommand(), p.tokenCommand(), p.keyCommand(), p.securityCommand(), p.analyticsCommand(), p.vaultCommand(), p.backupCommand(), p.auditCommand(), p.importCommand(), p.demoCommand(), p.doctorCommand(), p.healthcheckCommand(), p.openapiCommand())
	return root
}

// group is a command that only holds others; called alone or with an unknown word it says what there is.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, RunE: listCommands}
	g.AddCommand(commands...)
	return g
}

func listCommands(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unknown command %q for %q; see %s --help", args[0], cmd.CommandPath(), cmd.CommandPath())}
	}
	return cmd.Help()
}

// noArgs refuses arguments as wrong use.
func noArgs(cmd *cobra.Command, args []string) error {
	if err := cobra.NoArgs(cmd, args); err != nil {
		return usageError{err}
	}
	return nil
}

// print writes v as JSON with --json, else the text.
func (p *program) print(v any, format string, args ...any) error {
	if p.json {
		e := json.NewEncoder(p.out)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	_, err := fmt.Fprintf(p.out, format+"\n", args...)
	return err
}

func loadConfig() (*config.Config, error) {
	cfg, err := config.Load(".")
	if err != nil {
		return nil, fmt.Errorf("the configuration has problems:\n  %s", strings.ReplaceAll(err.Error(), "\n", "\n  "))
	}
	return cfg, nil
}
