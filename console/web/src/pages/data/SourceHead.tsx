import type { schemas } from '@turkey/sdk'
import { useMutation } from '@tanstack/react-query'
import { RefreshCw } from 'lucide-react'
import { useState, type ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { ago } from '../../format'
import { useApi } from '../../session/context'
import { Button } from '../../ui/Button'
import { Badge, Failure, Notice } from '../../ui/Feedback'
import { Progress } from '../../ui/Page'
import { daysMissing, daysProvisional } from './figures'
import { Why } from './RunState'
import { useServiceName } from './sources'
import { hasEnded, useRun } from './watch'

/** What the figures below are: whose, in which currency and zone, how complete; and the way to newer ones. */
export function SourceHead({ service, figures, children }: { service: string; figures: schemas.Figures | undefined; children?: ReactNode }) {
  const { t } = useTranslation('data')
  const api = useApi()
  const name = useServiceName()(service)
  const [job, setJob] = useState<string>()
  const start = useMutation({ mutationFn: () => api.sync.service(service, {}), onSuccess: ({ data }) => setJob(data.jobId) })
  const run = useRun(job).data
  const underway = start.isPending || (job !== undefined && !(run && hasEnded(run.status)))
  const missing = figures ? daysMissing(figures) : 0
  const provisional = figures ? daysProvisional(figures) : 0
  const newest = figures?.rows.map((r) => r.fetchedAt).sort().at(-1)
  const facts = [
    figures?.currency,
    figures?.timezone && t('head.zone', { zone: figures.timezone }),
    newest && t('head.collected', { ago: ago(newest) }),
  ].filter(Boolean)
  return (
    <>
      <div className="row-between">
        <div className="stack-tight">
          <h2 className="row" id={`source-${service}`}>
            {name}
            {figures && provisional > 0 && <Badge tone="warn">{t('head.provisional', { count: provisional })}</Badge>}
            {figures && missing > 0 && figures.rows.length > 0 && <Badge tone="info">{t('head.missing', { count: missing })}</Badge>}
          </h2>
          {facts.length > 0 && <p className="small soft">{facts.join(' · ')}</p>}
        </div>
        <div className="row">
          {children}
          <Button look="small" busy={underway} onPress={() => start.mutate()} aria-label={t('head.syncOf', { name })}><RefreshCw aria-hidden="true" />{t('head.sync')}</Button>
        </div>
      </div>
      {start.error && <Failure error={start.error} retry={() => start.mutate()} />}
      {run && !hasEnded(run.status) && <Progress label={t(`runs.statuses.${run.status}`)} done={run.progress} of={100} />}
      {run?.status === 'completed' && <Notice tone="good">{t('head.synced', { count: (run.result?.appended ?? 0) + (run.result?.updated ?? 0) })} <Link to={`/runs/${run.id}`}>{t('head.run')}</Link></Notice>}
      {run?.status === 'failed' && <Notice tone="bad"><Why run={run} /> <Link to={`/runs/${run.id}`}>{t('head.run')}</Link></Notice>}
    </>
  )
}
