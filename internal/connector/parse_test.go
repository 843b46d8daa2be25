package connector_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"turkey/internal/connector"
)

const pemStart = `"private_key":"-----BEGIN PRIVATE KEY-----\nMIIEvQIB..."`

func TestParse(t *testing.T) {
	t.Parallel()
	const account = `"type":"service_account","project_id":"my-project","client_email":"service@my-project.iam.gserviceaccount.com",`
	const oauth = `"refresh_token":"1//0x","client_id":"1.apps.googleusercontent.com","client_secret":"s"`
	deep := strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)
	tests := []struct {
		name, service, raw string
		problems           []string
		kind, preview      string
		sealed             string // "" = not compared
	}{
		{
			name: "the guide's shortened example", service: connector.GoogleSheets,
			raw: `{` + account + pemStart + `,"private_key_id":"k","client_id":"123456789",` +
				`"auth_uri":"https://accounts.google.com/o/oauth2/auth","token_uri":"https://oauth2.googleapis.com/token","extra":[{}]}`,
			kind: connector.TypeServiceAccount, preview: "ser...com",
			sealed: `{"type":"service_account","project_id":"my-project","private_key_id":"k",` + pemStart +
				`,"client_email":"service@my-project.iam.gserviceaccount.com","client_id":"123456789",` +
				`"auth_uri":"https://accounts.google.com/o/oauth2/auth","token_uri":"https://oauth2.googleapis.com/token"}`,
		},
		{
			name: "legacy token_uri", service: connector.GoogleSheets,
			raw:  `{` + account + pemStart + `,"token_uri":"https://accounts.google.com/o/oauth2/token"}`,
			kind: connector.TypeServiceAccount, preview: "ser...com",
		},
		{
			name: "null optional fields", service: connector.GoogleSheets,
			raw: `{` + account + pemStart + `,"token_uri":null}`, kind: connector.TypeServiceAccount, preview: "ser...com",
		},
		{
			name: "short e-mail", service: connector.GoogleSheets,
			raw:  `{"type":"service_account","project_id":"p","client_email":"a@b.de",` + pemStart + `}`,
			kind: connector.TypeServiceAccount, preview: "***",
		},
		{
			name: "everything missing", service: connector.GoogleSheets, raw: `{}`,
			problems: []string{
				"Google credential must be a service account", "Missing private_key", "Missing client_email", "Missing project_id",
			},
		},
		{
			name: "names are case-sensitive", service: connector.GoogleSheets,
			raw: `{` + account + `"Private_Key":"-----BEGIN"}`, problems: []string{"Missing private_key"},
		},
		{
			name: "numbers are not strings", service: connector.GoogleSheets,
			raw: `{` + account + `"private_key":1}`, problems: []string{"Missing private_key"},
		},
		{
			name: "optional of another type", service: connector.GoogleSheets,
			raw: `{` + account + pemStart + `,"client_id":12}`, problems: []string{"Invalid client_id"},
		},
		{
			name: "no PEM", service: connector.GoogleSheets,
			raw: `{` + account + `"private_key":"abc"}`, problems: []string{"Invalid private_key"},
		},
		{
			name: "foreign token_uri", service: connector.GoogleSheets,
			raw:      `{` + account + pemStart + `,"token_uri":"https://evil.example/token"}`,
			problems: []string{"Invalid token_uri"},
		},
		{name: "array", service: connector.GoogleSheets, raw: `[]`, problems: []string{"Invalid JSON format"}},
		{name: "scalar", service: connector.GA4, raw: `"x"`, problems: []string{"Invalid JSON format"}},
		{name: "null", service: connector.GA4, raw: `null`, problems: []string{"Invalid JSON format"}},
		{name: "empty", service: connector.GA4, raw: ``, problems: []string{"Invalid JSON format"}},
		{name: "trailing data", service: connector.GA4, raw: `{} {}`, problems: []string{"Invalid JSON format"}},
		{name: "repeated name", service: connector.GA4, raw: `{"a":1,"a":2}`, problems: []string{"Invalid JSON format"}},
		{name: "repeated name inside", service: connector.GA4, raw: `{"x":[{"a":1,"a":2}]}`, problems: []string{"Invalid JSON format"}},
		{name: "NUL", service: connector.GA4, raw: `{"client_id":"a\u0000b"}`, problems: []string{"Invalid JSON format"}},
		{name: "NUL in a name", service: connector.GA4, raw: `{"a\u0000b":1}`, problems: []string{"Invalid JSON format"}},
		{name: "bad UTF-8", service: connector.GA4, raw: "{\"client_id\":\"\xff\"}", problems: []string{"Invalid JSON format"}},
		{name: "deep nesting", service: connector.GA4, raw: deep, problems: []string{"Invalid JSON format"}},
		{
			name: "service account for ga4", service: connector.GA4, raw: `{` + account + pemStart + `}`,
			kind: connector.TypeServiceAccount, preview: "ser...com",
		},
		{
			name: "service account for ga4 with a wrong property", service: connector.GA4,
			raw: `{` + account + pemStart + `,"property_id":"G-ABC"}`, problems: []string{"Invalid property_id"},
		},
		{
			name: "refresh token", service: connector.GA4, raw: `{"type":"authorized_user",` + oauth + `,"property_id":"properties/123456789"}`,
			kind: connector.TypeOAuth, preview: "pro...789",
			sealed: `{"client_id":"1.apps.googleusercontent.com","client_secret":"s","refresh_token":"1//0x","property_id":"properties/123456789"}`,
		},
		{
			name: "nothing for ga4", service: connector.GA4, raw: `{}`,
			problems: []string{"Missing refresh_token", "Missing client_id", "Missing client_secret", "Missing property_id"},
		},
		{
			name: "refresh token with a foreign token_uri", service: connector.GA4,
			raw: `{` + oauth + `,"property_id":"1","token_uri":"http://169.254.169.254/"}`, problems: []string{"Invalid token_uri"},
		},
	}
	set := connector.New(connector.Config{})
	for _, tt := range tests {
		t.Run(tt.service+"/"+tt.name, func(t *testing.T) {
			t.Parallel()
			service, _ := set.Service(tt.service)
			got, problems := service.Parse([]byte(tt.raw))
			if !slices.Equal(problems, tt.problems) {
				t.Fatalf("problems = %q, want %q", problems, tt.problems)
			}
			if got.Type != tt.kind || got.Preview != tt.preview {
				t.Errorf("type, preview = %q, %q, want %q, %q", got.Type, got.Preview, tt.kind, tt.preview)
			}
			if tt.sealed != "" && string(got.JSON) != tt.sealed {
				t.Errorf("JSON = %s\nwant   %s", got.JSON, tt.sealed)
			}
		})
	}
}

func TestSet(t *testing.T) {
	t.Parallel()
	set := connector.New(connector.Config{})
	if got := set.Names(); !slices.Equal(got, []string{connector.GA4, connector.GoogleSheets, connector.Meta, connector.Shopify}) {
		t.Errorf("Names() = %v", got)
	}
	if _, ok := set.Source(connector.GoogleSheets); ok {
		t.Error("google_sheets must not be a source")
	}
	if _, ok := set.Service("nothing"); ok {
		t.Error("an unknown service was found")
	}
	source, ok := set.Source(connector.GA4)
	if !ok {
		t.Fatal("ga4 must be a source")
	}
	want := "id date sessions users add_to_cart purchases revenue bounce_rate ad_spend"
	if got := strings.Join(source.Columns(), " "); got != want || source.Window() != 3 {
		t.Errorf("Columns() = %q, Window() = %d", got, source.Window())
	}
}

func FuzzParseGoogleSheets(f *testing.F) { fuzzParse(f, connector.GoogleSheets) }

func FuzzParseGA4(f *testing.F) { fuzzParse(f, connector.GA4) }

// fuzzParse checks that content is either refused with a reason or sealed as JSON that parses to itself.
func fuzzParse(f *testing.F, name string) {
	f.Add([]byte(`{"type":"service_account","project_id":"p","client_email":"a@b.example",` + pemStart + `,"x":[1,{"y":null}]}`))
	f.Add([]byte(`{"refresh_token":"r","client_id":"<c>","client_secret":"\u2028","property_id":"properties/1"}`))
	f.Add([]byte(`{"a":{"b":[[[]]]},"a":1}`))
	f.Add([]byte(`{"client_id":"\ud800"`))
	service, _ := connector.New(connector.Config{}).Service(name)
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, problems := service.Parse(raw)
		if (len(problems) == 0) != (got.JSON != nil) {
			t.Fatalf("problems = %v, JSON = %s", problems, got.JSON)
		}
		if len(problems) > 0 {
			return
		}
		if !json.Valid(got.JSON) || got.Preview == "" || got.Type == "" {
			t.Fatalf("content = %+v", got)
		}
		again, problems := service.Parse(got.JSON)
		if len(problems) > 0 || !bytes.Equal(again.JSON, got.JSON) || again.Preview != got.Preview || again.Type != got.Type {
			t.Fatalf("parsing the sealed content again: %v\n%s\n%s", problems, got.JSON, again.JSON)
		}
	})
}
