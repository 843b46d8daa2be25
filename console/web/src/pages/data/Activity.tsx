import './area'
import type { schemas } from '@turkey/sdk'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { Activity as ActivityIcon, Download } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { Link, useSearchParams } from 'react-router'
import { number, time } from '../../format'
import { useApi } from '../../session/context'
import { Button } from '../../ui/Button'
import { Badge, Empty, Failure, Loaded, type Tone } from '../../ui/Feedback'
import { Select, TextField } from '../../ui/Field'
import { Card, Page } from '../../ui/Page'
import { Table } from '../../ui/Table'
import { useDownload } from './download'
import { useServiceName, useSources } from './sources'

const perPage = 50
const tones: Record<schemas.Entry['status'], Tone> = { success: 'good', failure: 'bad', partial: 'warn' }
const kinds = Object.keys(tones) as schemas.Entry['status'][]

export default function Activity() {
  const { t } = useTranslation('data')
  const api = useApi()
  const name = useServiceName()
  const sources = useSources()
  const [download, busy, failure] = useDownload()
  const [query, setQuery] = useSearchParams()
  const filter = Object.fromEntries(['service', 'status', 'start_date', 'end_date'].flatMap((k) => (query.get(k) ? [[k, query.get(k) ?? '']] : [])))
  const page = Math.max(0, Math.trunc(Number(query.get('page') ?? 0)) || 0)
  const backwards = Boolean(filter.start_date && filter.end_date && filter.start_date > filter.end_date)
  const set = (k: string, v: string) => setQuery((q) => {
    if (k !== 'page') q.delete('page')
    if (v === '' || v === 'any' || v === '0') q.delete(k)
    else q.set(k, v)
    return q
  }, { replace: true })
  const log = useQuery({
    queryKey: ['activity', filter, page],
    queryFn: async ({ signal }) => (await api.activity.list({ ...filter, limit: perPage, offset: page * perPage }, { signal })).data,
    placeholderData: keepPreviousData,
    enabled: !backwards,
  })
  const services = ['google_sheets', ...(sources.data ?? []).map((s) => s.name), 'unknown']
  return (
    <Page title={t('activity.title')} lead={t('activity.lead')}
      actions={<Button busy={busy} isDisabled={backwards} onPress={() => download('/api/activity-log', filter, 'activity.csv')}><Download aria-hidden="true" />{t('csv')}</Button>}>
      <div className="grid">
        <Select label={t('service')} value={filter.service ?? 'any'} onChange={(v) => set('service', v)} choices={[{ id: 'any', label: t('any') }, ...services.map((id) => ({ id, label: name(id) }))]} />
        <Select label={t('activity.status')} value={filter.status ?? 'any'} onChange={(v) => set('status', v)} choices={[{ id: 'any', label: t('any') }, ...kinds.map((id) => ({ id, label: t(`activity.statuses.${id}`) }))]} />
        <TextField label={t('activity.from')} type="date" value={filter.start_date ?? ''} onChange={(v) => set('start_date', v)} />
        <TextField label={t('activity.to')} type="date" value={filter.end_date ?? ''} onChange={(v) => set('end_date', v)} error={backwards ? t('pull.backwards') : undefined} />
      </div>
      {failure !== null && <Failure error={failure} />}
      <Loaded query={log} lines={8}>
        {({ entries, total }) => (
          <>
            <Card flush>
              <Table label={t('activity.title')} rows={entries} rowKey={(e) => e.id}
                empty={<Empty icon={ActivityIcon} title={t('activity.empty')}>{Object.keys(filter).length > 0 ? t('activity.emptyFiltered') : t('activity.emptyText')}</Empty>} columns={[
                  { id: 'when', header: t('activity.when'), cell: (e) => <time className="nowrap" dateTime={e.timestamp}>{time(e.timestamp)}</time> },
                  { id: 'service', header: t('service'), cell: (e) => name(e.service) },
                  { id: 'what', header: t('activity.what'), cell: (e) => <What entry={e} /> },
                  { id: 'status', header: t('activity.status'), cell: (e) => <Badge tone={tones[e.status]}>{t(`activity.statuses.${e.status}`)}</Badge> },
                  { id: 'rows', header: t('activity.rows'), number: true, cell: (e) => (e.record_count > 0 ? number(e.record_count) : <span className="soft">–</span>) },
                  { id: 'took', header: t('activity.took'), number: true, cell: (e) => (e.duration > 0 ? t('activity.seconds', { n: number(e.duration, 1) }) : <span className="soft">–</span>) },
                ]} />
            </Card>
            {total > perPage && (
              <nav className="row-between" aria-label={t('activity.pages')}>
                <span className="small soft">{t('activity.range', { from: number(page * perPage + 1), to: number(Math.min(total, (page + 1) * perPage)), total: number(total) })}</span>
                <div className="row">
                  <Button look="small" isDisabled={page === 0} onPress={() => set('page', String(page - 1))}>{t('activity.newer')}</Button>
                  <Button look="small" isDisabled={(page + 1) * perPage >= total} onPress={() => set('page', String(page + 1))}>{t('activity.older')}</Button>
                </div>
              </nav>
            )}
          </>
        )}
      </Loaded>
    </Page>
  )
}

/** What happened, the run it belongs to, and what went wrong. */
function What({ entry }: { entry: schemas.Entry }) {
  const { t } = useTranslation('data')
  const text = t(`actions.${entry.action}`, { defaultValue: entry.action.replaceAll('_', ' ') })
  const facts = (entry.metadata ?? {}) as Record<string, unknown>
  const run = entry.action.startsWith('workflow_') && typeof facts.jobId === 'string' ? facts.jobId : undefined
  return (
    <span className="stack-tight">
      {run ? <Link to={`/runs/${run}`}>{text}</Link> : <span>{text}{typeof facts.name === 'string' && <span className="soft"> {facts.name}</span>}</span>}
      {entry.error_message && <span className="small soft">{entry.error_message}</span>}
    </span>
  )
}
