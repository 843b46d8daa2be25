package auth

import (
	"bytes"
	"embed"
	"html/template"
	"math"
	"net/http"
	"strconv"
	"time"

	"turkey/internal/fault"
)

// The pages that links in mails lead to. Opening one changes nothing, whoever opens it, a mail scanner included; the
// button on it does.

//go:embed pages
var pageFiles embed.FS

var pageTemplate = template.Must(template.ParseFS(pageFiles, "pages/page.html"))

type page struct {
	Title, Text, Problem string
	Action, Token        string // where the form goes; no action: no form
	Button               string
	AsksPassword         bool
	status               int
}

// The pages' addresses, which the links of mails name.
const (
	verifyPath = "/auth/verify-email"
	resetPath  = "/auth/reset-password"
)

// Router is where plain handlers are mounted.
type Router interface {
	Handle(pattern string, h http.Handler)
}

// MountPages adds the pages of mails' links.
func (s *Service) MountPages(r Router) {
	verify := page{Title: "Verify your e-mail address", Text: "Press the button to verify your address.", Action: verifyPath, Button: "Verify my address"}
	reset := page{Title: "Choose a new password", Action: resetPath, Button: "Set the password", AsksPassword: true}
	r.Handle("GET "+verifyPath, ask(verify))
	r.Handle("GET "+resetPath, ask(reset))
	r.Handle("POST "+verifyPath, s.submit(verify, page{Title: "Address verified", Text: "Thank you. You can close this page."},
		func(r *http.Request) error {
			_, err := s.verifyEmail(r.Context(), r.PostForm.Get("token"))
			return err
		}))
	r.Handle("POST "+resetPath, s.submit(reset, page{Title: "Password changed", Text: "Sign in with your new password. All devices were signed out."},
		func(r *http.Request) error {
			password := r.PostForm.Get("newPassword")
			if broken := checkAnyPassword("newPassword", password); len(broken) > 0 {
				return invalidRequest.WithFields(broken...)
			}
			return s.resetPassword(r.Context(), r.PostForm.Get("token"), password)
		}))
	r.Handle("GET /auth/style.css", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, pageFiles, "pages/style.css")
	}))
}

// PageErrors is how requests are refused before they reach their handler: those for pages with a page, all others by next.
func PageErrors(next func(http.ResponseWriter, *http.Request, error)) func(http.ResponseWriter, *http.Request, error) {
	return func(w http.ResponseWriter, r *http.Request, err error) {
		f, ok := fault.From(err)
		if !ok || r.URL.Path != verifyPath && r.URL.Path != resetPath {
			next(w, r, err)
			return
		}
		p := page{Title: "Please try again later", Problem: "That did not work just now. Please try again in a moment.", status: http.StatusServiceUnavailable}
		wait := max(f.RetryAfter, time.Second)
		if f.Kind == fault.Limited {
			p.Problem, p.status = "There were too many attempts from your network. Please go back and try again "+in(wait)+".", http.StatusTooManyRequests
		}
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		show(w, p)
	}
}

// in says to a person when a time from now is, not too early.
func in(wait time.Duration) string {
	switch minutes := int(math.Ceil(wait.Minutes())); {
	case wait <= 10*time.Second:
		return "in a few seconds"
	case minutes == 1:
		return "in a minute"
	default:
		return "in " + strconv.Itoa(minutes) + " minutes"
	}
}

// ask shows the form with the token of the link in it.
func ask(p page) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := p
		p.Token = r.URL.Query().Get("token")
		if len(p.Token) != 64 {
			p.Action, p.Text, p.Problem, p.status = "", "", "This link is not complete. Open it from the mail again, or ask for a new one.", http.StatusBadRequest
		}
		show(w, p)
	})
}

// maxForm bounds a submitted form.
const maxForm = 16 << 10

// submit acts on a form. A rule that a field breaks shows the form again; everything else ends on a page that says so.
func (s *Service) submit(form, done page, act func(*http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			show(w, page{Title: form.Title, Problem: "The form could not be read.", status: http.StatusBadRequest})
			return
		}
		err := act(r)
		if err == nil {
			show(w, done)
			return
		}
		f, ok := fault.From(err)
		switch {
		case ok && f.Code == invalidRequest.Code && len(f.Fields) > 0:
			form.Token, form.Problem, form.status = r.PostForm.Get("token"), f.Fields[0].Message, http.StatusBadRequest
			show(w, form)
		case ok && f.Kind == fault.Invalid:
			show(w, page{Title: form.Title, Problem: "This link has expired or was used already. Ask for a new one.", status: http.StatusBadRequest})
		default:
			s.cfg.Log.ErrorContext(r.Context(), "page of a mail's link failed", "path", r.URL.Path, "error", err)
			show(w, page{Title: form.Title, Problem: "That did not work just now. Please try again in a moment.", status: http.StatusServiceUnavailable})
		}
	})
}

func show(w http.ResponseWriter, p page) {
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, p); err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if p.status != 0 {
		w.WriteHeader(p.status)
	}
	_, _ = b.WriteTo(w) // the client went
}
