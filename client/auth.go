package client

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// User is an account as the server tells it.
type User struct {
	ID            string    `json:"id"`
	Email         string    `json:"email"`
	Role          string    `json:"role"`
	AppID         string    `json:"appId"`
	EmailVerified bool      `json:"emailVerified"`
	CreatedAt     time.Time `json:"createdAt"`
}

// Tokens are the two tokens of a session.
type Tokens struct {
	AccessToken  string `json:"accessToken"`
	RefreshToken string `json:"refreshToken"`
	ExpiresIn    int    `json:"expiresIn"` // seconds
	TokenType    string `json:"tokenType"`
}

// Session is a signed-in user. It is safe for concurrent use.
type Session struct {
	User User // as of the sign-in

	c        *Client
	mu       sync.Mutex
	t        Tokens
	until    time.Time  // the access token expires; zero: not known
	renewing sync.Mutex // held by the one that renews for all
}

type credentials struct {
	Email    string `json:"email"`
	Password string `json:"password"`
	AppID    string `json:"appId,omitempty"`
}

type signedIn struct {
	Data struct {
		User User `json:"user"`
		Tokens
	} `json:"data"`
}

// Register creates an account in the client's app and signs in.
func (c *Client) Register(ctx context.Context, email, password string) (*Session, error) {
	return c.signIn(ctx, "/v1/auth/register", email, password)
}

// Login signs in.
func (c *Client) Login(ctx context.Context, email, password string) (*Session, error) {
	return c.signIn(ctx, "/v1/auth/login", email, password)
}

func (c *Client) signIn(ctx context.Context, path, email, password string) (*Session, error) {
	var out signedIn
	if err := c.Do(ctx, http.MethodPost, path, "", credentials{email, password, c.app}, &out); err != nil {
		return nil, err
	}
	s := &Session{User: out.Data.User, c: c}
	s.keep(out.Data.Tokens)
	return s, nil
}

// Resume makes a session of tokens that were kept. When the access token expires is not known then: it is renewed once it is
// refused.
func (c *Client) Resume(t Tokens) *Session { return &Session{c: c, t: t} }

// Tokens returns the session's current tokens.
func (s *Session) Tokens() Tokens {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.t
}

// Refresh renews the tokens. Parallel calls renew once each and end with the same tokens. With an error the session keeps those it
// had: a refresh whose answer got lost gives the same tokens again.
func (s *Session) Refresh(ctx context.Context) error {
	var out struct {
		Data Tokens `json:"data"`
	}
	in := map[string]string{"refreshToken": s.Tokens().RefreshToken}
	if s.c.app != "" {
		in["appId"] = s.c.app
	}
	if err := s.c.Do(ctx, http.MethodPost, "/v1/auth/refresh", "", in, &out); err != nil {
		return err
	}
	if out.Data.AccessToken == "" || out.Data.RefreshToken == "" { // better an error than a lost session
		return fmt.Errorf("%w: a refresh that gives no tokens", ErrAnswer)
	}
	s.keep(out.Data)
	return nil
}

func (s *Session) keep(t Tokens) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.t, s.until = t, time.Now().Add(time.Duration(t.ExpiresIn)*time.Second)
}

// Logout ends the session; its access token ends with it.
func (s *Session) Logout(ctx context.Context) error {
	return s.c.Do(ctx, http.MethodPost, "/v1/auth/logout", "", map[string]string{"refreshToken": s.Tokens().RefreshToken}, nil)
}

// Me asks who the session's user is right now.
func (s *Session) Me(ctx context.Context) (User, error) {
	var out struct {
		Data User `json:"data"`
	}
	err := s.do(ctx, http.MethodGet, "/v1/users/me", nil, &out)
	return out.Data, err
}

func (s *Session) do(ctx context.Context, method, path string, body, out any) error {
	return s.c.Do(ctx, method, path, s.Tokens().AccessToken, body, out)
}
