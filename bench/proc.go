package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Figures of /proc (Linux): proc(5).

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

// cpu is the processor time of a process so far.
func cpu(pid int) time.Duration {
	f := stat(pid)
	if len(f) < 15 {
		return 0
	}
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * clockTick
}

// childrenCPU is the processor time of the children of a process, those that ended included.
func childrenCPU(pid int) time.Duration {
	sum := cpu(pid)
	if f := stat(pid); len(f) > 14 {
		user, _ := strconv.Atoi(f[13])
		system, _ := strconv.Atoi(f[14])
		sum += time.Duration(user+system) * clockTick
	}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		child, _ := strconv.Atoi(filepath.Base(d))
		if f := stat(child); len(f) > 1 && f[1] == strconv.Itoa(pid) {
			sum += cpu(child)
		}
	}
	return sum
}

// rss is the resident set of a process in bytes.
func rss(pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b))
	pages, _ := strconv.Atoi(f[1])
	return pages * os.Getpagesize()
}

func mib(bytes int) float64 { return float64(bytes) / (1 << 20) }
