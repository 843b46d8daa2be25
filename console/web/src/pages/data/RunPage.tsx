import './area'
import type { schemas } from '@turkey/sdk'
import { useTranslation } from 'react-i18next'
import { Link, useNavigate, useParams } from 'react-router'
import { day, number, time } from '../../format'
import { useApi } from '../../session/context'
import { useAsk, type Question } from '../../ui/ask'
import { Button } from '../../ui/Button'
import { Loaded, Notice } from '../../ui/Feedback'
import { CopyButton } from '../../ui/CopyButton'
import { Card, Defs, Page, Progress } from '../../ui/Page'
import { Table } from '../../ui/Table'
import { Days } from './Runs'
import { RunBadge, Why } from './RunState'
import { useServiceName } from './sources'
import { hasEnded, useRun } from './watch'

export default function RunPage() {
  const { t } = useTranslation('data')
  const { id } = useParams()
  const run = useRun(id)
  const name = useServiceName()
  const [dialog, ask] = useAsk(['run', id])
  const title = run.data ? t('run.title', { service: name(run.data.service) }) : t('run.loading')
  return (
    <Page title={title} lead={<Link to="/runs">{t('run.back')}</Link>} actions={run.data && <RunActs run={run.data} ask={ask} />}>
      <Loaded query={run} lines={8}>{(r) => <RunView run={r} />}</Loaded>
      {dialog}
    </Page>
  )
}

function RunActs({ run, ask }: { run: schemas.Run; ask: (q: Question) => void }) {
  const { t } = useTranslation('data')
  const api = useApi()
  const go = useNavigate()
  const question = (what: 'cancel' | 'retry' | 'undo' | 'apply', act: () => Promise<unknown>, danger = false): Question => (
    { title: t(`run.${what}`), text: t(`run.${what}Text`), action: t(`run.${what}`), done: t(`run.${what}Done`), danger, run: act }
  )
  const written = (run.result?.appended ?? 0) + (run.result?.updated ?? 0) > 0
  const apply = async () => {
    if (!run.from || !run.to) return
    const made = await api.runs.create({ service: run.service, from: run.from, to: run.to })
    void go(`/runs/${made.id}`)
  }
  return (
    <>
      {!hasEnded(run.status) && <Button look="danger" onPress={() => ask(question('cancel', () => api.runs.cancel(run.id), true))}>{t('run.cancel')}</Button>}
      {(run.status === 'failed' || run.status === 'cancelled') && <Button look="primary" onPress={() => ask(question('retry', () => api.runs.retry(run.id)))}>{t('run.retry')}</Button>}
      {run.dryRun && run.status === 'completed' && run.from && <Button look="primary" onPress={() => ask(question('apply', apply))}>{t('run.apply')}</Button>}
      {!run.dryRun && hasEnded(run.status) && written && !run.undoneAt && <Button look="danger" onPress={() => ask(question('undo', () => api.runs.undo(run.id), true))}>{t('run.undo')}</Button>}
    </>
  )
}

function RunView({ run }: { run: schemas.Run }) {
  const { t } = useTranslation('data')
  const result = run.result
  return (
    <>
      {run.status === 'failed' && <Notice tone="bad"><Why run={run} /></Notice>}
      {run.status === 'delayed' && <Notice tone="warn"><Why run={run} />{run.nextAttemptAt && <p>{t('run.next', { at: time(run.nextAttemptAt) })}</p>}</Notice>}
      {run.undoneAt && <Notice>{t('run.undoneNote', { at: time(run.undoneAt) })}</Notice>}
      <Card>
        {!hasEnded(run.status) && <div aria-live="polite"><Progress label={t(`runs.statuses.${run.status}`)} done={run.progress} of={100} /></div>}
        <Defs items={[
          [t('runs.status'), <RunBadge key="s" run={run} />],
          [t('runs.days'), <Days key="d" from={run.from} to={run.to} />],
          [t('run.attempts'), t('run.attempt', { n: run.attempt, of: run.maxAttempts })],
          [t('runs.created'), time(run.createdAt)],
          ...(run.finishedAt ? [[t('run.ended'), time(run.finishedAt)] as const] : []),
          ...(result?.spreadsheetId && result.sheetName
            ? [[t('run.tab'), <Link key="t" to={`/viewer?spreadsheet=${encodeURIComponent(result.spreadsheetId)}&tab=${encodeURIComponent(result.sheetName)}`}>{result.sheetName}</Link>] as const]
            : []),
          [t('run.id'), <span key="i" className="row"><code>{run.id}</code><CopyButton text={run.id} /></span>],
        ]} />
      </Card>
      {result && run.status === 'completed' && <Counts run={run} result={result} />}
      {run.dryRun && result && run.status === 'completed' && <Changes result={result} />}
    </>
  )
}

/** What became of the days. */
function Counts({ run, result }: { run: schemas.Run; result: schemas.Result }) {
  const { t } = useTranslation('data')
  const counts = (['appended', 'updated', 'skipped', 'overwritten'] as const).map((c) => [c, result[c]] as const)
  return (
    <Card title={run.dryRun ? t('run.would') : t('run.did')}>
      <div className="cards">
        {counts.map(([c, n]) => (
          <div className="stat" key={c}>
            <div className="value">{number(n)}</div>
            <p className="small soft">{t(`run.counts.${c}`)}</p>
          </div>
        ))}
      </div>
    </Card>
  )
}

const cell = (value: unknown) => (value === null || value === undefined || value === '' ? null : typeof value === 'object' ? JSON.stringify(value) : String(value))

/** The cells that a dry run would change. */
function Changes({ result }: { result: schemas.Result }) {
  const { t } = useTranslation('data')
  const diff = result.diff ?? []
  const total = result.diffCells ?? diff.length
  if (diff.length === 0) return <Notice tone="good">{t('run.noDiff')}</Notice>
  const value = (v: unknown) => cell(v) ?? <span className="soft">{t('run.emptyCell')}</span>
  return (
    <Card flush>
      <div className="card-bar">
        <h2>{t('run.diff')}</h2>
        <span className="small soft">{diff.length < total ? t('run.diffSome', { shown: number(diff.length), count: total }) : t('run.diffAll', { count: total })}</span>
      </div>
      <Table label={t('run.diff')} rows={diff.map((d, i) => ({ ...d, i }))} rowKey={(d) => d.i} columns={[
        { id: 'day', header: t('day'), cell: (d) => <span className="nowrap">{day(d.day)}</span> },
        { id: 'column', header: t('run.column'), cell: (d) => <code>{d.column}</code> },
        { id: 'old', header: t('run.old'), number: true, cell: (d) => value(d.old) },
        { id: 'new', header: t('run.new'), number: true, cell: (d) => value(d.new) },
      ]} />
    </Card>
  )
}
