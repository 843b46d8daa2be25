import { ConfigurationError, createErrorFromResponse, isRetryableError, isTurKeyError, NetworkError, ServerError } from './errors.js'
import type { CallOptions, RetryConfig, TurKeyConfig } from './types.js'

/** One call of the API. */
export interface Call extends CallOptions {
  method: string
  path: string
  query?: object
  body?: unknown
  headers?: Record<string, string | undefined>
}

/** Somebody in whose name calls are made: a session, or a holder of a token or key. */
export interface Caller {
  /** Makes a call and gives the JSON of its answer. */
  send<T>(call: Call): Promise<T>
  /** Makes a call and gives its answer as it begins; for streams. */
  open(call: Call): Promise<Response>
}

const retryDefaults: RetryConfig = { maxAttempts: 3, initialDelayMs: 1000, maxDelayMs: 30000, backoffMultiplier: 2, jitter: true }

/** baseUrl without slashes at its end: paths begin with one. */
export const trimmed = (baseUrl: string) => baseUrl.replace(/\/+$/, '')

/** Waits, or ends with the signal's reason. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  let timer: ReturnType<typeof setTimeout>
  return race(new Promise<void>((done) => (timer = setTimeout(done, ms))), signal).finally(() => clearTimeout(timer))
}

/** Waits for a promise that others wait for too: the signal ends the waiting, not the work. */
export function race<T>(work: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (!signal) return work
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason)
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}

/** Makes calls: time limits, repetition, and errors of one kind. */
export class Transport implements Caller {
  readonly base: string
  private readonly retry: RetryConfig | undefined

  constructor(private readonly config: TurKeyConfig) {
    if (!config?.baseUrl || !/^https?:\/\//.test(config.baseUrl)) {
      throw new ConfigurationError('baseUrl is required: the address of the TurKey server, such as https://auth.example.com')
    }
    this.base = trimmed(config.baseUrl)
    this.retry = config.retry === false ? undefined : { ...retryDefaults, ...config.retry }
  }

  send<T>(call: Call): Promise<T> {
    return this.repeated(call, async (response) => parse<T>(response.status, await response.text(), response.headers, call))
  }

  open(call: Call): Promise<Response> {
    return this.repeated(call, async (response) => {
      if (!response.ok) parse(response.status, await response.text(), response.headers, call)
      return response
    })
  }

  private async repeated<T>(call: Call, read: (r: Response) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.once(call, read)
      } catch (e) {
        if (call.signal?.aborted) throw call.signal.reason
        const pause = this.pause(e, attempt)
        if (pause === undefined) throw e
        await sleep(pause, call.signal)
      }
    }
  }

  /** Milliseconds before the next attempt; undefined: there is none. */
  private pause(e: unknown, attempt: number): number | undefined {
    const r = this.retry
    if (!r || attempt >= r.maxAttempts || !(r.shouldRetry ? r.shouldRetry(e, attempt) : isRetryableError(e))) return undefined
    const asked = isTurKeyError(e) && e.retryAfter ? e.retryAfter * 1000 : undefined
    if (asked !== undefined && asked > r.maxDelayMs) return undefined
    const grown = Math.min(asked ?? r.initialDelayMs * r.backoffMultiplier ** (attempt - 1), r.maxDelayMs)
    if (!r.jitter) return grown
    // Never before the server's time; many clients that heard the same time do not come back as one.
    return asked === undefined ? grown * (0.5 + Math.random() / 2) : Math.min(grown + Math.random() * 500, r.maxDelayMs)
  }

  private async once<T>(call: Call, read: (r: Response) => Promise<T>): Promise<T> {
    const { signal } = call
    if (signal?.aborted) throw signal.reason
    const stop = new AbortController()
    const abort = () => stop.abort(signal?.reason)
    signal?.addEventListener('abort', abort, { once: true })
    const ms = call.timeout ?? this.config.timeout ?? 10000
    let late = false
    const timer = setTimeout(() => {
      late = true
      stop.abort()
    }, ms)
    try {
      return await read(await this.request(call, stop.signal))
    } catch (e) {
      if (isTurKeyError(e) || signal?.aborted) throw e
      if (late) throw new NetworkError(`${call.method} ${call.path} took longer than ${ms} ms`, { code: 'TIMEOUT', cause: e })
      throw new NetworkError(`${call.method} ${call.path}: no answer from ${this.base}`, { cause: e })
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    }
  }

  private request(call: Call, signal: AbortSignal): Promise<Response> {
    const headers: Record<string, string> = { 'Content-Type': 'application/json' }
    for (const [name, value] of Object.entries(call.headers ?? {})) if (value !== undefined) headers[name] = value
    const init: RequestInit = { method: call.method, headers, signal }
    if (call.body !== undefined) init.body = JSON.stringify(call.body)
    const credentials = this.config.credentials ?? (this.config.mode === 'cookie' ? 'include' : undefined)
    if (credentials) init.credentials = credentials
    const go = this.config.fetch ?? fetch
    return go(this.base + call.path + search(call.query), init)
  }
}

function search(query: object | undefined): string {
  const q = new URLSearchParams()
  for (const [name, value] of Object.entries(query ?? {})) if (value !== undefined && value !== null) q.set(name, String(value))
  const text = q.toString()
  return text && '?' + text
}

function parse<T>(status: number, text: string, headers: Headers, call: Call): T {
  const ok = status >= 200 && status < 300
  const about = { statusCode: status, requestId: headers.get('X-Request-Id') ?? undefined }
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch (cause) {
    const json = /json/i.test(headers.get('Content-Type') ?? '')
    if (ok && json) {
      throw new NetworkError(`${call.method} ${call.path}: the answer was cut off`, { ...about, code: 'INVALID_RESPONSE', cause })
    }
    if (status === 429 || status >= 500) throw createErrorFromResponse(status, { ...about, retryAfter: seconds(headers) }, cause)
    // A proxy or a web site answers here: repeating does not help, and nothing is known about tokens.
    throw new ServerError(`${call.method} ${call.path}: the answer is not JSON; is baseUrl a TurKey server?`, {
      ...about, code: 'INVALID_RESPONSE', isRetryable: false, cause,
    })
  }
  if (ok) return body as T
  throw createErrorFromResponse(status, { ...about, retryAfter: seconds(headers), ...(body as object) })
}

const seconds = (headers: Headers) => Number(headers.get('Retry-After')) || undefined
