import type { schemas } from '@turkey/sdk'
import { ChartLine, Download } from 'lucide-react'
import { useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { day } from '../../format'
import { Button } from '../../ui/Button'
import { Badge, Empty, Failure, Loaded, Skeleton } from '../../ui/Feedback'
import { Select } from '../../ui/Field'
import { Card } from '../../ui/Page'
import { Table } from '../../ui/Table'
import { useDownload } from './download'
import { metricsOf, pointsOf, useFigures, useSource, valueOf, type Period, type Range } from './figures'
import { MetricChart } from './MetricChart'
import { ordered, say } from './metrics'
import { SourceHead } from './SourceHead'
import { Figure } from './SourceOverview'
import { useMetricName } from './sources'

/** All that is known of one source: its totals, a chart of each metric, and the figures themselves. */
export function SourceDetail({ service, period }: { service: string; period: Period }) {
  const { t } = useTranslation('data')
  const { units, range, current, previous } = useSource(service, period)
  const failed = units.error ?? current.error
  const figures = current.data
  return (
    <section className="stack" aria-labelledby={`source-${service}`}>
      <SourceHead service={service} figures={figures} />
      {failed && <Failure error={failed} retry={() => void (units.error ? units : current).refetch()} />}
      {!failed && !figures && <Skeleton lines={8} />}
      {figures?.rows.length === 0 && <Card><Empty icon={ChartLine} title={t('overview.empty', { from: day(figures.from), to: day(figures.to) })}>{t('overview.emptyText')}</Empty></Card>}
      {figures && figures.rows.length > 0 && (
        <>
          <Card><div className="cards">
            {ordered(service, metricsOf(figures)).map((m) => <Figure key={m} service={service} metric={m} figures={figures} previous={current.isPlaceholderData || previous.isPlaceholderData ? undefined : previous.data} />)}
          </div></Card>
          <Charts service={service} figures={figures} />
        </>
      )}
      {range && figures && figures.rows.length > 0 && <Rows service={service} range={range} />}
    </section>
  )
}

function Charts({ service, figures }: { service: string; figures: schemas.Figures }) {
  const name = useMetricName()
  const series = useMemo(() => ordered(service, metricsOf(figures)).map((metric) => ({ metric, points: pointsOf(figures, metric) })), [service, figures])
  return <div className="charts">{series.map(({ metric, points }) => <MetricChart key={metric} service={service} metric={metric} name={name(metric)} currency={figures.currency} points={points} />)}</div>
}

const grains = ['day', 'week', 'month'] as const

function Rows({ service, range }: { service: string; range: Range }) {
  const { t } = useTranslation('data')
  const name = useMetricName()
  const [grain, setGrain] = useState<(typeof grains)[number]>('day')
  const figures = useFigures(service, range, grain)
  const [download, busy, failure] = useDownload()
  const metrics = ordered(service, figures.data ? metricsOf(figures.data) : [])
  return (
    <Card flush title={undefined}>
      <div className="card-bar">
        <h3>{t('rows.title')}</h3>
        <div className="row">
          <Select label={<span className="sr-only">{t('rows.by')}</span>} value={grain} onChange={setGrain} choices={grains.map((id) => ({ id, label: t(`rows.${id}`) }))} />
          <Button busy={busy} onPress={() => download('/api/kpis', { service, ...range, granularity: grain }, `${service}.csv`)}><Download aria-hidden="true" />{t('csv')}</Button>
        </div>
      </div>
      {failure !== null && <Failure error={failure} />}
      <Loaded query={figures}>
        {(f) => (
          <Table label={t('rows.title')} rows={[...f.rows].reverse()} rowKey={(r) => r.day} columns={[
            {
              id: 'day', header: t('day'), cell: (r) => (
                <span className="nowrap">
                  {f.granularity === 'day' ? day(r.day) : t('rows.span', { from: day(r.day), to: day(r.to) })}
                  {' '}{r.provisional && <Badge tone="warn">{t('provisional')}</Badge>}
                  {f.granularity !== 'day' && <span className="small soft"> {t('rows.days', { count: r.days })}</span>}
                </span>
              ),
            },
            ...metrics.map((m) => ({
              id: m, header: name(m), number: true, cell: (r: schemas.FigureRow) => {
                const value = valueOf(r, m)
                return value === null ? <span className="soft">–</span> : <span className="nowrap">{say(service, m, value, f.currency)}</span>
              },
            })),
          ]} />
        )}
      </Loaded>
    </Card>
  )
}
