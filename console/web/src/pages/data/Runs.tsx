import './area'
import { Play } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useSearchParams } from 'react-router'
import { day } from '../../format'
import { useApi } from '../../session/context'
import { Button } from '../../ui/Button'
import { Empty } from '../../ui/Feedback'
import { Select } from '../../ui/Field'
import { Listing, useListing } from '../../ui/Listing'
import { Moment } from '../../ui/Moment'
import { Page } from '../../ui/Page'
import { PullForm } from './PullForm'
import { RunBadge } from './RunState'
import { useServiceName, useSources } from './sources'
import { statuses } from './watch'

const freshEvery = 4000

export default function Runs() {
  const { t } = useTranslation('data')
  const api = useApi()
  const name = useServiceName()
  const sources = useSources()
  const [query, setQuery] = useSearchParams()
  const [pulling, setPulling] = useState(false)
  const service = query.get('service') ?? 'any'
  const status = query.get('status') ?? 'any'
  const set = (changed: string, value: string) => setQuery((q) => {
    if (value === 'any') q.delete(changed)
    else q.set(changed, value)
    return q
  }, { replace: true })
  const list = useListing(['runs', service, status], async (cursor, signal) => {
    const { runs, nextCursor } = await api.runs.list({
      limit: 50, ...(service === 'any' ? {} : { service }), ...(status === 'any' ? {} : { status }), ...(cursor ? { cursor } : {}),
    }, { signal })
    return { rows: runs, nextCursor }
  }, freshEvery)
  const filtered = service !== 'any' || status !== 'any'
  return (
    <Page title={t('runs.title')} lead={t('runs.lead')} actions={<Button look="primary" onPress={() => setPulling(true)}>{t('pull.open')}</Button>}>
      <div className="grid">
        <Select label={t('service')} value={service} onChange={(v) => set('service', v)} choices={[{ id: 'any', label: t('any') }, ...(sources.data ?? []).map((s) => ({ id: s.name, label: name(s.name) }))]} />
        <Select label={t('runs.status')} value={status} onChange={(v) => set('status', v)} choices={[{ id: 'any', label: t('any') }, ...statuses.map((id) => ({ id, label: t(`runs.statuses.${id}`) }))]} />
      </div>
      <Listing label={t('runs.title')} listing={list} rowKey={(r) => r.id}
        empty={<Empty icon={Play} title={filtered ? t('runs.emptyFiltered') : t('runs.empty')}>{filtered ? undefined : t('runs.emptyText')}</Empty>} columns={[
          { id: 'service', header: t('service'), cell: (r) => <Link to={`/runs/${r.id}`}>{name(r.service)}</Link> },
          { id: 'status', header: t('runs.status'), cell: (r) => <RunBadge run={r} /> },
          { id: 'days', header: t('runs.days'), cell: (r) => <Days from={r.from} to={r.to} /> },
          { id: 'rows', header: t('runs.written'), number: true, cell: (r) => (r.result && !r.dryRun ? r.result.appended + r.result.updated : <span className="soft">–</span>) },
          { id: 'created', header: t('runs.created'), cell: (r) => <Moment at={r.createdAt} /> },
          { id: 'why', header: t('runs.why'), cell: (r) => (r.status === 'completed' ? '' : <span className="small soft clamp">{r.error ?? ''}</span>) },
        ]} />
      <PullForm isOpen={pulling} onClose={() => setPulling(false)} />
    </Page>
  )
}

/** The days of a run. */
export function Days({ from, to }: { from: string | null; to: string | null }) {
  const { t } = useTranslation('data')
  if (!from || !to) return <span className="soft">{t('runs.window')}</span>
  return <span className="nowrap">{from === to ? day(from) : `${day(from)} – ${day(to)}`}</span>
}
