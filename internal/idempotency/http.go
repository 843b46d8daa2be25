package idempotency

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"turkey/internal/caller"
	"turkey/internal/fault"
)

// The headers of the contract.
const (
	keyHeader      = "Idempotency-Key"
	replayedHeader = "Idempotency-Replayed"
)

// Once is a middleware for after authentication: it lets a user's write with an Idempotency-Key through once. Everything
// else passes untouched.
func (s *Service) Once(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		user, known := caller.UserFrom(ctx.Context())
		key, sent := keyOf(ctx)
		if !sent || !known {
			next(ctx)
			return
		}
		refuse := func(err error) {
			_ = huma.WriteErr(api, ctx, http.StatusBadRequest, "", err) // a client that is gone hears nothing
		}
		if !validKey(key) {
			refuse(fault.New(fault.Invalid, "", "Invalid request data").WithFields(fault.Field{Name: keyHeader,
				Message: "Must be 1 to 255 visible ASCII characters", Code: "invalid_string"}))
			return
		}
		body, err := io.ReadAll(ctx.BodyReader()) // bounded by the server
		if err != nil {
			_ = huma.WriteErr(api, ctx, http.StatusBadRequest, "cannot read request body", err) // the words that huma has for it
			return
		}
		target := ctx.URL()
		r := s.newRequest(user.ID, key, ctx.Method(), target.EscapedPath()+"?"+target.RawQuery, body)
		claim, before, err := s.begin(ctx.Context(), r)
		switch {
		case err != nil:
			refuse(told(err))
		case before != nil:
			replay(ctx, before)
		default:
			s.run(&exchange{humaContext: ctx, body: body, header: http.Header{}}, r, claim, next)
		}
	}
}

// run lets the request through and stores its answer before the client has it.
func (s *Service) run(x *exchange, r request, claim uuid.UUID, next func(huma.Context)) {
	returned := false
	defer func() {
		if !returned { // a panic
			s.release(x.Context(), r, claim)
		}
	}()
	next(x)
	returned = true
	if worthKeeping(x.Status()) && !x.passing {
		s.keep(x.Context(), r, claim, answer{Status: x.Status(), Header: x.header, Body: x.out.Bytes()})
	} else {
		s.release(x.Context(), r, claim)
	}
	x.pass()
}

func keyOf(ctx huma.Context) (key string, sent bool) {
	switch ctx.Method() {
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		return "", false
	}
	if key = ctx.Header(keyHeader); key != "" {
		return key, true
	}
	ctx.EachHeader(func(name, _ string) { sent = sent || name == keyHeader }) // an empty one protects from nothing: it is an error
	return "", sent
}

func validKey(key string) bool {
	return len(key) >= 1 && len(key) <= 255 && !strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' })
}

// told is an error for the caller.
func told(err error) error {
	switch {
	case errors.Is(err, errConflict):
		return fault.New(fault.Conflict, "idempotency_conflict", "This Idempotency-Key was used for another request: use a new one for each")
	case errors.Is(err, errInProgress):
		return fault.New(fault.Conflict, "idempotency_in_progress", "A request with this Idempotency-Key is still being answered. Please try again shortly.").
			WithRetryAfter(time.Second)
	}
	return err
}

func replay(ctx huma.Context, a *answer) {
	for name, values := range a.Header {
		for i, v := range values {
			if i == 0 {
				ctx.SetHeader(name, v)
			} else {
				ctx.AppendHeader(name, v)
			}
		}
	}
	ctx.SetHeader(replayedHeader, "true")
	ctx.SetStatus(a.Status)
	_, _ = ctx.BodyWriter().Write(a.Body) // the client is gone when this fails
}

type humaContext huma.Context

// exchange holds an answer back until it is stored. One that is too large to be stored passes from then on.
type exchange struct {
	humaContext
	body    []byte
	status  int
	header  http.Header // what the operation set; never a cookie
	out     bytes.Buffer
	passing bool
}

// Unwrap is for humago.Unwrap.
func (x *exchange) Unwrap() huma.Context { return x.humaContext }

func (x *exchange) BodyReader() io.Reader { return bytes.NewReader(x.body) }

func (x *exchange) Status() int {
	if x.status == 0 {
		return http.StatusOK
	}
	return x.status
}

func (x *exchange) SetStatus(code int) { x.status = code }

func (x *exchange) SetHeader(name, value string) {
	x.humaContext.SetHeader(name, value)
	if keeps(name) {
		x.header.Set(name, value)
	}
}

func (x *exchange) AppendHeader(name, value string) {
	x.humaContext.AppendHeader(name, value)
	if keeps(name) {
		x.header.Add(name, value)
	}
}

// keeps: a cookie belongs to the answer that it came with, as its session may have gone on since.
func keeps(name string) bool { return !strings.EqualFold(name, "Set-Cookie") }

func (x *exchange) BodyWriter() io.Writer { return x }

func (x *exchange) Write(p []byte) (int, error) {
	if !x.passing && x.out.Len()+len(p) > maxAnswer {
		x.pass()
	}
	if x.passing {
		return x.humaContext.BodyWriter().Write(p)
	}
	return x.out.Write(p)
}

// pass sends what was held back.
func (x *exchange) pass() {
	if x.passing {
		return
	}
	x.passing = true
	x.humaContext.SetStatus(x.Status())
	if x.out.Len() > 0 {
		_, _ = x.humaContext.BodyWriter().Write(x.out.Bytes()) // the client is gone when this fails
	}
}
