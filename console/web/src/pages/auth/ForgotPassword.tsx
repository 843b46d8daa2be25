import { useMutation } from '@tanstack/react-query'
import { useEffect, useState, type FormEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useLocation } from 'react-router'
import { useAccount } from '../../session/context'
import { Button } from '../../ui/Button'
import { Failure } from '../../ui/Feedback'
import { TextField } from '../../ui/Field'
import { AuthCard } from './AuthCard'

export function ForgotPassword() {
  const { t } = useTranslation('auth')
  const account = useAccount()
  const { search } = useLocation()
  const [email, setEmail] = useState('')
  const ask = useMutation({ mutationFn: () => account.client.requestPasswordReset(email) })
  const submit = (e: FormEvent) => {
    e.preventDefault()
    ask.mutate()
  }
  useEffect(() => {
    document.title = `${t('forgotTitle')} · TurKey`
  }, [t])
  const back = <Link to={{ pathname: '/sign-in', search }}>{t('signIn')}</Link>
  if (ask.isSuccess) return <AuthCard title={t('sentTitle')}><p>{t('sentText', { email })}</p>{back}</AuthCard>
  return (
    <AuthCard title={t('forgotTitle')}>
      <p className="soft">{t('forgotText')}</p>
      {ask.error && <Failure error={ask.error} />}
      <form onSubmit={submit}>
        <TextField label={t('email')} type="email" name="email" autoComplete="username" isRequired value={email} onChange={setEmail} autoFocus />
        <Button type="submit" look="primary wide" busy={ask.isPending} isDisabled={!email}>{t('sendLink')}</Button>
      </form>
      {back}
    </AuthCard>
  )
}
