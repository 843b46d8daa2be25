import type { schemas } from '@turkey/sdk'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { dayIn } from '../../format'
import { useApi } from '../../session/context'

export interface Range {
  from: string
  to: string
}

export type Period = { days: number } | Range

const dayMs = 86_400_000
const at = (day: string) => Date.parse(`${day}T00:00:00Z`)
const plus = (day: string, n: number) => new Date(at(day) + n * dayMs).toISOString().slice(0, 10)

export const lengthOf = ({ from, to }: Range) => Math.round((at(to) - at(from)) / dayMs) + 1
export const validRange = ({ from, to }: Range) => /^\d{4}-\d\d-\d\d$/.test(from) && /^\d{4}-\d\d-\d\d$/.test(to) && from <= to && lengthOf({ from, to }) <= 1830
export const before = (r: Range): Range => ({ from: plus(r.from, -lengthOf(r)), to: plus(r.from, -1) })
export const daysOf = (r: Range) => Array.from({ length: lengthOf(r) }, (_, i) => plus(r.from, i))

/** The last whole days at the source, or the days as they were chosen. */
export function rangeOf(period: Period, zone: string | undefined): Range {
  if ('from' in period) return period
  const to = dayIn(-1, zone)
  return { from: plus(to, 1 - period.days), to }
}

type Granularity = schemas.Figures['granularity']

export function useFigures(service: string, range: Range | undefined, granularity: Granularity = 'day') {
  const api = useApi()
  return useQuery({
    queryKey: ['kpis', service, range?.from, range?.to, granularity],
    queryFn: ({ signal }) => api.kpis.list({ service, ...range, granularity }, { signal }),
    enabled: range !== undefined,
    placeholderData: (old, query) => (query?.queryKey[1] === service && query.queryKey[4] === granularity ? keepPreviousData(old) : undefined),
  })
}

/** A source's figures of a period in the source's own days, and those of as many days before. */
export function useSource(service: string, period: Period) {
  const api = useApi()
  const units = useQuery({ // what is known of the source does not hang on the days
    queryKey: ['kpis', service, 'units'],
    queryFn: ({ signal }) => api.kpis.list({ service, from: dayIn(-1), to: dayIn(-1) }, { signal }),
    staleTime: 300_000,
  })
  const range = units.data && rangeOf(period, units.data.timezone || undefined)
  const current = useFigures(service, range)
  const previous = useFigures(service, range && before(range))
  return { units, range, current, previous }
}

export interface Point {
  day: string
  value: number | null
  provisional: boolean
}

/** A metric of a day: as the source gave it, else worked out. */
export function valueOf(row: schemas.FigureRow, metric: string): number | null {
  const text = row.metrics[metric] ?? row.derived[metric]
  return text === undefined ? null : Number(text)
}

/** A point for each day, also for those without figures. */
export function pointsOf(figures: schemas.Figures, metric: string): Point[] {
  const rows = new Map(figures.rows.map((r) => [r.day.slice(0, 10), r]))
  return daysOf({ from: figures.from.slice(0, 10), to: figures.to.slice(0, 10) }).map((day) => {
    const row = rows.get(day)
    return { day, value: row ? valueOf(row, metric) : null, provisional: row?.provisional ?? false }
  })
}

export const metricsOf = (f: schemas.Figures) => new Set(f.rows.flatMap((r) => [...Object.keys(r.metrics), ...Object.keys(r.derived)]))
export const totalOf = (f: schemas.Figures, metric: string) => f.derived[metric] ?? f.totals[metric]
export const daysThere = (f: schemas.Figures) => f.rows.reduce((n, r) => n + r.days, 0)
export const daysMissing = (f: schemas.Figures) => lengthOf({ from: f.from.slice(0, 10), to: f.to.slice(0, 10) }) - daysThere(f)
export const daysProvisional = (f: schemas.Figures) => f.rows.filter((r) => r.provisional).length

export type Comparison =
  | { kind: 'none'; missing: number; where: 'current' | 'previous' }
  | { kind: 'noTotal' }
  | { kind: 'change'; from: number; to: number; provisional: number }

/** Compares two periods of the same length, where both are complete. */
export function compare(metric: string, current: schemas.Figures, previous: schemas.Figures): Comparison {
  for (const [where, f] of [['current', current], ['previous', previous]] as const) {
    const missing = daysMissing(f)
    if (missing > 0) return { kind: 'none', missing, where }
  }
  const [to, from] = [totalOf(current, metric), totalOf(previous, metric)]
  if (to === undefined || from === undefined) return { kind: 'noTotal' }
  return { kind: 'change', from: Number(from), to: Number(to), provisional: daysProvisional(current) + daysProvisional(previous) }
}
