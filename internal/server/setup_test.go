package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"turkey/internal/caller"
	"turkey/internal/fault"
	"turkey/internal/server"
)

// secret is planted wherever a client can put a value; it must never come back.
const secret = "hunter2-canary"

type bundle struct {
	*server.Server
	t    *testing.T
	log  *logBuffer
	http *httptest.Server
}

// logBuffer collects log lines of parallel requests.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// setup starts a server with a few operations of an imaginary domain; change adapts its Config.
func setup(t *testing.T, change func(*server.Config)) *bundle {
	t.Helper()
	log := &logBuffer{}
	cfg := server.Config{
		Version: "1.2.3",
		Log:     slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Origins: []string{"https://app.example.com"},
		Ping:    func(context.Context) error { return nil },
		Started: time.Now().Add(-3*time.Minute - 5*time.Second),
	}
	if change != nil {
		change(&cfg)
	}
	s := server.New(cfg)
	mountDomain(s)
	ts := httptest.NewServer(s.Handler())
	t.Cleanup(ts.Close)
	return &bundle{s, t, log, ts}
}

type signUp struct {
	Email    string          `json:"email" doc:"Address of the user."`
	Age      int             `json:"age,omitempty"`
	Admin    bool            `json:"admin,omitempty"`
	App      *string         `json:"appId,omitempty"`
	Note     *string         `json:"note,omitempty" nullable:"true"`
	Tags     []string        `json:"tags,omitempty"`
	Options  options         `json:"options,omitzero"`
	Labels   map[string]int  `json:"labels,omitempty"`
	Content  json.RawMessage `json:"content,omitempty"`
	Device   uuid.UUID       `json:"device,omitzero"`
	Since    time.Time       `json:"since,omitzero"`
	Password string          `json:"password"`
}

type options struct {
	Sheet string `json:"sheet"`
	Depth int8   `json:"depth,omitempty"`
}

// Validate is called by the server.
func (s *signUp) Validate() []fault.Field {
	var fields []fault.Field
	if !strings.Contains(s.Email, "@") {
		fields = append(fields, fault.Field{Name: "email", Message: "Invalid email format", Code: "invalid_string"})
	}
	if len(s.Password) < 8 {
		fields = append(fields, fault.Field{Name: "password", Message: "Password must be at least 8 characters", Code: "too_small"})
	}
	return fields
}

type signUpIn struct{ Body signUp }

type echoOut struct{ Body signUp }

type patchIn struct {
	Body struct {
		Name string `json:"name,omitempty"`
	}
}

type messageOut struct {
	Body struct {
		Message string `json:"message"`
	}
}

type paramsIn struct {
	ID    int       `path:"id" minimum:"1"`
	Limit int       `query:"limit" maximum:"100"`
	Kind  string    `query:"kind" enum:"meta,ga4"`
	Trace uuid.UUID `query:"trace"`
	Mail  string    `query:"mail" format:"email"`
	Count int       `header:"X-Count"`
}

// faults are what the imaginary domain can be asked to return, by name.
var faults = map[string]error{
	"slow":        fmt.Errorf("pq: %s: %w", secret, context.DeadlineExceeded),
	"plain":       errors.New("pq: relation " + secret + " does not exist"),
	"internal":    fault.New(fault.Internal, "", "").Because(errors.New(secret)),
	"unavailable": fault.New(fault.Unavailable, "", "").Because(errors.New(secret)),
	"limited":     fault.New(fault.Limited, "", "").WithRetryAfter(1500 * time.Millisecond),
	"locked":      fault.New(fault.Limited, "account_locked", "Locked.").WithRetryAfter(5 * time.Minute),
	"token":       fault.New(fault.Unauthenticated, "token_expired", "Token has expired"),
	"credential":  fault.New(fault.NotFound, "CREDENTIAL_NOT_FOUND", "Credential not found"),
	"format":      fault.New(fault.Invalid, "INVALID_CREDENTIAL_FORMAT", "Invalid credential format").WithDetails(map[string]any{"errors": []string{"x"}}),
	"fields":      fault.New(fault.Invalid, "validation_error", "Invalid request data").WithFields(fault.Field{Name: "a.b", Message: "Required", Code: "invalid_type", Received: "undefined"}),
	"huma":        huma.Error404NotFound("gone"),
	"conflict":    fault.New(fault.Conflict, "user_exists", "User already exists"),
}

func mountDomain(s *server.Server) {
	api := s.API()
	for half, root := range map[string]string{"auth": "/v1", "api": "/api"} {
		op := func(id, method, path string) huma.Operation {
			return huma.Operation{
				OperationID: half + "-" + id, Method: method, Path: root + path, Tags: []string{"Users"},
				Summary: "Test " + id, Description: "An operation of the `test` domain.", SkipValidateBody: true,
				Security: []map[string][]string{{"bearerAuth": {}}},
			}
		}
		huma.Register(api, op("sign-up", http.MethodPost, "/sign-up"), func(_ context.Context, in *signUpIn) (*echoOut, error) {
			in.Body.Password = ""
			return &echoOut{in.Body}, nil
		})
		huma.Register(api, op("patch", http.MethodPatch, "/patch"), func(_ context.Context, in *patchIn) (*messageOut, error) {
			out := &messageOut{}
			out.Body.Message = "name=" + in.Body.Name
			return out, nil
		})
		huma.Register(api, op("params", http.MethodGet, "/params/{id}"), func(context.Context, *paramsIn) (*messageOut, error) {
			return &messageOut{}, nil
		})
		huma.Register(api, op("fail", http.MethodGet, "/fail/{with}"), func(_ context.Context, in *struct {
			With string `path:"with"`
		},
		) (*messageOut, error) {
			return nil, faults[in.With]
		})
		huma.Register(api, op("panic", http.MethodGet, "/panic"), func(context.Context, *struct{}) (*messageOut, error) {
			panic("boom " + secret)
		})
		huma.Register(api, op("unencodable", http.MethodGet, "/unencodable"), func(context.Context, *struct{}) (*struct{ Body any }, error) {
			return &struct{ Body any }{map[string]any{"f": func() {}}}, nil
		})
		huma.Register(api, op("wait", http.MethodGet, "/wait"), func(ctx context.Context, _ *struct{}) (*messageOut, error) {
			<-ctx.Done()
			return nil, fault.New(fault.Unavailable, "", "").Because(ctx.Err())
		})
		huma.Register(api, op("who", http.MethodGet, "/who"), func(ctx context.Context, _ *struct{}) (*messageOut, error) {
			out, from := &messageOut{}, caller.RequestFrom(ctx)
			out.Body.Message = from.IP + " " + from.ID + " " + from.UserAgent
			return out, nil
		})
	}
}

// answer is a reply that has been read.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   string
}

func (b *bundle) do(method, path, body string, headers ...string) answer {
	b.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	return b.send(method, path, reader, headers...)
}

func (b *bundle) send(method, path string, body io.Reader, headers ...string) answer {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.http.URL+path, body)
	if err != nil {
		b.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{b.t, res.StatusCode, res.Header, string(text)}
}

func (b *bundle) get(path string, headers ...string) answer {
	b.t.Helper()
	return b.do(http.MethodGet, path, "", headers...)
}

func (b *bundle) post(path, body string) answer {
	b.t.Helper()
	return b.do(http.MethodPost, path, body, "Content-Type", "application/json")
}

// object decodes the body.
func (a answer) object() map[string]any {
	a.t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		a.t.Fatalf("answer is not a JSON object: %v: %q", err, a.body)
	}
	return m
}

func (a answer) want(status int, code string) answer {
	a.t.Helper()
	m := a.object()
	got := m["code"]
	if _, isAuth := m["requestId"]; isAuth {
		got = m["error"]
	}
	if a.status != status || got != code {
		a.t.Errorf("got %d %v, want %d %s: %s", a.status, got, status, code, a.body)
	}
	return a
}

func (a answer) wantBody(status int, body string) answer {
	a.t.Helper()
	if got := strings.TrimSpace(a.body); a.status != status || got != body {
		a.t.Errorf("got %d %s\nwant %d %s", a.status, got, status, body)
	}
	return a
}
