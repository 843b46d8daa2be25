import type { schemas } from '@turkey/sdk'
import { ListChecks } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useAdmin } from '../../session/context'
import { Badge, Empty, type Tone } from '../../ui/Feedback'
import { Select, TextField } from '../../ui/Field'
import { Listing, useListing } from '../../ui/Listing'
import { Acts } from '../../ui/Acts'
import { Moment } from '../../ui/Moment'
import { Page } from '../../ui/Page'
import { useAsk } from '../../ui/ask'
import { useSettled } from '../../ui/settled'

type JobState = schemas.Job['state']
const states: readonly JobState[] = ['running', 'available', 'scheduled', 'retryable', 'discarded', 'completed', 'cancelled', 'pending']
const tones: Partial<Record<JobState, Tone>> = { completed: 'good', running: 'info', retryable: 'warn', discarded: 'bad' }
const over: readonly JobState[] = ['completed', 'cancelled', 'discarded']

export default function Jobs() {
  const { t } = useTranslation('admin')
  const admin = useAdmin()
  const [state, setState] = useState<JobState | 'any'>('any')
  const [typed, setKind] = useState('')
  const kind = useSettled(typed)
  const [dialog, ask] = useAsk(['admin', 'jobs'])
  const list = useListing(['admin', 'jobs', state, kind], async (cursor, signal) => {
    const { data, nextCursor } = await admin.jobs.list({ limit: 100, ...(state === 'any' ? {} : { state }), ...(kind ? { kind } : {}), ...(cursor ? { cursor } : {}) }, { signal })
    return { rows: data, nextCursor }
  }, 10_000)
  const act = (name: 'retry' | 'cancel', job: schemas.Job) => ({
    id: name, label: t(`jobs.${name}`), danger: name === 'cancel',
    run: () => ask({ title: t(`jobs.${name}`), text: t(`jobs.${name}Text`), action: t(`jobs.${name}`), danger: name === 'cancel', done: t('jobs.done'), run: () => admin.jobs[name](job.id) }),
  })
  return (
    <Page title={t('jobs.title')} lead={t('jobs.lead')}>
      <div className="grid">
        <Select label={t('jobs.state')} value={state} onChange={setState} choices={[{ id: 'any' as const, label: t('jobs.any') }, ...states.map((id) => ({ id, label: t(`jobs.states.${id}`) }))]} />
        <TextField label={t('jobs.kind')} value={typed} onChange={setKind} />
      </div>
      <Listing label={t('jobs.title')} listing={list} rowKey={(j) => j.id} empty={<Empty icon={ListChecks} title={t('jobs.empty')} />} columns={[
        { id: 'id', header: '#', number: true, cell: (j) => j.id },
        { id: 'kind', header: t('jobs.kind'), cell: (j) => <code>{j.kind}</code> },
        { id: 'state', header: t('jobs.state'), cell: (j) => <Badge tone={tones[j.state]}>{t(`jobs.states.${j.state}`)}</Badge> },
        { id: 'tries', header: t('jobs.tries'), number: true, cell: (j) => `${j.attempt} / ${j.maxAttempts}` },
        { id: 'when', header: t('jobs.when'), cell: (j) => <Moment at={j.finalizedAt ?? j.attemptedAt ?? j.scheduledAt} /> },
        { id: 'error', header: t('jobs.error'), cell: (j) => <span className="small soft">{j.error ?? ''}</span> },
        { id: 'acts', header: <span className="sr-only">{t('user.acts')}</span>, cell: (j) => <Acts label={`${t('user.acts')}: ${j.id}`} acts={[act('retry', j), ...(over.includes(j.state) ? [] : [act('cancel', j)])]} /> },
      ]} />
      {dialog}
    </Page>
  )
}
