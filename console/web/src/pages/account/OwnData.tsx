import { useMutation } from '@tanstack/react-query'
import { Download } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { useAccount, useApi, useUser } from '../../session/context'
import { useAsk } from '../../ui/ask'
import { Button } from '../../ui/Button'
import { Failure } from '../../ui/Feedback'
import { Card } from '../../ui/Page'

export function OwnData() {
  const { t } = useTranslation('account')
  const api = useApi()
  const account = useAccount()
  const { email } = useUser()
  const [dialog, ask] = useAsk(['me'])
  const all = useMutation({
    mutationFn: () => api.account.exportData(),
    onSuccess: ({ data }) => {
      const url = URL.createObjectURL(new Blob([JSON.stringify(data, null, 2)], { type: 'application/json' }))
      const link = document.createElement('a')
      link.href = url
      link.download = `turkey-${data.exportedAt.slice(0, 10)}.json`
      link.click()
      URL.revokeObjectURL(url)
    },
  })
  const remove = () => ask({
    title: t('delete'), text: t('deleteText'), action: t('delete'), danger: true, typed: email, done: t('delete'),
    run: () => api.account.deleteAccount(), then: () => void account.signOut().catch(() => undefined),
  })
  return (
    <Card title={t('data')}>
      <p className="soft">{t('exportText')}</p>
      {all.error && <Failure error={all.error} />}
      <div className="row">
        <Button busy={all.isPending} onPress={() => all.mutate()}><Download aria-hidden="true" />{t('export')}</Button>
        <Button look="danger" onPress={remove}>{t('delete')}</Button>
      </div>
      {dialog}
    </Card>
  )
}
