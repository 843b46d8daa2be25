import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState, type FormEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { apiError, fieldError } from '../../api/explain'
import { useAccount, useApi } from '../../session/context'
import { Button } from '../../ui/Button'
import { Badge, Failure, Loaded } from '../../ui/Feedback'
import { TextField } from '../../ui/Field'
import { Card } from '../../ui/Page'
import { toast } from '../../ui/toast'

export function Address() {
  const { t } = useTranslation('account')
  const api = useApi()
  const account = useAccount()
  const queries = useQueryClient()
  const [email, setEmail] = useState('')
  const [currentPassword, setPassword] = useState('')
  const me = useQuery({ queryKey: ['me'], queryFn: ({ signal }) => api.account.getCurrentUser({ signal }) })
  const resend = useMutation({ mutationFn: (address: string) => account.client.resendVerification(address), onSuccess: () => toast(t('resent')) })
  const change = useMutation({
    mutationFn: () => api.account.updateProfile({ email, currentPassword }),
    onSuccess: async () => {
      toast(t('addressChanged', { email }))
      setEmail('')
      setPassword('')
      await account.renew()
      await queries.invalidateQueries({ queryKey: ['me'] })
    },
  })
  const submit = (e: FormEvent) => {
    e.preventDefault()
    change.mutate()
  }
  return (
    <Card title={t('address')}>
      <Loaded query={me} lines={1}>{({ data }) => (
        <div className="row">
          <span>{data.email}</span>
          {data.emailVerified ? <Badge tone="good">{t('confirmed')}</Badge> : <Badge tone="warn">{t('unconfirmed')}</Badge>}
          {!data.emailVerified && <Button look="small" busy={resend.isPending} onPress={() => resend.mutate(data.email)}>{t('resend')}</Button>}
        </div>
      )}</Loaded>
      {resend.error && <Failure error={resend.error} />}
      {change.error && !apiError(change.error)?.details?.length && <Failure error={change.error} />}
      <form onSubmit={submit} className="grid">
        <TextField label={t('newAddress')} hint={t('addressHint')} type="email" autoComplete="email" value={email} onChange={setEmail} error={fieldError(change.error, 'email')} />
        <TextField label={t('currentPassword')} type="password" autoComplete="current-password" value={currentPassword} onChange={setPassword} error={fieldError(change.error, 'currentPassword')} />
        <div><Button type="submit" busy={change.isPending} isDisabled={!email || !currentPassword}>{t('changeAddress')}</Button></div>
      </form>
    </Card>
  )
}
