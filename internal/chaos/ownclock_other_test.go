//go:build !linux || !amd64

package chaos_test

import "errors"

const canShift = false

func shiftOwnClock(string) error {
	return errors.New("only a process on Linux and amd64 can be given a clock of its own")
}
