import { useMutation } from '@tanstack/react-query'
import { useState, type FormEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { useAdmin } from '../../session/context'
import { Button } from '../../ui/Button'
import { Failure } from '../../ui/Feedback'
import { TextField } from '../../ui/Field'
import { Card, Page } from '../../ui/Page'
import { toast } from '../../ui/toast'
import { AppPicker } from './AppPicker'

export default function Limits() {
  const { t } = useTranslation('admin')
  const admin = useAdmin()
  const [app, setApp] = useState('')
  const [email, setEmail] = useState('')
  const clear = useMutation({
    mutationFn: () => admin.server.clearLockout({ email, ...(app ? { app } : {}) }),
    onSuccess: () => {
      toast(t('limits.cleared', { email }))
      setEmail('')
    },
  })
  const submit = (e: FormEvent) => {
    e.preventDefault()
    clear.mutate()
  }
  return (
    <Page title={t('limits.title')} lead={t('limits.lead')}>
      <Card>
        <form onSubmit={submit} className="stack">
          {clear.error && <Failure error={clear.error} />}
          <AppPicker value={app} onChange={setApp} />
          <TextField label={t('limits.email')} type="email" value={email} onChange={setEmail} isRequired />
          <div><Button type="submit" look="primary" busy={clear.isPending} isDisabled={!email || !app}>{t('limits.clear')}</Button></div>
        </form>
      </Card>
    </Page>
  )
}
