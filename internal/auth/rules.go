package auth

import (
	_ "embed"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"

	"turkey/internal/fault"
)

// Field rules of the contract (auth-api.md §3). Each returns every rule that the value breaks.

var (
	appIDPattern = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,100}$`)
	// RFC 5321 dot-atom local part, then labels of a domain; quoted local parts and address literals are not accepted.
	emailPattern = regexp.MustCompile("^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
	// An encoded word (RFC 2047) has no place in an address, and there are mail servers that decode it all the same: they
	// would deliver to another address than the one that was checked.
	encodedWord    = regexp.MustCompile(`=\?[^?]+\?[bq]\?.*\?=`)
	refreshPattern = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
)

// normalEmail lowers ASCII letters only: lowering by Unicode's rules makes a k of the Kelvin sign, and so one person's
// address of another's.
func normalEmail(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, strings.TrimSpace(s))
}

// checkEmail takes the normal form.
func checkEmail(email string) (broken []fault.Field) {
	if len(email) > 254 {
		broken = append(broken, fault.Field{Name: "email", Message: "Email too long", Code: "too_big"})
	}
	if local, _, _ := strings.Cut(email, "@"); len(local) > 64 || !emailPattern.MatchString(email) || encodedWord.MatchString(local) {
		broken = append(broken, fault.Field{Name: "email", Message: "Invalid email format", Code: "invalid_string"})
	}
	return broken
}

// checkAppID checks an appId that was sent; nil means it was not.
func checkAppID(id *string) []fault.Field {
	switch {
	case id == nil || appIDPattern.MatchString(*id):
		return nil
	case *id == "":
		return []fault.Field{{Name: "appId", Message: "App ID cannot be empty", Code: "too_small"}}
	case utf8.RuneCountInString(*id) > 100:
		return []fault.Field{{Name: "appId", Message: "App ID too long", Code: "too_big"}}
	}
	return []fault.Field{{Name: "appId", Message: "App ID must contain only letters, numbers, underscores, and hyphens", Code: "invalid_string"}}
}

// passwordPolicy is what an app demands of a password being set.
type passwordPolicy struct {
	min     int  // characters
	classes bool // upper case, lower case, digit, special
}

// anyPolicy is what every app's policy contains, strictPolicy the contract's own.
var (
	anyPolicy    = passwordPolicy{min: 8}
	strictPolicy = passwordPolicy{min: 8, classes: true}
)

// checkAnyPassword checks a password being set together with the other fields, before its app is known. Once one rule is
// broken all of them are told.
func checkAnyPassword(name, password string) []fault.Field {
	if len(anyPolicy.check(name, password)) == 0 {
		return nil
	}
	return strictPolicy.check(name, password)
}

// check lists every rule that a password being set breaks. Lengths count characters; special is ASCII punctuation.
func (p passwordPolicy) check(name, password string) (broken []fault.Field) {
	n := utf8.RuneCountInString(password)
	if n < p.min {
		broken = append(broken, fault.Field{Name: name, Message: fmt.Sprintf("Password must be at least %d characters", p.min), Code: "too_small"})
	}
	if n > 128 {
		broken = append(broken, fault.Field{Name: name, Message: "Password too long", Code: "too_big"})
	}
	if commonPassword(password) {
		broken = append(broken, fault.Field{Name: name, Message: "This password is one of the most common ones; choose another", Code: "invalid_string"})
	}
	if !p.classes {
		return broken
	}
	const lower, upper, digit = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
	const special = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
	for _, class := range []string{lower, upper, digit, special} {
		if !strings.ContainsAny(password, class) {
			return append(broken, fault.Field{Name: name, Code: "invalid_string",
				Message: "Password must contain at least one uppercase letter, one lowercase letter, one number, and one special character"})
		}
	}
	return broken
}

// commonPasswords are the most common passwords of at least eight characters, in lower case, one a line. Source: the
// password frequency list of zxcvbn (MIT licence).
//
//go:embed common_passwords.txt
var commonPasswords string

var commonSet = sync.OnceValue(func() map[string]struct{} {
	set := map[string]struct{}{}
	for line := range strings.Lines(commonPasswords) {
		set[strings.TrimSpace(line)] = struct{}{}
	}
	return set
})

// commonPassword compares the whole password, without regard to case.
func commonPassword(password string) bool {
	_, common := commonSet()[strings.ToLower(password)]
	return common
}

// checkGivenPassword checks a password being presented: the policy is for new ones only.
func checkGivenPassword(name, password string) []fault.Field {
	switch {
	case password == "":
		return []fault.Field{{Name: name, Message: "Required", Code: "too_small"}}
	case len(password) > 1024:
		return []fault.Field{{Name: name, Message: "Password too long", Code: "too_big"}}
	}
	return nil
}

func checkRefreshToken(token string) []fault.Field {
	switch {
	case token == "":
		return []fault.Field{{Name: "refreshToken", Message: "Token is required", Code: "too_small"}}
	case len(token) > 4096 || !refreshPattern.MatchString(token):
		return []fault.Field{{Name: "refreshToken", Message: "Invalid token format", Code: "invalid_string"}}
	}
	return nil
}
