package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"turkey/internal/auth"
	"turkey/internal/wire"
)

func (p *program) userCommand() *cobra.Command {
	return group("user", "Make, find and change users", p.userCreate(), p.userList(), p.userFind(), p.userShow(), p.userRole(), p.userPassword(),
		p.userVerify(), p.userDelete())
}

// secretFlags are the ways to give a command a password: all but the first keep it out of the list of processes.
type secretFlags struct{ password, file string }

func (s *secretFlags) add(c *cobra.Command) {
	c.Flags().StringVarP(&s.password, "password", "p", "", "the password (others on this machine may see it; without it you are asked)")
	c.Flags().StringVar(&s.file, "password-file", "", "a file that holds the password; - is the standard input")
}

// read takes the password from the flag, the file, or one line of the input.
func (s *secretFlags) read(ctx context.Context, p *program) (string, error) {
	switch {
	case s.password != "":
		return s.password, nil
	case s.file == "":
		return p.askSecret(ctx, "Password: ", p.patience())
	}
	return p.secretFile(ctx, s.file, "Password: ")
}

// secretFile reads a secret from a file, or with - asks for it and reads a line of the input.
func (p *program) secretFile(ctx context.Context, file, question string) (string, error) {
	if file == "-" {
		return p.askSecret(ctx, question, nil)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	return notEmpty(strings.TrimRight(string(content), "\r\n"))
}

func notEmpty(password string) (string, error) {
	if password == "" {
		return "", usageError{errors.New("a secret is needed and none was given: in a file, or as a line on the standard input")}
	}
	return password, nil
}

// askSecret reads a line. On a terminal it asks, and what is typed is not shown. An input that stays silent until late is an
// error.
func (p *program) askSecret(ctx context.Context, question string, late <-chan time.Time) (string, error) {
	if f, ok := p.in.(*os.File); ok && terminal(f) {
		fmt.Fprint(p.err, question)
		echo := func(how string) {
			c := exec.Command("stty", how) //nolint:gosec // one of two words
			c.Stdin = f
			_ = c.Run() // without stty the password is shown, as with any program that does not hide it
		}
		echo("-echo")
		defer func() { echo("echo"); fmt.Fprintln(p.err) }()
	}
	type answer struct {
		line string
		err  error
	}
	read := make(chan answer, 1)
	go func() { // the terminal may be silent for ever
		line, err := bufio.NewReader(p.in).ReadString('\n')
		read <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case <-late:
		return notEmpty("")
	case a := <-read:
		if a.err != nil && !errors.Is(a.err, io.EOF) {
			return "", a.err
		}
		return notEmpty(strings.TrimRight(a.line, "\r\n"))
	}
}

func checkRole(role string) error {
	if role != "user" && role != "admin" {
		return errors.New("--role: expected user or admin")
	}
	return nil
}

func (p *program) userCreate() *cobra.Command {
	var email, app, role string
	var force bool
	var secret secretFlags
	c := &cobra.Command{Use: "create", Short: "Make a user", Args: noArgs,
		Example: "  gravy user create -e ada@example.com -a marketing-site --password-file - <password.txt"}
	c.Flags().StringVarP(&email, "email", "e", "", "e-mail address (needed)")
	c.Flags().StringVarP(&app, "app-id", "a", "", "app (needed)")
	c.Flags().StringVarP(&role, "role", "r", "user", "user or admin")
	c.Flags().BoolVar(&force, "force", false, "whatever the app's rules for passwords say")
	secret.add(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := errors.Join(needFlags(cmd, "email", "app-id"), checkRole(role)); err != nil {
			return err
		}
		password, err := secret.read(cmd.Context(), p)
		if err != nil {
			return err
		}
		return p.withAuth(cmd, func(ctx context.Context, a *auth.Service) error {
			id, err := a.ResolveApp(ctx, app)
			if err != nil {
				return err
			}
			n := auth.NewUser{Email: email, Role: role, Password: password, AnyPassword: force, Silent: true}
			if err := n.Check(); err != nil {
				return err
			}
			u, err := a.AddUser(ctx, id, n)
			if err != nil {
				return err
			}
			return p.print(u, "Made %s %s (%s) in app %s", u.Role, u.Email, u.ID, u.AppID)
		})
	}
	return c
}

func (p *program) printUsers(users []auth.User) error {
	return p.table(users, "ID\tE-MAIL\tAPP\tROLE\tSTATUS\tVERIFIED\tCREATED", len(users), func(i int) string {
		u := users[i]
		return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%t\t%s", u.ID, u.Email, u.AppID, u.Role, u.Status, u.EmailVerified, u.CreatedAt)
	})
}

func (p *program) userList() *cobra.Command {
	var app, role string
	var limit int
	c := &cobra.Command{Use: "list", Short: "List users, newest first", Example: "  gravy user list -a shop -r admin\n  gravy user list -l 10 --json", Args: noArgs,
		RunE: p.operate(func(ctx context.Context, a *auth.Service, _ []string) error {
			if err := checkLimit(limit); err != nil {
				return err
			}
			users, err := a.FindUsers(ctx, app, "", "", role, nil, limit)
			if err != nil {
				return err
			}
			return p.printUsers(users)
		})}
	c.Flags().StringVarP(&role, "role", "r", "", "only this role")
	c.Flags().StringVarP(&app, "app-id", "a", "", "only this app")
	limitFlag(c, &limit)
	return c
}

func limitFlag(c *cobra.Command, limit *int) {
	c.Flags().IntVarP(limit, "limit", "l", 50, "at most so many")
}

func checkLimit(limit int) error {
	if limit < 1 || limit > 1_000_000 {
		return errors.New("--limit: expected a number from 1 to 1000000")
	}
	return nil
}

func (p *program) userFind() *cobra.Command {
	var app, role string
	var exact bool
	c := &cobra.Command{Use: "find <email>", Short: "Find users by a part of their address", Example: "  gravy user find ada@\n  gravy user find ada@example.com -e", Args: oneArg,
		RunE: p.operate(func(ctx context.Context, a *auth.Service, args []string) error {
			email, part := "", args[0]
			if exact {
				email, part = args[0], ""
			}
			users, err := a.FindUsers(ctx, app, email, part, role, nil, 1000)
			if err != nil {
				return err
			}
			return p.printUsers(users)
		})}
	c.Flags().StringVarP(&role, "role", "r", "", "only this role")
	c.Flags().StringVarP(&app, "app-id", "a", "", "only this app")
	c.Flags().BoolVarP(&exact, "exact", "e", false, "the whole address")
	return c
}

// theUser is the one user of an address, in an app or (app "") in the only one that has it. None and several are errors.
func theUser(ctx context.Context, a *auth.Service, app, email string) (u auth.User, id uuid.UUID, err error) {
	users, err := a.FindUsers(ctx, app, email, "", "", nil, 1000)
	switch {
	case err != nil:
		return u, id, err
	case len(users) == 0 && app != "":
		return u, id, fmt.Errorf("there is no user %s in app %s", email, app)
	case len(users) == 0:
		return u, id, fmt.Errorf("there is no user %s", email)
	case len(users) > 1:
		var apps []string
		for _, u := range users {
			apps = append(apps, u.AppID)
		}
		return u, id, fmt.Errorf("%s is a user of several apps, say which one with -a: %s", email, strings.Join(apps, ", "))
	}
	id, err = uuid.Parse(users[0].ID)
	return users[0], id, err
}

// onUser is a command about one user of an app, named by the address; example is how one goes on.
func (p *program) onUser(use, short, question, example string, act func(ctx context.Context, a *auth.Service, u auth.User, id uuid.UUID) error) *cobra.Command {
	var app string
	var yes bool
	c := &cobra.Command{Use: use + " <email>", Short: short, Args: oneArg, Example: "  gravy user " + use + " ada@example.com -a shop" + example}
	c.Flags().StringVarP(&app, "app-id", "a", "", "app (needed)")
	if question != "" {
		yesFlag(c, &yes)
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if err := needFlags(cmd, "app-id"); err != nil {
			return err
		}
		return p.withAuth(cmd, func(ctx context.Context, a *auth.Service) error {
			u, id, err := theUser(ctx, a, app, args[0])
			if err != nil {
				return err
			}
			if question != "" && !yes && !p.confirm(fmt.Sprintf(question, u.Email, u.AppID)) {
				return p.cancelled()
			}
			return act(ctx, a, u, id)
		})
	}
	return c
}

func (p *program) userShow() *cobra.Command {
	return p.onUser("show", "Show a user", "", "", func(ctx context.Context, a *auth.Service, u auth.User, id uuid.UUID) error {
		u, err := a.UserOf(ctx, u.AppID, id)
		if err != nil {
			return err
		}
		return p.showUser(u)
	})
}

func (p *program) showUser(u auth.User) error {
	sessions := "0"
	if u.Sessions != nil {
		sessions = fmt.Sprint(*u.Sessions)
	}
	rows := [][2]string{{"id", u.ID}, {"e-mail", u.Email}, {"app", u.AppID}, {"role", u.Role}, {"status", u.Status}, {"verified", fmt.Sprint(u.EmailVerified)},
		{"token version", fmt.Sprint(u.TokenVersion)}, {"created", u.CreatedAt.String()}, {"active sessions", sessions}}
	return p.table(u, "", len(rows), func(i int) string { return rows[i][0] + "\t" + rows[i][1] })
}

func (p *program) userRole() *cobra.Command {
	var role string
	var force bool
	c := p.onUser("update-role", "Change a user's role; tokens and sessions end", "Change the role of %s in app %s?", " -r admin -y",
		func(ctx context.Context, a *auth.Service, u auth.User, id uuid.UUID) error {
			u, err := a.SetUserRole(ctx, u.AppID, id, role)
			if err != nil {
				return err
			}
			return p.print(u, "%s in app %s has the role %s", u.Email, u.AppID, u.Role)
		})
	c.Flags().StringVarP(&role, "role", "r", "", "user or admin (needed)")
	forceFlag(c, &force)
	run := c.RunE
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if err := needFlags(cmd, "role"); err != nil {
			return err
		}
		if err := checkRole(role); err != nil {
			return err
		}
		return run(cmd, args)
	}
	return c
}

func forceFlag(c *cobra.Command, force *bool) {
	c.Flags().BoolVar(force, "force", false, "even if the app loses its last administrator")
}

func (p *program) userPassword() *cobra.Command {
	var secret secretFlags
	var password string
	c := p.onUser("reset-password", "Set a user's password; tokens and sessions end", "Set the password of %s in app %s?", " --password-file new.txt -y",
		func(ctx context.Context, a *auth.Service, u auth.User, id uuid.UUID) error {
			u, err := a.SetUserPassword(ctx, u.AppID, id, password)
			if err != nil {
				return err
			}
			return p.print(u, "%s in app %s has a new password and is signed out everywhere", u.Email, u.AppID)
		})
	secret.add(c)
	run := c.RunE
	c.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if err := needFlags(cmd, "app-id"); err != nil {
			return err
		}
		if password, err = secret.read(cmd.Context(), p); err != nil {
			return err
		}
		return run(cmd, args)
	}
	return c
}

func (p *program) userVerify() *cobra.Command {
	return p.onUser("verify-email", "Take a user's address as verified", "Take the address of %s in app %s as verified?", " -y",
		func(ctx context.Context, a *auth.Service, u auth.User, id uuid.UUID) error {
			u, err := a.VerifyUser(ctx, u.AppID, id)
			if err != nil {
				return err
			}
			return p.print(u, "The address of %s in app %s is verified", u.Email, u.AppID)
		})
}

func (p *program) userDelete() *cobra.Command {
	var yes, force bool
	c := &cobra.Command{Use: "delete <user-id>", Short: "Delete a user with everything that is theirs", Example: "  gravy user delete 01a20291-7995-7c8e-bbf7-2d53910760fb -y", Args: oneArg}
	c.RunE = p.operate(func(ctx context.Context, a *auth.Service, args []string) error {
		id, err := uuid.Parse(args[0])
		if err != nil {
			return errors.New("the id of a user is a UUID; gravy user find shows it")
		}
		users, err := a.FindUsers(ctx, "", "", "", "", &id, 1)
		if err != nil {
			return err
		}
		if len(users) == 0 {
			return fmt.Errorf("there is no user %s", id)
		}
		u := users[0]
		if !yes && !p.confirm(fmt.Sprintf("Delete %s of app %s, with sessions, credentials and schedules?", u.Email, u.AppID)) {
			return p.cancelled()
		}
		if _, err := a.RemoveUser(ctx, u.AppID, id); err != nil {
			return err
		}
		return p.print(u, "Deleted %s of app %s", u.Email, u.AppID)
	})
	yesFlag(c, &yes)
	forceFlag(c, &force)
	return c
}

func moment(t *wire.Time) string {
	if t == nil {
		return "-"
	}
	return t.String()
}
