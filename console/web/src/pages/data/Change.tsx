import { ArrowDownRight, ArrowUpRight, Minus } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { number, percent } from '../../format'
import type { Comparison } from './figures'
import { better, inPoints, say } from './metrics'

interface ChangeProps {
  service: string
  metric: string
  currency: string
  comparison: Comparison
}

/** How a figure differs from the period before, or why that cannot be said. */
export function Change({ service, metric, currency, comparison: c }: ChangeProps) {
  const { t } = useTranslation('data')
  if (c.kind === 'none') return <p className="small soft">{t(`compare.none.${c.where}`, { count: c.missing })}</p>
  if (c.kind === 'noTotal') return <p className="small soft">{t('compare.noTotal')}</p>
  const change = c.to - c.from
  const Icon = change > 0 ? ArrowUpRight : change < 0 ? ArrowDownRight : Minus
  const size = inPoints(service, metric)
    ? t('compare.points', { points: number(Math.abs(change) * (metric === 'bounce_rate' ? 100 : 1), 2) })
    : c.from === 0 ? '' : percent(Math.abs(change) / Math.abs(c.from))
  const direction = t(`compare.${change > 0 ? 'up' : change < 0 ? 'down' : 'same'}`)
  return (
    <p className="small change">
      <span className={better(metric, change) ?? 'soft'}><Icon aria-hidden="true" /><span className="sr-only">{direction} </span>{change === 0 ? t('compare.same') : size}</span>
      {' '}<span className="soft">{t('compare.before', { value: say(service, metric, c.from, currency) })}</span>
      {c.provisional > 0 && <span className="soft block">{t('compare.provisional', { count: c.provisional })}</span>}
    </p>
  )
}
