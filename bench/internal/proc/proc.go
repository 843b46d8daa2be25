// Package proc reads what processes cost from /proc (Linux): proc(5).
package proc

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const clockTick = 10 * time.Millisecond // USER_HZ is 100 on every Linux this runs on

// stat returns the fields of /proc/<pid>/stat after the program's name.
func stat(pid int) []string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return strings.Fields(rest)
}

// CPU is the processor time of a process so far.
func CPU(pid int) time.Duration {
	f := stat(pid)
	if len(f) < 15 {
		return 0
	}
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * clockTick
}

// Family is the processor time of a process and its children, those that ended included.
func Family(pid int) time.Duration {
	sum := CPU(pid)
	if f := stat(pid); len(f) > 14 {
		user, _ := strconv.Atoi(f[13])
		system, _ := strconv.Atoi(f[14])
		sum += time.Duration(user+system) * clockTick
	}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		child, _ := strconv.Atoi(filepath.Base(d))
		if f := stat(child); len(f) > 1 && f[1] == strconv.Itoa(pid) {
			sum += CPU(child)
		}
	}
	return sum
}

// RSS is the resident set of a process in bytes.
func RSS(pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b))
	pages, _ := strconv.Atoi(f[1])
	return pages * os.Getpagesize()
}

// Postmaster is the process of the PostgreSQL whose cluster is in a directory; its children do the work.
func Postmaster(cluster string) (int, error) {
	b, err := os.ReadFile(filepath.Join(cluster, "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return strconv.Atoi(line)
}

// Field is the first value of that name in a file of lines "name : value", of which /proc has several.
func Field(path, name string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if n, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(n) == name {
			return strings.TrimSpace(value), nil
		}
	}
	return "", fmt.Errorf("no %s in %s", name, path)
}
