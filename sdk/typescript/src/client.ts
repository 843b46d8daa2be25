import { ValidationError, NetworkError } from './errors.js'
import { introspectToken } from './introspect.js'
import { validatePassword } from './password.js'
import { TokenManager } from './token-manager.js'
import { type Call, type Caller, race, Transport } from './transport.js'
import type {
  AuthResponse, CallOptions, ChangePasswordRequest, ChangePasswordResponse, DeleteAccountResponse, IntrospectionResult, JWTPayload, LoginRequest,
  MessageResponse, RefreshRequest, RegisterRequest, TokenPair, TurKeyConfig, UpdateProfileRequest, UpdateProfileResponse, User, VerifyEmailResponse,
} from './types.js'

/** Whose name stands on a call: an access token, or the key of an operator. */
export type Authority = string | { adminKey: string }

/**
 * The authentication API of one server for one app. It keeps no tokens: Session does. Every method takes CallOptions last.
 * All errors are of the classes in errors.ts, but for an aborted signal, which rejects with its reason.
 */
export class TurKeyClient {
  readonly tokens: TokenManager
  private readonly transport: Transport
  private readonly refreshing = new Map<string, Promise<TokenPair>>()

  constructor(readonly config: Readonly<TurKeyConfig>) {
    this.transport = new Transport(config)
    this.tokens = new TokenManager(config)
  }

  /** The caller of calls of your own and of createApi, in the name of a token or key. */
  as(authority: Authority): Caller {
    const named = (call: Call): Call => ({ ...call, headers: { ...authorize(authority), ...call.headers } })
    return { send: (call) => this.transport.send(named(call)), open: (call) => this.transport.open(named(call)) }
  }

  // Sessions

  async login(request: LoginRequest, options?: CallOptions): Promise<AuthResponse> {
    const { email, password } = request
    required({ email, password })
    return tokensOf(await this.post('login', { email, password, appId: this.app(request), mode: this.mode }, options))
  }

  /** Checks the password's rules first, unless validatePassword is false. */
  async register(request: RegisterRequest, options?: CallOptions): Promise<AuthResponse> {
    const { email, password, role = 'user', validatePassword: check } = request
    required({ email, password })
    if (check !== false) policy('password', password)
    return tokensOf(await this.post('register', { email, password, role, appId: this.app(request), mode: this.mode }, options))
  }

  /**
   * Gives new tokens. Calls with one refresh token at one time share one request. A lost answer is asked for again, which
   * gives the same tokens within the server's grace. In cookie mode no token is named.
   */
  refresh(request: Partial<RefreshRequest> = {}, options: CallOptions = {}): Promise<TokenPair> {
    const { refreshToken } = request
    const body = { refreshToken, appId: this.app(request) }
    const name = JSON.stringify(body)
    let running = this.refreshing.get(name)
    if (!running) {
      if (this.mode !== 'cookie') required({ refreshToken })
      // The signal is that of one caller; the request belongs to all of them.
      running = this.post<TokenPair>('refresh', body, { timeout: options.timeout }).then(tokensOf)
      this.refreshing.set(name, running)
      running.catch(() => {}).finally(() => this.refreshing.delete(name))
    }
    return race(running, options.signal)
  }

  /** Ends the session of a refresh token, or of an access token; in cookie mode that of the cookie. */
  async logout(refreshToken?: string, options?: CallOptions): Promise<void> {
    await this.call('POST', '/v1/auth/logout', { refreshToken, appId: this.config.appId }, options)
  }

  /** Ends all sessions and access tokens of the user. */
  async logoutAll(refreshToken?: string, options?: CallOptions): Promise<void> {
    await this.call('POST', '/v1/auth/logout-all', { refreshToken, appId: this.config.appId }, options)
  }

  // For backends

  introspect(token: string, options?: CallOptions): Promise<IntrospectionResult> {
    return introspectToken(token, this.config, options)
  }

  async revoke(token: string, reason?: string, options?: CallOptions): Promise<void> {
    const headers = { 'X-Turkey-Service-Key': this.config.serviceApiKey }
    await this.transport.send({ ...options, method: 'POST', path: '/v1/auth/revoke', body: { token, reason }, headers })
  }

  async revokeAll(accessToken: string, refreshToken: string, reason = 'User logout', options?: CallOptions): Promise<void> {
    await this.revoke(accessToken, reason, options)
    await this.revoke(refreshToken, reason, options)
  }

  // The own account

  async getCurrentUser(accessToken: string, options?: CallOptions): Promise<User> {
    return (await this.account<{ data: User }>('GET', 'me', accessToken, undefined, options)).data
  }

  async updateProfile(accessToken: string, request: UpdateProfileRequest, options?: CallOptions): Promise<UpdateProfileResponse> {
    required({ email: request.email })
    return this.account('PATCH', 'me', accessToken, request, options)
  }

  /** Signs the user out everywhere, the caller too. */
  async changePassword(accessToken: string, request: ChangePasswordRequest, options?: CallOptions): Promise<ChangePasswordResponse> {
    const { currentPassword, newPassword } = request
    required({ currentPassword, newPassword })
    if (currentPassword === newPassword) {
      const message = 'New password must be different from current password'
      throw new ValidationError(message, { code: 'VALIDATION_ERROR', statusCode: 0, details: [{ field: 'newPassword', message, code: 'PASSWORD_SAME' }] })
    }
    policy('newPassword', newPassword)
    return this.account('POST', 'change-password', accessToken, { currentPassword, newPassword }, options)
  }

  deleteAccount(accessToken: string, options?: CallOptions): Promise<DeleteAccountResponse> {
    return this.account('DELETE', 'me', accessToken, undefined, options)
  }

  // Mails

  requestPasswordReset(email: string, appId?: string, options?: CallOptions): Promise<MessageResponse> {
    return this.call('POST', '/v1/auth/request-password-reset', { email, appId: this.app({ appId }) }, options)
  }

  async resetPassword(token: string, newPassword: string, options?: CallOptions): Promise<MessageResponse> {
    required({ token, newPassword })
    policy('newPassword', newPassword)
    return this.call('POST', '/v1/auth/reset-password', { token, newPassword }, options)
  }

  verifyEmail(token: string, options?: CallOptions): Promise<VerifyEmailResponse> {
    return this.call('POST', '/v1/auth/verify-email', { token }, options)
  }

  resendVerification(email: string, appId?: string, options?: CallOptions): Promise<MessageResponse> {
    return this.call('POST', '/v1/auth/resend-verification', { email, appId: this.app({ appId }) }, options)
  }

  // Tokens

  /** Verifies by the server's public keys; throws TokenError. */
  validateTokenFormat(token: string, appId?: string): Promise<JWTPayload> {
    return this.tokens.validateTokenFormat(token, appId)
  }

  /** @deprecated The same as validateTokenFormat. */
  verifyToken(token: string, appId?: string): Promise<JWTPayload> {
    return this.tokens.validateTokenFormat(token, appId)
  }

  isTokenExpired(token: string): boolean {
    return this.tokens.isTokenExpired(token)
  }

  decodeToken(token: string): JWTPayload {
    return this.tokens.decodeToken(token)
  }

  getUserFromToken(token: string): User | null {
    return this.tokens.getUserFromToken(token)
  }

  getTimeUntilExpiry(token: string): number {
    return this.tokens.getTimeUntilExpiry(token)
  }

  private get mode() {
    return this.config.mode === 'cookie' ? 'cookie' : undefined
  }

  private app(request: { appId?: string }) {
    return request.appId ?? this.config.appId
  }

  private async post<T>(route: string, body: object, options?: CallOptions): Promise<T> {
    return (await this.call<{ data: T }>('POST', '/v1/auth/' + route, body, options)).data
  }

  private call<T>(method: string, path: string, body: object, options?: CallOptions): Promise<T> {
    return this.transport.send<T>({ ...options, method, path, body })
  }

  private async account<T>(method: string, route: string, accessToken: string, body?: object, options?: CallOptions): Promise<T> {
    required({ accessToken })
    // A write that is repeated because its answer was lost gets its first answer.
    const once = method === 'GET' ? undefined : crypto.randomUUID?.()
    const headers = { ...authorize(accessToken), 'Idempotency-Key': once }
    return this.transport.send<T>({ ...options, method, path: '/v1/users/' + route, body, headers })
  }
}

export default TurKeyClient

export const authorize = (authority: Authority): Record<string, string> =>
  typeof authority === 'string' ? { Authorization: 'Bearer ' + authority } : { 'X-Turkey-Admin-Key': authority.adminKey }

/** An answer without the tokens that it should have is not one: better an error than an empty token in the storage. */
function tokensOf<T extends TokenPair & { emailVerificationRequired?: boolean }>(data: T): T {
  if (!data?.accessToken && !data?.emailVerificationRequired) {
    throw new NetworkError('The answer has no tokens', { code: 'INVALID_RESPONSE', isRetryable: false })
  }
  return { ...data, accessToken: data.accessToken ?? '', refreshToken: data.refreshToken ?? '' }
}

function required(fields: Record<string, string | undefined>) {
  const details = Object.entries(fields).filter(([, v]) => !v).map(([field]) => ({ field, message: 'Required', code: 'invalid_type' }))
  if (details.length) {
    throw new ValidationError(`Missing: ${details.map((d) => d.field).join(', ')}`, { statusCode: 0, details })
  }
}

function policy(field: string, password: string) {
  const { valid, errors } = validatePassword(password)
  if (valid) return
  const details = errors.map((message) => ({ field, message, code: 'PASSWORD_POLICY' }))
  throw new ValidationError('Password does not meet the requirements: ' + errors.join('; '), { statusCode: 0, details })
}
