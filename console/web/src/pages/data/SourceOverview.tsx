import type { schemas } from '@turkey/sdk'
import { ChartLine } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { day } from '../../format'
import { Button } from '../../ui/Button'
import { Empty, Failure, Skeleton } from '../../ui/Feedback'
import { Change } from './Change'
import { compare, metricsOf, pointsOf, totalOf, useSource, type Period } from './figures'
import { leading, ordered, say } from './metrics'
import { SourceHead } from './SourceHead'
import { Sparkline } from './Sparkline'
import { useMetricName, useServiceName } from './sources'

/** A source's leading figures of a period. */
export function SourceOverview({ service, period, onOpen }: { service: string; period: Period; onOpen: () => void }) {
  const { t } = useTranslation('data')
  const name = useServiceName()(service)
  const { units, current, previous } = useSource(service, period)
  const failed = units.error ?? current.error
  const figures = current.data
  return (
    <section className="card source" aria-labelledby={`source-${service}`}>
      <SourceHead service={service} figures={figures}>
        <Button look="small" onPress={onOpen} aria-label={t('overview.chartsOf', { name })}><ChartLine aria-hidden="true" />{t('overview.charts')}</Button>
      </SourceHead>
      {failed
        ? <Failure error={failed} retry={() => void (units.error ? units : current).refetch()} />
        : !figures
          ? <Skeleton lines={5} />
          : figures.rows.length === 0
            ? <Empty icon={ChartLine} title={t('overview.empty', { from: day(figures.from), to: day(figures.to) })}>{t('overview.emptyText')}</Empty>
            : (
              <div className={current.isPlaceholderData ? 'cards fading' : 'cards'}>
                {ordered(service, metricsOf(figures)).slice(0, leading).map((m) => (
                  <Figure key={m} service={service} metric={m} figures={figures} previous={current.isPlaceholderData || previous.isPlaceholderData ? undefined : previous.data} />
                ))}
              </div>
            )}
    </section>
  )
}

interface FigureProps {
  service: string
  metric: string
  figures: schemas.Figures
  previous: schemas.Figures | undefined
}

export function Figure({ service, metric, figures, previous }: FigureProps) {
  const { t } = useTranslation('data')
  const name = useMetricName()(metric)
  const total = totalOf(figures, metric)
  return (
    <div className="stat kpi">
      <h3 className="small soft">{name}</h3>
      <div className="value">{total === undefined ? '–' : say(service, metric, Number(total), figures.currency)}</div>
      {total === undefined
        ? <p className="small soft">{t('compare.noTotal')}</p>
        : previous && <Change service={service} metric={metric} currency={figures.currency} comparison={compare(metric, figures, previous)} />}
      <Sparkline points={pointsOf(figures, metric)} />
    </div>
  )
}
