package auth

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"turkey/internal/fault"
)

// codes are what was broken, in order.
func codes(broken []fault.Field) []string {
	out := []string{}
	for _, f := range broken {
		out = append(out, f.Code)
	}
	return out
}

func TestEmailRules(t *testing.T) {
	t.Parallel()
	domain := func(n int) string { // a domain of n characters
		d := strings.Repeat(strings.Repeat("d", 49)+".", n/50)
		return d + strings.Repeat("e", n-len(d))
	}
	local64 := strings.Repeat("l", 64)
	for _, email := range []string{
		"ada@example.com", "a@b.co", "o'brien@example.com", "ada+tag@example.com", "ada.b.c@example.co.uk", "!#$%&'*+/=?^_`{|}~-@example.com", "1@2.de",
		"ada@xn--bcher-kva.example", "ada@a-b.example", "ada@" + strings.Repeat("l", 63) + ".com", local64 + "@example.com", local64 + "@" + domain(189),
		"admin@turkey.local", "test@example.com",
	} {
		if broken := checkEmail(email); len(broken) != 0 {
			t.Errorf("%q (%d) is refused: %v", email, len(email), broken)
		}
	}
	for _, email := range []string{
		"", "@", "ada", "ada@", "@example.com", "ada@example", "ada@@example.com", "a@b@example.com", "ada.@example.com", ".ada@example.com", "a..b@example.com",
		"ada@example.com.", "ada@.example.com", "ada@example..com", "ada@-example.com", "ada@example-.com", "ada@exam_ple.com", "ada@exa mple.com", "a da@example.com",
		`"a b"@example.com`, "ada@[192.0.2.1]", "ada@" + strings.Repeat("l", 64) + ".com", local64 + "l@example.com", "ädä@example.com", "ada@bücher.example", "аda@example.com",
		"ada@example.com\n", "ada\n@example.com", "ada\x00@example.com", "ada@example.com,eve@example.com", "Ada <ada@example.com>", "ada@example.com>", "ada;@example.com",
		"\u212aim@example.com", "ada@example\u3002com", "ada\u200b@example.com", "\xff@example.com", "=?utf-8?q?ada?=@example.com", "x=?iso-8859-1?b?ywrh?=y@example.com",
	} {
		if broken := checkEmail(email); !slices.Equal(codes(broken), []string{"invalid_string"}) || broken[0].Message != "Invalid email format" || broken[0].Name != "email" {
			t.Errorf("%q: %v", email, broken)
		}
	}
	if at := local64 + "@" + domain(189); len(at) != 254 || len(checkEmail(at)) != 0 {
		t.Errorf("%d characters: %v", len(at), checkEmail(at))
	}
	if over := local64 + "@" + domain(190); len(over) != 255 || !slices.Equal(codes(checkEmail(over)), []string{"too_big"}) || checkEmail(over)[0].Message != "Email too long" {
		t.Errorf("%d characters: %v", len(over), checkEmail(over))
	}
	if both := checkEmail(strings.Repeat("l", 300)); !slices.Equal(codes(both), []string{"too_big", "invalid_string"}) {
		t.Errorf("all broken rules are told: %v", both)
	}
}

func TestEmailsAreTrimmedAndLoweredAndNothingElse(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"  Ada@Example.COM\t\n": "ada@example.com", "O'Brien+Tag@x.de": "o'brien+tag@x.de", "": "",
		"a b@x.de":              "a b@x.de",
		"\u212aim@example.com":  "\u212aim@example.com", // the Kelvin sign is no k: this is not Kim's address
		"\u0130da@example.com":  "\u0130da@example.com",
		"ADA\u00c4@example.com": "ada\u00c4@example.com",
	} {
		if got := normalEmail(in); got != want {
			t.Errorf("%q becomes %q", in, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.String().Draw(t, "in")
		got := normalEmail(in)
		if normalEmail(got) != got {
			t.Fatalf("%q becomes %q and then %q", in, got, normalEmail(got))
		}
		ascii := func(s string) bool { return strings.IndexFunc(s, func(r rune) bool { return r > 127 }) < 0 }
		if ascii(got) && !ascii(strings.TrimSpace(in)) {
			t.Fatalf("%q passes for the ASCII address %q", in, got)
		}
	})
}

func FuzzCheckEmail(f *testing.F) {
	for _, s := range []string{"ada@example.com", "o'brien@x.de", "a@b", "\u212aim@example.com", strings.Repeat("a", 300) + "@x.de", "a@b.c\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		email := normalEmail(s)
		if len(checkEmail(email)) > 0 {
			return
		}
		local, domain, ok := strings.Cut(email, "@")
		if !ok || len(email) > 254 || len(local) > 64 || local == "" || !strings.Contains(domain, ".") || strings.ContainsAny(email, " \r\n\t\x00<>,;:\"()[]\\") ||
			strings.ContainsAny(email, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") || strings.Contains(domain, "@") {
			t.Errorf("%q passes", email)
		}
	})
}

func TestAppIDRules(t *testing.T) {
	t.Parallel()
	if broken := checkAppID(nil); broken != nil {
		t.Errorf("none given: %v", broken)
	}
	for _, c := range []struct{ id, code, message string }{
		{"a", "", ""}, {"default-app", "", ""}, {"My_App-1", "", ""}, {strings.Repeat("a", 100), "", ""}, {"-", "", ""}, {"0", "", ""},
		{"", "too_small", "App ID cannot be empty"},
		{strings.Repeat("a", 101), "too_big", "App ID too long"},
		{strings.Repeat("ä", 101), "too_big", "App ID too long"},
		{strings.Repeat("ä", 100), "invalid_string", "App ID must contain only letters, numbers, underscores, and hyphens"},
		{"a b", "invalid_string", "App ID must contain only letters, numbers, underscores, and hyphens"},
		{"a.b", "invalid_string", "App ID must contain only letters, numbers, underscores, and hyphens"},
		{"a\n", "invalid_string", "App ID must contain only letters, numbers, underscores, and hyphens"},
		{"a/../b", "invalid_string", "App ID must contain only letters, numbers, underscores, and hyphens"},
		{"' OR 1=1", "invalid_string", "App ID must contain only letters, numbers, underscores, and hyphens"},
		{"äpp", "invalid_string", "App ID must contain only letters, numbers, underscores, and hyphens"},
		{" ", "invalid_string", "App ID must contain only letters, numbers, underscores, and hyphens"},
		{"a\x00", "invalid_string", "App ID must contain only letters, numbers, underscores, and hyphens"},
	} {
		var want []fault.Field
		if c.code != "" {
			want = []fault.Field{{Name: "appId", Message: c.message, Code: c.code}}
		}
		if got := checkAppID(&c.id); !slices.Equal(got, want) {
			t.Errorf("%q: %v", c.id, got)
		}
	}
}

// classPolicy is the contract's (auth-api.md §3).
var classPolicy = passwordPolicy{min: 8, classes: true}

func TestNewPasswordRules(t *testing.T) {
	t.Parallel()
	const short, long = "Password must be at least 8 characters", "Password too long"
	const classes = "Password must contain at least one uppercase letter, one lowercase letter, one number, and one special character"
	for _, c := range []struct {
		what, password string
		want           []string // messages
	}{
		{"8 characters", "Passw0r!", nil},
		{"7 characters", "Passw0!", []string{short}},
		{"128 characters", "Aa0!" + strings.Repeat("x", 124), nil},
		{"129 characters", "Aa0!" + strings.Repeat("x", 125), []string{long}},
		{"8 characters of 29 bytes", "Aa0!🦃🦃🦃🦃", nil},
		{"7 characters of 16 bytes", "Aa0!🦃🦃🦃", []string{short}},
		{"128 characters of 500 bytes", "Aa0!" + strings.Repeat("🦃", 124), nil},
		{"129 characters of 504 bytes", "Aa0!" + strings.Repeat("🦃", 125), []string{long}},
		{"no upper case", "passw0rd!", []string{classes}},
		{"no lower case", "PASSW0RD!", []string{classes}},
		{"no digit", "Password!", []string{classes}},
		{"no special character", "Passw0rd1", []string{classes}},
		{"empty", "", []string{short, classes}},
		{"too short and no digit", "Pass!", []string{short, classes}},
		{"too long and no special character", "Aa0" + strings.Repeat("x", 126), []string{long, classes}},
		{"letters beyond ASCII are no classes", "ÄÖÜäöü0!", []string{classes}},
		{"digits beyond ASCII are no digits", "Password!٣", []string{classes}},
		{"a space is not special", "Passw0rd 1", []string{classes}},
		{"punctuation beyond ASCII is not special", "Passw0rd§", []string{classes}},
		{"spaces around count", " Pass0! ", nil},
		{"HTML", "<b>Aa0</b>", nil},
		{"a NUL", "Passw0r!\x00", nil},
	} {
		var got []string
		for _, f := range classPolicy.check("newPassword", c.password) {
			got = append(got, f.Message)
			if f.Name != "newPassword" || f.Received != "" {
				t.Errorf("%s: %+v", c.what, f)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q", c.what, got)
		}
	}
	for _, special := range "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~" {
		if broken := classPolicy.check("password", "Passw0rd"+string(special)); len(broken) != 0 {
			t.Errorf("%q is not special", special)
		}
	}
	if got := codes(classPolicy.check("password", "x")); !slices.Equal(got, []string{"too_small", "invalid_string"}) {
		t.Errorf("codes %q", got)
	}
}

func TestGivenPasswordsAreNotHeldToThePolicy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ password, code string }{
		{"x", ""}, {" ", ""}, {strings.Repeat("x", 1024), ""}, {"", "too_small"}, {strings.Repeat("x", 1025), "too_big"}, {strings.Repeat("ä", 513), "too_big"},
	} {
		got := codes(checkGivenPassword("password", c.password))
		if (c.code == "") != (len(got) == 0) || c.code != "" && got[0] != c.code {
			t.Errorf("%d bytes: %q", len(c.password), got)
		}
	}
}

func TestRefreshTokenRules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ what, token, code, message string }{
		{"ours", "rt_11111111-1111-4111-8111-111111111111.0.AAAA", "", ""},
		{"the original's", "rt_" + strings.Repeat("0a", 32), "", ""},
		{"a JWT, on purpose", "eyJh.eyJp.c2ln", "", ""},
		{"4096 characters", strings.Repeat("a", 4096), "", ""},
		{"none", "", "too_small", "Token is required"},
		{"4097 characters", strings.Repeat("a", 4097), "invalid_string", "Invalid token format"},
		{"a space", "rt_ a", "invalid_string", "Invalid token format"},
		{"a line break", "rt_a\n", "invalid_string", "Invalid token format"},
		{"padding", "rt_a=", "invalid_string", "Invalid token format"},
		{"a slash", "rt_a/b", "invalid_string", "Invalid token format"},
		{"beyond ASCII", "rt_ä", "invalid_string", "Invalid token format"},
		{"a NUL", "rt_\x00", "invalid_string", "Invalid token format"},
	} {
		var want []fault.Field
		if c.code != "" {
			want = []fault.Field{{Name: "refreshToken", Message: c.message, Code: c.code}}
		}
		if got := checkRefreshToken(c.token); !slices.Equal(got, want) {
			t.Errorf("%s: %v", c.what, got)
		}
	}
}

func TestEveryBrokenFieldIsToldAndNoValueIs(t *testing.T) {
	t.Parallel()
	const canary = "hunter2-canary"
	role, app, token, mode, short := canary, canary+"!", canary+"!", canary, "canary"
	register := registerBody{Email: " " + strings.ToUpper(canary), Password: short, Role: &role, AppID: &app, Mode: &mode}
	login := loginBody{Email: canary, Password: strings.Repeat(canary, 100), AppID: &app, Mode: &mode}
	refresh := refreshBody{RefreshToken: &token, AppID: &app}
	for what, c := range map[string]struct {
		got  []fault.Field
		want []string
	}{
		"register": {register.Validate(), []string{"email", "password", "password", "role", "appId", "mode"}},
		"login":    {login.Validate(), []string{"email", "password", "appId", "mode"}},
		"refresh":  {refresh.Validate(), []string{"refreshToken", "appId"}},
	} {
		var names []string
		for _, f := range c.got {
			names = append(names, f.Name)
			if strings.Contains(f.Message+f.Received, short) {
				t.Errorf("%s: a value is echoed: %+v", what, f)
			}
		}
		if !slices.Equal(names, c.want) {
			t.Errorf("%s: %q", what, names)
		}
	}
	ok := registerBody{Email: "  Ada@Example.com ", Password: "Passw0rd!"}
	if broken := ok.Validate(); len(broken) != 0 || ok.Email != "ada@example.com" || ok.Password != "Passw0rd!" {
		t.Errorf("%+v, %v", ok, broken)
	}
}
