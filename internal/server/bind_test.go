package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"turkey/internal/server"
)

func TestBodyValidation(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	for _, c := range []struct {
		name, body string
		want       string // field|message|code|received, joined by newlines
	}{
		{"missing", `{}`, "email|Required|invalid_type|undefined\npassword|Required|invalid_type|undefined"},
		{"wrong types, all at once", `{"email":5,"age":"x","admin":1,"appId":[],"tags":{},"password":true}`,
			"email|Expected string, received number|invalid_type|number\n" +
				"age|Expected number, received string|invalid_type|string\n" +
				"admin|Expected boolean, received number|invalid_type|number\n" +
				"appId|Expected string, received array|invalid_type|array\n" +
				"tags|Expected array, received object|invalid_type|object\n" +
				"password|Expected string, received boolean|invalid_type|boolean"},
		{"null", `{"email":null,"password":"long enough","appId":null,"note":null}`,
			"email|Expected string, received null|invalid_type|null\nappId|Expected string, received null|invalid_type|null"},
		{"nested", `{"email":"a@b","password":"long enough","options":{"depth":"x"}}`,
			"options.sheet|Required|invalid_type|undefined\noptions.depth|Expected number, received string|invalid_type|string"},
		{"elements and entries", `{"email":"a@b","password":"long enough","tags":["a",1],"labels":{"k":"v","l":"w"}}`,
			"tags.1|Expected string, received number|invalid_type|number\nlabels|Expected number, received string|invalid_type|string"},
		{"numbers", `{"email":"a@b","password":"long enough","age":1.5,"options":{"sheet":"s","depth":300}}`,
			"age|Expected integer, received float|invalid_type|float\noptions.depth|Number is out of range|too_big|"},
		{"text types", `{"email":"a@b","password":"long enough","device":"x","since":5}`,
			"device|Invalid value|invalid_string|\nsince|Expected string, received number|invalid_type|number"},
		{"rules", `{"email":"ab","password":"short"}`,
			"email|Invalid email format|invalid_string|\npassword|Password must be at least 8 characters|too_small|"},
		{"rules after types", `{"email":5,"password":"short"}`,
			"email|Expected string, received number|invalid_type|number\npassword|Password must be at least 8 characters|too_small|"},
		{"empty", ``, "|Required|invalid_type|undefined"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := &bundle{b.Server, t, b.log, b.http}
			var got, rules []string
			auth := b.post("/v1/sign-up", c.body).want(400, "validation_error").object()
			if auth["message"] != "Invalid request data" {
				t.Error(auth["message"])
			}
			for _, d := range auth["details"].([]any) {
				m := d.(map[string]any)
				received, _ := m["received"].(string)
				got = append(got, fmt.Sprintf("%s|%s|%s|%s", m["field"], m["message"], m["code"], received))
				rules = append(rules, strings.TrimPrefix(fmt.Sprintf("%s: %s", m["field"], m["message"]), ": "))
			}
			if strings.Join(got, "\n") != c.want {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), c.want)
			}
			api := b.post("/api/sign-up", c.body).want(400, "VALIDATION_ERROR").object()
			details := api["details"].(map[string]any)
			if fmt.Sprint(details["errors"]) != fmt.Sprint(rules) {
				t.Errorf("got %v, want %v", details["errors"], rules)
			}
		})
	}
}

// FuzzBody looks for bodies that panic, that are taken for an outage, or whose error gives a value back.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{`{}`, `{"email":"a@b","password":"long enough"}`, `{"tags":[[[]]],"labels":{"a":1}}`, `{"since":null,"content":null}`, `[`, `"`} {
		f.Add(seed)
	}
	s := server.New(quiet())
	mountDomain(s)
	h := s.Handler()
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPost, "/v1/sign-up", strings.NewReader(strings.ReplaceAll(body, "canary", secret)))
		r.Header.Set("Content-Type", "application/json")
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code != 200 && rec.Code != 400 && rec.Code != 413 {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
		if rec.Code != 200 && strings.Contains(rec.Body.String(), secret) {
			t.Errorf("a value came back: %s", rec.Body)
		}
	})
}

func TestMalformedBody(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	for _, body := range []string{`{`, `nonsense`, `"text"`, `5`, `null`, `[]`, `{} {}`, `{"email":}`, "\xef\xbb\xbf{}"} {
		a := b.post("/v1/sign-up", body).want(400, "bad_request")
		if m := a.object(); m["message"] != "Malformed JSON body" || m["details"] != nil {
			t.Errorf("%s: %s", body, a.body)
		}
		b.post("/api/sign-up", body).wantBody(400, `{"error":"Malformed JSON body","code":"INVALID_JSON"}`)
	}
	b.do("POST", "/api/sign-up", "a=b", "Content-Type", "text/plain").want(400, "INVALID_JSON")
}

func TestBodyIsBound(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	m := b.post("/v1/sign-up", `{"email":"x","email":"a@b","age":7,"admin":true,"appId":"app","note":null,"tags":["a","b"],"unknown":{"x":[]},
		"options":{"sheet":"s","depth":3},"labels":{"k":1},"content":{"raw":[1,2]},"device":"01890a5d-ac96-774b-bcce-b302099a8057",
		"since":"2026-01-02T03:04:05Z","password":"long enough"}`).object()
	want := `map[admin:true age:7 appId:app content:map[raw:[1 2]] device:01890a5d-ac96-774b-bcce-b302099a8057 email:a@b labels:map[k:1] ` +
		`options:map[depth:3 sheet:s] password: since:2026-01-02T03:04:05Z tags:[a b]]`
	if fmt.Sprint(m) != want {
		t.Errorf("got  %v\nwant %v", m, want)
	}
}

func TestOptionalBody(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	for body, want := range map[string]string{"": "name=", "{}": "name=", `{"name":"x"}`: "name=x"} {
		for _, root := range []string{"/v1", "/api"} {
			a := b.do("PATCH", root+"/patch", body, "Content-Type", "application/json")
			a.wantBody(200, `{"message":"`+want+`"}`)
		}
	}
}

func TestParameters(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.get("/v1/params/1?limit=5&kind=meta").wantBody(200, `{"message":""}`)
	a := b.get("/v1/params/0?limit=500&kind=x", "X-Count", "no").want(400, "validation_error")
	for _, want := range []string{
		`{"field":"id","message":"Expected number >= 1","code":"too_small"}`,
		`{"field":"limit","message":"Expected number <= 100","code":"too_big"}`,
		`"field":"kind","message":"Expected value to be one of \"meta, ga4\"","code":"invalid_enum_value"`,
		`{"field":"X-Count","message":"Expected number, received string","code":"invalid_type","received":"string"}`,
	} {
		if !strings.Contains(a.body, want) {
			t.Errorf("%s lacks %s", a.body, want)
		}
	}
	b.get("/api/params/x").wantBody(400, `{"error":"Invalid request data","code":"VALIDATION_ERROR","details":{"errors":["id: Expected number, received string"]}}`)
}
