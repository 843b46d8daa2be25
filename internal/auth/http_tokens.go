package auth

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"turkey/internal/fault"
)

func (s *Service) mountTokens(api huma.API) {
	keyed := func(op huma.Operation) huma.Operation {
		op.Security = []map[string][]string{{"serviceKey": {}}}
		return op
	}
	huma.Register(api, keyed(operation(http.MethodPost, "/v1/auth/introspect", "introspect", "Authentication", "Is this token worth anything",
		"For backend services. Tokens of any app; the truth of this moment: authentic, not expired, not revoked or rotated, of an active user. It never counts as a use.")), s.handleIntrospect)
	huma.Register(api, operation(http.MethodPost, "/v1/auth/revoke", "revoke", "Authentication", "Revoke a token",
		"With the service key any token; with a Bearer token the own ones; with neither exactly the token that is presented."), s.handleRevoke)
	huma.Register(api, keyed(operation(http.MethodPost, "/v1/auth/revocation-check", "revocationCheck", "Authentication", "Was this jti revoked",
		"One indexed look-up, for services that verify tokens themselves.")), s.handleRevocationCheck)
}

type tokenBody struct {
	Token  string  `json:"token"`
	Reason *string `json:"reason,omitempty" doc:"At most 1000 characters; the first 100 are kept"`
}

// Validate lists every broken rule.
func (b *tokenBody) Validate() []fault.Field {
	broken := checkToken(b.Token)
	if b.Reason != nil && len([]rune(*b.Reason)) > 1000 {
		broken = append(broken, fault.Field{Name: "reason", Message: "Reason too long", Code: "too_big"})
	}
	return broken
}

func checkToken(token string) []fault.Field {
	switch {
	case token == "":
		return []fault.Field{{Name: "token", Message: "Token is required", Code: "too_small"}}
	case len(token) > 8192:
		return []fault.Field{{Name: "token", Message: "Token too long", Code: "too_big"}}
	}
	return nil
}

type introspectInput struct {
	ServiceKey string `header:"X-Turkey-Service-Key"`
	Body       tokenBody
}

type introspectOutput struct {
	Body struct {
		Data Introspection `json:"data"`
	}
}

func (s *Service) handleIntrospect(ctx context.Context, in *introspectInput) (*introspectOutput, error) {
	if err := s.mayIntrospect(in.ServiceKey); err != nil {
		return nil, err
	}
	out := &introspectOutput{}
	var err error
	out.Body.Data, err = s.introspect(ctx, in.Body.Token)
	if err != nil {
		return nil, err
	}
	return out, nil
}

type revokeInput struct {
	ServiceKey    string `header:"X-Turkey-Service-Key"`
	Authorization string `header:"Authorization"`
	Body          tokenBody
}

func (s *Service) handleRevoke(ctx context.Context, in *revokeInput) (*messageOutput, error) {
	by, err := s.revoker(ctx, in)
	if err != nil {
		return nil, err
	}
	kind, err := s.revoke(ctx, in.Body.Token, value(in.Body.Reason), by)
	if err != nil {
		return nil, err
	}
	return message(kind + " token revoked"), nil
}

// revoker finds out who asks. A header that is there and wrong is an error, never ignored.
func (s *Service) revoker(ctx context.Context, in *revokeInput) (revoker, error) {
	switch {
	case in.ServiceKey != "":
		return revoker{service: true}, s.serviceKey(in.ServiceKey)
	case in.Authorization != "":
		u, err := s.Authenticate(ctx, in.Authorization)
		if err != nil && s.ownExpired(in, err) {
			return revoker{}, nil
		}
		return revoker{user: u.ID}, err
	case s.cfg.RequireRevokeAuth:
		return revoker{}, errMissingToken
	}
	return revoker{}, nil
}

// ownExpired: revoking a token with itself is idempotent, so one that was revoked a moment ago may still say so.
func (s *Service) ownExpired(in *revokeInput, err error) bool {
	token, headerErr := bearer(in.Authorization)
	return headerErr == nil && token == in.Body.Token && errors.Is(err, errTokenRevoked)
}

type checkBody struct {
	JTI string `json:"jti" missing:"handler"`
}

type checkInput struct {
	ServiceKey string `header:"X-Turkey-Service-Key"`
	Body       checkBody
}

type checkOutput struct {
	Body struct {
		Revoked   bool   `json:"revoked"`
		RevokedAt *int64 `json:"revokedAt,omitempty" doc:"Milliseconds since 1970"`
		Reason    string `json:"reason,omitempty"`
	}
}

func (s *Service) handleRevocationCheck(ctx context.Context, in *checkInput) (*checkOutput, error) {
	bare := len(s.cfg.ServiceKey) == 0 && s.cfg.Production // verifiers take an error for "not revoked", so it must answer
	if len(s.cfg.ServiceKey) > 0 {
		if err := s.serviceKey(in.ServiceKey); err != nil {
			return nil, err
		}
	}
	if in.Body.JTI == "" {
		return nil, fault.New(fault.Invalid, "validation_error", "Missing jti parameter")
	}
	if len(in.Body.JTI) > 100 {
		return &checkOutput{}, nil // no jti of ours is that long
	}
	revoked, at, reason, err := s.revocation(ctx, in.Body.JTI)
	if err != nil {
		return nil, err
	}
	out := &checkOutput{}
	out.Body.Revoked = revoked
	if revoked && !bare {
		ms := at.UnixMilli()
		out.Body.RevokedAt, out.Body.Reason = &ms, reason
	}
	return out, nil
}
