package auth

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"turkey/internal/caller"
	"turkey/internal/fault"
	"turkey/internal/wire"
)

// Bearer is the operation middleware that lets only authenticated users through and puts them into the context. It
// answers in the shape of the half of the API that was asked.
func (s *Service) Bearer(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		user, err := s.Authenticate(ctx.Context(), ctx.Header("Authorization"))
		if err != nil {
			if strings.HasPrefix(ctx.URL().Path, "/api/") {
				err = asAPI(err)
			}
			_ = huma.WriteErr(api, ctx, http.StatusUnauthorized, "", err) // a client that is gone hears nothing
			return
		}
		next(huma.WithContext(ctx, caller.WithUser(ctx.Context(), user)))
	}
}

// Mount adds the /v1 routes and the key set.
func (s *Service) Mount(api huma.API) {
	open := func(method, path, id, summary, description string) huma.Operation {
		return huma.Operation{Method: method, Path: path, OperationID: id, Summary: summary, Description: description,
			Tags: []string{"Authentication"}, SkipValidateBody: true, DefaultStatus: http.StatusOK}
	}
	register := open(http.MethodPost, "/v1/auth/register", "register", "Create an account",
		"Creates a user in an app and signs in. The same e-mail may exist in several apps: those are different people.")
	register.DefaultStatus = http.StatusCreated
	huma.Register(api, register, s.handleRegister)
	huma.Register(api, open(http.MethodPost, "/v1/auth/login", "login", "Sign in",
		"Checks a password and opens a session. Unknown user and wrong password get the same answer."), s.handleLogin)
	huma.Register(api, open(http.MethodPost, "/v1/auth/refresh", "refresh", "Renew the tokens",
		"Rotates the refresh token. For 30 seconds the previous one returns the same successor, so tabs and lost responses "+
			"never end a session; later it revokes the session."), s.handleRefresh)
	huma.Register(api, open(http.MethodPost, "/v1/auth/logout", "logout", "Sign out",
		"Ends the session of a refresh token, or of an access token, which is revoked as well."), s.handleLogout)
	me := open(http.MethodGet, "/v1/users/me", "getCurrentUser", "Who am I", "The user as of now, and what the token says.")
	me.Tags = []string{"Users"}
	me.Security = []map[string][]string{{"bearerAuth": {}}}
	me.Middlewares = huma.Middlewares{s.Bearer(api)}
	huma.Register(api, me, s.handleMe)
	keys := open(http.MethodGet, "/.well-known/jwks.json", "jwks", "Public signing keys",
		"With these anybody verifies access tokens: ES256, by kid, `iss` this server, `aud` your appId.")
	keys.Tags = []string{"Keys"}
	huma.Register(api, keys, s.handleJWKS)
}

type registerBody struct {
	Email    string  `json:"email" doc:"Trimmed and lower-cased" example:"ada@example.com"`
	Password string  `json:"password" doc:"8 to 128 characters with upper and lower case, a digit and a special character"`
	Role     *string `json:"role,omitempty" enum:"user,admin" doc:"Refused unless ALLOW_ROLE_ON_REGISTER is set"`
	AppID    *string `json:"appId,omitempty" doc:"Default: the default app" example:"marketing-site"`
}

// Validate brings the e-mail into normal form and lists every broken rule.
func (b *registerBody) Validate() []fault.Field {
	b.Email = normalEmail(b.Email)
	broken := append(checkEmail(b.Email), checkNewPassword("password", b.Password)...)
	if b.Role != nil && *b.Role != "user" && *b.Role != "admin" {
		broken = append(broken, fault.Field{Name: "role", Message: `Role must be either "user" or "admin"`, Code: "invalid_enum_value"})
	}
	return append(broken, checkAppID(b.AppID)...)
}

type loginBody struct {
	Email    string  `json:"email" example:"ada@example.com"`
	Password string  `json:"password"`
	AppID    *string `json:"appId,omitempty" doc:"Default: the default app"`
}

// Validate brings the e-mail into normal form and lists every broken rule.
func (b *loginBody) Validate() []fault.Field {
	b.Email = normalEmail(b.Email)
	broken := append(checkEmail(b.Email), checkGivenPassword("password", b.Password)...)
	return append(broken, checkAppID(b.AppID)...)
}

type refreshBody struct {
	RefreshToken string  `json:"refreshToken"`
	AppID        *string `json:"appId,omitempty" doc:"Default: the default app"`
}

// Validate lists every broken rule.
func (b *refreshBody) Validate() []fault.Field {
	return append(checkRefreshToken(b.RefreshToken), checkAppID(b.AppID)...)
}

type userBrief struct {
	ID            string `json:"id" format:"uuid"`
	Email         string `json:"email"`
	Role          string `json:"role"`
	EmailVerified *bool  `json:"emailVerified,omitempty"`
}

type signedIn struct {
	User userBrief `json:"user"`
	Tokens
}

type signedInOutput struct {
	Body struct {
		Data signedIn `json:"data"`
	}
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (s *Service) handleRegister(ctx context.Context, in *struct{ Body registerBody }) (*signedInOutput, error) {
	app, err := s.app(ctx, value(in.Body.AppID))
	if err != nil {
		return nil, err
	}
	role := value(in.Body.Role)
	if role == "" {
		role = "user"
	}
	p, tokens, err := s.register(ctx, app, in.Body.Email, in.Body.Password, role)
	if err != nil {
		return nil, err
	}
	out := &signedInOutput{}
	out.Body.Data = signedIn{User: userBrief{ID: p.id.String(), Email: p.email, Role: p.role, EmailVerified: new(bool)}, Tokens: tokens}
	return out, nil
}

func (s *Service) handleLogin(ctx context.Context, in *struct{ Body loginBody }) (*signedInOutput, error) {
	app, err := s.app(ctx, value(in.Body.AppID))
	if err != nil {
		return nil, err
	}
	p, tokens, err := s.login(ctx, app, in.Body.Email, in.Body.Password)
	if err != nil {
		return nil, err
	}
	out := &signedInOutput{}
	out.Body.Data = signedIn{User: userBrief{ID: p.id.String(), Email: p.email, Role: p.role}, Tokens: tokens}
	return out, nil
}

type tokensOutput struct {
	Body struct {
		Data Tokens `json:"data"`
	}
}

func (s *Service) handleRefresh(ctx context.Context, in *struct{ Body refreshBody }) (*tokensOutput, error) {
	app, err := s.app(ctx, value(in.Body.AppID))
	if err != nil {
		return nil, err
	}
	out := &tokensOutput{}
	out.Body.Data, err = s.refresh(ctx, app, in.Body.RefreshToken)
	if err != nil {
		return nil, err
	}
	return out, nil
}

type messageOutput struct {
	Body struct {
		Message string `json:"message"`
	}
}

func (s *Service) handleLogout(ctx context.Context, in *struct{ Body refreshBody }) (*messageOutput, error) {
	if err := s.logout(ctx, in.Body.RefreshToken); err != nil {
		return nil, err
	}
	out := &messageOutput{}
	out.Body.Message = "Logged out successfully"
	return out, nil
}

type meOutput struct {
	Body struct {
		Data struct {
			ID            string    `json:"id" format:"uuid"`
			Email         string    `json:"email"`
			Role          string    `json:"role"`
			AppID         string    `json:"appId"`
			EmailVerified bool      `json:"emailVerified"`
			CreatedAt     wire.Time `json:"createdAt"`
		} `json:"data"`
		User struct {
			ID        string    `json:"id" format:"uuid"`
			Email     string    `json:"email"`
			Role      string    `json:"role"`
			CreatedAt wire.Time `json:"createdAt"`
		} `json:"user"`
		TokenInfo struct {
			JTI          string `json:"jti"`
			IssuedAt     int64  `json:"iat"`
			ExpiresAt    int64  `json:"exp"`
			TokenVersion int32  `json:"tokenVersion"`
		} `json:"tokenInfo"`
	}
}

func (s *Service) handleMe(ctx context.Context, _ *struct{}) (*meOutput, error) {
	u, _ := caller.UserFrom(ctx)
	out := &meOutput{}
	d, b, t := &out.Body.Data, &out.Body.User, &out.Body.TokenInfo
	d.ID, d.Email, d.Role, d.AppID, d.EmailVerified, d.CreatedAt = u.ID.String(), u.Email, u.Role, u.AppID, u.EmailVerified, wire.Time(u.CreatedAt)
	b.ID, b.Email, b.Role, b.CreatedAt = d.ID, d.Email, d.Role, d.CreatedAt
	t.JTI, t.IssuedAt, t.ExpiresAt, t.TokenVersion = u.TokenID, u.IssuedAt.Unix(), u.ExpiresAt.Unix(), u.TokenVersion
	return out, nil
}

type jwksOutput struct {
	CacheControl string `header:"Cache-Control"`
	ContentType  string `header:"Content-Type"`
	Body         []byte
}

func (s *Service) handleJWKS(context.Context, *struct{}) (*jwksOutput, error) {
	return &jwksOutput{CacheControl: "public, max-age=900, stale-while-revalidate=300", ContentType: "application/json", Body: s.keys.jwks}, nil
}
