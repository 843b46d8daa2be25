import type { ErrorDetail } from './types.js'

/** What every error of this package is an instance of; the only class that 0.4 had. */
export class TurKeyAuthError extends Error {
  /** The server's stable code, such as invalid_grant; in capitals where the error arose here, such as NETWORK_ERROR. */
  readonly code: string
  /** 0 where there was no answer. */
  readonly statusCode: number
  readonly details?: ErrorDetail[]

  constructor(message: string, code: string, statusCode = 0, details?: ErrorDetail[]) {
    super(message)
    this.name = 'TurKeyAuthError'
    this.code = code
    this.statusCode = statusCode
    this.details = details
  }
}

export interface ErrorOptions {
  code?: string
  statusCode?: number
  details?: ErrorDetail[]
  isRetryable?: boolean
  cause?: unknown
  /** Seconds. */
  retryAfter?: number
  requestId?: string
}

// Two copies of this package in one program (ESM and CJS) know each other's errors by this mark.
const mark = Symbol.for('turkey.sdk.error')

export class TurKeyErrorBase extends TurKeyAuthError {
  readonly timestamp = new Date()
  /** The same call may succeed later. */
  readonly isRetryable: boolean
  /** Seconds that the server asks to wait. */
  readonly retryAfter?: number
  /** Names the request in the server's log. */
  readonly requestId?: string

  constructor(message: string, code: string, options: ErrorOptions = {}) {
    super(message, options.code ?? code, options.statusCode, options.details)
    this.name = 'TurKeyError'
    this.isRetryable = options.isRetryable ?? false
    this.retryAfter = options.retryAfter
    this.requestId = options.requestId
    if (options.cause !== undefined) {
      Object.defineProperty(this, 'cause', { value: options.cause, configurable: true, writable: true })
    }
    Object.defineProperty(this, mark, { value: true })
  }

  toJSON() {
    return {
      name: this.name,
      message: this.message,
      code: this.code,
      statusCode: this.statusCode,
      details: this.details,
      timestamp: this.timestamp.toISOString(),
      isRetryable: this.isRetryable,
      retryAfter: this.retryAfter,
      requestId: this.requestId,
    }
  }
}

/** No usable answer: connection lost, time over (TIMEOUT), answer cut off (INVALID_RESPONSE). */
export class NetworkError extends TurKeyErrorBase {
  constructor(message: string, options: ErrorOptions = {}) {
    super(message, 'NETWORK_ERROR', { isRetryable: true, ...options })
    this.name = 'NetworkError'
  }
}

/** 401: the person or the session is not who it should be. */
export class AuthenticationError extends TurKeyErrorBase {
  constructor(message: string, options: ErrorOptions = {}) {
    super(message, 'AUTHENTICATION_ERROR', { statusCode: 401, ...options })
    this.name = 'AuthenticationError'
  }
}

/** 401 about a token: expired, revoked, of another app or issuer, not a token at all. */
export class TokenError extends TurKeyErrorBase {
  constructor(message: string, options: ErrorOptions = {}) {
    super(message, 'TOKEN_ERROR', { statusCode: 401, ...options })
    this.name = 'TokenError'
  }
}

/** 403. */
export class AuthorizationError extends TurKeyErrorBase {
  constructor(message: string, options: ErrorOptions = {}) {
    super(message, 'AUTHORIZATION_ERROR', { statusCode: 403, ...options })
    this.name = 'AuthorizationError'
  }
}

/** 4xx: the request cannot be fulfilled as it is; details name the fields. */
export class ValidationError extends TurKeyErrorBase {
  constructor(message: string, options: ErrorOptions = {}) {
    super(message, 'VALIDATION_ERROR', { statusCode: 400, ...options })
    this.name = 'ValidationError'
  }
}

/** 404. */
export class NotFoundError extends ValidationError {
  constructor(message: string, options: ErrorOptions = {}) {
    super(message, { code: 'NOT_FOUND', statusCode: 404, ...options })
    this.name = 'NotFoundError'
  }
}

/** 409. */
export class ConflictError extends ValidationError {
  constructor(message: string, options: ErrorOptions = {}) {
    super(message, { code: 'CONFLICT', statusCode: 409, ...options })
    this.name = 'ConflictError'
  }
}

/** 429; retryAfter says when to come back. */
export class RateLimitError extends TurKeyErrorBase {
  constructor(message: string, options: ErrorOptions = {}) {
    super(message, 'RATE_LIMIT_ERROR', { statusCode: 429, isRetryable: true, ...options })
    this.name = 'RateLimitError'
  }
}

/** 5xx, or an answer that no TurKey server gives (INVALID_RESPONSE). */
export class ServerError extends TurKeyErrorBase {
  constructor(message: string, options: ErrorOptions = {}) {
    super(message, 'SERVER_ERROR', { statusCode: 500, isRetryable: true, ...options })
    this.name = 'ServerError'
  }
}

/** The program that uses this package has to be mended. */
export class ConfigurationError extends TurKeyErrorBase {
  constructor(message: string, options: ErrorOptions = {}) {
    super(message, 'CONFIGURATION_ERROR', options)
    this.name = 'ConfigurationError'
  }
}

interface Body {
  error?: unknown
  message?: unknown
  code?: unknown
  details?: unknown
  retryAfter?: unknown
  requestId?: unknown
}

const text = (v: unknown) => (typeof v === 'string' && v !== '' ? v : undefined)

/** The details of /v1 are a list; under /api the broken rules are texts in details.errors. */
function detailsOf(details: unknown): ErrorDetail[] | undefined {
  if (Array.isArray(details)) return details as ErrorDetail[]
  const errors = (details as { errors?: unknown } | undefined)?.errors
  if (!Array.isArray(errors)) return undefined
  return errors.map((message) => ({ field: '', message: String(message), code: 'VALIDATION_ERROR' }))
}

/** Makes the error of an HTTP answer. body is its JSON: {error: code, message} of /v1 or {error: text, code} of /api. */
export function createErrorFromResponse(status: number, body: unknown, cause?: unknown): TurKeyErrorBase {
  const b: Body = typeof body === 'object' && body !== null ? body : {}
  const code = text(b.code) ?? (text(b.message) ? text(b.error) : undefined)
  const message = text(b.message) ?? text(b.error) ?? `The server answered ${status}`
  const seconds = Number(b.retryAfter)
  const options: ErrorOptions = {
    code,
    statusCode: status,
    cause,
    details: detailsOf(b.details),
    retryAfter: seconds > 0 ? seconds : undefined,
    requestId: text(b.requestId),
  }
  if (status === 0) return new NetworkError(message, options)
  if (status === 401) return /token|jwt/i.test(message) ? new TokenError(message, options) : new AuthenticationError(message, options)
  if (status === 403) return new AuthorizationError(message, options)
  if (status === 404) return new NotFoundError(message, options)
  if (status === 409) return new ConflictError(message, options)
  if (status === 429) return new RateLimitError(message, options)
  if (status >= 400 && status < 500) return new ValidationError(message, options)
  return new ServerError(message, options)
}

/** Tells whether e is an error of this package, of any copy of it. */
export function isTurKeyError(e: unknown): e is TurKeyErrorBase {
  return e instanceof TurKeyErrorBase || (typeof e === 'object' && e !== null && mark in e)
}

/** Tells whether the same call may succeed later. */
export function isRetryableError(e: unknown): boolean {
  return isTurKeyError(e) && e.isRetryable
}
