import { AuthorizationError, isTurKeyError } from './errors.js'
import { Transport } from './transport.js'
import type { CallOptions, RevocationCheckResult, TurKeyConfig } from './types.js'

export interface RevocationConfig extends Pick<TurKeyConfig, 'baseUrl' | 'serviceApiKey' | 'timeout' | 'fetch'> {
  /** Throw when the server cannot be asked, instead of taking the token for a good one. Default false. */
  failClosed?: boolean
}

/** Asks whether a token was revoked by its jti. Sessions, users and apps that ended are not seen here: introspect for that. */
export async function checkRevocation(jti: string, config: RevocationConfig, options?: CallOptions): Promise<boolean> {
  return (await getRevocationInfo(jti, config, options))?.revoked === true
}

/** The same with time and reason; null: the server could not be asked. 401 and 403 throw: the service key is wrong. */
export async function getRevocationInfo(jti: string, config: RevocationConfig, options?: CallOptions): Promise<RevocationCheckResult | null> {
  try {
    return await new Transport({ ...config, retry: false }).send<RevocationCheckResult>({
      ...options,
      method: 'POST',
      path: '/v1/auth/revocation-check',
      body: { jti },
      headers: { 'X-Turkey-Service-Key': config.serviceApiKey },
    })
  } catch (e) {
    if (!isTurKeyError(e)) throw e
    if (e.statusCode === 401 || e.statusCode === 403) {
      throw new AuthorizationError(`Revocation cannot be checked: ${e.message}`, { code: e.code, statusCode: e.statusCode, cause: e })
    }
    if (config.failClosed || (e.statusCode >= 400 && e.statusCode < 500)) throw e
    return null
  }
}
