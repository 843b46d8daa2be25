import { events } from '../api/sse.js'
import { AuthorizationError, isTurKeyError, NetworkError, TokenError } from '../errors.js'
import { race, sleep, Transport } from '../transport.js'
import type { JWTPayload, TurKeyConfig } from '../types.js'
import type { Revocations } from '../verify.js'

export interface RevocationFeedConfig extends Pick<TurKeyConfig, 'baseUrl' | 'appId' | 'serviceApiKey' | 'fetch'> {
  /** Milliseconds that what is known holds after the server's last sign of life, default 5000. */
  maxAge?: number
  /** Hears of every stream that ended or could not be had. A new one is opened without it. */
  onError?: (error: unknown) => void
}

/** An event of GET /v1/revocations/stream. */
interface Revocation {
  kind: string
  subject: string
  /** Of kind user: tokens of an older version are void. */
  version?: number
  /** Of kind app: tokens issued before are void. */
  notBefore?: string
  expiresAt: string
}

/** How long a stream may say nothing before it is given up, and how long one question may take; milliseconds. */
const silence = 10_000
const patience = 2000
/** The longest pause between two connections, and the shortest between two questions of which the first failed. */
const longest = 2000
const gap = 1000
/** What is over is kept a little longer: verifiers forgive tokens some seconds. */
const slack = 60_000

/**
 * What the server revoked, in memory, for backends: hand it to requireAuth or verifyJwt as revocations. Once started it is told of
 * everything within a second. Once nothing was heard for maxAge the server is asked directly, and where it does not answer
 * tokens are refused: better no answer than a stale yes. Without start() it asks whenever maxAge is over, which fits runtimes that
 * keep no connection.
 */
export class RevocationFeed implements Revocations {
  private readonly transport: Transport
  private readonly maxAge: number
  /** Tokens and sessions that ended, with the time at which that no longer matters. */
  private readonly ended = new Map<string, number>()
  private readonly users = new Map<string, { version: number; until: number }>()
  private readonly apps = new Map<string, number>()
  private readonly keySets = new Set<{ reload(): Promise<void> }>()
  /** The server last said that it knows everything. */
  private seen = 0
  private swept = 0
  /** The last event of the stream, and the name of the last whole list. */
  private last = ''
  private tag: string | undefined
  private asking: Promise<void> | undefined
  private failed: { at: number; error: Error } | undefined
  private following: AbortController | undefined

  constructor(private readonly config: RevocationFeedConfig) {
    this.transport = new Transport({ ...config, retry: false })
    this.maxAge = config.maxAge ?? 5000
  }

  /** Follows the stream until close. */
  start(): this {
    if (!this.following) void this.follow((this.following = new AbortController()).signal)
    return this
  }

  close() {
    this.following?.abort()
    this.following = undefined
  }

  /** Throws TokenError of a token that was revoked, NetworkError where nobody can say, AuthorizationError where the service key is wrong. */
  async check(token: JWTPayload): Promise<void> {
    if (!this.fresh()) await this.ask()
    const { jti, sid, sub, aud, tokenVersion, iat } = token
    const over =
      this.ended.has('jti ' + jti) || (sid && this.ended.has('session ' + sid)) || (this.users.get(sub)?.version ?? 0) > tokenVersion || iat * 1000 < (this.apps.get(aud) ?? 0)
    if (over) throw new TokenError('Token has been revoked', { code: 'token_revoked' })
  }

  /** Reads these keys again whenever the server says that they changed. */
  watch(keys: { reload(): Promise<void> }) {
    this.keySets.add(keys)
  }

  private fresh(): boolean {
    const age = Date.now() - this.seen
    return age >= 0 && age <= this.maxAge // below zero: the clock was set back, and nothing is known
  }

  /** The whole list, once for all who wait. */
  private ask(): Promise<void> {
    if (this.failed && Math.abs(Date.now() - this.failed.at) < gap) return Promise.reject(this.failed.error)
    this.asking ??= this.list()
      .then(() => (this.failed = undefined), (e) => {
        this.failed = { at: Date.now(), error: unknown(e) }
        throw this.failed.error
      })
      .finally(() => (this.asking = undefined)) as Promise<void>
    return this.asking
  }

  private async list() {
    const asked = Date.now()
    const signal = AbortSignal.timeout(patience)
    await race(Promise.all([this.reload(), this.read(signal)]), signal)
    this.seen = asked
  }

  private async read(signal: AbortSignal) {
    try {
      const response = await this.transport.open({ ...this.call('', { 'If-None-Match': this.tag }), signal })
      this.put(((await response.json()) as { data: Revocation[] }).data)
      this.tag = response.headers.get('ETag') ?? undefined
    } catch (e) {
      if (!isTurKeyError(e) || e.statusCode !== 304) throw e
    }
  }

  private call(route: string, headers: Record<string, string | undefined>) {
    const { appId, serviceApiKey } = this.config
    return { method: 'GET', path: '/v1/revocations' + route, query: { appId }, headers: { 'X-Turkey-Service-Key': serviceApiKey, ...headers } }
  }

  private async follow(signal: AbortSignal) {
    for (let pause = 100; !signal.aborted; pause = Math.min(2 * pause, longest)) {
      const begun = Date.now()
      try {
        await this.stream(signal)
      } catch (e) {
        if (signal.aborted) return
        this.config.onError?.(e)
      }
      if (Date.now() - begun > silence) pause = 100
      await sleep(pause * (0.5 + Math.random() / 2), signal).catch(() => {}) // by chance: many backends lost the same server
    }
  }

  private async stream(signal: AbortSignal) {
    const stop = new AbortController()
    const end = () => stop.abort(signal.reason)
    signal.addEventListener('abort', end, { once: true })
    let timer: ReturnType<typeof setTimeout> | undefined
    const heard = () => {
      clearTimeout(timer)
      timer = setTimeout(() => stop.abort(new NetworkError('The stream of revocations is silent')), silence)
    }
    heard()
    try {
      const headers = { Accept: 'text/event-stream', 'Last-Event-ID': this.last || undefined }
      const response = await this.transport.open({ ...this.call('/stream', headers), signal: stop.signal })
      for await (const { event, id, data } of events<any>(response, stop.signal)) {
        heard()
        if (event === 'snapshot') this.put(data.data)
        else if (event === 'revocation') this.put([data])
        else if (event === 'alive') this.alive()
        // Keys that changed while nobody listened are not told of again.
        if (event === 'snapshot' || event === 'keys') await this.reload()
        if (id) this.last = id
      }
      throw new NetworkError('The stream of revocations ended')
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
    }
  }

  private async reload() {
    await Promise.all([...this.keySets].map((keys) => keys.reload()))
  }

  private put(all: Revocation[]) {
    for (const { kind, subject, version, notBefore, expiresAt } of all) {
      const until = Date.parse(expiresAt)
      if (kind === 'jti' || kind === 'session') this.ended.set(`${kind} ${subject}`, until)
      else if (kind === 'user' && version && version >= (this.users.get(subject)?.version ?? 0)) this.users.set(subject, { version, until })
      else if (kind === 'app' && notBefore) this.apps.set(subject, Math.max(Date.parse(notBefore), this.apps.get(subject) ?? 0))
    }
  }

  /** Notes a sign of life, and once a minute drops what can end nothing any more. */
  private alive() {
    const now = (this.seen = Date.now())
    if (Math.abs(now - this.swept) < 60_000) return
    this.swept = now
    for (const [k, until] of this.ended) if (until + slack < now) this.ended.delete(k)
    for (const [k, { until }] of this.users) if (until + slack < now) this.users.delete(k)
  }
}

function unknown(cause: unknown): Error {
  if (isTurKeyError(cause) && (cause.statusCode === 401 || cause.statusCode === 403)) {
    return new AuthorizationError(`Revocations cannot be read: ${cause.message}`, { code: cause.code, statusCode: cause.statusCode, cause })
  }
  return new NetworkError('Nothing was heard of revocations: the token cannot be judged now', { code: 'REVOCATIONS_UNKNOWN', cause })
}
