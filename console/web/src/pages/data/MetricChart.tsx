import { lazy, Suspense, useCallback, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { day } from '../../format'
import { Badge, Skeleton } from '../../ui/Feedback'
import { Card } from '../../ui/Page'
import type { Point } from './figures'
import { atAxis, say } from './metrics'

const Chart = lazy(() => import('./Chart'))

interface MetricChartProps {
  service: string
  metric: string
  name: string
  currency: string
  points: readonly Point[]
}

/** A metric's chart, the value under the pointer, and the same as a table. */
export function MetricChart({ service, metric, name, currency, points }: MetricChartProps) {
  const { t } = useTranslation('data')
  const [point, setPoint] = useState<Point | null>(null)
  const [open, setOpen] = useState(false)
  const format = (v: number) => say(service, metric, v, currency)
  const tick = useCallback((v: number) => atAxis(service, metric, v, currency), [service, metric, currency])
  const values = points.flatMap((p) => (p.value === null ? [] : [p.value]))
  const label = values.length > 0
    ? t('chart.label', { name, from: day(points[0]?.day ?? ''), to: day(points.at(-1)?.day ?? ''), low: format(Math.min(...values)), high: format(Math.max(...values)) })
    : t('chart.nothing', { name })
  return (
    <Card>
      <div className="chart-head">
        <h3 id={`metric-${metric}`}>{name}</h3>
        <span className="small soft" aria-hidden="true">{point ? `${day(point.day)}: ${point.value === null ? t('chart.none') : format(point.value)}${point.provisional ? ` (${t('provisional')})` : ''}` : ''}</span>
      </div>
      <Suspense fallback={<Skeleton lines={5} />}><Chart label={label} points={points} tick={tick} onPoint={setPoint} /></Suspense>
      <details onToggle={(e) => setOpen(e.currentTarget.open)}>
        <summary className="small">{t('chart.table')}<span className="sr-only">: {name}</span></summary>
        {open && (
          <div className="table-wrap chart-table" role="region" aria-label={name} tabIndex={0}>
            <table className="table">
              <caption className="sr-only">{name}</caption>
              <thead><tr><th scope="col">{t('day')}</th><th scope="col" className="num">{name}</th></tr></thead>
              <tbody>
                {points.map((p) => (
                  <tr key={p.day}>
                    <td className="nowrap">{day(p.day)} {p.provisional && <Badge tone="warn">{t('provisional')}</Badge>}</td>
                    <td className="num">{p.value === null ? t('chart.none') : format(p.value)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </details>
    </Card>
  )
}
