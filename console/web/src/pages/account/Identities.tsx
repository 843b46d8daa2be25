import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { useApi } from '../../session/context'
import { useAsk } from '../../ui/ask'
import { Button } from '../../ui/Button'
import { Card } from '../../ui/Page'

/** Accounts at other issuers. Most people have none, and see nothing of it. */
export function Identities() {
  const { t } = useTranslation('account')
  const api = useApi()
  const [dialog, ask] = useAsk(['identities'])
  const identities = useQuery({ queryKey: ['identities'], queryFn: ({ signal }) => api.account.listIdentities({ signal }) })
  const list = identities.data?.data ?? []
  if (list.length === 0) return null
  return (
    <Card title={t('identities')}>
      <p className="soft">{t('identitiesText')}</p>
      <ul className="stack-tight">
        {list.map((i) => (
          <li key={i.id} className="row-between">
            <span>{i.email ?? i.subject} <span className="soft small">{i.issuer}</span></span>
            <Button look="small danger" onPress={() => ask({
              title: t('remove'), text: t('removeText', { subject: i.email ?? i.subject, issuer: i.issuer }), action: t('remove'), danger: true, done: t('removed'),
              run: () => api.account.removeIdentity(i.id),
            })}>{t('remove')}</Button>
          </li>
        ))}
      </ul>
      {dialog}
    </Card>
  )
}
