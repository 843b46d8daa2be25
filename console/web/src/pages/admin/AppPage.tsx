import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { schemas } from '@turkey/sdk'
import { useState, type FormEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { useNavigate, useParams } from 'react-router'
import { apiError, fieldError } from '../../api/explain'
import { useAdmin } from '../../session/context'
import { Button, ButtonLink } from '../../ui/Button'
import { Failure, Loaded } from '../../ui/Feedback'
import { Switch, TextField } from '../../ui/Field'
import { Card, Page } from '../../ui/Page'
import { toast } from '../../ui/toast'
import { useAsk } from '../../ui/ask'
import { Look } from './Look'

export default function AppPage() {
  const { t } = useTranslation('admin')
  const { id = '' } = useParams()
  const admin = useAdmin()
  const navigate = useNavigate()
  const [dialog, ask] = useAsk(['admin', 'apps'])
  const app = useQuery({ queryKey: ['admin', 'apps', id], queryFn: ({ signal }) => admin.apps.get(id, { signal }) })
  const revoke = () => ask({
    title: t('app.revoke'), text: t('app.revokeText', { id }), action: t('app.revoke'), danger: true, done: t('user.done'), run: () => admin.apps.revoke(id),
  })
  const remove = () => ask({
    title: t('app.delete'), text: t('app.deleteText', { id }), action: t('app.delete'), danger: true, typed: id, done: t('app.deleted', { id }),
    run: () => admin.apps.delete(id), then: () => void navigate('/admin/apps'),
  })
  return (
    <Page title={app.data?.data.name ?? id} lead={<code>{id}</code>} actions={<>
      <ButtonLink to={`/admin/users?app=${id}`}>{t('app.users')}</ButtonLink>
      <ButtonLink to={`/admin/apps/${id}/mails`}>{t('app.mails')}</ButtonLink>
      <ButtonLink to={`/admin/audit?app=${id}`}>{t('app.audit')}</ButtonLink>
      <a className="button" href={app.data?.data.default ? '/console/sign-in' : `/console/a/${id}/sign-in`}>{t('app.signIn')}</a>
    </>}>
      <Loaded query={app} lines={10}>{({ data }) => (
        <>
          <Settings key={data.updatedAt} app={data} />
          <Look id={id} />
          <Card title={t('app.danger')}>
            <div className="row">
              <Button look="danger" onPress={revoke}>{t('app.revoke')}</Button>
              {!data.default && <Button look="danger" onPress={remove}>{t('app.delete')}</Button>}
            </div>
          </Card>
        </>
      )}</Loaded>
      {dialog}
    </Page>
  )
}

const lifetimes = ['accessTtl', 'refreshTtl', 'refreshAbsoluteTtl', 'refreshGrace'] as const

function Settings({ app }: { app: schemas.App }) {
  const { t } = useTranslation('admin')
  const admin = useAdmin()
  const queries = useQueryClient()
  const [name, setName] = useState(app.name)
  const [baseUrl, setBaseUrl] = useState(app.baseUrl ?? '')
  const [origins, setOrigins] = useState(app.origins.join('\n'))
  const [seconds, setSeconds] = useState(() => Object.fromEntries(lifetimes.map((l) => [l, app[l]?.toString() ?? ''])) as Record<(typeof lifetimes)[number], string>)
  const [flags, setFlags] = useState({
    registrationOpen: app.registrationOpen, silentRegistration: app.silentRegistration, passwordClasses: app.passwordClasses,
    verificationRequired: app.verificationRequired ?? false,
  })
  const [passwordMin, setPasswordMin] = useState(String(app.passwordMin))
  const unread = (text: string) => text !== '' && !/^\d+$/.test(text)
  const save = useMutation({
    mutationFn: () => {
      const { verificationRequired, ...rest } = flags
      return admin.apps.update(app.id, {
        name, baseUrl: baseUrl || null, origins: origins.split(/\s+/).filter(Boolean), passwordMin: Number(passwordMin), ...rest,
        ...(verificationRequired !== (app.verificationRequired ?? false) ? { verificationRequired } : {}),
        ...Object.fromEntries(lifetimes.map((l) => [l, seconds[l] === '' ? null : Number(seconds[l])])),
      })
    },
    onSuccess: async () => {
      toast(t('app.saved'))
      await queries.invalidateQueries({ queryKey: ['admin', 'apps'] })
    },
  })
  const submit = (e: FormEvent) => {
    e.preventDefault()
    save.mutate()
  }
  const wrong = unread(passwordMin) || lifetimes.some((l) => unread(seconds[l]))
  const error = (field: string) => fieldError(save.error, field)
  return (
    <form onSubmit={submit} className="stack">
      <Card title={t('app.identity')}>
        <TextField label={t('apps.name')} hint={t('apps.nameHint')} value={name} onChange={setName} error={error('name')} />
        <TextField label={t('app.baseUrl')} hint={t('app.serverDefault')} value={baseUrl} onChange={setBaseUrl} error={error('baseUrl')} />
        <TextField label={t('apps.origins')} hint={t('app.originsHint')} lines={3} value={origins} onChange={setOrigins} error={error('origins')} />
      </Card>
      <Card title={t('app.entry')}>
        {(['registrationOpen', 'silentRegistration', 'verificationRequired', 'passwordClasses'] as const).map((f) => (
          <Switch key={f} value={flags[f]} onChange={(v) => setFlags({ ...flags, [f]: v })}>{t(`app.${f}`)}</Switch>
        ))}
        <TextField label={t('app.passwordMin')} inputMode="numeric" value={passwordMin} onChange={setPasswordMin} error={unread(passwordMin) ? t('app.number') : error('passwordMin')} />
      </Card>
      <Card title={t('app.lifetimes')}>
        <div className="grid">
          {lifetimes.map((l) => (
            <TextField key={l} label={t(`app.${l}`)} hint={t('app.seconds')} inputMode="numeric" value={seconds[l]} onChange={(v) => setSeconds({ ...seconds, [l]: v })}
              error={unread(seconds[l]) ? t('app.number') : error(l)} />
          ))}
        </div>
      </Card>
      {save.error && !apiError(save.error)?.details?.length && <Failure error={save.error} />}
      <div><Button type="submit" look="primary" busy={save.isPending} isDisabled={wrong}>{t('common:save')}</Button></div>
    </form>
  )
}
