import { AuthorizationError, ConfigurationError, isTurKeyError, NetworkError, ServerError, TokenError } from '../errors.js'
import { checkRevocation } from '../revocation.js'
import { verifyJwt } from '../verify.js'
import { allow } from './cors.js'
import { logger } from './log.js'
import type { ExpressAuthRequest, TurKeyMiddlewareConfig, TurKeyUser } from './types.js'

const environment = (name: string): string | undefined =>
  (globalThis as { process?: { env?: Record<string, string | undefined> } }).process?.env?.[name] || undefined

/**
 * Middleware for Express, Connect, Restify and node:http: finds the token (Bearer, cookie, X-Access-Token), verifies it, asks
 * whether it was revoked, and sets req.user, req.turkey and req.token.
 */
export function createTurkeyMiddleware(config: TurKeyMiddlewareConfig = {}) {
  const baseUrl = config.baseUrl ?? environment('TURKEY_BASE_URL')
  if (!baseUrl) throw new ConfigurationError('baseUrl is required: in the configuration, or as TURKEY_BASE_URL')
  const appId = config.appId ?? environment('TURKEY_APP_ID')
  const serviceApiKey = config.serviceApiKey ?? environment('TURKEY_SERVICE_API_KEY')
  const development = config.development ?? environment('NODE_ENV') === 'development'
  const { requireAuth = true, cookieName = 'turkey_access_token', checkRevocation: ask = true, failClosed, rateLimitHeaders = true, jwksCacheTtl, revocations } = config
  const log = logger(config.logging)
  const cors = config.cors === true ? {} : config.cors || undefined

  async function authenticate(req: ExpressAuthRequest): Promise<void> {
    const token = tokenOf(req, cookieName)
    if (!token) {
      if (requireAuth) throw new TokenError('Authentication required: no token provided', { code: 'missing_token' })
      return
    }
    const payload = await verifyJwt(token, { baseUrl: baseUrl!, appId, jwksCacheTtl, revocations })
    if (ask && !revocations && (await checkRevocation(payload.jti, { baseUrl: baseUrl!, serviceApiKey, failClosed }))) {
      throw new TokenError('Token has been revoked', { code: 'token_revoked' })
    }
    req.user = { id: payload.sub, email: payload.email, role: payload.role }
    req.turkey = payload
    req.token = token
  }

  return async function turkeyMiddleware(req: any, res: any, next: (error?: unknown) => void): Promise<void> {
    if (cors) {
      allow(cors, rateLimitHeaders, req, res)
      if (req.method === 'OPTIONS') {
        res.statusCode = cors.optionsSuccessStatus ?? 204
        res.end()
        return
      }
    }
    try {
      await authenticate(req)
    } catch (e) {
      const error = e as Error
      log('warn', req, error.message)
      if (config.onError) await config.onError(error, req, res)
      else answer(error, res, development)
      return
    }
    log('info', req, req.user ? 'authenticated' : 'anonymous', req.user as TurKeyUser | undefined)
    next() // outside of try: what comes behind is not ours
  }
}

export const turkeyAuth = createTurkeyMiddleware

export const requireAuth = (config: Omit<TurKeyMiddlewareConfig, 'requireAuth'> = {}) => createTurkeyMiddleware({ ...config, requireAuth: true })

/** Requests without a token pass, without a user. A token that is no good is refused here too. */
export const optionalAuth = (config: Omit<TurKeyMiddlewareConfig, 'requireAuth'> = {}) => createTurkeyMiddleware({ ...config, requireAuth: false })

function tokenOf(req: ExpressAuthRequest, cookieName: string): string | undefined {
  const header = (name: string) => {
    const v = req.headers[name]
    return Array.isArray(v) ? v[0] : v
  }
  const bearer = /^Bearer +(\S+)$/i.exec(header('authorization') ?? '')?.[1]
  return bearer ?? req.cookies?.[cookieName] ?? cookieOf(header('cookie') ?? '', cookieName) ?? header('x-access-token')
}

/** One cookie of a Cookie header. */
export function cookieOf(header: string, name: string): string | undefined {
  for (const part of header.split(/; */)) {
    if (part.startsWith(name + '=')) return part.slice(name.length + 1).replace(/^"|"$/g, '') || undefined
  }
  return undefined
}

const told: Record<string, [number, string]> = {
  token_expired: [401, 'TOKEN_EXPIRED'],
  invalid_audience: [403, 'INVALID_AUDIENCE'],
  invalid_issuer: [403, 'INVALID_ISSUER'],
}

function answer(error: Error, res: any, development: boolean) {
  let [status, code] = (isTurKeyError(error) && told[error.code]) || [401, 'INVALID_TOKEN']
  let message = 'Authentication failed'
  if (error instanceof NetworkError || error instanceof ServerError) {
    ;[status, code, message] = [503, 'SERVICE_UNAVAILABLE', 'Authentication is not available at the moment']
  } else if (error instanceof AuthorizationError || !isTurKeyError(error)) {
    ;[status, code, message] = [500, 'CONFIGURATION_ERROR', 'Authentication is not set up correctly']
  }
  res.statusCode = status
  res.setHeader('Content-Type', 'application/json')
  res.end(JSON.stringify({ error: code, message: development ? error.message : message }))
}
