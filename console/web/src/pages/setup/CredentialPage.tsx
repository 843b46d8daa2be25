import { useQuery } from '@tanstack/react-query'
import type { schemas } from '@turkey/sdk'
import { FileQuestion } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useNavigate, useParams } from 'react-router'
import { apiError } from '../../api/explain'
import { useApi } from '../../session/context'
import { useAsk } from '../../ui/ask'
import { Button, ButtonLink } from '../../ui/Button'
import { Empty, Failure, Loaded, Notice } from '../../ui/Feedback'
import { Moment } from '../../ui/Moment'
import { Card, Defs, Page } from '../../ui/Page'
import { toast } from '../../ui/toast'
import { sheetsService, titleOf } from './catalogue'
import { CredentialForm, type Filled } from './CredentialForm'
import { useAct, useMappings, useRefresh, useServices } from './data'
import { Expiry, HealthBadge, HealthLine } from './health'
import { Rename } from './Rename'
import { Uses } from './Uses'
import { Versions } from './Versions'

export default function CredentialPage() {
  const { t } = useTranslation('setup')
  const { id = '' } = useParams()
  const api = useApi()
  const credential = useQuery({ queryKey: ['setup', 'credential', id], queryFn: ({ signal }) => api.credentials.get(id, { signal }) })
  if (apiError(credential.error)?.statusCode === 404) {
    return (
      <Page title={t('credentials.one')}>
        <Card><Empty icon={FileQuestion} title={t('gone.title')} action={<ButtonLink to="/credentials">{t('gone.back')}</ButtonLink>}>{t('gone.text')}</Empty></Card>
      </Page>
    )
  }
  return <Loaded query={credential} lines={8}>{(c) => <Details key={c.id} credential={c} />}</Loaded>
}

const primary = { look: 'primary' } as const

function Details({ credential: c }: { credential: schemas.Credential }) {
  const { t } = useTranslation('setup')
  const api = useApi()
  const refresh = useRefresh()
  const navigate = useNavigate()
  const [dialog, ask] = useAsk(['setup', 'credentials'])
  const [renaming, setRenaming] = useState(false)
  const [replacing, setReplacing] = useState(false)
  const stops = useStops(c)
  const broken = c.health === 'broken'
  const verify = useAct(async () => {
    const { connectedAs } = await api.credentials.verify(c.id).finally(refresh)
    toast(t('connect.connectedAs', { as: connectedAs }))
  })
  const remove = () => ask({
    title: t('delete.title', { name: c.name }), text: `${stops} ${t('delete.later')}`, action: t('delete.action'), danger: true, done: t('delete.done', { name: c.name }),
    run: () => api.credentials.delete(c.id),
    then: () => {
      void navigate('/credentials')
      void refresh()
    },
  })
  return (
    <Page title={c.name} lead={titleOf(c.service, t)} actions={<>
      <Button onPress={() => setRenaming(true)}>{t('rename.action')}</Button>
      <Button {...(broken ? primary : {})} onPress={() => setReplacing(!replacing)}>{t('replace.action')}</Button>
      <Button look="danger" onPress={remove}>{t('delete.action')}</Button>
      <Button {...(broken ? {} : primary)} busy={verify.busy} onPress={() => void verify.run()}>{t('verify')}</Button>
    </>}>
      {verify.error !== null ? <Failure error={verify.error} /> : <HealthLine credential={c} />}
      {replacing && <Replace credential={c} onDone={() => setReplacing(false)} />}
      <Card title={t('details.title')}>
        <Defs items={[
          [t('credentials.health'), <HealthBadge key="h" health={c.health} />],
          [t('details.kind'), t(`types.${c.type}`)],
          [t('details.preview'), <span key="p"><code>{c.maskedPreview}</code> <span className="small soft">{t('details.hidden')}</span></span>],
          [t('credentials.verified'), <Moment key="v" at={c.verifiedAt} />],
          [t('credentials.expires'), <Expiry key="e" at={c.expiresAt} />],
          [t('details.created'), <Moment key="c" at={c.createdAt} />],
          [t('details.changed'), <Moment key="u" at={c.updatedAt} />],
        ]} />
      </Card>
      <Versions credential={c} />
      <Uses id={c.id} />
      <Rename credential={c} isOpen={renaming} onClose={() => setRenaming(false)} />
      {dialog}
    </Page>
  )
}

/** What no longer works without this credential, as a sentence. */
function useStops(c: schemas.Credential): string {
  const { t } = useTranslation('setup')
  const services = useServices()
  const mappings = useMappings()
  const used = services.data?.some((s) => s.enabled && s.credential?.id === c.id)
  if (services.data && !used) return t('delete.unused')
  if (c.service === sheetsService) {
    const names = (mappings.data ?? []).map((m) => titleOf(m.service, t)).join(', ')
    return names ? t('delete.stopsSheets', { names }) : t('delete.stopsSheetsNone')
  }
  return t('delete.stops', { service: titleOf(c.service, t) })
}

/** New content for a credential; the old one goes into its history. */
function Replace({ credential: c, onDone }: { credential: schemas.Credential; onDone: () => void }) {
  const { t } = useTranslation('setup')
  const api = useApi()
  const refresh = useRefresh()
  const [kept, setKept] = useState(false)
  const save = useAct(async ({ content }: Filled) => {
    setKept(false)
    await api.credentials.update(c.id, { credentialJson: content })
    setKept(true)
    try {
      const { connectedAs } = await api.credentials.verify(c.id)
      toast(t('connect.connectedAs', { as: connectedAs }))
      onDone()
    } finally {
      await refresh()
    }
  })
  return (
    <Card title={t('replace.title')}>
      <p className="soft">{t('replace.lead')}</p>
      <CredentialForm service={c.service} name={c.name} nameless action={t('replace.save')} busy={save.busy} error={save.error} note={kept && save.error !== null ? <Notice tone="warn">{t('connect.kept')}</Notice> : undefined}
        extra={<Button onPress={onDone}>{t('common:cancel')}</Button>} onSubmit={(f) => void save.run(f)} />
    </Card>
  )
}
