import { language } from './i18n'

/** Numbers, money, days and times as people read them. */

export const number = (value: number, digits = 0) => new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value)

export function money(value: number, currency: string | undefined) {
  if (!currency) return new Intl.NumberFormat(language, { minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(value)
  return new Intl.NumberFormat(language, { style: 'currency', currency }).format(value)
}

export const percent = (ratio: number, digits = 1) => new Intl.NumberFormat(language, { style: 'percent', maximumFractionDigits: digits }).format(ratio)

/** A day as `2026-03-01`, whatever zone the browser is in. */
export function day(iso: string) {
  const [y = 0, m = 1, d = 1] = iso.slice(0, 10).split('-').map(Number)
  return new Intl.DateTimeFormat(language, { day: 'numeric', month: 'short', year: 'numeric', timeZone: 'UTC' }).format(Date.UTC(y, m - 1, d))
}

/** A moment, in the browser's zone or a given one. */
export function time(iso: string, timeZone?: string) {
  return new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short', ...(timeZone ? { timeZone } : {}) }).format(new Date(iso))
}

const steps: readonly [Intl.RelativeTimeFormatUnit, number][] = [['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1]]

/** "3 minutes ago", "in 2 hours". */
export function ago(iso: string, now = Date.now()) {
  const seconds = Math.round((Date.parse(iso) - now) / 1000)
  const relative = new Intl.RelativeTimeFormat(language, { numeric: 'auto' })
  for (const [unit, size] of steps) {
    if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit)
  }
  return relative.format(0, 'second')
}

/** The n-th day from today as YYYY-MM-DD in a zone. */
export function dayIn(offset: number, timeZone?: string) {
  const at = new Date(Date.now() + offset * 86400_000)
  return new Intl.DateTimeFormat('sv-SE', { year: 'numeric', month: '2-digit', day: '2-digit', ...(timeZone ? { timeZone } : {}) }).format(at)
}
