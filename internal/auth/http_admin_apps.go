package auth

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"turkey/internal/fault"
)

func (s *Service) mountAdminApps(m adminRoutes) {
	huma.Register(m.api, m.op(http.MethodGet, "apps", "listApps", "List apps", "By id. For operators."), s.handleApps)
	huma.Register(m.api, created(m.op(http.MethodPost, "apps", "createApp", "Register an app", "For operators.")), s.handleCreateApp)
	huma.Register(m.api, m.op(http.MethodGet, "apps/{id}", "getApp", "One app", "With all settings; null is the server's default."), s.handleApp)
	huma.Register(m.api, m.op(http.MethodPatch, "apps/{id}", "updateApp", "Change settings of an app",
		"What is absent stays, null is the server's default again. Tokens that were issued before live on as they are: a shorter accessTtl "+
			"holds for new ones; to end the old ones, revoke the app. For operators."), s.handleUpdateApp)
	huma.Register(m.api, m.op(http.MethodDelete, "apps/{id}", "deleteApp", "Delete an app", "Only one without users, and never the default app. For operators."), s.handleDeleteApp)
	huma.Register(m.api, m.op(http.MethodGet, "apps/{id}/audit", "listAppAudit", "Read an app's audit log", "Newest first."), s.handleAppAudit)
	huma.Register(m.api, m.op(http.MethodPost, "apps/{id}/revoke", "revokeApp", "Sign everybody of an app out",
		"Ends all access tokens and sessions of the app, the caller's own too if it is theirs."), s.handleRevokeApp)
}

// AppPath names an app.
type AppPath struct {
	ID string `path:"id" doc:"App id"`
}

func (s *Service) handleApps(ctx context.Context, in *PageQuery) (*pageOutput[App], error) {
	return listed(s.Apps(ctx, in.page()))
}

type createAppBody struct {
	ID string `json:"id" doc:"1 to 100 letters, numbers, underscores and hyphens; appId of the app's requests" example:"marketing-site"`
	AppChange
}

// Validate lists every broken rule.
func (b *createAppBody) Validate() []fault.Field {
	broken := checkAppID(&b.ID)
	if len(broken) > 0 {
		broken[0].Name = "id"
	}
	return append(broken, b.AppChange.Validate()...)
}

func (s *Service) handleCreateApp(ctx context.Context, in *struct{ Body createAppBody }) (*dataOutput[App], error) {
	return answered(s.AddApp(ctx, in.Body.ID, in.Body.AppChange))
}

func (s *Service) handleApp(ctx context.Context, in *AppPath) (*dataOutput[App], error) {
	if !appIDPattern.MatchString(in.ID) {
		return nil, errNoApp
	}
	return answered(s.AppByID(ctx, in.ID))
}

func (s *Service) handleUpdateApp(ctx context.Context, in *struct {
	AppPath
	Body AppChange
}) (*dataOutput[App], error) {
	if !appIDPattern.MatchString(in.ID) {
		return nil, errNoApp
	}
	return answered(s.ChangeApp(ctx, in.ID, in.Body))
}

func (s *Service) handleDeleteApp(ctx context.Context, in *AppPath) (*messageOutput, error) {
	if !appIDPattern.MatchString(in.ID) {
		return nil, errNoApp
	}
	if err := s.DeleteApp(ctx, in.ID); err != nil {
		return nil, err
	}
	return message("App deleted"), nil
}

type reasonBody struct {
	Reason *string `json:"reason,omitempty" doc:"At most 1000 characters; the first 100 are kept"`
}

// Validate lists every broken rule.
func (b *reasonBody) Validate() []fault.Field {
	if b.Reason != nil && len([]rune(*b.Reason)) > 1000 {
		return []fault.Field{{Name: "reason", Message: "Reason too long", Code: "too_big"}}
	}
	return nil
}

type revokedApp struct {
	SessionsEnded int64 `json:"sessionsEnded"`
}

func (s *Service) handleRevokeApp(ctx context.Context, in *struct {
	AppPath
	Body reasonBody
}) (*dataOutput[revokedApp], error) {
	if !appIDPattern.MatchString(in.ID) {
		return nil, errNoApp
	}
	n, err := s.RevokeApp(ctx, in.ID, value(in.Body.Reason))
	return answered(revokedApp{n}, err)
}
