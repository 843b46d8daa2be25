import { isTurKeyError, type TurKeyErrorBase } from '@turkey/sdk'
import type { TFunction } from 'i18next'

export interface Explained {
  message: string
  details: string[]
  /** Seconds to wait before the next attempt; 0: none. */
  retryAfter: number
  requestId: string
}

/** Says an error in words a person can act on. */
export function explain(error: unknown, t: TFunction): Explained {
  const said = (message: string): Explained => ({ message, details: [], retryAfter: 0, requestId: '' })
  if (error instanceof TypeError && /module script|imported module|importing a module/i.test(error.message)) return said(t('common:errors.page'))
  if (!isTurKeyError(error)) return said(t('common:errors.unexpected'))
  const status = error.statusCode ?? 0
  if (status === 0) return said(t('common:errors.offline'))
  const rest = { retryAfter: error.retryAfter ?? 0, requestId: status >= 500 ? (error.requestId ?? '') : '' }
  if (status >= 500 && status !== 502) return { message: status === 503 ? t('common:errors.unavailable') : t('common:errors.server'), details: [], ...rest }
  return { message: error.message, details: (error.details ?? []).map((d) => (d.field ? `${d.field}: ${d.message}` : d.message)), ...rest }
}

/** The message for a field, if the error has one. */
export function fieldError(error: unknown, field: string): string | undefined {
  const found = apiError(error)?.details?.filter((d) => d.field === field).map((d) => d.message)
  return found && found.length > 0 ? found.join(' · ') : undefined
}

/** The error as the SDK's, where it is one. */
export const apiError = (error: unknown): TurKeyErrorBase | undefined => (isTurKeyError(error) ? error : undefined)
