export { createTurkeyMiddleware, optionalAuth, requireAuth, turkeyAuth } from './express.js'
export { RevocationFeed, type RevocationFeedConfig } from './feed.js'
export { extractNextToken, getTurkeyUser, type NextTurKeyConfig, type NextTurKeyUser, verifyNextJwt } from './next.js'
export type {
  CorsConfig, ExpressAuthRequest, LoggingConfig, NextAuthRequest, TurKeyAuthenticatedRequest, TurKeyMiddlewareConfig, TurKeyPayload, TurKeyUser,
} from './types.js'
