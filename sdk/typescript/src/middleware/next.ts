import { ConfigurationError } from '../errors.js'
import type { JWTPayload } from '../types.js'
import { verifyJwt } from '../verify.js'
import { cookieOf } from './express.js'
import type { TurKeyMiddlewareConfig, TurKeyUser } from './types.js'

export interface NextTurKeyUser extends TurKeyUser {
  appId: string
}

export type NextTurKeyConfig = Partial<TurKeyMiddlewareConfig>

/**
 * The user that the middleware of @turkey/sdk/next put into the headers. Only behind that middleware: it strips what comes from outside.
 */
export function getTurkeyUser(request: { headers: Headers }): NextTurKeyUser | null {
  const h = request.headers
  try {
    const whole = JSON.parse(h.get('x-turkey-user') ?? 'null') as JWTPayload | null
    if (whole) return { id: whole.sub, email: whole.email, role: whole.role, appId: whole.aud }
  } catch {
    return null
  }
  const id = h.get('x-turkey-user-id')
  const email = h.get('x-turkey-user-email')
  const role = h.get('x-turkey-user-role')
  if (!id || !email || !role) return null
  return { id, email, role, appId: h.get('x-turkey-app-id') ?? '' }
}

/** verifyJwt with the middleware's configuration. */
export function verifyNextJwt(token: string, config: NextTurKeyConfig): Promise<JWTPayload> {
  if (!config.baseUrl) throw new ConfigurationError('baseUrl is required to verify tokens')
  return verifyJwt(token, { ...config, baseUrl: config.baseUrl })
}

/** The token of a request: cookie, then Bearer. */
export function extractNextToken(request: { headers: Headers }, cookieName = 'turkey_access_token'): string | null {
  return (
    cookieOf(request.headers.get('cookie') ?? '', cookieName) ?? /^Bearer +(\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1] ?? null
  )
}
