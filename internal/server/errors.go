package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"turkey/internal/caller"
	"turkey/internal/fault"
	"turkey/internal/fault/codes"
)

// AuthError is the error of /v1, /health, /.well-known and of every path outside /api (auth-api.md §2).
type AuthError struct {
	Code          string       `json:"error" doc:"Stable code that programs branch on." example:"validation_error"`
	Message       string       `json:"message" doc:"What happened, for people." example:"Invalid request data"`
	Details       []AuthDetail `json:"details,omitempty" doc:"The fields that broke a rule."`
	Timestamp     string       `json:"timestamp" format:"date-time" doc:"When the error was made, UTC."`
	Path          string       `json:"path" doc:"Path of the request." example:"/v1/auth/login"`
	RequestID     string       `json:"requestId" doc:"The same as the header X-Request-Id; names the request in the log."`
	RetryAfter    int          `json:"retryAfter,omitempty" doc:"Whole seconds to wait before the next attempt."`
	LockoutActive bool         `json:"lockoutActive,omitempty" doc:"The account is locked for retryAfter seconds."`

	status int
	fault  *fault.Error // set while the request is not known yet
}

// AuthDetail is one rule that one field broke.
type AuthDetail struct {
	Field    string `json:"field" doc:"Dotted path of the field, empty for the body itself." example:"email"`
	Message  string `json:"message" example:"Required"`
	Code     string `json:"code" doc:"invalid_type, too_small, too_big, invalid_string or invalid_enum_value." example:"invalid_type"`
	Received string `json:"received,omitempty" doc:"JSON type that came instead." example:"undefined"`
}

func (e *AuthError) Error() string { return e.Code + ": " + e.Message }

// GetStatus is for huma.
func (e *AuthError) GetStatus() int { return e.status }

// APIError is the error of every path under /api (credential-api.md §1.1).
type APIError struct {
	Success    *bool          `json:"success,omitempty" doc:"Always false where it appears: limits, timeouts and the enveloped routes."`
	Message    string         `json:"error" doc:"What happened, for people." example:"Credential not found"`
	Code       string         `json:"code,omitempty" doc:"Stable code that programs branch on." example:"CREDENTIAL_NOT_FOUND"`
	Details    map[string]any `json:"details,omitempty" doc:"More, where there is more; errors lists broken rules."`
	RetryAfter int            `json:"retryAfter,omitempty" doc:"Whole seconds to wait before the next attempt."`

	status int
}

func (e *APIError) Error() string { return e.Code + ": " + e.Message }

// GetStatus is for huma.
func (e *APIError) GetStatus() int { return e.status }

// statusClientGone is nginx's number for a client that left before its answer; only the log sees it.
const statusClientGone = 499

// unavailableRetry is what Retry-After says of an outage when nobody knows better.
const unavailableRetry = 5 * time.Second

// errClientGone stands for whatever went wrong because the client left; nobody reads the answer.
var errClientGone = fault.New(fault.Internal, "", "")

// WriteError answers with err in the shape of the request's half; for middleware and plain handlers. Operations return
// their error instead.
func (s *Server) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	answer := render(r.Context(), r.URL.Path, false, err, w.Header().Set)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(answer.GetStatus())
	_ = marshalJSON(w, answer) // the client is gone when this fails
}

// line encodes answers into a buffer that is used again.
type line struct {
	buf bytes.Buffer
	enc *json.Encoder
}

var lines = sync.Pool{New: func() any {
	l := &line{}
	l.enc = json.NewEncoder(&l.buf)
	l.enc.SetEscapeHTML(false)
	return l
}}

// longLine is the size, in bytes, above which a buffer is not kept: the usual answer is far below.
const longLine = 64 << 10

// marshalJSON writes v as one line. What cannot be encoded panics before the first byte is out, and becomes a 500; what
// cannot be written is no error, because the client left.
func marshalJSON(w io.Writer, v any) error {
	l := lines.Get().(*line)
	if err := l.enc.Encode(v); err != nil {
		panic("encode answer: " + err.Error()) // the line goes with it: an encoder keeps its error
	}
	_, _ = w.Write(l.buf.Bytes())
	if l.buf.Cap() <= longLine {
		clear(l.buf.Bytes()) // it may have told a secret
		l.buf.Reset()
		lines.Put(l)
	}
	return nil
}

// render turns an error into the answer of the half that path lies in, sets Retry-After through setHeader and writes the
// cause to the log. enveloped adds success:false, for the /api routes whose answers carry success.
func render(ctx context.Context, path string, enveloped bool, err error, setHeader func(name, value string)) huma.StatusError {
	f := classify(ctx, path, err)
	logCause(ctx, path, f)

	status := codes.Kinds[f.Kind].Status
	if errors.Is(f, errClientGone) && ctx.Err() != nil {
		status = statusClientGone
	}
	retry := retrySeconds(f)
	if retry > 0 {
		setHeader("Retry-After", strconv.Itoa(retry))
	}
	if under("/api", path) {
		return renderAPI(f, status, retry, enveloped)
	}
	return renderAuth(ctx, path, f, status, retry)
}

func renderAuth(ctx context.Context, path string, f *fault.Error, status, retry int) *AuthError {
	told := codes.Auth(f.Kind, f.Code, f.Message)
	answer := &AuthError{
		Code:       told.Code,
		Message:    told.Message,
		Timestamp:  time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
		Path:       path,
		RequestID:  caller.RequestFrom(ctx).ID,
		RetryAfter: retry,
		status:     status,
	}
	for _, field := range f.Fields {
		answer.Details = append(answer.Details, AuthDetail{field.Name, field.Message, field.Code, field.Received})
	}
	answer.LockoutActive = answer.Code == "account_locked"
	return answer
}

func renderAPI(f *fault.Error, status, retry int, enveloped bool) *APIError {
	told := codes.API(f.Kind, f.Code, f.Message)
	answer := &APIError{Message: told.Message, Code: told.Code, Details: f.Details, status: status}
	if answer.Details == nil && len(f.Fields) > 0 {
		rules := make([]string, len(f.Fields))
		for i, field := range f.Fields {
			rules[i] = field.Message
			if field.Name != "" {
				rules[i] = field.Name + ": " + field.Message
			}
		}
		answer.Details = map[string]any{"errors": rules}
	}
	if f.Kind == fault.Limited {
		answer.RetryAfter = retry
	}
	if enveloped || f.Kind == fault.Limited || f.Kind == fault.Timeout {
		answer.Success = new(bool)
	}
	return answer
}

// retrySeconds rounds up; a limit and an outage always name a time.
func retrySeconds(f *fault.Error) int {
	wait := f.RetryAfter
	if wait <= 0 {
		switch f.Kind {
		case fault.Limited:
			wait = time.Second
		case fault.Unavailable:
			wait = unavailableRetry
		default:
			return 0
		}
	}
	return int(math.Ceil(wait.Seconds()))
}

// classify finds the fault that is to be told. Whatever broke because the request ran out of time or because the client
// left is told as that.
func classify(ctx context.Context, path string, err error) *fault.Error {
	f, isFault := fault.From(err)
	outage := !isFault || f.Kind == fault.Internal || f.Kind == fault.Unavailable
	switch {
	case outage && errors.Is(err, context.DeadlineExceeded) && errors.Is(context.Cause(ctx), errRequestTimeout):
		if under("/api", path) {
			return fault.New(fault.Timeout, "", "").Because(err)
		}
		return fault.New(fault.Unavailable, "", "").Because(err)
	case outage && errors.Is(err, context.Canceled) && errors.Is(ctx.Err(), context.Canceled):
		return errClientGone
	case errors.Is(err, context.DeadlineExceeded) && (!isFault || f.Kind == fault.Internal): // of a step that has a time of its own: what it waited for is away
		return fault.New(fault.Unavailable, "", "").Because(err)
	case isFault:
		return f
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return fault.New(fault.TooLarge, "", "")
	}
	return fault.New(fault.Internal, "", "").Because(err)
}

// logCause writes what is not rendered, with the request id that is.
func logCause(ctx context.Context, path string, f *fault.Error) {
	if codes.Kinds[f.Kind].Status < http.StatusInternalServerError || f.Cause == nil && f.Message == "" {
		return
	}
	var cause error = f
	if f.Message == "" {
		cause = f.Cause
	}
	level := slog.LevelError
	if f.Kind != fault.Internal {
		level = slog.LevelWarn // somebody else's outage
	}
	loggerFrom(ctx).LogAttrs(ctx, level, "request failed",
		slog.String("request_id", caller.RequestFrom(ctx).ID), slog.String("path", path), slog.String("error", cause.Error()))
}

func loggerFrom(ctx context.Context) *slog.Logger {
	if log, ok := ctx.Value(logKey{}).(*slog.Logger); ok {
		return log
	}
	return slog.Default()
}
