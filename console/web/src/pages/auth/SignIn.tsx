import { useMutation } from '@tanstack/react-query'
import { useEffect, useState, type FormEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useLocation, useSearchParams } from 'react-router'
import { apiError } from '../../api/explain'
import { useAccount } from '../../session/context'
import { Button } from '../../ui/Button'
import { Failure, Notice, useCountdown } from '../../ui/Feedback'
import { TextField } from '../../ui/Field'
import { useEntrance } from '../../shell/brand'
import { AuthCard } from './AuthCard'

export function SignIn() {
  const { t } = useTranslation('auth')
  const account = useAccount()
  const app = useEntrance()
  const [query] = useSearchParams()
  const { search } = useLocation()
  const [email, setEmail] = useState(query.get('email') ?? '')
  const [password, setPassword] = useState('')
  const enter = useMutation({ mutationFn: () => account.signIn(email, password) })
  const unverified = apiError(enter.error)?.statusCode === 403 && /verif/i.test(apiError(enter.error)?.message ?? '')
  const wait = useCountdown(apiError(enter.error)?.retryAfter ?? 0)
  const submit = (e: FormEvent) => {
    e.preventDefault()
    enter.mutate()
  }
  useEffect(() => {
    document.title = `${t('signIn')} · TurKey`
  }, [t])
  return (
    <AuthCard title={t('signIn')}>
      {enter.error && <Failure error={enter.error} />}
      {unverified && <Resend email={email} />}
      <form onSubmit={submit}>
        <TextField label={t('email')} type="email" name="email" autoComplete="username" isRequired value={email} onChange={setEmail} autoFocus={!email} />
        <TextField label={t('password')} type="password" name="password" autoComplete="current-password" isRequired value={password} onChange={setPassword} />
        <Button type="submit" look="primary wide" busy={enter.isPending} isDisabled={wait > 0 || !email || !password}>{t('signIn')}</Button>
      </form>
      <div className="links">
        <Link to={{ pathname: '/forgot-password', search }}>{t('forgot')}</Link>
        {app?.registrationOpen !== false && <Link to={{ pathname: '/sign-up', search }}>{t('signUp')}</Link>}
      </div>
    </AuthCard>
  )
}

/** Sends the verification mail once more. */
export function Resend({ email }: { email: string }) {
  const { t } = useTranslation('auth')
  const account = useAccount()
  const resend = useMutation({ mutationFn: () => account.client.resendVerification(email) })
  if (resend.isSuccess) return <Notice tone="good">{t('resent')}</Notice>
  return (
    <>
      {resend.error && <Failure error={resend.error} />}
      <Button busy={resend.isPending} onPress={() => resend.mutate()}>{t('resend')}</Button>
    </>
  )
}
