// All that needs no React.
export { TurKeyClient, TurKeyClient as default, type Authority } from './client.js'
export { Session, type SessionOptions } from './session.js'
export { TokenManager } from './token-manager.js'
export { type Revocations, verifyJwt, type VerifyConfig } from './verify.js'
export { introspectToken, revokeToken } from './introspect.js'
export { checkRevocation, getRevocationInfo, type RevocationConfig } from './revocation.js'
export { createAdminApi, createApi } from './api/index.js'
export type { AdminApi, Api, ApiOptions } from './api/operations.js'
export type { StreamEvent } from './api/sse.js'
export type * as schemas from './api/schema.js'
export type { Call, Caller } from './transport.js'
export {
  AuthenticationError, AuthorizationError, ConfigurationError, ConflictError, createErrorFromResponse, isRetryableError, isTurKeyError,
  NetworkError, NotFoundError, RateLimitError, ServerError, TokenError, TurKeyAuthError, TurKeyErrorBase, ValidationError,
} from './errors.js'
export {
  DEFAULT_PASSWORD_REQUIREMENTS, generateSecurePassword, getPasswordRequirementsText, getPasswordStrength,
  type PasswordRequirements, type PasswordStrength, type PasswordValidationResult, validatePassword,
} from './password.js'
export { type CookieOptions, CookieTokenStorage, LocalStorageTokenStorage, MemoryTokenStorage, type TokenStorage } from './storage.js'
export * from './middleware/index.js'
export type {
  AuthResponse, CallOptions, ChangePasswordRequest, ChangePasswordResponse, DeleteAccountResponse, ErrorDetail, IntrospectionResult, JWTPayload,
  LoginRequest, MessageResponse, RefreshRequest, RegisterRequest, RetryConfig, RevocationCheckResult, TokenPair, TurKeyConfig, TurKeyError,
  UpdateProfileRequest, UpdateProfileResponse, User, VerifyEmailResponse,
} from './types.js'
