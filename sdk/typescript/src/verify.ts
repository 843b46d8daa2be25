import { ConfigurationError, NetworkError, TokenError } from './errors.js'
import { trimmed } from './transport.js'
import type { JWTPayload, TurKeyConfig } from './types.js'

/** What ended before its time; RevocationFeed is one. */
export interface Revocations {
  /** Throws where a token was revoked, or where nobody can say. */
  check(token: JWTPayload): Promise<void>
  /** Is handed the keys that tokens are verified with. */
  watch?(keys: { reload(): Promise<void> }): void
}

export interface VerifyConfig extends Pick<TurKeyConfig, 'baseUrl' | 'appId'> {
  /** Milliseconds that the server's public keys are kept, default 10 minutes. An unknown key is looked for at once. */
  jwksCacheTtl?: number
  /** Seconds by which clocks may differ, default 5. */
  clockTolerance?: number
  /** A RevocationFeed: tokens that were revoked are refused, and all while it cannot say. Default: signature, claims and times alone. */
  revocations?: Revocations
}

type KeySet = ReturnType<typeof import('jose').createRemoteJWKSet>
const keySets = new Map<string, KeySet>()

/** One key set for each server: it holds the cache, and bounds how often the server is asked. */
async function keysOf(baseUrl: string, ttl: number): Promise<KeySet> {
  const { createRemoteJWKSet } = await import('jose')
  const name = ttl + ' ' + baseUrl
  let keys = keySets.get(name)
  if (!keys) {
    keys = createRemoteJWKSet(new URL(trimmed(baseUrl) + '/.well-known/jwks.json'), { cacheMaxAge: ttl, cooldownDuration: 5000 })
    keySets.set(name, keys)
  }
  return keys
}

/**
 * Verifies an access token by the server's public keys: signature, issuer (baseUrl, exactly), audience (the app), times.
 * Without an appId tokens of every app of the server pass. Throws TokenError with the server's codes, or NetworkError when
 * the keys cannot be read or the revocations are not known: the token is not judged then.
 */
export async function verifyJwt(token: string, config: VerifyConfig, expectedAppId?: string): Promise<JWTPayload> {
  if (!config?.baseUrl) throw new ConfigurationError('baseUrl is required to verify tokens')
  const { jwtVerify } = await import('jose')
  const keys = await keysOf(config.baseUrl, config.jwksCacheTtl ?? 600_000)
  config.revocations?.watch?.(keys)
  let claims: JWTPayload
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer: config.baseUrl,
      audience: expectedAppId ?? config.appId,
      algorithms: ['ES256'],
      clockTolerance: config.clockTolerance ?? 5,
      requiredClaims: ['sub', 'jti', 'exp'],
    })
    claims = payload as unknown as JWTPayload
  } catch (e) {
    throw verdict(e)
  }
  await config.revocations?.check(claims)
  return claims
}

/** jose's errors in our words. What is not about the token is about the way to the keys. */
function verdict(cause: unknown): Error {
  const { code, claim } = cause as { code?: string; claim?: string }
  const bad = (code: string, message: string) => new TokenError(message, { code, cause })
  switch (code) {
    case 'ERR_JWT_EXPIRED':
      return bad('token_expired', 'Token has expired')
    case 'ERR_JWT_CLAIM_VALIDATION_FAILED':
      if (claim === 'aud') return bad('invalid_audience', 'Token audience is invalid')
      if (claim === 'iss') return bad('invalid_issuer', 'Token issuer is invalid')
      return bad('invalid_token', 'Token is missing required claims')
    case 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED':
    case 'ERR_JWKS_NO_MATCHING_KEY':
      return bad('invalid_signature', 'Token signature is invalid')
    case 'ERR_JWS_INVALID':
    case 'ERR_JWT_INVALID':
    case 'ERR_JOSE_ALG_NOT_ALLOWED':
    case 'ERR_JOSE_NOT_SUPPORTED':
      return bad('invalid_token', 'Token validation failed')
  }
  return new NetworkError('The keys of the TurKey server cannot be read', { code: 'JWKS_UNAVAILABLE', cause })
}
