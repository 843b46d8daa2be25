package oidc

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	josejson "github.com/go-jose/go-jose/v4/json" // refuses members that come twice and compares names exactly
)

// maxName is how many characters an issuer or a subject may have (OpenID Connect Core §2).
const maxName = 255

// parsed is a token as it reads, unverified.
type parsed struct {
	alg           jose.SignatureAlgorithm
	kid, typ      string
	critical      bool // names an extension that has to be understood
	issuer        string
	subject       string
	audience      []string
	party         string // azp
	email, name   string
	emailVerified *bool
	expires       time.Time
	notBefore     time.Time
	issuedAt      time.Time
}

// Peek reads the issuer that a token names, unverified: it tells who is to verify the token and nothing else. ok is false
// for what is no token.
func Peek(token string) (issuer string, ok bool) {
	_, claims, err := split(token)
	if err != nil {
		return "", false
	}
	issuer, err = text(claims, "iss")
	return issuer, err == nil
}

type members = map[string]json.RawMessage

// split decodes header and payload.
func split(token string) (header, claims members, err error) {
	parts := strings.Split(token, ".")
	if len(token) > maxToken || len(parts) != 3 || strings.ContainsAny(token, "\r\n") {
		return nil, nil, malformed("it has not three parts, or too many bytes")
	}
	for i, into := range []*members{&header, &claims} {
		b, err := base64.RawURLEncoding.Strict().DecodeString(parts[i])
		if err != nil {
			return nil, nil, malformed("a part of it is not base64url")
		}
		if josejson.Unmarshal(b, into) != nil || *into == nil {
			return nil, nil, malformed("a part of it is not a JSON object, or a member comes twice")
		}
	}
	return header, claims, nil
}

// parse reads a token. An error is ErrMalformed, or ErrRefused for claims of a wrong form.
func parse(token string) (parsed, error) {
	var p parsed
	header, claims, err := split(token)
	if err != nil {
		return p, err
	}
	alg, err := text(header, "alg")
	if err != nil || alg == "" {
		return p, malformed("its header has no alg")
	}
	p.alg = jose.SignatureAlgorithm(alg)
	_, p.critical = header["crit"]
	if _, detached := header["b64"]; detached {
		p.critical = true
	}
	if p.subject, err = text(claims, "sub"); err != nil || !storable(p.subject) {
		return p, malformed("it has no usable sub")
	}
	var errs [8]error
	p.kid, errs[0] = text(header, "kid")
	p.typ, errs[1] = text(header, "typ")
	p.issuer, errs[2] = text(claims, "iss")
	p.party, errs[3] = text(claims, "azp")
	p.audience, errs[4] = texts(claims["aud"])
	p.expires, errs[5] = moment(claims["exp"])
	p.notBefore, errs[6] = moment(claims["nbf"])
	p.issuedAt, errs[7] = moment(claims["iat"])
	if errors.Join(errs[:]...) != nil || p.issuer != "" && !storable(p.issuer) {
		return p, refused("a claim has the wrong form")
	}
	p.email, p.name = hint(claims, "email"), hint(claims, "name")
	p.emailVerified = yesOrNo(claims["email_verified"])
	return p, nil
}

// checkHeader holds the header to the algorithms of the issuer and refuses what says that it is no access or session token.
func (p parsed) checkHeader(algs []jose.SignatureAlgorithm) error {
	if !slices.Contains(algs, p.alg) {
		return refused("its algorithm is not one of the issuer's")
	}
	if p.critical {
		return refused("it names critical extensions")
	}
	// RFC 8725 §3.11: other kinds of tokens (refresh, logout, security events) name their type with +jwt.
	kind := strings.TrimPrefix(strings.ToLower(p.typ), "application/")
	if strings.HasSuffix(kind, "+jwt") && kind != "at+jwt" || strings.HasPrefix(kind, "refresh") {
		return refused("its typ is that of another kind of token")
	}
	return nil
}

// storable keeps out what PostgreSQL cannot hold, and the character that Go reads in place of every byte that is no text:
// two subjects would become one.
func storable(s string) bool {
	return strings.TrimSpace(s) != "" && utf8.RuneCountInString(s) <= maxName && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || r == utf8.RuneError
	})
}

// text is a member that must be a string; absent is "".
func text(m members, name string) (s string, err error) {
	if raw, ok := m[name]; ok {
		var p *string
		if err = json.Unmarshal(raw, &p); err == nil && p == nil {
			err = errForm
		}
		if err == nil {
			s = *p
		}
	}
	return s, err
}

var errForm = errors.New("wrong form")

// hint is a member that is no reason to refuse a token.
func hint(m members, name string) string {
	s, err := text(m, name)
	if err != nil {
		return ""
	}
	return s
}

// texts is a string or a list of strings.
func texts(raw json.RawMessage) (list []string, err error) {
	if raw == nil {
		return nil, nil
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}, nil
	}
	err = json.Unmarshal(raw, &list)
	return list, err
}

// moment is a NumericDate (RFC 7519 §2); absent is the zero time.
func moment(raw json.RawMessage) (t time.Time, err error) {
	if raw == nil {
		return t, nil
	}
	var seconds *float64
	if err = json.Unmarshal(raw, &seconds); err != nil || seconds == nil {
		return t, errForm
	}
	const year9999 = 253402300799
	if *seconds < 0 || *seconds > year9999 { // some issuers write nbf 0
		return t, errForm
	}
	whole, part := math.Modf(*seconds)
	return time.Unix(int64(whole), int64(part*1e9)), nil
}

// yesOrNo is a boolean, which some issuers write as a string.
func yesOrNo(raw json.RawMessage) *bool {
	v := strings.Trim(string(raw), `"`)
	if v != "true" && v != "false" {
		return nil
	}
	yes := v == "true"
	return &yes
}

func malformed(why string) error { return fmt.Errorf("%w: %s", ErrMalformed, why) }
