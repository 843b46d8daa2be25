import { TokenError } from './errors.js'
import type { JWTPayload, TurKeyConfig, User } from './types.js'
import { verifyJwt } from './verify.js'

/** Reads access tokens. Only validateTokenFormat checks a signature; all else is for display and timing. */
export class TokenManager {
  constructor(private readonly config: Pick<TurKeyConfig, 'baseUrl' | 'appId'>) {}

  /** Verifies signature, issuer, audience and times by the server's public keys. Throws TokenError. */
  validateTokenFormat(token: string, expectedAppId?: string): Promise<JWTPayload> {
    return verifyJwt(token, this.config, expectedAppId)
  }

  /** @deprecated The same as validateTokenFormat. */
  verifyToken(token: string, expectedAppId?: string): Promise<JWTPayload> {
    return this.validateTokenFormat(token, expectedAppId)
  }

  /** The claims, unverified. Throws TokenError for what is no token. */
  decodeToken(token: string): JWTPayload {
    try {
      const [, body, signature] = token.split('.')
      if (!body || signature === undefined) throw new Error('three parts expected')
      const bytes = Uint8Array.from(atob(body.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0))
      const claims: unknown = JSON.parse(new TextDecoder().decode(bytes))
      if (typeof claims !== 'object' || claims === null) throw new Error('an object expected')
      return claims as JWTPayload
    } catch (cause) {
      throw new TokenError('Token is not a JWT', { code: 'invalid_token', cause })
    }
  }

  /** True also for what is no token. */
  isTokenExpired(token: string): boolean {
    return this.getTimeUntilExpiry(token) <= 0
  }

  /** Seconds; 0 for expired tokens and for what is no token. */
  getTimeUntilExpiry(token: string): number {
    try {
      return Math.max(0, Math.floor(this.decodeToken(token).exp - Date.now() / 1000)) || 0
    } catch {
      return 0
    }
  }

  /** The user that the token names, unverified; null for what is no token. */
  getUserFromToken(token: string): User | null {
    try {
      const { sub, email, role } = this.decodeToken(token)
      return { id: sub, email, role }
    } catch {
      return null
    }
  }
}
