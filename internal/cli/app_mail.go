package cli

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"turkey/internal/auth"
	"turkey/internal/config"
	"turkey/internal/mail"
)

func (p *program) appMail() *cobra.Command {
	return group("mail", "Words of an app's mails", p.appMailList(), p.appMailShow(), p.appMailSet(), p.appMailPreview(), p.appMailReset())
}

// operateMail is operate with the texts of mails, as a server has them.
func (p *program) operateMail(fn func(ctx context.Context, a *auth.Service, args []string) error) func(*cobra.Command, []string) error {
	templates := func(_ context.Context, cfg *config.Config, ac *auth.Config) (err error) {
		if ac.Templates, err = mail.LoadTemplates(cfg.MailTemplates); err != nil {
			return fmt.Errorf("EMAIL_TEMPLATES: %w", err)
		}
		return nil
	}
	return func(cmd *cobra.Command, args []string) error {
		return p.withMoreAuth(cmd, templates, func(ctx context.Context, a *auth.Service) error { return fn(ctx, a, args) })
	}
}

func (p *program) appMailList() *cobra.Command {
	return &cobra.Command{Use: "list <app-id>", Short: "List the kinds of mails", Args: oneArg, Example: "  gravy app mail list shop",
		RunE: p.operateMail(func(ctx context.Context, a *auth.Service, args []string) error {
			all, err := a.MailTemplates(ctx, args[0])
			if err != nil {
				return err
			}
			return p.table(all, "KIND\tWORDS\tSUBJECT", len(all), func(i int) string {
				return all[i].Kind + "\t" + map[bool]string{true: "own", false: "default"}[all[i].Custom] + "\t" + all[i].Subject
			})
		})}
}

func (p *program) appMailShow() *cobra.Command {
	return &cobra.Command{Use: "show <app-id> <kind>", Short: "Show the template of a mail", Args: twoArgs, Example: "  gravy app mail show shop welcome --json",
		RunE: p.operateMail(func(ctx context.Context, a *auth.Service, args []string) error {
			t, err := a.MailTemplate(ctx, args[0], args[1])
			if err != nil {
				return err
			}
			return p.print(t, "%s\n\n%s\n%s", t.Subject, t.Text, t.HTML)
		})}
}

// twoArgs takes an app and a kind of mail.
func twoArgs(cmd *cobra.Command, args []string) error {
	if err := cobra.ExactArgs(2)(cmd, args); err != nil {
		return usageError{err}
	}
	return nil
}

// mailChange adds the flags of a change, and reads it.
func mailChange(c *cobra.Command) func() (auth.MailChange, error) {
	var subject, text, html string
	f := c.Flags()
	f.StringVar(&subject, "subject", "", "template of the subject")
	f.StringVar(&text, "text", "", "file with the template of the plain text")
	f.StringVar(&html, "html", "", "file with the template of the HTML")
	return func() (change auth.MailChange, err error) {
		if f.Changed("subject") {
			change.Subject = &subject
		}
		for flag, to := range map[string]struct {
			file string
			to   **string
		}{"text": {text, &change.Text}, "html": {html, &change.HTML}} {
			if !f.Changed(flag) {
				continue
			}
			content, err := os.ReadFile(to.file)
			if err != nil {
				return change, err
			}
			words := string(content)
			*to.to = &words
		}
		return change, nil
	}
}

func (p *program) appMailSet() *cobra.Command {
	c := &cobra.Command{Use: "set <app-id> <kind>", Short: "Change the words of a mail", Args: twoArgs,
		Long:    "Changes what is named, after trying it out; the rest stays. The words hold for the next mail.",
		Example: "  gravy app mail set shop reset_password --subject 'A new password for {{.AppName}}' --html reset.html"}
	change := mailChange(c)
	c.RunE = p.operateMail(func(ctx context.Context, a *auth.Service, args []string) error {
		words, err := change()
		if err != nil {
			return err
		}
		if words == (auth.MailChange{}) {
			return usageError{fmt.Errorf("one of --subject, --text and --html is needed")}
		}
		t, err := a.SetMailTemplate(ctx, args[0], args[1], words)
		if err != nil {
			return err
		}
		return p.print(t, "Mails %s of %s have their own words", t.Kind, args[0])
	})
	return c
}

func (p *program) appMailPreview() *cobra.Command {
	c := &cobra.Command{Use: "preview <app-id> <kind>", Short: "Show a mail with sample data", Args: twoArgs,
		Long:    "Shows what is sent now, or with flags what would be sent. Nothing is kept.",
		Example: "  gravy app mail preview shop reset_password --text reset.txt"}
	change := mailChange(c)
	c.RunE = p.operateMail(func(ctx context.Context, a *auth.Service, args []string) error {
		words, err := change()
		if err != nil {
			return err
		}
		shown, err := a.PreviewMail(ctx, args[0], args[1], words)
		if err != nil {
			return err
		}
		return p.print(shown, "Subject: %s\n\n%s", shown.Subject, shown.Text)
	})
	return c
}

func (p *program) appMailReset() *cobra.Command {
	return &cobra.Command{Use: "reset <app-id> <kind>", Short: "Give a mail its default words again", Args: twoArgs, Example: "  gravy app mail reset shop welcome",
		RunE: p.operateMail(func(ctx context.Context, a *auth.Service, args []string) error {
			t, err := a.ResetMailTemplate(ctx, args[0], args[1])
			if err != nil {
				return err
			}
			return p.print(t, "Mails %s of %s have the default words", t.Kind, args[0])
		})}
}
