package mail

import (
	"errors"
	"fmt"
)

// failure is why a message did not go out. Its words are for the operator's log and hold neither a body nor a secret.
type failure struct {
	permanent bool
	err       error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func permanentf(format string, args ...any) error {
	return &failure{permanent: true, err: fmt.Errorf(format, args...)}
}

func temporaryf(format string, args ...any) error {
	return &failure{err: fmt.Errorf(format, args...)}
}

// IsPermanent reports whether sending the same message again would fail in the same way: the other side refused it for
// good, or it is not a message at all. An error of an unknown kind is taken for a passing one.
func IsPermanent(err error) bool {
	f, ok := errors.AsType[*failure](err)
	return ok && f.permanent
}
