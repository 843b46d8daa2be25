import type { CorsConfig, ExpressAuthRequest } from './types.js'

export interface HeaderSink {
  setHeader(name: string, value: string): unknown
}

/** Says what the origin of a request may do. */
export function allow(config: CorsConfig, rateLimitHeaders: boolean, req: ExpressAuthRequest, res: HeaderSink) {
  const { origin: rule = '*', credentials = false, exposedHeaders = [] } = config
  const origin = typeof req.headers.origin === 'string' ? req.headers.origin : ''
  if (rule === '*') {
    res.setHeader('Access-Control-Allow-Origin', '*')
  } else {
    res.setHeader('Vary', 'Origin')
    const known = typeof rule === 'function' ? rule(origin) : Array.isArray(rule) ? rule.includes(origin) : rule === origin
    if (!origin || !known) return
    res.setHeader('Access-Control-Allow-Origin', origin)
    if (credentials) res.setHeader('Access-Control-Allow-Credentials', 'true')
  }
  const exposed = [...exposedHeaders, ...(rateLimitHeaders ? ['X-RateLimit-Limit', 'X-RateLimit-Remaining', 'X-RateLimit-Reset'] : [])]
  if (exposed.length) res.setHeader('Access-Control-Expose-Headers', exposed.join(', '))
  if (req.method !== 'OPTIONS') return
  const { methods = ['GET', 'HEAD', 'PUT', 'PATCH', 'POST', 'DELETE'], allowedHeaders = ['Content-Type', 'Authorization'], maxAge = 600 } = config
  res.setHeader('Access-Control-Allow-Methods', methods.join(', '))
  res.setHeader('Access-Control-Allow-Headers', allowedHeaders.join(', '))
  res.setHeader('Access-Control-Max-Age', String(maxAge))
}
