import { ScrollText } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useSearchParams } from 'react-router'
import { useAdmin } from '../../session/context'
import { Button } from '../../ui/Button'
import { Empty } from '../../ui/Feedback'
import { TextField } from '../../ui/Field'
import { Listing, useListing } from '../../ui/Listing'
import { Moment } from '../../ui/Moment'
import { Page } from '../../ui/Page'
import { AppPicker } from './AppPicker'
import { AuditCheck, useAuditCheck } from './AuditCheck'
import { useSettled } from '../../ui/settled'

export default function Audit() {
  const { t } = useTranslation('admin')
  const admin = useAdmin()
  const check = useAuditCheck()
  const [query, setQuery] = useSearchParams()
  const [action, setAction] = useState('')
  const [user, setUser] = useState(query.get('user') ?? '')
  const [from, setFrom] = useState('')
  const [to, setTo] = useState('')
  const app = query.get('app') ?? ''
  const filter = useSettled({ app, action, user, from: from && `${from}T00:00:00Z`, to: to && `${to}T23:59:59Z` }, 300)
  const list = useListing(['admin', 'audit', ...Object.values(filter)], async (cursor, signal) => {
    const given = Object.fromEntries(Object.entries({ ...filter, cursor }).filter(([, v]) => v))
    const { data, nextCursor } = await admin.audit.list({ limit: 100, ...given }, { signal })
    return { rows: data, nextCursor }
  })
  return (
    <Page title={t('audit.title')} lead={t('audit.lead')} actions={<Button busy={check.isPending} onPress={() => check.mutate()}>{t('audit.verify')}</Button>}>
      <AuditCheck check={check} />
      <div className="grid">
        <AppPicker any value={app} onChange={(id) => setQuery(id ? { app: id } : {})} />
        <TextField label={t('audit.action')} value={action} onChange={setAction} placeholder="login_failed" />
        <TextField label={t('audit.user')} value={user} onChange={setUser} />
        <TextField label={t('audit.from')} type="date" value={from} onChange={setFrom} />
        <TextField label={t('audit.to')} type="date" value={to} onChange={setTo} />
      </div>
      <Listing label={t('audit.title')} listing={list} rowKey={(e) => e.id} empty={<Empty icon={ScrollText} title={t('audit.empty')}>{t('audit.emptyText')}</Empty>} columns={[
        { id: 'when', header: t('audit.when'), cell: (e) => <Moment at={e.createdAt} /> },
        { id: 'what', header: t('audit.what'), cell: (e) => <code>{e.action}</code> },
        { id: 'app', header: t('audit.app'), cell: (e) => <code>{e.appId}</code> },
        { id: 'who', header: t('audit.who'), cell: (e) => (e.userId ? <Link to={`/admin/users/${e.appId}/${e.userId}`}>{e.actor ?? e.userId}</Link> : (e.actor ?? '–')) },
        { id: 'where', header: t('audit.where'), cell: (e) => e.ip ?? '–' },
        { id: 'details', header: t('audit.details'), cell: (e) => <Facts meta={e.meta} /> },
      ]} />
    </Page>
  )
}

function Facts({ meta }: { meta: Record<string, unknown> }) {
  const facts = Object.entries(meta).filter(([name]) => name !== 'ip' && name !== 'requestId')
  return <span className="small soft">{facts.map(([name, value]) => `${name}: ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`).join(', ')}</span>
}
