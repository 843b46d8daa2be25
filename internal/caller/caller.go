// Package caller carries who asks through the context: the request (always) and the user (once authenticated). Scopes,
// audit rows and log lines are made from these two values and from nothing else of a request.
package caller

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Request is what is known of every request before anybody is authenticated.
type Request struct {
	ID        string // made by the server, also in X-Request-Id
	IP        string // the client's address after the trusted proxies
	UserAgent string // cut to 512 bytes
}

// User is an authenticated caller, as the access token and the database agreed at the time of the check.
type User struct {
	ID            uuid.UUID
	AppID         string
	Email         string
	Role          string
	EmailVerified bool
	CreatedAt     time.Time
	SessionID     uuid.UUID // zero for tokens without a session
	TokenID       string    // jti
	TokenVersion  int32
	IssuedAt      time.Time
	ExpiresAt     time.Time
}

type requestKey struct{}
type userKey struct{}

// WithRequest returns a context that carries the request.
func WithRequest(ctx context.Context, r Request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

// RequestFrom returns the request of the context, or the zero Request (a job, a command).
func RequestFrom(ctx context.Context) Request {
	r, _ := ctx.Value(requestKey{}).(Request)
	return r
}

// WithUser returns a context that carries the authenticated user.
func WithUser(ctx context.Context, u User) context.Context {
	return context.WithValue(ctx, userKey{}, u)
}

// UserFrom returns the authenticated user; ok is false when nobody is.
func UserFrom(ctx context.Context) (u User, ok bool) {
	u, ok = ctx.Value(userKey{}).(User)
	return u, ok
}
