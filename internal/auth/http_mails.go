package auth

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"turkey/internal/fault"
	"turkey/internal/mail"
)

func (s *Service) mountMails(api huma.API) {
	op := func(path, id, summary, description string) huma.Operation {
		return operation(http.MethodPost, "/v1/auth/"+path, id, "Authentication", summary, description)
	}
	huma.Register(api, op("request-password-reset", "requestPasswordReset", "Ask for a reset link",
		"The same answer in the same time, whether or not anybody has this address."), s.handleRequestReset)
	huma.Register(api, op("reset-password", "resetPassword", "Set a new password",
		"Spends a reset link's token. All sessions and tokens of the user end."), s.handleReset)
	huma.Register(api, op("verify-email", "verifyEmail", "Verify an address",
		"Spends a verification link's token. It proves the address it was sent to."), s.handleVerify)
	huma.Register(api, op("resend-verification", "resendVerification", "Ask for a verification link",
		"The same answer in the same time, whether or not anybody has this address."), s.handleResend)
}

type emailBody struct {
	Email string  `json:"email" example:"ada@example.com"`
	AppID *string `json:"appId,omitempty" doc:"Default: the default app"`
}

// Validate brings the e-mail into normal form and lists every broken rule.
func (b *emailBody) Validate() []fault.Field {
	b.Email = normalEmail(b.Email)
	return append(checkEmail(b.Email), checkAppID(b.AppID)...)
}

func (s *Service) handleRequestReset(ctx context.Context, in *struct{ Body emailBody }) (*messageOutput, error) {
	a, err := s.app(ctx, value(in.Body.AppID))
	if err != nil {
		return nil, err
	}
	if err := s.requestMail(ctx, a.id, in.Body.Email, mail.ResetPassword, "password_reset_requested"); err != nil {
		return nil, err
	}
	return message("If an account exists with that email, a password reset link has been sent."), nil
}

func (s *Service) handleResend(ctx context.Context, in *struct{ Body emailBody }) (*messageOutput, error) {
	a, err := s.app(ctx, value(in.Body.AppID))
	if err != nil {
		return nil, err
	}
	if err := s.requestMail(ctx, a.id, in.Body.Email, mail.VerifyEmail, ""); err != nil {
		return nil, err
	}
	return message("If your email is not verified, a new verification link has been sent."), nil
}

type resetBody struct {
	Token       string `json:"token"`
	NewPassword string `json:"newPassword" doc:"As at registration"`
}

// Validate lists every broken rule that holds for all apps.
func (b *resetBody) Validate() []fault.Field {
	return append(checkToken(b.Token), checkAnyPassword("newPassword", b.NewPassword)...)
}

func (s *Service) handleReset(ctx context.Context, in *struct{ Body resetBody }) (*messageOutput, error) {
	if err := s.resetPassword(ctx, in.Body.Token, in.Body.NewPassword); err != nil {
		return nil, err
	}
	return message("Password has been reset successfully. Please log in with your new password."), nil
}

type verifyBody struct {
	Token string `json:"token" missing:"handler"`
}

type verifyOutput struct {
	Body struct {
		Message string    `json:"message"`
		User    userBrief `json:"user"`
	}
}

func (s *Service) handleVerify(ctx context.Context, in *struct{ Body verifyBody }) (*verifyOutput, error) {
	if in.Body.Token == "" {
		return nil, fault.New(fault.Invalid, "validation_error", "Missing token").WithFields(required("token"))
	}
	if broken := checkToken(in.Body.Token); len(broken) > 0 {
		return nil, invalidRequest.WithFields(broken...)
	}
	v, err := s.verifyEmail(ctx, in.Body.Token)
	if err != nil {
		return nil, err
	}
	out := &verifyOutput{}
	yes := true
	out.Body.Message = "Email verified successfully!"
	out.Body.User = userBrief{ID: v.id.String(), Email: v.email, EmailVerified: &yes}
	return out, nil
}
