package pgdev

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

const oldest = 14 // the major version below which the migrations do not run

// programs is a directory with postgres and initdb of one major version.
type programs struct {
	dir   string
	major int
}

// installations are the places where packagers put the server programs outside PATH. scripts/setup.sh looks there too.
var installations = []string{
	"/usr/lib/postgresql/*/bin", // Debian, Ubuntu
	"/usr/pgsql-*/bin",          // PGDG on Red Hat and its kin
	"/usr/libexec/postgresql*",  // Alpine
	"/usr/lib/postgresql*/bin",  // SUSE
	"/usr/local/pgsql/bin",
	"/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin", "/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
	"/Applications/Postgres.app/Contents/Versions/*/bin",
}

// findPrograms returns the programs that made the data of the place, or the first usable ones if there is no data: those
// of PATH, else the newest installed.
func findPrograms(ctx context.Context, binDir string, place *place) (programs, error) {
	dirs := []string{binDir}
	if binDir == "" {
		dirs = candidates()
	}
	made := 0
	if b, err := os.ReadFile(filepath.Join(place.dir, "pg", "PG_VERSION")); err == nil {
		made = leadingInt(string(b))
	}
	var usable []programs
	var problem error
	for _, dir := range dirs {
		p, err := inspect(ctx, dir, place.account)
		switch {
		case err != nil:
			problem = err
		case p.major < oldest:
			problem = fmt.Errorf("PostgreSQL %d in %s is too old: version %d or newer is needed; %s", p.major, dir, oldest, howToInstall(""))
		case made == 0 || p.major == made:
			return p, nil
		default:
			usable = append(usable, p)
		}
	}
	if len(usable) > 0 {
		return programs{}, fmt.Errorf("the data in %s was made by PostgreSQL %d, and the programs in %s are version %d: "+
			"%s, or dump and reload the data, or remove that directory to start empty",
			filepath.Join(place.dir, "pg"), made, usable[0].dir, usable[0].major, howToInstall(strconv.Itoa(made)))
	}
	if problem != nil {
		return programs{}, problem
	}
	return programs{}, fmt.Errorf("no PostgreSQL server programs (postgres and initdb, version %d or newer) found on this machine: "+
		"%s, name their directory in TURKEY_POSTGRES_BIN, or set DATABASE_URL", oldest, howToInstall(""))
}

// ProgramDirs lists the directories that may hold programs of PostgreSQL, in order of preference: TURKEY_POSTGRES_BIN, PATH,
// the places of packagers with the newest version first.
func ProgramDirs() []string {
	dirs := filepath.SplitList(os.Getenv("TURKEY_POSTGRES_BIN"))
	dirs = append(dirs, filepath.SplitList(os.Getenv("PATH"))...)
	var installed []string
	for _, pattern := range installations {
		if m, err := filepath.Glob(pattern); err == nil { // the only error is a bad pattern
			installed = append(installed, m...)
		}
	}
	slices.SortStableFunc(installed, func(a, b string) int { return trailingInt(b) - trailingInt(a) })
	return slices.DeleteFunc(append(dirs, installed...), func(dir string) bool { return !filepath.IsAbs(dir) })
}

// candidates lists the directories that have both programs, in order of preference.
func candidates() []string {
	return slices.DeleteFunc(ProgramDirs(), func(dir string) bool {
		return !executable(filepath.Join(dir, "postgres")) || !executable(filepath.Join(dir, "initdb"))
	})
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// inspect asks postgres for its version, as the account that will run it.
func inspect(ctx context.Context, dir string, account *account) (programs, error) {
	path := filepath.Join(dir, "postgres")
	if !executable(path) || !executable(filepath.Join(dir, "initdb")) {
		return programs{}, fmt.Errorf("%s does not hold the PostgreSQL server programs (postgres and initdb): "+
			"correct TURKEY_POSTGRES_BIN, or unset it and %s", dir, howToInstall(""))
	}
	cmd := exec.CommandContext(ctx, path, "-V") //nolint:gosec // G204: the program is the one the operator installed or named
	cmd.Dir, cmd.Env, cmd.SysProcAttr = "/", environment(), &syscall.SysProcAttr{Credential: account.credential()}
	out, err := cmd.Output()
	if errors.Is(err, syscall.EACCES) && account != nil {
		return programs{}, fmt.Errorf("the account %s, which PostgreSQL runs as, cannot execute %s: install PostgreSQL where all users reach it", account.name, path)
	}
	if err != nil {
		return programs{}, fmt.Errorf("%s -V: %w", path, err)
	}
	_, version, _ := strings.Cut(string(out), ") ") // postgres (PostgreSQL) 18.1 (Debian 18.1-1)
	major := leadingInt(version)
	if major == 0 {
		return programs{}, fmt.Errorf("%s -V does not tell a PostgreSQL version: %q", path, out)
	}
	return programs{dir: dir, major: major}, nil
}

// howToInstall names the command of this platform; a version is asked for only where several can live side by side.
func howToInstall(version string) string {
	if runtime.GOOS == "darwin" {
		return "install them with `brew install postgresql@" + cmp.Or(version, "17") + "`"
	}
	for _, manager := range []struct{ program, command string }{
		{"apt-get", "apt-get install postgresql" + after("-", version)},
		{"dnf", "dnf install postgresql" + version + "-server"},
		{"apk", "apk add postgresql" + version},
		{"zypper", "zypper install postgresql" + version + "-server"},
		{"pacman", "pacman -S postgresql"},
		{"brew", "brew install postgresql@" + cmp.Or(version, "17")},
	} {
		if _, err := exec.LookPath(manager.program); err == nil {
			return "install them with `" + manager.command + "`"
		}
	}
	return "install the package that holds the PostgreSQL server"
}

func after(separator, s string) string {
	if s == "" {
		return ""
	}
	return separator + s
}

func leadingInt(s string) int {
	s = strings.TrimSpace(s)
	end := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(s)
	}
	n, err := strconv.Atoi(s[:end])
	if err != nil {
		return 0
	}
	return n
}

// trailingInt is the last number in a path: the major version, in the installations above.
func trailingInt(path string) int {
	n := 0
	for _, part := range strings.FieldsFunc(path, func(r rune) bool { return r < '0' || r > '9' }) {
		n = leadingInt(part)
	}
	return n
}
