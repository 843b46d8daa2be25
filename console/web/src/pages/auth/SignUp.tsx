import { useMutation } from '@tanstack/react-query'
import { useEffect, useState, type FormEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useLocation } from 'react-router'
import { apiError, fieldError } from '../../api/explain'
import { useAccount } from '../../session/context'
import { Button } from '../../ui/Button'
import { Failure } from '../../ui/Feedback'
import { TextField } from '../../ui/Field'
import { useEntrance } from '../../shell/brand'
import { AuthCard } from './AuthCard'
import { Resend } from './SignIn'

export function SignUp() {
  const { t } = useTranslation('auth')
  const account = useAccount()
  const app = useEntrance()
  const { search } = useLocation()
  const [email, setEmail] = useState('')
  const [password, setPassword] = useState('')
  const enter = useMutation({ mutationFn: () => account.signUp(email, password) })
  const submit = (e: FormEvent) => {
    e.preventDefault()
    enter.mutate()
  }
  useEffect(() => {
    document.title = `${t('signUp')} · TurKey`
  }, [t])
  if (enter.isSuccess && !enter.data) {
    return (
      <AuthCard title={t('verifyTitle')}>
        <p>{t('verifyText', { email })}</p>
        <Resend email={email} />
        <Link to={{ pathname: '/sign-in', search }}>{t('signIn')}</Link>
      </AuthCard>
    )
  }
  const byField = (apiError(enter.error)?.details ?? []).length > 0
  return (
    <AuthCard title={t('signUp')}>
      {enter.error && !byField && <Failure error={enter.error} />}
      <form onSubmit={submit}>
        <TextField label={t('email')} type="email" name="email" autoComplete="username" isRequired value={email} onChange={setEmail} autoFocus error={fieldError(enter.error, 'email')} />
        <TextField label={t('newPassword')} type="password" name="password" autoComplete="new-password" isRequired value={password} onChange={setPassword}
          hint={t(app?.passwordClasses === false ? 'passwordLength' : 'passwordRules', { min: app?.passwordMin ?? 8 })} error={fieldError(enter.error, 'password')} />
        <Button type="submit" look="primary wide" busy={enter.isPending} isDisabled={!email || !password}>{t('signUp')}</Button>
      </form>
      <p className="small">{t('haveAccount')} <Link to={{ pathname: '/sign-in', search }}>{t('signIn')}</Link></p>
    </AuthCard>
  )
}
