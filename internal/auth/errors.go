package auth

import (
	"errors"

	"turkey/internal/fault"
)

// errNotOurs is the cause of a token that reads well and is not one of ours: its algorithm, key or time is wrong. The /api
// half tells that from what is no token at all.
var errNotOurs = errors.New("algorithm, key or time is not ours")

// The faults of the /v1 half; codes and messages are the contract's (auth-api.md §2).
var (
	invalidRequest      = fault.New(fault.Invalid, "validation_error", "Invalid request data")
	errCredentials      = fault.New(fault.Unauthenticated, "invalid_credentials", "Invalid email or password")
	errInvalidGrant     = fault.New(fault.Unauthenticated, "invalid_grant", "Invalid or expired refresh token")
	errMissingToken     = fault.New(fault.Unauthenticated, "missing_token", "Authorization header with Bearer token is required")
	errInvalidToken     = fault.New(fault.Unauthenticated, "invalid_token", "Token validation failed")
	errForeignToken     = errInvalidToken.Because(errNotOurs)
	errMissingClaims    = fault.New(fault.Unauthenticated, "invalid_token", "Token is missing required claims")
	errInvalidSignature = fault.New(fault.Unauthenticated, "invalid_signature", "Token signature is invalid")
	errInvalidIssuer    = fault.New(fault.Unauthenticated, "invalid_issuer", "Token issuer is invalid")
	errTokenExpired     = fault.New(fault.Unauthenticated, "token_expired", "Token has expired")
	errTokenVersion     = fault.New(fault.Unauthenticated, "token_expired", "Token version is invalid. Please log in again.")
	errTokenRevoked     = fault.New(fault.Unauthenticated, "token_revoked", "Token has been revoked")
	errSuspended        = fault.New(fault.Forbidden, "forbidden", "This account is suspended")
	errRole             = fault.New(fault.Forbidden, "forbidden", "A role cannot be chosen at registration")
	errUserExists       = fault.New(fault.Conflict, "user_exists", "User already exists")
)
