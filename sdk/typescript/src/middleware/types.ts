import type { JWTPayload } from '../types.js'
import type { Revocations } from '../verify.js'

export interface TurKeyUser {
  id: string
  email: string
  role: string
}

export type TurKeyPayload = JWTPayload

/** What the middleware adds to a request. */
export interface TurKeyAuthenticatedRequest {
  user?: TurKeyUser
  /** The claims of the token. */
  turkey?: TurKeyPayload
  token?: string
}

export interface ExpressAuthRequest extends TurKeyAuthenticatedRequest {
  method?: string
  url?: string
  originalUrl?: string
  headers: Record<string, string | string[] | undefined>
  cookies?: Record<string, string>
  body?: any
  query?: any
  params?: any
}

export type NextAuthRequest = ExpressAuthRequest

export interface TurKeyMiddlewareConfig {
  /** Default: TURKEY_BASE_URL. */
  baseUrl?: string
  /** Default: TURKEY_APP_ID. Without it tokens of every app of the server pass. */
  appId?: string
  /** For the revocation check. Default: TURKEY_SERVICE_API_KEY. */
  serviceApiKey?: string
  /** false: requests without a token pass, without a user. Default true. */
  requireAuth?: boolean
  /** Default turkey_access_token. */
  cookieName?: string
  /** Tell callers what is wrong with their token. Default: NODE_ENV is development. */
  development?: boolean
  /** Ask the server about each token. Default true; a server that does not answer counts as no. */
  checkRevocation?: boolean
  /** A RevocationFeed, in place of asking the server about each token: refuses (503) while it cannot say. */
  revocations?: Revocations
  /** Refuse (503) when the server cannot be asked. Default false. */
  failClosed?: boolean
  /** Let browsers read X-RateLimit-*; only together with cors. Default true. */
  rateLimitHeaders?: boolean
  /** Milliseconds that the server's public keys are kept, default 10 minutes. */
  jwksCacheTtl?: number
  /** In place of the default answer. */
  onError?: (error: Error, req: any, res: any) => void | Promise<void>
  /** Default off. true: every origin, without credentials. */
  cors?: CorsConfig | boolean
  /** Default off. */
  logging?: LoggingConfig | boolean
}

export interface CorsConfig {
  /** Origins, exact; * for all. Default *. */
  origin?: string | string[] | ((origin: string) => boolean)
  methods?: string[]
  allowedHeaders?: string[]
  exposedHeaders?: string[]
  /** Not with *. */
  credentials?: boolean
  /** Seconds. */
  maxAge?: number
  optionsSuccessStatus?: number
}

export interface LoggingConfig {
  enabled?: boolean
  level?: 'debug' | 'info' | 'warn' | 'error'
  includeHeaders?: boolean
  includeBody?: boolean
  includeQuery?: boolean
  /** Besides authorization, cookie, x-access-token and x-turkey-service-key. */
  sensitiveHeaders?: string[]
  logger?: (message: string, level: string, metadata?: any) => void
}
