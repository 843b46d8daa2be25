import { useMutation, useQueryClient } from '@tanstack/react-query'
import type { schemas } from '@turkey/sdk'
import { Plus, Users as UsersIcon } from 'lucide-react'
import { useState, type FormEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useSearchParams } from 'react-router'
import { apiError, fieldError } from '../../api/explain'
import { number } from '../../format'
import { useAdmin } from '../../session/context'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import { Badge, Empty, Failure } from '../../ui/Feedback'
import { Select, Switch, TextField } from '../../ui/Field'
import { Listing, useListing } from '../../ui/Listing'
import { Moment } from '../../ui/Moment'
import { Page } from '../../ui/Page'
import { toast } from '../../ui/toast'
import { AppPicker, useApps } from './AppPicker'
import { useSettled } from '../../ui/settled'

type Role = 'any' | 'user' | 'admin'
type Status = 'any' | 'active' | 'suspended'

export default function Users() {
  const { t } = useTranslation('admin')
  const admin = useAdmin()
  const apps = useApps()
  const [query, setQuery] = useSearchParams()
  const app = query.get('app') ?? apps.data?.data.find((a) => a.default)?.id ?? ''
  const [search, setSearch] = useState('')
  const [role, setRole] = useState<Role>('any')
  const [status, setStatus] = useState<Status>('any')
  const [making, setMaking] = useState(false)
  const q = useSettled(search)
  const users = useListing(['admin', 'users', app, q, role, status], async (cursor, signal) => {
    if (!app) return { rows: [], nextCursor: null }
    const filter = { ...(q ? { q } : {}), ...(role === 'any' ? {} : { role }), ...(status === 'any' ? {} : { status }), ...(cursor ? { cursor } : {}) }
    const { data, nextCursor } = await admin.users.list(app, { limit: 100, ...filter }, { signal })
    return { rows: data, nextCursor }
  })
  return (
    <Page title={t('users.title')} lead={t('users.lead')} actions={<Button look="primary" isDisabled={!app} onPress={() => setMaking(true)}><Plus aria-hidden="true" />{t('users.create')}</Button>}>
      <div className="grid">
        <AppPicker value={app} onChange={(id) => setQuery({ app: id })} />
        <TextField label={t('users.search')} type="search" value={search} onChange={setSearch} />
        <Select label={t('users.role')} value={role} onChange={setRole} choices={(['any', 'user', 'admin'] as const).map((id) => ({ id, label: t(`users.${id}`) }))} />
        <Select label={t('users.status')} value={status} onChange={setStatus} choices={(['any', 'active', 'suspended'] as const).map((id) => ({ id, label: t(`users.${id}`) }))} />
      </div>
      <Listing label={t('users.title')} listing={users} rowKey={(u) => u.id} empty={<Empty icon={UsersIcon} title={t('users.empty')}>{t('users.emptyText')}</Empty>} columns={[
        { id: 'email', header: t('users.email'), cell: (u) => <Link to={`/admin/users/${u.appId}/${u.id}`}>{u.email}</Link> },
        { id: 'status', header: t('users.status'), cell: (u) => <UserStatus user={u} /> },
        { id: 'role', header: t('users.role'), cell: (u) => t(`users.${u.role === 'admin' ? 'admin' : 'user'}`) },
        { id: 'sessions', header: t('users.sessions'), number: true, cell: (u) => number(u.sessions ?? 0) },
        { id: 'created', header: t('users.created'), cell: (u) => <Moment at={u.createdAt} /> },
      ]} />
      <NewUser app={app} isOpen={making} onClose={() => setMaking(false)} />
    </Page>
  )
}

export function UserStatus({ user }: { user: schemas.User }) {
  const { t } = useTranslation('admin')
  const tone = user.status === 'active' ? 'good' : 'bad'
  return (
    <span className="row">
      <Badge tone={tone}>{t(`users.${user.status === 'active' ? 'active' : user.status === 'suspended' ? 'suspended' : 'deleted'}`)}</Badge>
      {!user.emailVerified && <Badge tone="warn">{t('users.unverified')}</Badge>}
    </span>
  )
}

function NewUser({ app, isOpen, onClose }: { app: string; isOpen: boolean; onClose: () => void }) {
  const { t } = useTranslation('admin')
  const admin = useAdmin()
  const queries = useQueryClient()
  const [email, setEmail] = useState('')
  const [password, setPassword] = useState('')
  const [role, setRole] = useState<'user' | 'admin'>('user')
  const [emailVerified, setVerified] = useState(false)
  const create = useMutation({
    mutationFn: () => admin.users.create(app, { email, password, role, emailVerified }),
    onSuccess: async () => {
      toast(t('users.made', { email }))
      await queries.invalidateQueries({ queryKey: ['admin', 'users'] })
      setEmail('')
      setPassword('')
      onClose()
    },
  })
  const submit = (e: FormEvent) => {
    e.preventDefault()
    create.mutate()
  }
  return (
    <Dialog title={t('users.create')} isOpen={isOpen} onClose={onClose}>
      <form onSubmit={submit} className="stack" autoComplete="off">
        {create.error && !apiError(create.error)?.details?.length && <Failure error={create.error} />}
        <TextField label={t('users.email')} type="email" value={email} onChange={setEmail} isRequired autoFocus autoComplete="off" error={fieldError(create.error, 'email')} />
        <TextField label={t('users.password')} type="password" value={password} onChange={setPassword} isRequired autoComplete="new-password" error={fieldError(create.error, 'password')} />
        <Select label={t('users.role')} value={role} onChange={setRole} choices={(['user', 'admin'] as const).map((id) => ({ id, label: t(`users.${id}`) }))} />
        <Switch value={emailVerified} onChange={setVerified}>{t('users.confirmed')}</Switch>
        <footer><Button onPress={onClose}>{t('common:cancel')}</Button><Button type="submit" look="primary" busy={create.isPending} isDisabled={!email || !password}>{t('users.create')}</Button></footer>
      </form>
    </Dialog>
  )
}
