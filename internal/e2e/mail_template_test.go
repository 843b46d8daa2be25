package e2e_test

import (
	"strings"
	"testing"
)

// TestAppsWordTheirMails: what is stored is what is sent, by the app that has it alone, until it is reset.
func TestAppsWordTheirMails(t *testing.T) {
	t.Parallel()
	s := setup(t)
	operator := s.user("default-app", "role = 'admin'")
	admin, other := s.user("shop", "role = 'admin'"), s.user("another", "role = 'admin'")
	const path = "/v1/admin/apps/shop/mail-templates"

	list := s.get(path, operator.access).want(t, 200, "")
	if kinds, ok := list.at("data").([]any); !ok || len(kinds) != 12 || strings.Contains(list.raw, `"custom":true`) {
		t.Errorf("%s", list.raw)
	}
	before := s.get(path+"/reset_password", operator.access).want(t, 200, "")
	if before.at("data", "custom") != false || before.at("data", "html") != before.at("data", "default", "html") || before.at("data", "updatedAt") != nil {
		t.Errorf("%s", before.raw)
	}

	words := object{"subject": "New key for {{.AppName}}", "text": "Hello {{.Email}}\n{{.Link}}", "html": `{{template "top" .}}<p>Hello <b>{{.Email}}</b></p><a href="{{.Link}}">go</a>{{template "bottom" .}}`}
	shown := s.call("POST", path+"/reset_password/preview", admin.access, words).want(t, 200, "")
	if !strings.Contains(shown.text("data", "html"), `href="https://app.example/auth/sample?token=`) || strings.Contains(shown.raw, "{{") {
		t.Errorf("%s", shown.raw)
	}
	if s.count(`SELECT count(*) FROM app_mail_templates`) != 0 {
		t.Error("a preview is kept")
	}

	// Whoever words the mails of an app can lead its users elsewhere: that is for operators.
	for _, u := range []*user{admin, other} {
		s.call("PUT", path+"/reset_password", u.access, words).want(t, 403, "insufficient_permissions")
		s.call("DELETE", path+"/reset_password", u.access, nil).want(t, 403, "insufficient_permissions")
	}
	s.get(path+"/reset_password", other.access).want(t, 403, "insufficient_permissions")
	s.call("PUT", path+"/nothing", operator.access, words).want(t, 404, "not_found")
	s.call("PUT", "/v1/admin/apps/none/mail-templates/welcome", operator.access, words).want(t, 404, "not_found")
	s.get("/v1/admin/apps/no%00ne/mail-templates/welcome", operator.access).want(t, 404, "not_found")
	for field, bad := range map[string]object{
		"text":    {"text": "no link"},
		"html":    {"html": `<img src="https://evil.example/{{.Link}}"><a href="{{.Link}}">go</a>`},
		"subject": {"subject": "one\ntwo"},
	} {
		for _, call := range []answer{s.call("PUT", path+"/reset_password", operator.access, bad), s.call("POST", path+"/reset_password/preview", operator.access, bad)} {
			if call.want(t, 400, "validation_error"); !strings.Contains(call.raw, `"field":"`+field+`"`) && !strings.Contains(call.raw, `"path":["`+field+`"]`) {
				t.Errorf("%s is not named: %s", field, call.raw)
			}
		}
	}

	s.call("PUT", path+"/reset_password", operator.access, words).want(t, 200, "")
	if s.count(`SELECT count(*) FROM audit WHERE action = 'mail_template_changed' AND app_id = 'shop' AND meta::jsonb->>'kind' = 'reset_password'`) != 1 {
		t.Error("the change is not in the audit")
	}
	ada, eve := s.user("shop"), s.user("another")
	s.post("/v1/auth/request-password-reset", object{"email": ada.email, "appId": "shop"}).want(t, 200, "")
	l := s.last(ada.email, "New key for")
	if l.Subject != "New key for shop" && l.Subject != "New key for TurKey Auth" || !strings.HasPrefix(l.Text, "Hello "+ada.email+"\n") || !strings.Contains(l.HTML, "<b>"+ada.email+"</b>") {
		t.Errorf("%s\n%s\n%s", l.Subject, l.Text, l.HTML)
	}
	s.post("/v1/auth/reset-password", object{"token": l.token(t), "newPassword": another}).want(t, 200, "")
	s.resetToken("another", eve.email) // another app's mails stay as they are

	// Words that the layout left behind must not keep anybody out.
	s.exec(`UPDATE app_mail_templates SET body_html = '{{template "gone"}}'`)
	bob := s.user("shop")
	s.resetToken("shop", bob.email)

	s.call("DELETE", path+"/reset_password", operator.access, nil).want(t, 200, "")
	s.call("DELETE", path+"/reset_password", operator.access, nil).want(t, 200, "")
	if after := s.get(path+"/reset_password", operator.access); after.at("data", "custom") != false || s.count(`SELECT count(*) FROM audit WHERE action = 'mail_template_reset'`) != 1 {
		t.Errorf("%s", after.raw)
	}
}
