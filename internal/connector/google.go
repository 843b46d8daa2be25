package connector

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	googleTokenURI       = "https://oauth2.googleapis.com/token"        //nolint:gosec // an address, not a credential
	googleLegacyTokenURI = "https://accounts.google.com/o/oauth2/token" //nolint:gosec // an address, not a credential

	scopeSheets    = "https://www.googleapis.com/auth/spreadsheets"
	scopeDrive     = "https://www.googleapis.com/auth/drive.readonly"
	scopeAnalytics = "https://www.googleapis.com/auth/analytics.readonly"

	sheetsService = "sheets.googleapis.com"

	grantJWTBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer" //nolint:gosec // a name of RFC 7523

	// maxKeyText bounds the work a hostile key can cause; an 8192 bit key, four times Google's, fits.
	maxKeyText = 8 << 10
)

// googleSecret is the content of a google_sheets or ga4 credential, in the order in which it is sealed. Empty fields were
// not given. AuthURI and TokenURI are kept because the contract keeps them; nothing reads them.
type googleSecret struct {
	Type         string `json:"type,omitempty"`
	ProjectID    string `json:"project_id,omitempty"`
	PrivateKeyID string `json:"private_key_id,omitempty"`
	PrivateKey   string `json:"private_key,omitempty"`
	ClientEmail  string `json:"client_email,omitempty"`
	ClientID     string `json:"client_id,omitempty"`
	ClientSecret string `json:"client_secret,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
	AuthURI      string `json:"auth_uri,omitempty"`
	TokenURI     string `json:"token_uri,omitempty"`
	PropertyID   string `json:"property_id,omitempty"`

	// Only WithGrant sets these; Parse keeps neither, so no pasted access token is ever used.
	AccessToken string    `json:"access_token,omitempty"`
	GrantEnds   time.Time `json:"grant_ends,omitzero"`
}

func (s googleSecret) serviceAccount() bool { return s.Type == TypeServiceAccount }

// readServiceAccount reads the fields of a service account's key file, apart from its type.
func readServiceAccount(f *fields) googleSecret {
	s := googleSecret{
		Type:         TypeServiceAccount,
		PrivateKey:   f.required("private_key"),
		ClientEmail:  f.required("client_email"),
		ProjectID:    f.required("project_id"),
		PrivateKeyID: f.optional("private_key_id"),
		ClientID:     f.optional("client_id"),
		AuthURI:      f.optional("auth_uri"),
		TokenURI:     readTokenURI(f),
	}
	if s.PrivateKey != "" && !strings.HasPrefix(s.PrivateKey, "-----BEGIN") {
		f.problem("Invalid private_key")
	}
	return s
}

// readTokenURI refuses foreign token endpoints at save although none is ever contacted: such a file is an attack or a
// mistake, and its owner should learn it here.
func readTokenURI(f *fields) string {
	uri := f.optional("token_uri")
	if uri != "" && uri != googleTokenURI && uri != googleLegacyTokenURI {
		f.problem("Invalid token_uri")
	}
	return uri
}

// google signs in to Google and calls its APIs.
type google struct {
	client    *client
	now       func() time.Time
	oauthBase string
	tokens    *tokenCache
}

// account is one credential for one scope.
type account struct {
	googleSecret
	scope string
	key   tokenKey
}

// target names what a call is about, for the messages of its failures.
type target struct {
	api     string // "Google Sheets API"
	service string // its id in the Google Cloud console
	denied  string // message for 403
	missing string // message for 404
	tab     string // message for a range that cannot be parsed: our ranges are well-formed, so the tab does not exist
}

// budget is what Google counts the call as.
func (t target) budget(method string) string {
	switch {
	case t.service == "analyticsdata.googleapis.com":
		return GA4
	case t.service != sheetsService:
		return ""
	case method == http.MethodGet:
		return budgetSheetsRead
	}
	return budgetSheetsWrite
}

// counted is who Google counts calls for, once the sign-in has proved who it is: a service account whatever key it uses.
func (a *account) counted() []byte {
	if a.serviceAccount() {
		return []byte(a.ClientEmail)
	}
	return a.key[:]
}

func newGoogle(cfg Config) *google {
	return &google{
		client:    newClient(cfg.AllowPrivate, cfg),
		now:       cfg.Now,
		oauthBase: base(cfg.GoogleOAuthBase, "https://oauth2.googleapis.com"),
		tokens:    newTokenCache(cfg.Now),
	}
}

// open reads a sealed content again.
func (g *google) open(secret []byte, scope string) (*account, error) {
	a := &account{scope: scope, key: newTokenKey(secret, scope)}
	if err := json.Unmarshal(secret, &a.googleSecret); err != nil {
		return nil, fail(Invalid, "The content of the credential cannot be read") // the cause could quote it
	}
	return a, nil
}

// call sends r with an access token of the account. A refused token is replaced once: Google may end one early. One that came
// with the content is not replaced here: its renewal is not ours.
func (g *google) call(ctx context.Context, who *account, t target, r request, out any) error {
	r.provider = t.api
	for attempt := 0; ; attempt++ {
		access, err := g.access(ctx, who)
		if err != nil {
			return err
		}
		r.bearer = access.value
		r.budget, r.account = t.budget(r.method), who.counted()
		a, err := g.client.do(ctx, r)
		if err != nil {
			return err
		}
		if a.status == http.StatusUnauthorized && attempt == 0 && who.AccessToken == "" {
			g.tokens.drop(who.key, access)
			continue
		}
		if a.status < 200 || a.status > 299 {
			return apiFailure(who, t, a)
		}
		return a.decode(r.provider, out)
	}
}

// access is the token that came with the content, or the cache's.
func (g *google) access(ctx context.Context, who *account) (token, error) {
	if who.AccessToken != "" {
		return token{value: who.AccessToken, grantEnds: who.GrantEnds}, nil
	}
	return g.tokens.get(ctx, who.key, who.grant(g))
}

// renew signs in anew, which proves that the key or the refresh token still works. A token that came with the content was
// renewed by the caller.
func (g *google) renew(ctx context.Context, who *account) (token, error) {
	if who.AccessToken != "" {
		return g.access(ctx, who)
	}
	return g.tokens.renew(ctx, who.key, who.grant(g))
}

func (a *account) grant(g *google) func(context.Context) (token, error) {
	return func(ctx context.Context) (token, error) {
		if a.serviceAccount() {
			return g.grantAssertion(ctx, a)
		}
		return g.grantRefresh(ctx, a)
	}
}

// grantAssertion is the service account's grant. Source: Google "Using OAuth 2.0 for Server to Server Applications",
// RFC 7523.
func (g *google) grantAssertion(ctx context.Context, who *account) (token, error) {
	key, err := parseRSAKey(who.PrivateKey)
	if err != nil {
		return token{}, err
	}
	assertion, err := sign(key, who, g.now())
	if err != nil {
		return token{}, err
	}
	return g.token(ctx, who, url.Values{"grant_type": {grantJWTBearer}, "assertion": {assertion}})
}

// grantRefresh is the grant of an OAuth user's refresh token, RFC 6749 §6. It leaves out scope: the access token has what
// the person agreed to, and a missing scope then fails at the API with a message that says so.
func (g *google) grantRefresh(ctx context.Context, who *account) (token, error) {
	return g.token(ctx, who, url.Values{
		"grant_type":    {"refresh_token"},
		"refresh_token": {who.RefreshToken},
		"client_id":     {who.ClientID},
		"client_secret": {who.ClientSecret},
	})
}

func (g *google) token(ctx context.Context, who *account, form url.Values) (token, error) {
	asked := g.now()
	r := request{
		provider:    "Google sign-in",
		method:      http.MethodPost,
		url:         g.oauthBase + "/token",
		contentType: "application/x-www-form-urlencoded",
		body:        []byte(form.Encode()),
	}
	a, err := g.client.do(ctx, r)
	if err != nil {
		return token{}, err
	}
	if a.status != http.StatusOK {
		return token{}, tokenFailure(who, a)
	}
	var granted struct {
		AccessToken    string `json:"access_token"`
		RefreshToken   string `json:"refresh_token"`            // only when Google gives out another
		ExpiresIn      int64  `json:"expires_in"`               // seconds
		GrantExpiresIn int64  `json:"refresh_token_expires_in"` // seconds; only for grants with an end, e.g. apps in testing
	}
	if err := a.decode(r.provider, &granted); err != nil {
		return token{}, err
	}
	if granted.AccessToken == "" {
		return token{}, fail(Unavailable, "Google sign-in answered without an access token")
	}
	t := token{value: granted.AccessToken, refresh: granted.RefreshToken, expires: asked.Add(time.Duration(granted.ExpiresIn) * time.Second)}
	if granted.GrantExpiresIn > 0 {
		t.grantEnds = asked.Add(time.Duration(granted.GrantExpiresIn) * time.Second)
	}
	return t, nil
}

// parseRSAKey reads the private_key of a key file. Its errors name what is wrong and nothing of the key.
func parseRSAKey(text string) (*rsa.PrivateKey, error) {
	if len(text) > maxKeyText {
		return nil, fail(Invalid, "private_key is longer than any key of Google")
	}
	// Keys copied through environment files carry the two characters \n instead of line breaks.
	block, _ := pem.Decode([]byte(strings.ReplaceAll(text, `\n`, "\n")))
	if block == nil {
		return nil, fail(Invalid, "private_key is incomplete: paste the whole key file as downloaded from Google Cloud")
	}
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return nil, fail(Invalid, "private_key is not a plain private key: paste the key file as downloaded from Google Cloud")
	}
	if err != nil {
		return nil, fail(Invalid, "private_key is damaged: paste the whole key file as downloaded from Google Cloud")
	}
	rsaKey, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fail(Invalid, "private_key is not an RSA key")
	}
	return rsaKey, nil
}

// sign makes the assertion. Its audience is Google's own endpoint even when the base is overridden.
func sign(key *rsa.PrivateKey, who *account, now time.Time) (string, error) {
	header := map[string]string{"alg": "RS256", "typ": "JWT"}
	if who.PrivateKeyID != "" {
		header["kid"] = who.PrivateKeyID
	}
	claims := map[string]any{
		"iss":   who.ClientEmail,
		"scope": who.scope,
		"aud":   googleTokenURI,
		"iat":   now.Unix(),
		"exp":   now.Add(time.Hour).Unix(), // the longest Google allows
	}
	signed, err := jwtPart(header)
	if err != nil {
		return "", err
	}
	payload, err := jwtPart(claims)
	if err != nil {
		return "", err
	}
	signed += "." + payload
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	if err != nil {
		return "", fail(Invalid, "private_key cannot sign: it is damaged or too short")
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

func jwtPart(part any) (string, error) {
	b, err := json.Marshal(part)
	if err != nil {
		return "", fail(Invalid, "The content of the credential cannot be signed")
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// providerError is what Google itself said, as far as it is prose. It is only a cause.
type providerError struct{ code, text string }

func (e providerError) Error() string { return "google: " + e.code + ": " + e.text }

var (
	codeWord = regexp.MustCompile(`^[A-Za-z_]{1,40}$`)
	prose    = regexp.MustCompile(`^['"(\[]?([A-Za-z]{1,20}|[0-9]{1,5})['")\].,:;?!]{0,3}$`)
)

// quoted keeps the plain words of a provider's answer. Providers repeat what they were sent, in any encoding, so removing
// the secrets themselves would not be enough: whatever is not a word goes.
func quoted(code, text string) providerError {
	if !codeWord.MatchString(code) {
		code = "…"
	}
	words := strings.Fields(text)
	words = words[:min(len(words), 40)]
	for i, word := range words {
		if !prose.MatchString(word) {
			words[i] = "…"
		}
	}
	return providerError{code: code, text: strings.Join(words, " ")}
}

// tokenFailure explains a refusal of the token endpoint, RFC 6749 §5.2 with Google's descriptions.
func tokenFailure(who *account, a answer) *Error {
	var said struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if a.status == http.StatusTooManyRequests {
		e := fail(Limited, "Google limits the sign-ins at the moment")
		e.RetryAfter = a.retryAfter
		return e
	}
	if err := json.Unmarshal(a.body, &said); err != nil {
		return fail(Unavailable, "Google sign-in gave an answer of an unknown form (status %d)", a.status)
	}
	return tokenRefusal(who, said.Error, said.Description).because(quoted(said.Error, said.Description))
}

func tokenRefusal(who *account, code, description string) *Error {
	switch {
	case code == "invalid_grant" && !who.serviceAccount():
		return fail(Rejected, "The refresh token has expired or was revoked: connect the Google account again")
	case code == "invalid_grant" && strings.Contains(description, "timeframe"):
		// Not the key: Google says so when iat and exp are not near its own time.
		return fail(Unavailable, "Google refused the time of the sign-in: the clock of this server is wrong")
	case code == "invalid_grant" && strings.Contains(description, "account not found"):
		return fail(Rejected, "The service account %s does not exist", who.ClientEmail)
	case code == "invalid_grant":
		return fail(Rejected, "Google does not accept this key: it was deleted or does not belong to %s; create a new key", who.ClientEmail)
	case code == "invalid_client":
		return fail(Rejected, "Google does not accept client_id and client_secret")
	case code == "invalid_scope", code == "access_denied":
		return fail(Forbidden, "Google does not grant the rights that are needed to this account")
	case code == "rate_limit_exceeded":
		return fail(Limited, "Google limits the sign-ins at the moment")
	case code == "temporarily_unavailable", code == "internal_failure":
		return fail(Unavailable, "Google sign-in is not available at the moment")
	}
	return fail(Rejected, "Google refused the sign-in")
}

// googleStatus is the error form of Google's APIs: google.rpc.Status, with the older reasons that Drive still sends.
type googleStatus struct {
	Error struct {
		Message string `json:"message"`
		Status  string `json:"status"`
		Errors  []struct {
			Reason string `json:"reason"`
		} `json:"errors"`
		Details []struct {
			Reason string `json:"reason"`
		} `json:"details"`
	} `json:"error"`
}

func (s googleStatus) reason(names ...string) bool {
	for _, d := range s.Error.Details {
		if slices.Contains(names, d.Reason) {
			return true
		}
	}
	for _, e := range s.Error.Errors {
		if slices.Contains(names, e.Reason) {
			return true
		}
	}
	return false
}

// apiFailure explains a refusal of an API.
func apiFailure(who *account, t target, a answer) *Error {
	var said googleStatus
	_ = json.Unmarshal(a.body, &said) // without details the status alone decides
	e := apiRefusal(who, t, a.status, said)
	e.RetryAfter = a.retryAfter
	return e.because(quoted(said.Error.Status, said.Error.Message))
}

func apiRefusal(who *account, t target, status int, said googleStatus) *Error {
	switch status {
	case http.StatusUnauthorized:
		return fail(Rejected, "The %s does not accept this credential", t.api)
	case http.StatusForbidden:
		return apiDenial(who, t, said)
	case http.StatusNotFound:
		return fail(NotFound, "%s", t.missing)
	case http.StatusTooManyRequests:
		return fail(Limited, "The quota of the %s is used up for now", t.api)
	case http.StatusRequestTimeout, http.StatusConflict:
		return fail(Unavailable, "The %s could not finish the call", t.api)
	case http.StatusBadRequest:
		return badRequest(who, t, said.Error.Message)
	}
	return fail(Invalid, "The %s refused the request (status %d)", t.api, status)
}

func apiDenial(who *account, t target, said googleStatus) *Error {
	switch {
	case said.reason("SERVICE_DISABLED", "accessNotConfigured"):
		project := ""
		if who.ProjectID != "" {
			project = " in the Google Cloud project " + who.ProjectID
		}
		return fail(Forbidden, "The %s is disabled: enable %s%s", t.api, t.service, project)
	case said.reason("RATE_LIMIT_EXCEEDED", "rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "dailyLimitExceeded"):
		return fail(Limited, "The quota of the %s is used up for now", t.api) // Drive says so with 403
	case said.reason("ACCESS_TOKEN_SCOPE_INSUFFICIENT"):
		return fail(Forbidden, "The sign-in does not include the right %s: connect the account again and agree to it", who.scope)
	}
	return fail(Forbidden, "%s", t.denied)
}

// badRequest tells apart by Google's text what it gives the same status for; there is no finer code.
func badRequest(who *account, t target, message string) *Error {
	switch {
	case t.tab != "" && strings.Contains(message, "Unable to parse range"):
		return fail(NotFound, "%s", t.tab)
	case strings.Contains(message, "exceeds grid limits"):
		return fail(Invalid, "The tab has fewer rows or columns than the range")
	case strings.Contains(message, "protected cell"):
		return fail(Forbidden, "The cells are protected: let %s edit the protected range", who.ClientEmail)
	case strings.Contains(message, "not supported for this document"):
		return fail(Invalid, "The file is not a Google spreadsheet: open it in Google Sheets and save it as one")
	}
	return fail(Invalid, "The %s refused the request as invalid", t.api)
}
