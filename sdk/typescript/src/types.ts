/** What a client needs to know of its server. */
export interface TurKeyConfig {
  /** Address of the server, equal to its JWT_ISSUER. A path in it is kept. */
  baseUrl: string
  /** The app whose users sign in. Default: the server's default app. */
  appId?: string
  /** Milliseconds for one attempt of one call, default 10000. */
  timeout?: number
  /** Key of a backend service, for introspection and revocation. Never give it to a browser. */
  serviceApiKey?: string
  /** How failed calls are repeated; false: not at all. */
  retry?: Partial<RetryConfig> | false
  /**
   * cookie: the refresh token lives in an HttpOnly cookie that no script can read, the access token in memory.
   * Page and server must be of one site. Default: token.
   */
  mode?: 'token' | 'cookie'
  /** Passed to fetch. Default: include in cookie mode, else the platform's. */
  credentials?: RequestCredentials
  /** In place of the global fetch. */
  fetch?: typeof fetch
}

export interface RetryConfig {
  /** All attempts together, default 3. */
  maxAttempts: number
  /** Pause after the first failure, default 1000. */
  initialDelayMs: number
  /** Longest pause, default 30000. Where the server asks for more, the error is thrown at once. */
  maxDelayMs: number
  /** Default 2. */
  backoffMultiplier: number
  /** Take 50 to 100 % of the pause by chance, default true. */
  jitter: boolean
  /** In place of the rule: network errors, 429 and 5xx are repeated. */
  shouldRetry?: (error: unknown, attempt: number) => boolean
}

/** Options of every call. */
export interface CallOptions {
  /** Ends the call with the signal's reason. */
  signal?: AbortSignal
  /** In place of the client's timeout. */
  timeout?: number
}

export interface LoginRequest {
  email: string
  password: string
  appId?: string
}

export interface RegisterRequest {
  email: string
  password: string
  role?: 'user' | 'admin'
  appId?: string
  /** false: leave the password rules to the server. Not sent. */
  validatePassword?: boolean
}

export interface RefreshRequest {
  refreshToken: string
  appId?: string
}

export interface UpdateProfileRequest {
  email: string
  /** Checked when it is sent. */
  currentPassword?: string
}

export interface ChangePasswordRequest {
  currentPassword: string
  newPassword: string
}

export interface User {
  id: string
  email: string
  role: string
  appId?: string
  emailVerified?: boolean
  createdAt?: string
}

export interface TokenPair {
  accessToken: string
  /** Empty in cookie mode. */
  refreshToken: string
  /** Seconds. */
  expiresIn: number
  tokenType: string
}

export interface AuthResponse extends TokenPair {
  user: User
  /** The address has to be verified before the first sign-in; the tokens are empty then. */
  emailVerificationRequired?: boolean
}

export interface MessageResponse {
  message: string
}

export interface VerifyEmailResponse extends MessageResponse {
  user?: { id: string; email: string; emailVerified: boolean }
}

export interface UpdateProfileResponse extends MessageResponse {
  user: User
}

export interface ChangePasswordResponse extends MessageResponse {
  requiresReauthentication: boolean
}

export interface DeleteAccountResponse extends MessageResponse {
  deletedUser: { id: string; email: string }
}

/** Claims of an access token. */
export interface JWTPayload {
  iss: string
  aud: string
  sub: string
  email: string
  role: string
  scope: string
  jti: string
  /** Session. */
  sid?: string
  tokenVersion: number
  iat: number
  nbf: number
  exp: number
}

/** One broken rule of one field. */
export interface ErrorDetail {
  field: string
  message: string
  code: string
  received?: string
}

/** The body of an error under /v1. */
export interface TurKeyError {
  error: string
  message: string
  timestamp: string
  path: string
  details?: ErrorDetail[]
  requestId?: string
  retryAfter?: number
  lockoutActive?: boolean
}

export interface IntrospectionResult {
  active: boolean
  type?: 'access' | 'refresh'
  payload?: JWTPayload
  expiresAt?: string
  userId?: string
}

export interface RevocationCheckResult {
  revoked: boolean
  /** Milliseconds since 1970. */
  revokedAt?: number
  reason?: string
}
