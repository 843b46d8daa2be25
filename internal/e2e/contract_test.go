package e2e_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"turkey/internal/auth"
)

var (
	isUUID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	isTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)
	isJTI  = regexp.MustCompile(`^at_[0-9a-f]{32}$`)
	isJWT  = regexp.MustCompile(`^eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$`)
	isRT   = regexp.MustCompile(`^rt_[A-Za-z0-9._-]+$`)
)

// shape writes a JSON value down with the kinds of its leaves, so that a test can name every member there may be.
func shape(name string, v any) string {
	switch v := v.(type) {
	case object:
		parts := []string{}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, k+":"+shape(k, v[k]))
		}
		return "{" + strings.Join(parts, " ") + "}"
	case []any:
		kinds := []string{}
		for _, e := range v {
			if s := shape(name, e); !slices.Contains(kinds, s) {
				kinds = append(kinds, s)
			}
		}
		return "[" + strings.Join(kinds, "|") + "]"
	case string:
		switch {
		case isUUID.MatchString(v):
			return "uuid"
		case isTime.MatchString(v):
			return "time"
		case isJTI.MatchString(v):
			return "jti"
		case isJWT.MatchString(v) && len(v) < 1000:
			return "jwt"
		case isRT.MatchString(v) && len(v) < 512:
			return "rt"
		case strings.Contains(v, "@"):
			return "email"
		}
		return fmt.Sprintf("%q", v)
	case float64:
		switch {
		case v == float64(int64(v)) && v > 1e9:
			return "epoch"
		default:
			return fmt.Sprint(v)
		}
	default:
		return fmt.Sprint(v)
	}
}

const tp = `accessToken:jwt expiresIn:900 refreshToken:rt tokenType:"Bearer"`

// TestSuccessShapes is every row of §5.1 and §5.2: exactly these members (D25: users/me has both shapes).
func TestSuccessShapes(t *testing.T) {
	t.Parallel()
	s := setup(t)
	app := object{"appId": "shop"}
	body := func(members ...any) object {
		b := maps.Clone(app)
		for i := 0; i < len(members); i += 2 {
			b[members[i].(string)] = members[i+1]
		}
		return b
	}
	me := s.user("shop")
	admin := s.user("shop", "role = 'admin'")
	_, unverified := s.account("shop", "email_verified = false")
	_, forgetful := s.account("shop")
	claims := `{aud:"shop" email:email exp:epoch iat:epoch iss:"https://auth.example.com" jti:jti nbf:epoch role:"user" scope:"" sid:uuid sub:uuid tokenVersion:0}`
	for _, c := range []struct {
		name   string
		do     func() answer
		status int
		want   string
	}{
		{"register", func() answer { return s.register("shop", "new@example.com", password) }, 201,
			`{data:{` + tp + ` user:{email:email emailVerified:false id:uuid role:"user"}}}`},
		{"login", func() answer { return s.login("shop", me.email, password) }, 200, `{data:{` + tp + ` user:{email:email id:uuid role:"user"}}}`},
		{"refresh", func() answer { return s.refresh("shop", me.more().refresh) }, 200, `{data:{` + tp + `}}`},
		{"logout", func() answer { return s.post("/v1/auth/logout", body("refreshToken", me.more().refresh)) }, 200, `{message:"Logged out successfully"}`},
		{"logout by an access token in refreshToken, D17", func() answer { return s.post("/v1/auth/logout", object{"refreshToken": me.more().access}) }, 200, `{message:"Logged out successfully"}`},
		{"logout by Bearer alone, D17", func() answer { return s.call("POST", "/v1/auth/logout", me.more().access, "") }, 200, `{message:"Logged out successfully"}`},
		{"logout of junk", func() answer { return s.post("/v1/auth/logout", object{"refreshToken": "junk"}) }, 200, `{message:"Logged out successfully"}`},
		{"logout-all", func() answer { return s.post("/v1/auth/logout-all", body("refreshToken", s.user("shop").refresh)) }, 200, `{message:"Logged out from all devices"}`},
		{"logout-all by Bearer alone, D17", func() answer { return s.call("POST", "/v1/auth/logout-all", s.user("shop").access, "") }, 200, `{message:"Logged out from all devices"}`},
		{"introspect an access token", func() answer { return s.introspect(me.access) }, 200, `{data:{active:true expiresAt:time payload:` + claims + ` type:"access" userId:uuid}}`},
		{"introspect a refresh token", func() answer { return s.introspect(me.refresh) }, 200, `{data:{active:true expiresAt:time type:"refresh" userId:uuid}}`},
		{"introspect junk", func() answer { return s.introspect("junk") }, 200, `{data:{active:false}}`},
		{"revoke a refresh token", func() answer { return s.post("/v1/auth/revoke", object{"token": me.more().refresh}) }, 200, `{message:"Refresh token revoked"}`},
		{"revoke an access token", func() answer {
			return s.post("/v1/auth/revoke", object{"token": me.more().access, "reason": "lost phone"}, keyed)
		}, 200, `{message:"Access token revoked"}`},
		{"revocation-check: no", func() answer {
			return s.post("/v1/auth/revocation-check", object{"jti": "at_" + strings.Repeat("0", 32)}, keyed)
		}, 200, `{revoked:false}`},
		{"request-password-reset", func() answer { return s.post("/v1/auth/request-password-reset", body("email", forgetful)) }, 200,
			`{message:"If an account exists with that email, a password reset link has been sent."}`},
		{"reset-password", func() answer {
			return s.post("/v1/auth/reset-password", object{"token": s.last(forgetful, resetSubject).token(t), "newPassword": another})
		}, 200, `{message:"Password has been reset successfully. Please log in with your new password."}`},
		{"resend-verification", func() answer { return s.post("/v1/auth/resend-verification", body("email", unverified)) }, 200,
			`{message:"If your email is not verified, a new verification link has been sent."}`},
		{"verify-email", func() answer {
			return s.post("/v1/auth/verify-email", object{"token": s.last(unverified, verifySubject).token(t)})
		}, 200,
			`{message:"Email verified successfully!" user:{email:email emailVerified:true id:uuid}}`},

		{"me", func() answer { return s.me(me.access) }, 200,
			`{data:{appId:"shop" createdAt:time email:email emailVerified:true id:uuid role:"user"} tokenInfo:{exp:epoch iat:epoch jti:jti tokenVersion:0} user:{createdAt:time email:email id:uuid role:"user"}}`},
		{"PATCH me", func() answer {
			return s.call("PATCH", "/v1/users/me", s.user("shop").access, object{"email": "moved@example.com"})
		}, 200,
			`{message:"Profile updated successfully" user:{createdAt:time email:email id:uuid role:"user"}}`},
		{"DELETE me", func() answer { return s.call("DELETE", "/v1/users/me", s.user("shop").access, nil) }, 200,
			`{deletedUser:{email:email id:uuid} message:"Account deleted successfully"}`},
		{"change-password", func() answer {
			return s.call("POST", "/v1/users/change-password", s.user("shop").access, object{"currentPassword": password, "newPassword": another})
		}, 200, `{message:"Password changed successfully. Please log in again on all devices." requiresReauthentication:true}`},
		{"profile", func() answer { return s.get("/v1/users/profile", me.access) }, 200,
			`{message:"This endpoint requires user or admin role" user:{email:email id:uuid role:"user"}}`},
		{"profile of an admin", func() answer { return s.get("/v1/users/profile", admin.access) }, 200,
			`{message:"This endpoint requires user or admin role" user:{email:email id:uuid role:"admin"}}`},
		{"admin-only", func() answer { return s.get("/v1/users/admin-only", admin.access) }, 200,
			`{admin:{email:email id:uuid role:"admin"} adminCapabilities:["user_management"|"key_rotation"|"audit_access"|"system_configuration"] message:"This endpoint requires admin role"}`},
		{"test-auth", func() answer { return s.call("POST", "/v1/users/test-auth", me.access, `[1,"any JSON"]`) }, 200,
			`{message:"Authentication successful!" tokenValidation:{tokenClaims:{exp:time iat:time jti:jti timeUntilExpiry:SECONDS} ` +
				`user:{appId:"shop" email:email exp:epoch iat:epoch id:uuid jti:jti role:"user" tokenVersion:0} valid:true}}`},
	} {
		a := c.do().want(t, c.status, "")
		got := shape("", any(a.body))
		if strings.Contains(c.want, "SECONDS") {
			got = regexp.MustCompile(`"\d+ seconds"`).ReplaceAllString(got, "SECONDS")
		}
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
		for _, secret := range []string{password, another, "hash", "$argon2"} {
			if strings.Contains(a.raw, secret) {
				t.Errorf("%s: the answer holds %q", c.name, secret)
			}
		}
	}
	t.Run("a revoked jti tells when and why", func(t *testing.T) {
		u := me.more()
		jti := s.introspect(u.access).text("data", "payload", "jti")
		s.post("/v1/auth/revoke", object{"token": u.access}).want(t, 200, "")
		a := s.post("/v1/auth/revocation-check", object{"jti": jti}, keyed)
		if got := shape("", any(a.body)); got != `{reason:"manual_revocation" revoked:true revokedAt:epoch}` {
			t.Error(got)
		}
		if at, _ := a.at("revokedAt").(float64); time.Since(time.UnixMilli(int64(at))).Abs() > time.Minute {
			t.Errorf("not milliseconds: %v", at)
		}
	})
	t.Run("app-info, D26", func(t *testing.T) {
		u, boss := s.user("info"), s.user("info", "role = 'admin'")
		for range 3 {
			s.account("info")
		}
		a := s.get("/v1/users/app-info?limit=2&offset=1", boss.access).want(t, 200, "")
		if got := shape("", any(a.body)); got != `{appId:"info" requestingUser:{email:email id:uuid role:"admin"} userCount:5 users:[{createdAt:time email:email id:uuid role:"admin"}|{createdAt:time email:email id:uuid role:"user"}]}` {
			t.Error(got)
		}
		all := s.get("/v1/users/app-info", boss.access).want(t, 200, "")
		if n := len(all.at("users").([]any)); n != 5 || strings.Contains(all.raw, me.email) {
			t.Errorf("%d users: %s", n, all.raw)
		}
		s.get("/v1/users/app-info?limit=101", boss.access).want(t, 400, "validation_error")
		s.get("/v1/users/app-info?limit=x", boss.access).want(t, 400, "validation_error")
		s.get("/v1/users/app-info", u.access).want(t, 403, "insufficient_permissions")
	})
	t.Run("HEAD is answered like GET", func(t *testing.T) {
		if a := s.call("HEAD", "/v1/users/me", me.access, nil); a.status != 200 {
			t.Errorf("%d", a.status)
		}
		if a := s.call("HEAD", "/v1/users/me", "", nil); a.status != 401 {
			t.Errorf("%d", a.status)
		}
	})
}

// TestErrors is every row of §2 that requests can bring about here; limits, outages and tokens have tests of their own.
func TestErrors(t *testing.T) {
	t.Parallel()
	s := setup(t, with(func(c *auth.Config) { c.RequireRevokeAuth = true }))
	open := s.again(with(func(c *auth.Config) { c.RequireRevokeAuth = false }))
	u, other := s.user("shop"), s.user("shop")
	_, suspended := s.account("shop", "status = 'suspended'")
	f := newForger(t, s, u.access)
	dead := s.user("shop")
	s.call("DELETE", "/v1/users/me", dead.access, nil).want(t, 200, "")
	loggedOut := s.user("shop")
	s.post("/v1/auth/logout", object{"refreshToken": loggedOut.refresh}).want(t, 200, "")
	s.exec(`INSERT INTO apps (id, name, verification_required) VALUES ('strict', 'strict', true)`)
	_, unverified := s.account("strict", "email_verified = false")
	jtiless := f.real("jti", nil)

	for _, c := range []struct {
		name    string
		do      func() answer
		status  int
		code    string
		message string
		detail  string // code of the only detail
	}{
		{"PATCH without fields", func() answer { return s.call("PATCH", "/v1/users/me", u.access, "{}") }, 400, "validation_error", "At least one field must be provided for update", ""},
		{"PATCH without body", func() answer { return s.call("PATCH", "/v1/users/me", u.access, "") }, 400, "validation_error", "At least one field must be provided for update", ""},
		{"same password", func() answer {
			return s.call("POST", "/v1/users/change-password", u.access, object{"currentPassword": password, "newPassword": password})
		}, 400, "validation_error", "New password must be different from current password", ""},
		{"verify without token", func() answer { return s.post("/v1/auth/verify-email", "{}") }, 400, "validation_error", "Missing token", "invalid_type"},
		{"check without jti", func() answer { return s.post("/v1/auth/revocation-check", "{}", keyed) }, 400, "validation_error", "Missing jti parameter", ""},
		{"malformed", func() answer { return s.post("/v1/auth/login", `{"email":`) }, 400, "bad_request", "Malformed JSON body", ""},
		{"reset token", func() answer {
			return s.post("/v1/auth/reset-password", object{"token": strings.Repeat("0", 64), "newPassword": another})
		}, 400, "bad_request", "Invalid or expired password reset token", "INVALID_TOKEN"},
		{"verification token", func() answer { return s.post("/v1/auth/verify-email", object{"token": strings.Repeat("0", 64)}) },
			400, "bad_request", "Invalid or expired email verification token", "INVALID_TOKEN"},
		{"revoke garbage", func() answer { return s.post("/v1/auth/revoke", object{"token": "garbage"}, keyed) }, 400, "bad_request", "Invalid or unrecognized token", ""},
		{"revoke without jti", func() answer { return s.post("/v1/auth/revoke", object{"token": jtiless}, keyed) }, 400, "bad_request", "Token missing JTI claim", ""},
		{"wrong password", func() answer { return s.login("shop", u.email, wrong) }, 401, "invalid_credentials", "Invalid email or password", ""},
		{"unknown user", func() answer { return s.login("shop", "nobody@example.com", wrong) }, 401, "invalid_credentials", "Invalid email or password", ""},
		{"refresh of junk, D29", func() answer { return s.refresh("shop", "rt_junk") }, 401, "invalid_grant", "Invalid or expired refresh token", ""},
		{"refresh in another app", func() answer { return s.refresh("other", u.refresh) }, 401, "invalid_grant", "", ""},
		{"refresh of a deleted user", func() answer { return s.refresh("shop", dead.refresh) }, 401, "invalid_grant", "", ""},
		{"logout-all of junk", func() answer { return s.post("/v1/auth/logout-all", object{"refreshToken": "junk"}) }, 401, "invalid_grant", "", ""},
		{"logout-all of an ended session", func() answer { return s.post("/v1/auth/logout-all", object{"refreshToken": loggedOut.refresh}) }, 401, "invalid_grant", "", ""},
		{"current password", func() answer {
			return s.call("POST", "/v1/users/change-password", u.access, object{"currentPassword": wrong, "newPassword": another})
		}, 401, "unauthorized", "Current password is incorrect", ""},
		{"current password of PATCH", func() answer {
			return s.call("PATCH", "/v1/users/me", u.access, object{"email": "x@example.com", "currentPassword": wrong})
		}, 401, "unauthorized", "Current password is incorrect", ""},
		{"no header", func() answer { return s.me("") }, 401, "missing_token", "Authorization header with Bearer token is required", ""},
		{"another scheme", func() answer { return s.get("/v1/users/me", "", set("Authorization", "Basic "+u.access)) }, 401, "missing_token", "Authorization header with Bearer token is required", ""},
		{"three parts", func() answer { return s.me(u.access + " x") }, 401, "missing_token", "Authorization header with Bearer token is required", ""},
		{"no JWT", func() answer { return s.me("junk") }, 401, "invalid_token", "Token validation failed", ""},
		{"no sub", func() answer { return s.me(f.real("sub", nil)) }, 401, "invalid_token", "Token is missing required claims", ""},
		{"signature, D4", func() answer { return s.me(f.swapped(other.access)) }, 401, "invalid_signature", "Token signature is invalid", ""},
		{"issuer, D4", func() answer { return s.me(f.real("iss", publicURL+"/")) }, 401, "invalid_issuer", "Token issuer is invalid", ""},
		{"audience, D4", func() answer { return s.me(f.real("appId", "other")) }, 401, "invalid_audience", "Token audience is invalid", ""},
		{"expired, D4", func() answer { return s.me(f.real("exp", time.Now().Unix()-1)) }, 401, "token_expired", "Token has expired", ""},
		{"token version", func() answer { return s.me(f.real("tokenVersion", 7)) }, 401, "token_expired", "Token version is invalid. Please log in again.", ""},
		{"deleted user", func() answer { return s.me(dead.access) }, 401, "token_expired", "Token version is invalid. Please log in again.", ""},
		{"revoked", func() answer { return s.me(loggedOut.access) }, 401, "token_revoked", "Token has been revoked", ""},
		{"no service key, D41", func() answer { return s.post("/v1/auth/introspect", object{"token": u.access}) }, 401, "missing_api_key", "Service API key is required. Include X-Turkey-Service-Key header.", ""},
		{"wrong service key, D41", func() answer {
			return s.post("/v1/auth/introspect", object{"token": u.access}, set("X-Turkey-Service-Key", serviceKey+"x"))
		}, 403, "invalid_api_key", "Forbidden: invalid service API key", ""},
		{"check without service key", func() answer { return s.post("/v1/auth/revocation-check", object{"jti": "x"}) }, 401, "missing_api_key", "", ""},
		{"revoke with a wrong service key, D20", func() answer {
			return open.post("/v1/auth/revoke", object{"token": u.access}, set("X-Turkey-Service-Key", "nope"))
		}, 403, "invalid_api_key", "", ""},
		{"revoke with a bad Bearer, D20", func() answer { return open.call("POST", "/v1/auth/revoke", "junk", object{"token": u.access}) }, 401, "invalid_token", "", ""},
		{"revoke by possession switched off, D20", func() answer { return s.post("/v1/auth/revoke", object{"token": u.access}) }, 401, "missing_token", "", ""},
		{"revoke somebody else's, D20", func() answer { return s.call("POST", "/v1/auth/revoke", other.access, object{"token": u.access}) }, 403, "insufficient_permissions", "", ""},
		{"revoke somebody else's session, D20", func() answer { return s.call("POST", "/v1/auth/revoke", other.access, object{"token": u.refresh}) }, 403, "insufficient_permissions", "", ""},
		{"unverified, D14", func() answer { return s.login("strict", unverified, password) }, 403, "forbidden",
			"Email verification required. Please check your email for a verification link.", ""},
		{"unverified with a wrong password", func() answer { return s.login("strict", unverified, wrong) }, 401, "invalid_credentials", "", ""},
		{"suspended", func() answer { return s.login("shop", suspended, password) }, 403, "forbidden", "", ""},
		{"suspended with a wrong password", func() answer { return s.login("shop", suspended, wrong) }, 401, "invalid_credentials", "", ""},
		{"role at registration, D13", func() answer {
			return s.post("/v1/auth/register", object{"email": "eve@example.com", "password": password, "role": "admin"})
		}, 403, "forbidden", "", ""},
		{"role", func() answer { return s.get("/v1/users/admin-only", u.access) }, 403, "insufficient_permissions", "Required role: admin. Current role: user", ""},
		{"unknown route", func() answer { return s.get("/v1/nothing", u.access) }, 404, "not_found", "Route GET /v1/nothing not found", ""},
		{"wrong method", func() answer { return s.get("/v1/auth/login", "") }, 404, "not_found", "Route GET /v1/auth/login not found", ""},
		{"OPTIONS that is no preflight", func() answer { return s.call("OPTIONS", "/v1/auth/login", "", nil) }, 404, "not_found", "Route OPTIONS /v1/auth/login not found", ""},
		{"user exists, D5", func() answer { return s.register("shop", strings.ToUpper(u.email), password) }, 409, "user_exists", "User already exists", ""},
		{"address taken, D5", func() answer { return s.call("PATCH", "/v1/users/me", u.access, object{"email": other.email}) }, 409, "already_exists", "Email already in use", ""},
		{"content type", func() answer { return s.post("/v1/auth/login", "{}", set("Content-Type", "text/plain")) }, 415, "unsupported_media_type", "Content-Type must be application/json", ""},
	} {
		a := c.do().want(t, c.status, c.code)
		if c.message != "" && a.text("message") != c.message {
			t.Errorf("%s: message %q", c.name, a.text("message"))
		}
		details, _ := a.at("details").([]any)
		if c.detail == "" && c.code != "validation_error" && len(details) > 0 || c.detail != "" && (len(details) != 1 || a.text("details", 0, "code") != c.detail) {
			t.Errorf("%s: details %v", c.name, details)
		}
		if t.Failed() && a.status != c.status {
			t.Logf("^ %s", c.name)
		}
	}
	// What was refused changed nothing.
	s.me(u.access).want(t, 200, "")
	s.refresh("shop", u.refresh).want(t, 200, "")
	if n := s.count(`SELECT count(*) FROM users WHERE email IN ('eve@example.com', 'x@example.com', 'nobody@example.com')`); n != 0 {
		t.Errorf("%d users made", n)
	}
}

// broken is one broken rule as the contract lists it: field, code, message ("" = open), received.
type broken struct{ field, code, message, received string }

func (a answer) broken() (all []broken) {
	list, _ := a.at("details").([]any)
	for i := range list {
		all = append(all, broken{a.text("details", i, "field"), a.text("details", i, "code"), a.text("details", i, "message"), a.text("details", i, "received")})
	}
	return all
}

// TestFieldRules is §3 for every route that takes the field.
func TestFieldRules(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u := s.user("shop")
	long := strings.Repeat("a", 64) + "@" + strings.Repeat(strings.Repeat("b", 60)+".", 3) + strings.Repeat("c", 7) // 255
	const classes = "Password must contain at least one uppercase letter, one lowercase letter, one number, and one special character"
	const canary = "canary-value-9f"
	s.secret(canary)
	type value struct {
		v    any // nil: left out
		want []broken
	}
	null := (*int)(nil) // JSON null
	missing := func(f string) value { return value{nil, []broken{{f, "invalid_type", "Required", "undefined"}}} }
	types := func(f string) []value {
		return []value{{7, []broken{{f, "invalid_type", "", "number"}}}, {null, []broken{{f, "invalid_type", "", "null"}}}, {[]string{canary}, []broken{{f, "invalid_type", "", "array"}}},
			{object{"$ne": canary}, []broken{{f, "invalid_type", "", "object"}}}}
	}
	email := append(types("email"), value{canary, []broken{{"email", "invalid_string", "Invalid email format", ""}}}, value{"", []broken{{"email", "invalid_string", "Invalid email format", ""}}},
		value{"a@b", []broken{{"email", "invalid_string", "Invalid email format", ""}}}, value{"a b@example.com", []broken{{"email", "invalid_string", "Invalid email format", ""}}},
		value{"a@example.com\r\nBcc: x@example.com", []broken{{"email", "invalid_string", "Invalid email format", ""}}},
		value{"a@exa\x00mple.com", []broken{{"email", "invalid_string", "Invalid email format", ""}}},
		value{long, []broken{{"email", "too_big", "Email too long", ""}}})
	newPassword := func(f string) []value {
		return append(types(f), missing(f), value{"Ab1!xyz", []broken{{f, "too_small", "Password must be at least 8 characters", ""}}},
			value{"Aa1!äöü", []broken{{f, "too_small", "Password must be at least 8 characters", ""}}},
			value{"Ab1!" + strings.Repeat("x", 125), []broken{{f, "too_big", "Password too long", ""}}}, value{"zbqdwf1!", []broken{{f, "invalid_string", classes, ""}}},
			value{"ZBQDWF1!", []broken{{f, "invalid_string", classes, ""}}}, value{"Zbqdwfg!", []broken{{f, "invalid_string", classes, ""}}},
			value{"Zbqdwfg1", []broken{{f, "invalid_string", classes, ""}}},
			value{"short", []broken{{f, "too_small", "Password must be at least 8 characters", ""}, {f, "invalid_string", classes, ""}}})
	}
	given := func(f string) []value {
		return append(types(f), value{"", []broken{{f, "too_small", "", ""}}}, value{strings.Repeat("x", 1025), []broken{{f, "too_big", "", ""}}})
	}
	appID := append(types("appId"), value{"", []broken{{"appId", "too_small", "App ID cannot be empty", ""}}},
		value{strings.Repeat("a", 101), []broken{{"appId", "too_big", "App ID too long", ""}}},
		value{"my shop", []broken{{"appId", "invalid_string", "App ID must contain only letters, numbers, underscores, and hyphens", ""}}},
		value{"shop'; DROP TABLE users; --", []broken{{"appId", "invalid_string", "App ID must contain only letters, numbers, underscores, and hyphens", ""}}})
	refreshToken := append(types("refreshToken"), missing("refreshToken"), value{"", []broken{{"refreshToken", "too_small", "Token is required", ""}}},
		value{"a b", []broken{{"refreshToken", "invalid_string", "Invalid token format", ""}}}, value{strings.Repeat("a", 4097), []broken{{"refreshToken", "", "", ""}}})
	token := append(types("token"), value{strings.Repeat("a", 8193), []broken{{"token", "too_big", "", ""}}})
	for _, r := range []struct {
		method, path string
		valid        object
		rules        map[string][]value
	}{
		{"POST", "/v1/auth/register", object{"email": "ada@example.com", "password": password, "appId": "shop"}, map[string][]value{
			"email": append(email, missing("email")), "password": newPassword("password"), "appId": appID,
			"role": append(types("role"), value{"root", []broken{{"role", "invalid_enum_value", `Role must be either "user" or "admin"`, ""}}})}},
		{"POST", "/v1/auth/login", object{"email": u.email, "password": password, "appId": "shop"}, map[string][]value{
			"email": append(email, missing("email")), "password": append(given("password"), missing("password")), "appId": appID}},
		{"POST", "/v1/auth/refresh", object{"refreshToken": u.refresh, "appId": "shop"}, map[string][]value{"refreshToken": refreshToken, "appId": appID}},
		{"POST", "/v1/auth/logout", object{"refreshToken": "junk"}, map[string][]value{"refreshToken": refreshToken}},
		{"POST", "/v1/auth/logout-all", object{"refreshToken": "junk"}, map[string][]value{"refreshToken": refreshToken}},
		{"POST", "/v1/auth/request-password-reset", object{"email": u.email, "appId": "shop"}, map[string][]value{"email": append(email, missing("email")), "appId": appID}},
		{"POST", "/v1/auth/resend-verification", object{"email": u.email, "appId": "shop"}, map[string][]value{"email": append(email, missing("email")), "appId": appID}},
		{"POST", "/v1/auth/reset-password", object{"token": strings.Repeat("0", 64), "newPassword": another}, map[string][]value{
			"token": append(token, missing("token"), value{"", []broken{{"token", "too_small", "", ""}}})}},
		{"POST", "/v1/auth/verify-email", object{"token": strings.Repeat("0", 64)}, map[string][]value{"token": append(token, missing("token"))}},
		{"POST", "/v1/auth/introspect", object{"token": "x"}, map[string][]value{"token": append(token, missing("token"), value{"", []broken{{"token", "too_small", "", ""}}})}},
		{"POST", "/v1/auth/revoke", object{"token": "x"}, map[string][]value{
			"token": append(token, missing("token"), value{"", []broken{{"token", "too_small", "", ""}}}), "reason": append(types("reason"), value{strings.Repeat("r", 1001), []broken{{"reason", "too_big", "", ""}}})}},
		{"POST", "/v1/auth/revocation-check", object{"jti": "x"}, map[string][]value{"jti": types("jti")}},
		{"PATCH", "/v1/users/me", object{"email": "moved@example.com", "currentPassword": password}, map[string][]value{"email": email, "currentPassword": given("currentPassword")}},
		{"POST", "/v1/users/change-password", object{"currentPassword": password, "newPassword": another}, map[string][]value{
			"currentPassword": append(given("currentPassword"), missing("currentPassword")), "newPassword": newPassword("newPassword")}},
	} {
		for field, values := range r.rules {
			for _, v := range values {
				body := maps.Clone(r.valid)
				body[field] = v.v
				if v.v == nil {
					delete(body, field)
				}
				a := s.call(r.method, r.path, u.access, body, func(req *http.Request) {
					if r.path == "/v1/auth/introspect" || r.path == "/v1/auth/revocation-check" || r.path == "/v1/auth/revoke" {
						keyed(req)
					}
					if strings.Contains(r.path, "logout") { // a Bearer alone would sign out
						req.Header.Del("Authorization")
					}
				}).want(t, 400, "validation_error")
				got := a.broken()
				ok := len(got) == len(v.want)
				for i := 0; ok && i < len(got); i++ {
					w := v.want[i]
					ok = got[i].field == w.field && (w.code == "" || got[i].code == w.code) && got[i].received == w.received && (w.message == "" || got[i].message == w.message)
				}
				if !ok {
					t.Errorf("%s %s with %s=%.40v: %+v, want %+v", r.method, r.path, field, v.v, got, v.want)
				}
			}
		}
	}
	// D8, D9, D11: what passes.
	s.me(u.access).want(t, 200, "")
	for _, ok := range []string{"o'brien+tag@example.com", "  MiXed@Example.COM\t"} {
		a := s.register("shop", ok, password).want(t, 201, "")
		if a.text("data", "user", "email") != strings.ToLower(strings.TrimSpace(ok)) {
			t.Errorf("%q became %s", ok, a.text("data", "user", "email"))
		}
	}
	for i, pass := range []string{" Aa1!Aa1! ", `<b>&"'Aa1!\/` + "`", "Aä1!a" + strings.Repeat("🦃", 123), "Aa1!Aa1!\x00z"} {
		email := fmt.Sprintf("bytes-%d@example.com", i)
		s.register("shop", email, s.secret(pass)).want(t, 201, "")
		s.login("shop", email, pass).want(t, 200, "")
		s.login("shop", email, strings.TrimRight(pass, " z`🦃")).want(t, 401, "invalid_credentials")
	}
	long11 := u.more()
	s.post("/v1/auth/revoke", object{"token": long11.access, "reason": strings.Repeat("ü", 1000)}).want(t, 200, "")
	if got := one[string](s.world, `SELECT reason FROM revoked_jti`); got != strings.Repeat("ü", 100) {
		t.Errorf("reason %q", got)
	}
	s.post("/v1/auth/login", object{"email": u.email, "password": password, "appId": "shop", "extra": object{"a": 1}, "__proto__": 1}).want(t, 200, "")
}

// TestTransport is §1 for every /v1 route of the served OpenAPI document (D1: client mistakes are 4xx).
func TestTransport(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u := s.user("shop")
	big := `{"x":"` + strings.Repeat("x", 102_400) + `"}`
	for _, r := range s.routes() {
		if !strings.HasPrefix(r.path, "/v1/auth/") && !strings.HasPrefix(r.path, "/v1/users/") {
			continue
		}
		send := func(body any, contentType string) answer {
			return s.call(r.method, r.url, u.access, body, keyed, func(req *http.Request) {
				req.Header.Set("Content-Type", contentType)
				if contentType == "" {
					delete(req.Header, "Content-Type")
				}
				if strings.Contains(r.path, "logout") { // a Bearer alone would sign out
					req.Header.Del("Authorization")
				}
			})
		}
		if r.method == "POST" || r.method == "PUT" || r.method == "PATCH" {
			for _, ct := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp", "text/json"} {
				if a := send("{}", ct).want(t, 415, "unsupported_media_type"); a.text("message") != "Content-Type must be application/json" {
					t.Errorf("%s %s: %s", r.method, r.path, a.raw)
				}
			}
			if a := send("{}", "Application/JSON; charset=utf-8"); a.status == 415 {
				t.Errorf("%s %s refuses JSON with a parameter", r.method, r.path)
			}
		}
		if r.body {
			for _, bad := range []string{`{"a":`, `{}{}`, `{"a":01}`, "\xff\xfe", `{'a':1}`, "{\"email\":\"\xff@example.com\"", `nope`} {
				if a := send(bad, "application/json").want(t, 400, "bad_request"); a.text("message") != "Malformed JSON body" || a.at("details") != nil {
					t.Errorf("%s %s %q: %s", r.method, r.path, bad, a.raw)
				}
			}
			if r.path != "/v1/users/test-auth" { // which takes any JSON
				for _, bad := range []string{`[]`, `"x"`, `7`, `null`} {
					send(bad, "application/json").want(t, 400, "bad_request")
				}
			}
			if r.required {
				if got := send("", "application/json").want(t, 400, "validation_error").broken(); !slices.Equal(got, []broken{{"", "invalid_type", "Required", "undefined"}}) {
					t.Errorf("%s %s without body: %+v", r.method, r.path, got)
				}
			}
			declared := send(big, "application/json").want(t, 413, "payload_too_large")
			if declared.text("message") != "Request size exceeds 100KB limit" {
				t.Errorf("%s %s: %s", r.method, r.path, declared.raw)
			}
			send(io.MultiReader(strings.NewReader(big)), "application/json").want(t, 413, "payload_too_large") // chunked: read, not declared
		}
		if a := s.call("TRACE", r.url, u.access, nil); a.status != 404 {
			t.Errorf("TRACE %s: %d", r.path, a.status)
		}
	}
	s.me(u.access).want(t, 200, "") // nothing of it did anything

	for _, path := range []string{"/v1", "/v1/", "/v1/users/me/", "/v1//users/me", "/v1/users/../users/me", "/v1/auth/login/x", "/nothing"} {
		if a := s.get(path, u.access).want(t, 404, "not_found"); a.text("message") != "Route GET "+path+" not found" {
			t.Errorf("%s: %s", path, a.raw)
		}
	}
	if a := s.get("/v1/users/me", u.access, set("X-Request-Id", "mine")); a.header.Get("X-Request-Id") == "mine" {
		t.Error("an inbound id is trusted")
	}
}

// TestCORS is D2 and the CORS row of §1, with the origins of the apps.
func TestCORS(t *testing.T) {
	t.Parallel()
	s := setup(t, with(func(c *auth.Config) { c.Origins = []string{"https://console.example.com"} }))
	s.exec(`INSERT INTO apps (id, name, origins) VALUES ('shop', 'Shop', '{https://shop.example.com}')`)
	for origin, allowed := range map[string]bool{"https://console.example.com": true, "https://shop.example.com": true, "https://evil.example.com": false, "null": false, "*": false,
		"https://shop.example.com.evil.org": false, "http://shop.example.com": false, "https://SHOP.example.com": false, "https://shop.example.com/": false, "": false} {
		var simple, preflight answer
		eventually(t, "the app's origin is known", func() bool {
			simple = s.get("/v1/users/me", "", set("Origin", origin))
			return (simple.header.Get("Access-Control-Allow-Origin") != "") == allowed
		})
		preflight = s.call("OPTIONS", "/v1/auth/login", "", nil, set("Origin", origin), set("Access-Control-Request-Method", "POST"), set("Access-Control-Request-Headers", "content-type,x-custom"))
		if preflight.status != 204 {
			t.Errorf("%s: preflight %d", origin, preflight.status)
		}
		want := map[string]string{"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true"}
		for name, value := range want {
			for _, a := range []answer{simple, preflight} {
				if got := a.header.Get(name); allowed && got != value || !allowed && got != "" {
					t.Errorf("%q: %s is %q", origin, name, got)
				}
			}
		}
		if !strings.Contains(strings.Join(simple.header.Values("Vary"), ","), "Origin") {
			t.Errorf("%q: Vary %v", origin, simple.header.Values("Vary"))
		}
		if !allowed {
			for _, a := range []answer{simple, preflight} {
				for name := range a.header {
					if strings.HasPrefix(name, "Access-Control-") {
						t.Errorf("%q: %s", origin, name)
					}
				}
			}
			continue
		}
		for name, value := range map[string]string{"Access-Control-Allow-Methods": "GET,HEAD,PUT,PATCH,POST,DELETE", "Access-Control-Allow-Headers": "content-type,x-custom", "Access-Control-Max-Age": "600"} {
			if got := preflight.header.Get(name); got != value {
				t.Errorf("%q: %s is %q", origin, name, got)
			}
		}
		if got := simple.header.Get("Access-Control-Expose-Headers"); got != "RateLimit-Policy, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, X-Request-Id" {
			t.Errorf("%q: exposes %q", origin, got)
		}
	}
}

// TestSystemEndpoints is §4 (D12) and the discovery document.
func TestSystemEndpoints(t *testing.T) {
	t.Parallel()
	s := setup(t)
	if got := shape("", any(s.get("/health", "").want(t, 200, "").body)); got != `{database:"connected" status:"healthy" uptime:"0d 0h 0m" version:"1.0.0-test"}` {
		t.Error(got)
	}
	a := s.get("/.well-known/jwks.json", "").want(t, 200, "")
	if a.header.Get("Cache-Control") != "public, max-age=900, stale-while-revalidate=300" || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("Cache-Control %q, Content-Type %q", a.header.Get("Cache-Control"), a.header.Get("Content-Type"))
	}
	key, _ := a.at("keys", 0).(object)
	if names := slices.Sorted(maps.Keys(key)); !slices.Equal(names, []string{"alg", "crv", "kid", "kty", "use", "x", "y"}) || key["alg"] != "ES256" || key["crv"] != "P-256" ||
		key["kty"] != "EC" || key["use"] != "sig" || !regexp.MustCompile(`^key_[0-9a-f]{32}$`).MatchString(fmt.Sprint(key["kid"])) {
		t.Errorf("key %v", key)
	}
	if again := s.get("/.well-known/jwks.json", "", set("If-None-Match", a.header.Get("ETag"))); again.status != 304 || a.header.Get("ETag") == "" ||
		again.header.Get("ETag") != a.header.Get("ETag") || again.header.Get("Cache-Control") != a.header.Get("Cache-Control") || again.header.Get("Content-Type") != "" {
		t.Errorf("with the tag: %d %v", again.status, again.header)
	}
	meta := s.get("/.well-known/openid-configuration", "").want(t, 200, "")
	if meta.text("issuer") != publicURL || meta.text("jwks_uri") != publicURL+"/.well-known/jwks.json" {
		t.Errorf("metadata %s", meta.raw)
	}
}

// TestProductionWithoutServiceKey is D19.
func TestProductionWithoutServiceKey(t *testing.T) {
	t.Parallel()
	keyless := with(func(c *auth.Config) { c.ServiceKey = nil })
	s := setup(t, production, keyless)
	open := s.again(keyless, func(s *settings) { s.auth.Production = false })
	u := s.user("default-app")
	jti := open.post("/v1/auth/introspect", object{"token": u.access}).want(t, 200, "").text("data", "payload", "jti")
	s.post("/v1/auth/introspect", object{"token": u.access}).want(t, 401, "missing_api_key")
	s.post("/v1/auth/introspect", object{"token": u.access}, keyed).want(t, 401, "missing_api_key")
	s.post("/v1/auth/revoke", object{"token": u.access, "reason": "stolen"}).want(t, 200, "")
	if a := s.post("/v1/auth/revocation-check", object{"jti": jti}).want(t, 200, ""); a.raw != "{\"revoked\":true}\n" {
		t.Errorf("production tells %s", a.raw)
	}
	if a := open.post("/v1/auth/revocation-check", object{"jti": jti}).want(t, 200, ""); a.text("reason") != "stolen" {
		t.Errorf("development tells %s", a.raw)
	}
}

// TestIntrospectionTellsTheTruth is D18, and D21: revoking is idempotent.
func TestIntrospectionTellsTheTruth(t *testing.T) {
	t.Parallel()
	s := setup(t)
	f := newForger(t, s, s.user("shop").access)
	inactive := func(name, token string) {
		t.Helper()
		if a := s.introspect(token); a.raw != "{\"data\":{\"active\":false}}\n" {
			t.Errorf("%s: %s", name, a.raw)
		}
	}
	gone := func(name string, end func(u *user)) {
		t.Helper()
		u := s.user("shop")
		if !s.active(u.access) || !s.active(u.refresh) {
			t.Fatalf("%s: inactive before", name)
		}
		end(u)
		inactive(name+": access", u.access)
		inactive(name+": refresh", u.refresh)
	}
	gone("logout", func(u *user) { s.post("/v1/auth/logout", object{"refreshToken": u.refresh}) })
	gone("logout-all", func(u *user) { s.post("/v1/auth/logout-all", object{"refreshToken": u.refresh}) })
	gone("deleted", func(u *user) { s.call("DELETE", "/v1/users/me", u.access, nil) })
	gone("suspended", func(u *user) { s.exec(`UPDATE users SET status = 'suspended' WHERE id = $1`, u.id) })
	gone("token version", func(u *user) { s.exec(`UPDATE users SET token_version = token_version + 1 WHERE id = $1`, u.id) })

	u := s.user("shop")
	next := s.refresh("shop", u.refresh).text("data", "refreshToken")
	inactive("rotated", u.refresh)
	if !s.active(next) {
		t.Error("introspecting a rotated token counted as a replay")
	}
	s.refresh("shop", next).want(t, 200, "")
	inactive("expired", f.real("exp", time.Now().Unix()-1))
	inactive("another issuer", f.real("iss", "https://evil.example.com"))
	inactive("swapped signature", f.swapped(u.access))

	// D21: the same answer as the first time.
	v := s.user("shop")
	for range 2 {
		s.post("/v1/auth/revoke", object{"token": v.access}).want(t, 200, "")
		s.call("POST", "/v1/auth/revoke", v.access, object{"token": v.access}).want(t, 200, "")
		s.post("/v1/auth/revoke", object{"token": v.refresh}).want(t, 200, "")
	}
	if n := s.count(`SELECT count(*) FROM revoked_jti WHERE user_id = $1`, v.id); n != 1 {
		t.Errorf("%d revocations", n)
	}
	s.post("/v1/auth/revoke", object{"token": u.refresh}, keyed).want(t, 200, "")                          // rotated
	s.post("/v1/auth/revoke", object{"token": f.real("exp", time.Now().Unix()-1)}, keyed).want(t, 200, "") // expired but authentic
	s.post("/v1/auth/revoke", object{"token": f.swapped(u.access)}, keyed).want(t, 400, "bad_request")
}

// TestRolesAtRegistration is D10 and D13; keys at rest are D31.
func TestRolesAtRegistration(t *testing.T) {
	t.Parallel()
	s := setup(t)
	suite := s.again(with(func(c *auth.Config) { c.AllowRole = true }))
	for i, c := range []struct {
		s      *replica
		role   any
		status int
	}{{s, nil, 201}, {s, "user", 201}, {s, "admin", 403}, {suite, "admin", 201}, {suite, nil, 201}} {
		email := fmt.Sprintf("role-%d@example.com", i)
		a := c.s.post("/v1/auth/register", changed(object{"email": email, "password": password, "appId": "shop"}, "role", c.role)).want(t, c.status, "")
		want := "user"
		if c.role == "admin" {
			want = "admin"
		}
		if c.status == 201 && (a.text("data", "user", "role") != want || payload(t, a.text("data", "accessToken"))["role"] != want) {
			t.Error(a.raw)
		}
		if made := s.count(`SELECT count(*) FROM users WHERE email = $1`, email); (made == 1) != (c.status == 201) {
			t.Errorf("%v: %d users", c.role, made)
		}
	}
	if at := one[string](s.world, `SELECT private_pem FROM keys`); strings.Contains(at, "PRIVATE") {
		t.Error("the private key lies open")
	}
}

// TestRolesComeFromTheDatabase is D27: a demoted admin loses access at once, whatever the token says.
func TestRolesComeFromTheDatabase(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u := s.user("shop", "role = 'admin'")
	s.get("/v1/users/admin-only", u.access).want(t, 200, "")
	s.exec(`UPDATE users SET role = 'user' WHERE id = $1`, u.id)
	for _, path := range []string{"/v1/users/admin-only", "/v1/users/app-info"} {
		s.get(path, u.access).want(t, 403, "insufficient_permissions")
	}
	s.exec(`UPDATE users SET role = 'guest' WHERE id = $1`, u.id)
	if a := s.get("/v1/users/profile", u.access).want(t, 403, "insufficient_permissions"); a.text("message") != "Required role: user or admin. Current role: guest" {
		t.Error(a.raw)
	}
	if a := s.me(u.access).want(t, 200, ""); a.text("data", "role") != "guest" {
		t.Error(a.raw)
	}
}

// TestEmailChange is D24: the new address is unverified, old links are void, both addresses hear of it.
func TestEmailChange(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u := s.user("shop", "email_verified = false")
	verify, reset := s.verifyToken("shop", u.email), s.resetToken("shop", u.email)
	s.exec(`UPDATE users SET email_verified = true WHERE id = $1`, u.id)
	s.call("PATCH", "/v1/users/me", u.access, object{"email": " New@Example.com", "currentPassword": password}).want(t, 200, "")
	if a := s.me(u.access); a.at("data", "emailVerified") != false || a.text("data", "email") != "new@example.com" {
		t.Error(a.raw)
	}
	s.post("/v1/auth/verify-email", object{"token": verify}).want(t, 400, "bad_request")
	s.post("/v1/auth/reset-password", object{"token": reset, "newPassword": another}).want(t, 400, "bad_request")
	notice := s.last(u.email, "Your Email Address Was Changed")
	if !strings.Contains(notice.Text, "new@example.com") || token64.MatchString(notice.Text) {
		t.Errorf("notice: %s", notice.Text)
	}
	fresh := s.last("new@example.com", verifySubject).token(t)
	s.post("/v1/auth/verify-email", object{"token": fresh}).want(t, 200, "")
	if n := s.subjects("new@example.com"); n["Your Email Address Was Changed - TurKey Auth"] != 0 {
		t.Error("the notice went to the new address")
	}
	s.login("shop", u.email, password).want(t, 401, "invalid_credentials")
	s.login("shop", "new@example.com", password).want(t, 200, "")
	before := s.count(`SELECT count(*) FROM mails`)
	s.call("PATCH", "/v1/users/me", u.access, object{"email": "NEW@example.com"}).want(t, 200, "") // the same: nothing happens
	if after := s.count(`SELECT count(*) FROM mails`); after != before || s.me(u.access).at("data", "emailVerified") != true {
		t.Errorf("%d mails more", after-before)
	}
}

// TestCredentialChangesEndEverything is D28 and §5.2: what a password change, a reset and a deletion end.
func TestCredentialChangesEndEverything(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for name, end := range map[string]func(u *user){
		"change": func(u *user) {
			s.call("POST", "/v1/users/change-password", u.access, object{"currentPassword": password, "newPassword": another}).want(t, 200, "")
		},
		"reset": func(u *user) {
			s.post("/v1/auth/reset-password", object{"token": s.resetToken("shop", u.email), "newPassword": another}).want(t, 200, "")
		},
	} {
		u := s.user("shop")
		second := u.more()
		bystander := s.user("shop")
		older := s.resetToken("shop", u.email)
		end(u)
		for _, x := range []*user{u, second} {
			s.me(x.access).want(t, 401, "token_expired")
			s.refresh("shop", x.refresh).want(t, 401, "invalid_grant")
			if s.active(x.access) || s.active(x.refresh) {
				t.Errorf("%s: still active", name)
			}
		}
		s.me(bystander.access).want(t, 200, "")
		s.post("/v1/auth/reset-password", object{"token": older, "newPassword": wrong + "1"}).want(t, 400, "bad_request")
		s.login("shop", u.email, password).want(t, 401, "invalid_credentials")
		s.login("shop", u.email, another).want(t, 200, "")
		if n := s.subjects(u.email)["Your Password Was Changed - TurKey Auth"]; n != 1 {
			t.Errorf("%s: %d notices", name, n)
		}
	}
	u := s.user("shop")
	s.call("DELETE", "/v1/users/me", u.access, nil).want(t, 200, "")
	s.me(u.access).want(t, 401, "token_expired")
	s.login("shop", u.email, password).want(t, 401, "invalid_credentials")
	for _, table := range []string{"refresh_tokens", "revoked_jti", "email_tokens"} {
		if n := s.count(`SELECT count(*) FROM `+table+` WHERE user_id = $1`, u.id); n != 0 {
			t.Errorf("%d rows left in %s", n, table)
		}
	}
	s.register("shop", u.email, password).want(t, 201, "") // the address is free again
}
