package auth

import (
	"errors"

	"turkey/internal/fault"
)

// errNotOurs is the cause of a token that reads well and is not one of ours: its algorithm, key or time is wrong. The /api
// half tells that from what is no token at all.
var errNotOurs = errors.New("algorithm, key or time is not ours")

// errNoJTI is the cause of a token of ours that nobody could revoke, for it has no name.
var errNoJTI = errors.New("no jti")

// The faults of the /v1 half; codes and messages are the contract's (auth-api.md §2).
var (
	invalidRequest             = fault.New(fault.Invalid, "validation_error", "Invalid request data")
	errCredentials             = fault.New(fault.Unauthenticated, "invalid_credentials", "Invalid email or password")
	errCredentialsOrUnverified = fault.New(fault.Unauthenticated, "invalid_credentials", "Invalid email or password, or an email that is not verified yet")
	errInvalidGrant            = fault.New(fault.Unauthenticated, "invalid_grant", "Invalid or expired refresh token")
	errMissingToken            = fault.New(fault.Unauthenticated, "missing_token", "Authorization header with Bearer token is required")
	errInvalidToken            = fault.New(fault.Unauthenticated, "invalid_token", "Token validation failed")
	errForeignToken            = errInvalidToken.Because(errNotOurs)
	errMissingClaims           = fault.New(fault.Unauthenticated, "invalid_token", "Token is missing required claims")
	errInvalidSignature        = fault.New(fault.Unauthenticated, "invalid_signature", "Token signature is invalid")
	errInvalidIssuer           = fault.New(fault.Unauthenticated, "invalid_issuer", "Token issuer is invalid")
	errInvalidAudience         = fault.New(fault.Unauthenticated, "invalid_audience", "Token audience is invalid")
	errTokenExpired            = fault.New(fault.Unauthenticated, "token_expired", "Token has expired")
	errTokenVersion            = fault.New(fault.Unauthenticated, "token_expired", "Token version is invalid. Please log in again.")
	errTokenRevoked            = fault.New(fault.Unauthenticated, "token_revoked", "Token has been revoked")
	errSuspended               = fault.New(fault.Forbidden, "forbidden", "This account is suspended")
	errRole                    = fault.New(fault.Forbidden, "forbidden", "A role cannot be chosen at registration")
	errNoUser                  = fault.New(fault.NotFound, "not_found", "User not found")
	errEmailTaken              = fault.New(fault.Conflict, "already_exists", "Email already in use")
	errCurrentPassword         = fault.New(fault.Unauthenticated, "unauthorized", "Current password is incorrect")
	errUnverified              = fault.New(fault.Forbidden, "forbidden", "Email verification required. Please check your email for a verification link.")
	errClosed                  = fault.New(fault.Forbidden, "forbidden", "Registration is closed for this app")
	errLastAdmin               = fault.New(fault.Conflict, "last_admin", "This is the app's last administrator: make somebody else one first")
	errNotYours                = fault.New(fault.Forbidden, "insufficient_permissions", "Only tokens of the same user can be revoked")
	errUserExists              = fault.New(fault.Conflict, "user_exists", "User already exists")
)
