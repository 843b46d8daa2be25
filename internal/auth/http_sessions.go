package auth

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"turkey/internal/fault"
)

func (s *Service) mountSessions(api huma.API) {
	register := operation(http.MethodPost, "/v1/auth/register", "register", "Authentication", "Create an account",
		"Creates a user in an app and signs in. The same e-mail may exist in several apps: those are different people. Where the address "+
			"has to be verified first, there are no tokens in the answer.")
	register.DefaultStatus = http.StatusCreated
	huma.Register(api, register, s.handleRegister)
	huma.Register(api, operation(http.MethodPost, "/v1/auth/login", "login", "Authentication", "Sign in",
		"Checks a password and opens a session. Unknown user and wrong password get the same answer, in the same time. The answer sets a "+
			"cookie that makes the device known: who sends it along is let in while others guess at the account."), s.handleLogin)
	huma.Register(api, operation(http.MethodPost, "/v1/auth/refresh", "refresh", "Authentication", "Renew the tokens",
		"Rotates the refresh token. For a grace of 30 seconds the previous one returns the same successor, so tabs and lost responses "+
			"never end a session; later it revokes the session. In cookie mode the token is that of the app's cookie."), s.handleRefresh)
	huma.Register(api, operation(http.MethodPost, "/v1/auth/logout", "logout", "Authentication", "Sign out",
		"Ends the session of a refresh token, or of an access token, which is revoked as well."), s.handleLogout)
	huma.Register(api, operation(http.MethodPost, "/v1/auth/logout-all", "logoutAll", "Authentication", "Sign out everywhere",
		"Ends all sessions and access tokens of the token's user."), s.handleLogoutAll)
}

func cookieMode(mode *string) bool { return mode != nil && *mode == "cookie" }

func checkMode(mode *string) []fault.Field {
	if mode == nil || *mode == "cookie" || *mode == "token" {
		return nil
	}
	return []fault.Field{{Name: "mode", Message: `Mode must be "token" or "cookie"`, Code: "invalid_enum_value"}}
}

type registerBody struct {
	Email    string  `json:"email" doc:"Trimmed and lower-cased" example:"ada@example.com"`
	Password string  `json:"password" doc:"8 to 128 characters with upper and lower case, a digit and a special character, unless the app says otherwise"`
	Role     *string `json:"role,omitempty" enum:"user,admin" doc:"Refused unless ALLOW_ROLE_ON_REGISTER is set"`
	AppID    *string `json:"appId,omitempty" doc:"Default: the default app" example:"marketing-site"`
	Mode     *string `json:"mode,omitempty" enum:"token,cookie" doc:"cookie: the refresh token comes as an HttpOnly cookie instead"`
}

// Validate brings the e-mail into normal form and lists every broken rule that holds for all apps.
func (b *registerBody) Validate() []fault.Field {
	b.Email = normalEmail(b.Email)
	broken := append(checkEmail(b.Email), checkAnyPassword("password", b.Password)...)
	if b.Role != nil && *b.Role != "user" && *b.Role != "admin" {
		broken = append(broken, fault.Field{Name: "role", Message: `Role must be either "user" or "admin"`, Code: "invalid_enum_value"})
	}
	return append(append(broken, checkAppID(b.AppID)...), checkMode(b.Mode)...)
}

type loginBody struct {
	Email    string  `json:"email" example:"ada@example.com"`
	Password string  `json:"password"`
	AppID    *string `json:"appId,omitempty" doc:"Default: the default app"`
	Mode     *string `json:"mode,omitempty" enum:"token,cookie" doc:"cookie: the refresh token comes as an HttpOnly cookie instead"`
}

// Validate brings the e-mail into normal form and lists every broken rule.
func (b *loginBody) Validate() []fault.Field {
	b.Email = normalEmail(b.Email)
	broken := append(checkEmail(b.Email), checkGivenPassword("password", b.Password)...)
	return append(append(broken, checkAppID(b.AppID)...), checkMode(b.Mode)...)
}

type refreshBody struct {
	RefreshToken *string `json:"refreshToken,omitempty" doc:"Left out in cookie mode"`
	AppID        *string `json:"appId,omitempty" doc:"Default: the default app"`
}

// Validate lists every broken rule; a missing token is for the handler, which knows the cookie.
func (b *refreshBody) Validate() []fault.Field {
	var broken []fault.Field
	if b.RefreshToken != nil {
		broken = checkRefreshToken(*b.RefreshToken)
	}
	return append(broken, checkAppID(b.AppID)...)
}

type userBrief struct {
	ID            string `json:"id" format:"uuid"`
	Email         string `json:"email"`
	Role          string `json:"role,omitempty" required:"false"`
	EmailVerified *bool  `json:"emailVerified,omitempty"`
}

type signedIn struct {
	User userBrief `json:"user"`
	*Tokens
	EmailVerificationRequired bool `json:"emailVerificationRequired,omitempty" doc:"The address has to be verified before the first sign-in"`
}

type signedInOutput struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
	Body      struct {
		Data                      signedIn `json:"data"`
		EmailVerificationRequired bool     `json:"emailVerificationRequired,omitempty" doc:"The same as in data"`
	}
}

// withTokens puts the tokens into an answer, the refresh token into the cookie if that was asked for, and makes the device
// known. cookies are those of the call.
func (s *Service) withTokens(out *signedInOutput, a app, p person, t *Tokens, cookie bool, cookies string) *signedInOutput {
	out.Body.Data.Tokens = t
	if t == nil {
		return out
	}
	if cookie {
		out.SetCookie = append(out.SetCookie, s.cookie(s.sessionCookieOf(a.id), t.RefreshToken, a.refreshTTL))
		t.RefreshToken = ""
	}
	known := s.rememberDevice(a.id, p, s.deviceOf(cookies))
	out.SetCookie = append(out.SetCookie, s.cookie(s.cookieName(deviceCookieName), known, deviceLife))
	return out
}

type registerInput struct {
	Origin    string `header:"Origin"`
	FetchSite string `header:"Sec-Fetch-Site"`
	Cookie    string `header:"Cookie" hidden:"true"`
	Body      registerBody
}

func (s *Service) handleRegister(ctx context.Context, in *registerInput) (*signedInOutput, error) {
	cookie := cookieMode(in.Body.Mode)
	if cookie {
		if err := s.cookieCall(in.Origin, in.FetchSite); err != nil {
			return nil, err
		}
	}
	a, err := s.app(ctx, value(in.Body.AppID))
	if err != nil {
		return nil, err
	}
	role := value(in.Body.Role)
	if role == "" {
		role = "user"
	}
	p, tokens, err := s.register(ctx, a, in.Body.Email, in.Body.Password, role)
	if err != nil {
		return nil, err
	}
	out := &signedInOutput{}
	out.Body.Data.User = userBrief{ID: p.id.String(), Email: p.email, Role: p.role, EmailVerified: new(bool)}
	out.Body.Data.EmailVerificationRequired, out.Body.EmailVerificationRequired = tokens == nil, tokens == nil
	return s.withTokens(out, a, p, tokens, cookie, in.Cookie), nil
}

type loginInput struct {
	Origin    string `header:"Origin"`
	FetchSite string `header:"Sec-Fetch-Site"`
	Cookie    string `header:"Cookie" hidden:"true"`
	Body      loginBody
}

func (s *Service) handleLogin(ctx context.Context, in *loginInput) (*signedInOutput, error) {
	cookie := cookieMode(in.Body.Mode)
	if cookie {
		if err := s.cookieCall(in.Origin, in.FetchSite); err != nil {
			return nil, err
		}
	}
	a, err := s.app(ctx, value(in.Body.AppID))
	if err != nil {
		return nil, err
	}
	p, tokens, err := s.login(ctx, a, in.Body.Email, in.Body.Password, s.deviceOf(in.Cookie))
	if err != nil {
		return nil, err
	}
	out := &signedInOutput{}
	out.Body.Data.User = userBrief{ID: p.id.String(), Email: p.email, Role: p.role}
	return s.withTokens(out, a, p, &tokens, cookie, in.Cookie), nil
}

type refreshInput struct {
	Origin        string `header:"Origin"`
	FetchSite     string `header:"Sec-Fetch-Site"`
	Authorization string `header:"Authorization"`
	Cookie        string `header:"Cookie" hidden:"true"`
	Body          *refreshBody
}

// app is the one that the call names.
func (in *refreshInput) app() *string {
	if in.Body == nil {
		return nil
	}
	return in.Body.AppID
}

// token finds the refresh token of a call: in the body, else in a cookie, whose use needs an allowed Origin.
func (s *Service) token(in *refreshInput) (token, cookie string, err error) {
	if in.Body != nil && in.Body.RefreshToken != nil {
		return *in.Body.RefreshToken, "", nil
	}
	if cookie, token = s.sessionOf(in.Cookie, in.app()); token == "" {
		return "", "", nil
	}
	return token, cookie, s.cookieCall(in.Origin, in.FetchSite)
}

type tokensOutput struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
	Body      struct {
		Data Tokens `json:"data"`
	}
}

func (s *Service) handleRefresh(ctx context.Context, in *refreshInput) (*tokensOutput, error) {
	token, cookie, err := s.token(in)
	if err != nil {
		return nil, err
	}
	if token == "" {
		return nil, invalidRequest.WithFields(required("refreshToken"))
	}
	a, err := s.app(ctx, value(in.app()))
	if err != nil {
		return nil, err
	}
	out := &tokensOutput{}
	if out.Body.Data, err = s.refresh(ctx, a, token); err != nil {
		return nil, err
	}
	if cookie != "" {
		out.SetCookie = []http.Cookie{s.cookie(cookie, out.Body.Data.RefreshToken, a.refreshTTL)}
		out.Body.Data.RefreshToken = ""
	}
	return out, nil
}

type logoutOutput struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
	Body      struct {
		Message string `json:"message"`
	}
}

// leaving finds the token of a call that signs out: body, cookie, or the Bearer token that older SDKs send alone.
func (s *Service) leaving(in *refreshInput) (token, cookie string, err error) {
	token, cookie, err = s.token(in)
	if err != nil || token != "" {
		return token, cookie, err
	}
	if token, err = bearer(in.Authorization); err == nil {
		return token, "", nil
	}
	return "", "", invalidRequest.WithFields(required("refreshToken"))
}

func (s *Service) handleLogout(ctx context.Context, in *refreshInput) (*logoutOutput, error) {
	token, cookie, err := s.leaving(in)
	if err != nil {
		return nil, err
	}
	if err := s.logout(ctx, token); err != nil {
		return nil, err
	}
	return s.loggedOut("Logged out successfully", cookie), nil
}

func (s *Service) handleLogoutAll(ctx context.Context, in *refreshInput) (*logoutOutput, error) {
	token, cookie, err := s.leaving(in)
	if err != nil {
		return nil, err
	}
	if err := s.logoutAll(ctx, token); err != nil {
		return nil, err
	}
	return s.loggedOut("Logged out from all devices", cookie), nil
}

// loggedOut removes the cookie that the session came in. The device stays known.
func (s *Service) loggedOut(text, cookie string) *logoutOutput {
	out := &logoutOutput{}
	out.Body.Message = text
	if cookie != "" {
		out.SetCookie = []http.Cookie{s.cookie(cookie, "", 0)}
	}
	return out
}
