import { MonitorSmartphone } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { Link, useSearchParams } from 'react-router'
import { useAdmin } from '../../session/context'
import { device } from '../../shell/device'
import { Empty } from '../../ui/Feedback'
import { Listing, useListing } from '../../ui/Listing'
import { Acts } from '../../ui/Acts'
import { Moment } from '../../ui/Moment'
import { Page } from '../../ui/Page'
import { AppPicker } from './AppPicker'
import { useAsk } from '../../ui/ask'

export default function Sessions() {
  const { t } = useTranslation('admin')
  const admin = useAdmin()
  const [query, setQuery] = useSearchParams()
  const app = query.get('app') ?? ''
  const user = query.get('user') ?? ''
  const [dialog, ask] = useAsk(['admin', 'sessions'])
  const sessions = useListing(['admin', 'sessions', app, user], async (cursor, signal) => {
    const { data, nextCursor } = await admin.sessions.list({ limit: 100, ...(app ? { app } : {}), ...(user ? { user } : {}), ...(cursor ? { cursor } : {}) }, { signal })
    return { rows: data, nextCursor }
  })
  return (
    <Page title={t('sessions.title')} lead={t('sessions.lead')}>
      <div className="grid"><AppPicker any value={app} onChange={(id) => setQuery(id ? { app: id } : {})} /></div>
      <Listing label={t('sessions.title')} listing={sessions} rowKey={(s) => s.id} empty={<Empty icon={MonitorSmartphone} title={t('sessions.empty')} />} columns={[
        { id: 'user', header: t('sessions.user'), cell: (s) => <Link to={`/admin/users/${s.appId}/${s.userId}`}>{s.email}</Link> },
        { id: 'app', header: t('sessions.app'), cell: (s) => <code>{s.appId}</code> },
        { id: 'device', header: t('sessions.device'), cell: (s) => <span title={s.userAgent ?? ''}>{device(s.userAgent) ?? t('sessions.unknown')}</span> },
        { id: 'place', header: t('sessions.place'), cell: (s) => s.ip ?? '–' },
        { id: 'used', header: t('sessions.used'), cell: (s) => <Moment at={s.lastUsedAt ?? s.createdAt} /> },
        { id: 'expires', header: t('sessions.expires'), cell: (s) => <Moment at={s.expiresAt} /> },
        {
          id: 'acts', header: <span className="sr-only">{t('user.acts')}</span>, cell: (s) => (
            <Acts label={`${t('user.acts')}: ${s.email}`} acts={[{
              id: 'end', label: t('sessions.end'), danger: true,
              run: () => ask({ title: t('sessions.end'), text: t('sessions.endText', { email: s.email }), action: t('sessions.end'), danger: true, done: t('sessions.ended'), run: () => admin.sessions.end(s.id) }),
            }]} />
          ),
        },
      ]} />
      {dialog}
    </Page>
  )
}
