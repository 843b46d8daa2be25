import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { useAccount, useApi } from '../../session/context'
import { device } from '../../shell/device'
import { useAsk } from '../../ui/ask'
import { Button } from '../../ui/Button'
import { Badge, Loaded } from '../../ui/Feedback'
import { Moment } from '../../ui/Moment'
import { Card } from '../../ui/Page'
import { Table } from '../../ui/Table'

export function Sessions() {
  const { t } = useTranslation('account')
  const api = useApi()
  const account = useAccount()
  const [dialog, ask] = useAsk(['own-sessions'])
  const sessions = useQuery({ queryKey: ['own-sessions'], queryFn: ({ signal }) => api.account.listSessions({ signal }) })
  const others = () => ask({ title: t('endOthers'), text: t('endOthersText'), action: t('endOthers'), done: t('endedOthers'), run: () => api.account.endOtherSessions() })
  const everywhere = () => ask({ title: t('everywhere'), text: t('everywhereText'), action: t('everywhere'), danger: true, done: t('ended'), run: () => account.signOut(true) })
  return (
    <Card title={t('sessions')} actions={<><Button look="small" onPress={others}>{t('endOthers')}</Button><Button look="small danger" onPress={everywhere}>{t('everywhere')}</Button></>}>
      <Loaded query={sessions}>{({ data }) => (
        <Table label={t('sessions')} rows={data} rowKey={(s) => s.id} columns={[
          { id: 'device', header: t('device'), cell: (s) => <span className="row" title={s.userAgent ?? ''}>{device(s.userAgent) ?? t('unknownDevice')}{s.current && <Badge tone="good">{t('thisDevice')}</Badge>}</span> },
          { id: 'place', header: t('place'), cell: (s) => s.ip ?? '–' },
          { id: 'used', header: t('used'), cell: (s) => <Moment at={s.lastUsedAt ?? s.createdAt} /> },
          {
            id: 'end', header: <span className="sr-only">{t('acts')}</span>, cell: (s) => {
              if (s.current) return null
              const name = device(s.userAgent) ?? t('unknownDevice')
              return <Button look="small" onPress={() => ask({ title: t('end'), text: t('endText', { device: name }), action: t('end'), done: t('ended'), run: () => api.account.endSession(s.id) })}>{t('end')}</Button>
            },
          },
        ]} />
      )}</Loaded>
      {dialog}
    </Card>
  )
}
