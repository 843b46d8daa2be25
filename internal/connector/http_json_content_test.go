package connector_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"turkey/internal/connector"
)

func TestParseHTTPJSON(t *testing.T) {
	t.Parallel()
	source, _ := connector.New(connector.Config{HTTPJSON: true}).Source(connector.HTTPJSON)
	least := map[string]any{"url": "https://api.example.com/x", "dateField": "d", "metrics": []any{map[string]any{"column": "n", "field": "n"}}}
	metrics := func(m ...any) map[string]any { return map[string]any{"metrics": m} }
	metric := func(column, field string, more ...string) map[string]any {
		m := map[string]any{"column": column, "field": field}
		for _, kind := range more {
			m["kind"] = kind
		}
		return m
	}
	auth := func(m map[string]any) map[string]any { return map[string]any{"auth": m} }
	many := make([]any, 21)
	for i := range many {
		many[i] = metric(fmt.Sprintf("c%d", i), "f")
	}
	for name, tt := range map[string]struct {
		changes map[string]any
		want    string // of the problems, "" = accepted
	}{
		"the least":          {nil, ""},
		"everything":         {map[string]any{"fromParam": "from", "toParam": "to", "dateFormat": "DD.MM.YYYY", "rows": "/a/0", "nextField": "n.x", "nextParam": "c", "maxPages": 200, "timezone": "Asia/Kolkata", "currency": "INR"}, ""},
		"bearer":             {auth(map[string]any{"type": "bearer", "token": "t"}), ""},
		"header":             {auth(map[string]any{"type": "header", "name": "X-Key", "value": "Token token=a b"}), ""},
		"basic":              {auth(map[string]any{"type": "basic", "username": "u"}), ""},
		"no url":             {map[string]any{"url": ""}, "Missing url"},
		"http":               {map[string]any{"url": "http://api.example.com/"}, "https://"},
		"a file":             {map[string]any{"url": "file:///etc/passwd"}, "https://"},
		"a password":         {map[string]any{"url": "https://u:p@api.example.com/"}, "auth"},
		"a fragment":         {map[string]any{"url": "https://api.example.com/#x"}, "fragment"},
		"no host":            {map[string]any{"url": "https:///x"}, "public host"},
		"a line":             {map[string]any{"url": "https://api.example.com/\nx"}, "Invalid url"},
		"a port":             {map[string]any{"url": "https://api.example.com:99999/"}, "port"},
		"long":               {map[string]any{"url": "https://api.example.com/" + strings.Repeat("x", 2048)}, "Invalid url"},
		"misspelt":           {map[string]any{"nextfield": "x"}, "Unknown nextfield"},
		"a secret as a name": {map[string]any{"sk-Planted/Secret": "x"}, "Unknown (a field of another name)"},
		"half a range":       {map[string]any{"fromParam": "x"}, "both are named"},
		"the same twice":     {map[string]any{"fromParam": "x", "toParam": "x"}, "the same"},
		"cursor of nothing":  {map[string]any{"nextParam": "x"}, "Missing nextField"},
		"pages":              {map[string]any{"maxPages": 201}, "maxPages"},
		"half a page":        {map[string]any{"maxPages": 1.5}, "maxPages"},
		"pages as text":      {map[string]any{"maxPages": "5"}, "maxPages"},
		"path":               {map[string]any{"rows": "a..b"}, "Invalid rows"},
		"long path":          {map[string]any{"rows": strings.Repeat("a.", 16) + "a"}, "Invalid rows"},
		"form":               {map[string]any{"dateFormat": "YY-MM-DD"}, "dateFormat"},
		"another form":       {map[string]any{"dateFormat": "2006-MM-DD"}, "dateFormat"},
		"zone":               {map[string]any{"timezone": "Mars/Olympus"}, "timezone"},
		"zone of a machine":  {map[string]any{"timezone": "Local"}, "timezone"},
		"currency":           {map[string]any{"currency": "euro"}, "currency"},
		"auth":               {auth(map[string]any{"type": "digest"}), "auth.type"},
		"auth as text":       {map[string]any{"auth": "secret"}, "Invalid auth"},
		"no token":           {auth(map[string]any{"type": "bearer"}), "Missing auth.token"},
		"two sign-ins":       {auth(map[string]any{"type": "bearer", "token": "t", "password": "p"}), "Unknown auth.password"},
		"a broken token":     {auth(map[string]any{"type": "bearer", "token": "a\r\nHost: evil"}), "Invalid auth"},
		"a taken header":     {auth(map[string]any{"type": "header", "name": "hOST", "value": "evil"}), "Invalid auth"},
		"a broken header":    {auth(map[string]any{"type": "header", "name": "X: y", "value": "v"}), "Invalid auth"},
		"a name with colon":  {auth(map[string]any{"type": "basic", "username": "a:b"}), "Invalid auth"},
		"no metrics":         {metrics(), "Missing metrics"},
		"metrics as object":  {map[string]any{"metrics": metric("n", "n")}, "Missing metrics"},
		"a metric as text":   {metrics("n"), "Invalid metrics[0]"},
		"too many":           {metrics(many...), "1 to 20"},
		"a metric's field":   {metrics(metric("n", "")), "Missing metrics[0].field"},
		"twice":              {metrics(metric("n", "a"), metric("n", "b")), "metrics[1].column"},
		"id":                 {metrics(metric("id", "a")), "metrics[0].column"},
		"currency's column":  {metrics(metric("currency", "a")), "metrics[0].column"},
		"a formula":          {metrics(metric("=1+1", "a")), "metrics[0].column"},
		"capitals":           {metrics(metric("Orders", "a")), "metrics[0].column"},
		"kind":               {metrics(metric("n", "a", "average")), "metrics[0].kind"},
		"per day":            {metrics(metric("n", "a", "per_day")), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := maps.Clone(least)
			maps.Copy(all, tt.changes)
			raw, err := json.Marshal(all)
			if err != nil {
				t.Fatal(err)
			}
			content, problems := source.Parse(raw)
			said := strings.Join(problems, "; ")
			if (tt.want == "") != (len(problems) == 0) || !strings.Contains(said, tt.want) || strings.Contains(said, "Planted") {
				t.Fatalf("problems %q, want %q", said, tt.want)
			}
			if tt.want != "" {
				return
			}
			if content.Preview != "api...com" || content.Host != "api.example.com" || content.Type != connector.TypeAccessToken || content.ExpiresAt != nil {
				t.Errorf("%+v", content)
			}
			again, problems := source.Parse(content.JSON)
			if problems != nil || !bytes.Equal(again.JSON, content.JSON) {
				t.Errorf("again: %v %s", problems, again.JSON)
			}
		})
	}
}

func FuzzParseHTTPJSON(f *testing.F) {
	f.Add([]byte(`{"url":"https://api.example.com/x","dateField":"d","metrics":[{"column":"n","field":"/a~1b/0"}],"auth":{"type":"basic","username":"u"}}`))
	f.Add([]byte(`{"url":"https://xn--/","dateFormat":"MM/DD/YYYY","rows":"a.b","maxPages":3}`))
	source, _ := connector.New(connector.Config{HTTPJSON: true}).Source(connector.HTTPJSON)
	f.Fuzz(func(t *testing.T, raw []byte) {
		content, problems := source.Parse(raw)
		if (len(problems) == 0) != (content.JSON != nil) {
			t.Fatalf("problems = %v, JSON = %s", problems, content.JSON)
		}
		if content.JSON == nil {
			return
		}
		again, problems := source.Parse(content.JSON)
		if len(problems) > 0 || !bytes.Equal(again.JSON, content.JSON) {
			t.Fatalf("parsing the sealed content again: %v\n%s\n%s", problems, content.JSON, again.JSON)
		}
	})
}
