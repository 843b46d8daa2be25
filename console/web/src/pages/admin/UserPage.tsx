import { useQuery } from '@tanstack/react-query'
import type { schemas } from '@turkey/sdk'
import { useTranslation } from 'react-i18next'
import { useNavigate, useParams } from 'react-router'
import { time } from '../../format'
import { useAdmin, useUser } from '../../session/context'
import { Button, ButtonLink } from '../../ui/Button'
import { Loaded } from '../../ui/Feedback'
import { Card, Defs, Page } from '../../ui/Page'
import { useAsk } from '../../ui/ask'
import { UserStatus } from './Users'

export default function UserPage() {
  const { t } = useTranslation('admin')
  const { app = '', id = '' } = useParams()
  const admin = useAdmin()
  const user = useQuery({ queryKey: ['admin', 'users', app, id], queryFn: ({ signal }) => admin.users.get(app, id, { signal }) })
  return (
    <Page title={user.data?.data.email ?? t('users.title')} actions={<>
      <ButtonLink to={`/admin/audit?app=${app}&user=${id}`}>{t('user.audit')}</ButtonLink>
      <ButtonLink to={`/admin/sessions?app=${app}&user=${id}`}>{t('users.sessions')}</ButtonLink>
    </>}>
      <Loaded query={user} lines={8}>{({ data }) => <Person user={data} />}</Loaded>
    </Page>
  )
}

function Person({ user }: { user: schemas.User }) {
  const { t } = useTranslation('admin')
  const admin = useAdmin()
  const me = useUser()
  const navigate = useNavigate()
  const [dialog, ask] = useAsk(['admin', 'users'])
  const { appId, id, email } = user
  const act = (name: 'suspend' | 'activate' | 'verify' | 'reset' | 'endSessions', run: () => Promise<unknown>, danger = false) => (
    <Button look={danger ? 'danger' : undefined} onPress={() => ask({ title: t(`user.${name}`), text: t(`user.${name}Text`, { email }), action: t(`user.${name}`), danger, done: t('user.done'), run })}>{t(`user.${name}`)}</Button>
  )
  const role = user.role === 'admin' ? 'user' : 'admin'
  const setRole = () => ask({
    title: t(role === 'admin' ? 'user.makeAdmin' : 'user.makeUser'), text: t('user.roleText', { email, role: t(`users.${role}`) }),
    action: t(role === 'admin' ? 'user.makeAdmin' : 'user.makeUser'), done: t('user.done'), run: () => admin.users.setRole(appId, id, { role }),
  })
  const remove = () => ask({
    title: t('user.delete'), text: t('user.deleteText', { email }), action: t('user.delete'), danger: true, typed: email, done: t('user.deleted', { email }),
    run: () => admin.users.delete(appId, id), then: () => void navigate(`/admin/users?app=${appId}`),
  })
  const own = me.id === id
  return (
    <>
      <Card>
        <Defs items={[
          [t('users.status'), <UserStatus key="s" user={user} />],
          [t('users.role'), t(`users.${user.role === 'admin' ? 'admin' : 'user'}`)],
          [t('users.app'), <code key="a">{appId}</code>],
          [t('user.id'), <code key="i">{id}</code>],
          [t('users.sessions'), user.sessions],
          [t('user.tokenVersion'), user.tokenVersion],
          [t('users.created'), time(user.createdAt)],
          ...((user.identities ?? []).length > 0 ? [[t('user.identities'), (user.identities ?? []).map((i) => `${i.subject} (${i.issuer})`).join(', ')] as const] : []),
        ]} />
      </Card>
      <Card title={t('user.acts')}>
        <div className="row">
          {!user.emailVerified && act('verify', () => admin.users.verify(appId, id))}
          {act('reset', () => admin.users.resetPassword(appId, id))}
          {act('endSessions', () => admin.users.endSessions(appId, id))}
          {!own && <Button onPress={setRole}>{t(role === 'admin' ? 'user.makeAdmin' : 'user.makeUser')}</Button>}
          {!own && (user.status === 'suspended' ? act('activate', () => admin.users.activate(appId, id)) : act('suspend', () => admin.users.suspend(appId, id), true))}
          {!own && <Button look="danger" onPress={remove}>{t('user.delete')}</Button>}
        </div>
      </Card>
      {dialog}
    </>
  )
}
