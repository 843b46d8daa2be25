import { useQueryClient } from '@tanstack/react-query'
import type { schemas } from '@turkey/sdk'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { ago, day } from '../../../format'
import { useApi } from '../../../session/context'
import { Button } from '../../../ui/Button'
import { Failure, Notice } from '../../../ui/Feedback'
import { Progress } from '../../../ui/Page'
import { titleOf } from '../catalogue'
import { useAct } from '../data'
import type { Step } from '../progress'
import { hasEnded, useRun } from '../useRun'

interface SyncStepProps {
  service: string
  /** A run of the source that the server knows. */
  known: schemas.Run | undefined
  mapping: schemas.Mapping | undefined
  onDone: () => void
  onStep: (step: Step) => void
}

/** Which step mends a failed run. */
const mends: Record<string, Step> = {
  no_mapping: 'tab', sheet_not_found: 'tab', schema_mismatch: 'tab', sheet_full: 'tab', no_sheets_credential: 'sheets', rejected: 'source', credential_unusable: 'source', not_enabled: 'source', not_found: 'source', invalid: 'source',
}

export function SyncStep({ service, known, mapping, onDone, onStep }: SyncStepProps) {
  const { t } = useTranslation('setup')
  const api = useApi()
  const queries = useQueryClient()
  const [begun, setBegun] = useState(known)
  const { run, lost, gone } = useRun(begun)
  const start = useAct(async () => {
    const next = begun && run?.status === 'failed' && run.reason !== 'schema_mismatch' ? await api.runs.retry(begun.id) : await api.runs.create({ service })
    setBegun({ ...next })
    void queries.invalidateQueries({ queryKey: ['setup', 'runs'] })
  })
  const title = titleOf(service, t)
  const mend = run?.status === 'failed' && run.reason ? mends[run.reason] : undefined
  if (!run || gone) {
    return (
      <>
        <p className="soft">{t('sync.text', { service: title, tab: mapping?.sheetName })}</p>
        {gone && <Notice tone="warn">{t('sync.gone')}</Notice>}
        {start.error !== null && <Failure error={start.error} />}
        <div><Button look="primary" busy={start.busy} onPress={() => void start.run()}>{t('sync.start')}</Button></div>
      </>
    )
  }
  const days = run.from && run.to ? t('sync.days', { from: day(run.from), to: day(run.to) }) : ''
  return (
    <div className="stack">
      {!hasEnded(run) && (
        <>
          <Progress label={run.status === 'active' ? t('sync.active', { service: title }) : t('sync.waiting')} done={run.progress} of={100} />
          <p className="soft small" role="status">{days} {run.attempt > 1 || (run.error && run.nextAttemptAt) ? t('sync.attempt', { error: run.error ?? '', when: run.nextAttemptAt ? ago(run.nextAttemptAt) : '' }) : ''}</p>
          {lost && <Notice tone="warn">{t('sync.lost')}</Notice>}
        </>
      )}
      {run.status === 'completed' && (
        <>
          <Notice tone="good">{t('sync.completed', { count: (run.result?.appended ?? 0) + (run.result?.updated ?? 0) + (run.result?.skipped ?? 0) })} {days}</Notice>
          <div><Button look="primary" autoFocus onPress={onDone}>{t('sync.show')}</Button></div>
        </>
      )}
      {(run.status === 'failed' || run.status === 'cancelled') && (
        <>
          <Notice tone="bad"><div className="stack-tight"><div>{run.status === 'cancelled' ? t('sync.cancelled') : t('sync.failed')}</div>{run.error && <div>{run.error}</div>}</div></Notice>
          {start.error !== null && <Failure error={start.error} />}
          <div className="row">
            {mend && <Button look="primary" onPress={() => onStep(mend)}>{t(`sync.mend.${mend}`)}</Button>}
            <Button {...(mend ? {} : { look: 'primary' as const })} busy={start.busy} onPress={() => void start.run()}>{t('common:tryAgain')}</Button>
          </div>
        </>
      )}
    </div>
  )
}
