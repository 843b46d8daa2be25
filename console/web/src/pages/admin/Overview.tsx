import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { number } from '../../format'
import { useAdmin } from '../../session/context'
import { Badge, Loaded, Notice } from '../../ui/Feedback'
import { Card, Defs, Page } from '../../ui/Page'
import './admin.css'

export default function Overview() {
  const { t } = useTranslation('admin')
  const admin = useAdmin()
  const health = useQuery({ queryKey: ['admin', 'health'], queryFn: ({ signal }) => admin.server.health({ signal }), refetchInterval: 15_000 })
  const doctor = useQuery({ queryKey: ['admin', 'doctor'], queryFn: ({ signal }) => admin.server.doctor({ signal }), staleTime: 60_000 })
  return (
    <Page title={t('overview.title')} lead={t('overview.lead')}>
      <Loaded query={health}>
        {({ data }) => (
          <>
            <div className="grid stats">
              {([['apps', data.stats.apps], ['users', data.stats.users], ['sessions', data.stats.sessions], ['logins', data.stats.logins24h]] as const).map(([name, value]) => (
                <Card key={name}><div className="stat"><span className="soft">{t(`overview.${name}`)}</span><span className="value">{number(value)}</span></div></Card>
              ))}
            </div>
            <Card title={data.status === 'healthy' ? <Badge tone="good">{t('overview.healthy')}</Badge> : <Badge tone="warn">{t('overview.degraded')}</Badge>}>
              <Defs items={[
                [t('overview.feed'), data.feed.current ? t('overview.feedCurrent') : t('overview.feedStale')],
                [t('overview.signer'), <code key="k">{data.signer}</code>],
                [t('overview.mail'), data.mail],
                [t('overview.mailsWaiting'), number(data.stats.mailsWaiting)],
                [t('overview.mailsFailed'), number(data.stats.mailsFailed)],
              ]} />
            </Card>
          </>
        )}
      </Loaded>
      <Card title={t('overview.checks')} actions={<Link to="/admin/health">{t('overview.more')}</Link>}>
        <Loaded query={doctor} lines={2}>
          {({ data }) => {
            const bad = data.checks.filter((c) => c.status !== 'ok')
            if (bad.length === 0) return <Notice tone="good">{t('overview.allWell')}</Notice>
            return (
              <Notice tone={bad.some((c) => c.status === 'fail') ? 'bad' : 'warn'}>
                <div className="stack-tight"><strong>{t('overview.attention', { count: bad.length })}</strong><ul>{bad.map((c) => <li key={c.name}>{c.name}: {c.message}</li>)}</ul></div>
              </Notice>
            )
          }}
        </Loaded>
      </Card>
    </Page>
  )
}
