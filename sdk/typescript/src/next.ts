import { type NextRequest, NextResponse } from 'next/server.js'
import { cookieOf } from './middleware/express.js'
import type { JWTPayload } from './types.js'
import { type Revocations, verifyJwt } from './verify.js'

export type RouteType = 'protected' | 'authOnly' | 'public' | 'protectedApi' | 'publicApi'

export interface TurKeyMiddlewareConfig {
  baseUrl: string
  appId: string
  redirects?: {
    /** Default /auth/login. */
    unauthenticated?: string
    /** Default /dashboard. */
    authenticated?: string
  }
  /** Beginnings of paths, besides the defaults. */
  routes?: {
    /** Pages for those who are signed in. Default /dashboard, /profile, /settings. */
    protected?: string[]
    /** Pages for those who are not. Default /auth/login, /auth/register. */
    authOnly?: string[]
    /** APIs for those who are signed in. Default /api/protected. */
    protectedApi?: string[]
  }
  /** In place of routes. */
  getRouteType?: (pathname: string) => RouteType
  /** A RevocationFeed: sign-outs count within a second. Default: when the access token expires. */
  revocations?: Revocations
  /** Writes what was decided to the console. Default false. */
  debug?: boolean
}

export type TurKeyJwtPayload = JWTPayload & { appId?: string }

export interface VerificationResult {
  success: boolean
  payload?: TurKeyJwtPayload
  error?: string
}

/** A path and what is below it: /admin is not /administrators. A star at the end says the same. */
const below = (path: string, prefixes: string[]) =>
  prefixes.some((p) => {
    const prefix = p.replace(/\/?\*+$/, '')
    return path === prefix || path.startsWith(prefix + '/')
  })

/**
 * Middleware (proxy) for Next.js: pages send people to sign in, APIs answer 401, and what is behind finds the user with
 * getTurKeyUser. Match every route with it: it also takes away x-turkey-* headers that come from outside.
 */
export function createTurKeyMiddleware(config: TurKeyMiddlewareConfig) {
  const { baseUrl, appId, debug } = config
  const to = { unauthenticated: '/auth/login', authenticated: '/dashboard', ...config.redirects }
  const pages = ['/dashboard', '/profile', '/settings', ...(config.routes?.protected ?? [])]
  const authOnly = ['/auth/login', '/auth/register', ...(config.routes?.authOnly ?? [])]
  const apis = ['/api/protected', ...(config.routes?.protectedApi ?? [])]
  const typeOf = config.getRouteType ?? ((path: string): RouteType => {
    if (below(path, apis)) return 'protectedApi'
    if (below(path, ['/api'])) return 'publicApi'
    if (below(path, pages)) return 'protected'
    return below(path, authOnly) ? 'authOnly' : 'public'
  })

  return async function middleware(request: NextRequest): Promise<NextResponse> {
    const { pathname } = request.nextUrl
    const route = typeOf(pathname)
    const token = extractToken(request)
    const headers = new Headers(request.headers)
    for (const name of [...headers.keys()]) if (name.startsWith('x-turkey-')) headers.delete(name)
    const go = () => NextResponse.next({ request: { headers } })
    if (route === 'public' || route === 'publicApi') return go()

    const { success, payload, error } = token ? await verifyToken(token, baseUrl, appId, config.revocations) : { success: false, payload: undefined, error: 'no token' }
    if (debug) console.log('[TurKey]', pathname, route, success ? 'signed in' : error)
    if (route === 'authOnly') return success ? redirect(request, to.authenticated) : go()
    if (!payload) {
      return route === 'protectedApi'
        ? NextResponse.json({ error: 'Authentication required' }, { status: 401 })
        : redirect(request, to.unauthenticated, pathname)
    }
    headers.set('x-turkey-user', ascii(JSON.stringify(payload)))
    headers.set('x-turkey-user-id', payload.sub)
    headers.set('x-turkey-user-email', encodeURI(payload.email))
    headers.set('x-turkey-user-role', payload.role)
    headers.set('x-turkey-app-id', appId)
    return go()
  }
}

/** Headers are bytes: what JSON can escape, it does. */
const ascii = (json: string) => json.replace(/[^ -~]/g, (c) => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0'))

function redirect(request: NextRequest, path: string, back?: string): NextResponse {
  const url = request.nextUrl.clone()
  url.pathname = path
  url.search = ''
  if (back) url.searchParams.set('redirect', back)
  return NextResponse.redirect(url)
}

/** The token of a request: Bearer, then cookie, then x-turkey-token. */
export function extractToken(request: { headers: Headers }): string | null {
  const h = request.headers
  return (
    /^Bearer +(\S+)$/i.exec(h.get('authorization') ?? '')?.[1] ?? cookieOf(h.get('cookie') ?? '', 'turkey_access_token') ?? h.get('x-turkey-token')
  )
}

/** Verifies signature, issuer, audience and times. Does not throw. */
export async function verifyToken(token: string, baseUrl: string, appId: string, revocations?: Revocations): Promise<VerificationResult> {
  try {
    return { success: true, payload: await verifyJwt(token, { baseUrl, appId, revocations }) }
  } catch (e) {
    return { success: false, error: e instanceof Error ? e.message : 'Token verification failed' }
  }
}

/** The claims that the middleware put into the headers; null: nobody is signed in. Only behind the middleware. */
export function getTurKeyUser(request: { headers: Headers }): TurKeyJwtPayload | null {
  try {
    return JSON.parse(request.headers.get('x-turkey-user') ?? 'null') as TurKeyJwtPayload | null
  } catch {
    return null
  }
}

export type { TokenStorage } from './storage.js'
