import type { ExpressAuthRequest, LoggingConfig, TurKeyUser } from './types.js'

const levels = ['debug', 'info', 'warn', 'error']
const secret = ['authorization', 'cookie', 'x-access-token', 'x-turkey-service-key']

/** Writes what became of a request, without its secrets. */
export function logger(config: LoggingConfig | boolean | undefined) {
  if (!config || (typeof config === 'object' && config.enabled === false)) return () => {}
  const c: LoggingConfig = config === true ? {} : config
  const hidden = [...secret, ...(c.sensitiveHeaders ?? [])].map((h) => h.toLowerCase())
  const write = c.logger ?? ((message: string, level: string, about?: unknown) => console[level as 'info'](message, about ?? ''))
  return (level: 'info' | 'warn', req: ExpressAuthRequest, outcome: string, user?: TurKeyUser) => {
    if (levels.indexOf(level) < levels.indexOf(c.level ?? 'info')) return
    const [path] = (req.originalUrl ?? req.url ?? '').split('?') // a query may hold a token
    const about: Record<string, unknown> = {}
    if (user) about.userId = user.id
    if (c.includeQuery) about.query = req.query
    if (c.includeBody) about.body = req.body
    if (c.includeHeaders) {
      about.headers = Object.fromEntries(Object.entries(req.headers).map(([n, v]) => [n, hidden.includes(n.toLowerCase()) ? '[REDACTED]' : v]))
    }
    write(`[TurKey] ${req.method ?? ''} ${path}: ${outcome}`, level, Object.keys(about).length ? about : undefined)
  }
}
