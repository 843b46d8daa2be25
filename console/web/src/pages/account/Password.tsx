import { useMutation } from '@tanstack/react-query'
import { useState, type FormEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { apiError, fieldError } from '../../api/explain'
import { useAccount, useApi } from '../../session/context'
import { Button } from '../../ui/Button'
import { Failure } from '../../ui/Feedback'
import { TextField } from '../../ui/Field'
import { Card } from '../../ui/Page'
import { toast } from '../../ui/toast'

export function Password() {
  const { t } = useTranslation('account')
  const api = useApi()
  const account = useAccount()
  const [currentPassword, setCurrent] = useState('')
  const [newPassword, setNew] = useState('')
  const change = useMutation({
    mutationFn: () => api.account.changePassword({ currentPassword, newPassword }),
    onSuccess: async () => {
      toast(t('passwordChanged'))
      await account.signOut().catch(() => undefined) // the server has ended the session already
    },
  })
  const submit = (e: FormEvent) => {
    e.preventDefault()
    change.mutate()
  }
  return (
    <Card title={t('password')}>
      {change.error && !apiError(change.error)?.details?.length && <Failure error={change.error} />}
      <form onSubmit={submit} className="grid">
        <TextField label={t('currentPassword')} type="password" autoComplete="current-password" value={currentPassword} onChange={setCurrent} error={fieldError(change.error, 'currentPassword')} />
        <TextField label={t('newPassword')} hint={t('passwordHint')} type="password" autoComplete="new-password" value={newPassword} onChange={setNew} error={fieldError(change.error, 'newPassword')} />
        <div><Button type="submit" busy={change.isPending} isDisabled={!currentPassword || !newPassword}>{t('changePassword')}</Button></div>
      </form>
    </Card>
  )
}
