package auth

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"turkey/internal/caller"
	"turkey/internal/fault"
)

func (s *Service) mountAdminUsers(m adminRoutes) {
	op := func(method, path, id, summary, description string) huma.Operation {
		return m.op(method, "apps/{id}/users"+path, id, summary, description)
	}
	huma.Register(m.api, op(http.MethodGet, "", "listUsers", "Search an app's users", "Newest first."), s.handleUsers)
	huma.Register(m.api, created(op(http.MethodPost, "", "createUser", "Make an account",
		"Without a password the user gets a mail to choose one, and nobody signs in before that.")), s.handleCreateUser)
	huma.Register(m.api, op(http.MethodGet, "/{userId}", "getUser", "One user", "With the number of live sessions."), onUser(s.UserOf))
	huma.Register(m.api, op(http.MethodPost, "/{userId}/suspend", "suspendUser", "Suspend a user",
		"The user cannot act or sign in; tokens and sessions end at once. The last administrator of an app cannot be suspended."), onUser(s.SuspendUser))
	huma.Register(m.api, op(http.MethodPost, "/{userId}/activate", "activateUser", "Let a suspended user act again", "With a new sign-in."), onUser(s.ActivateUser))
	huma.Register(m.api, op(http.MethodPost, "/{userId}/verify", "verifyUser", "Take the address as verified", "Open verification links are void."), onUser(s.VerifyUser))
	huma.Register(m.api, op(http.MethodPost, "/{userId}/reset-password", "resetUserPassword", "Send a reset mail",
		"All sessions and tokens of the user end, and the user gets a mail to choose a new password. Nobody else can choose it; the old one "+
			"is good until then."), onUser(s.AskForNewPassword))
	huma.Register(m.api, op(http.MethodPost, "/{userId}/end-sessions", "endUserSessions", "Sign a user out everywhere", "Access tokens end too."),
		onUser(func(ctx context.Context, app string, id uuid.UUID) (User, error) {
			return s.EndUserSessions(ctx, app, id, "")
		}))
	huma.Register(m.api, op(http.MethodPut, "/{userId}/role", "setUserRole", "Change a user's role",
		"All sessions and tokens of the user end, since they name the role. An app keeps its last administrator."), s.handleRole)
	huma.Register(m.api, op(http.MethodDelete, "/{userId}", "deleteUser", "Delete a user",
		"With sessions, tokens, credentials and schedules. An app keeps its last administrator."), s.handleDeleteUser)
}

type usersInput struct {
	App string `path:"id" doc:"App id"`
	PageQuery
	Part     string `query:"q" doc:"Part of the address, without regard to case"`
	Role     string `query:"role" enum:"user,admin"`
	Status   string `query:"status" enum:"active,suspended,deleted"`
	Verified string `query:"verified" enum:"true,false"`
}

func (s *Service) handleUsers(ctx context.Context, in *usersInput) (*pageOutput[User], error) {
	var q queryRules
	f := UserFilter{Part: q.text("q", in.Part), Role: in.Role, Status: in.Status}
	if in.Verified != "" {
		yes := in.Verified == "true"
		f.Verified = &yes
	}
	if err := q.err(); err != nil {
		return nil, err
	}
	if !appIDPattern.MatchString(in.App) {
		return nil, errNoApp
	}
	return listed(s.Users(ctx, in.App, f, in.page()))
}

type createUserBody struct {
	Email         string  `json:"email" doc:"Trimmed and lower-cased" example:"ada@example.com"`
	Password      *string `json:"password,omitempty" doc:"As at registration; better none: the user then chooses one"`
	Role          *string `json:"role,omitempty" enum:"user,admin" doc:"Default: user"`
	EmailVerified *bool   `json:"emailVerified,omitempty" doc:"Take the address as verified"`
}

// Validate brings the e-mail into normal form and lists every broken rule that holds for all apps.
func (b *createUserBody) Validate() []fault.Field {
	b.Email = normalEmail(b.Email)
	broken := checkEmail(b.Email)
	if b.Password != nil {
		broken = append(broken, anyPolicy.check("password", *b.Password)...)
	}
	return append(broken, checkRole(b.Role)...)
}

func checkRole(role *string) []fault.Field {
	if role == nil || *role == "user" || *role == "admin" {
		return nil
	}
	return []fault.Field{{Name: "role", Message: `Role must be either "user" or "admin"`, Code: "invalid_enum_value"}}
}

func (s *Service) handleCreateUser(ctx context.Context, in *struct {
	AppPath
	Body createUserBody
}) (*dataOutput[User], error) {
	if !appIDPattern.MatchString(in.ID) {
		return nil, errNoApp
	}
	n := NewUser{Email: in.Body.Email, Role: "user", Password: value(in.Body.Password), Verified: in.Body.EmailVerified != nil && *in.Body.EmailVerified}
	if in.Body.Role != nil {
		n.Role = *in.Body.Role
	}
	return answered(s.AddUser(ctx, in.ID, n))
}

type roleBody struct {
	Role string `json:"role" enum:"user,admin"`
}

// Validate lists every broken rule.
func (b *roleBody) Validate() []fault.Field { return checkRole(&b.Role) }

func (s *Service) handleRole(ctx context.Context, in *struct {
	UserPath
	Body roleBody
}) (*dataOutput[User], error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	return answered(s.SetUserRole(ctx, in.App, id, in.Body.Role))
}

func (s *Service) handleDeleteUser(ctx context.Context, in *UserPath) (*messageOutput, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	if _, err := s.RemoveUser(ctx, in.App, id); err != nil {
		return nil, err
	}
	return message("User deleted"), nil
}

// mountExport adds the export, which is the user's own.
func (s *Service) mountExport(api huma.API, user func(huma.Context, func(huma.Context))) {
	op := protected(operation(http.MethodPost, "/v1/users/me/export", "exportData", "Users", "Export the own data",
		"Everything the server keeps about the caller, as JSON: account, sessions, audit log, mails without their texts, credentials without "+
			"their content, mappings, runs."), user)
	huma.Register(api, op, s.handleExport)
}

func (s *Service) handleExport(ctx context.Context, _ *struct{}) (*dataOutput[Export], error) {
	u, _ := caller.UserFrom(ctx)
	return answered(s.export(ctx, u))
}
