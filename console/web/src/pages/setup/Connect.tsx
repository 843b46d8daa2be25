import type { schemas } from '@turkey/sdk'
import { CheckCircle2 } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { apiError } from '../../api/explain'
import { useApi } from '../../session/context'
import { Button } from '../../ui/Button'
import { Failure, Notice } from '../../ui/Feedback'
import { titleOf } from './catalogue'
import type { Members } from './content'
import { CredentialForm, type Filled } from './CredentialForm'
import { HealthLine } from './health'
import { useAct, useRefresh } from './data'

export interface Connected {
  id: number
  as: string
}

interface ConnectProps {
  service: string
  /** One that is stored already and does not work yet. */
  existing?: schemas.Credential | undefined
  sameKey?: Members | undefined
  /** Done when the provider has said yes. */
  onConnected: (connected: Connected, content: Members | undefined) => void
}

/** Saves a credential and tests it, until it works. */
export function Connect({ service, existing, sameKey, onConnected }: ConnectProps) {
  const { t } = useTranslation('setup')
  const api = useApi()
  const refresh = useRefresh()
  const [id, setId] = useState(existing?.id)
  const [form, setForm] = useState(!existing)
  const [filled, setFilled] = useState<Filled>()

  const test = useAct(async (which: number, content?: Members) => {
    const { connectedAs } = await api.credentials.verify(which).finally(refresh)
    onConnected({ id: which, as: connectedAs }, content)
  })
  const store = async (given: Filled): Promise<number> => {
    const body = { credentialName: given.name, credentialJson: given.content }
    if (id !== undefined) {
      try {
        return (await api.credentials.update(id, body)).id
      } catch (e) {
        if (apiError(e)?.statusCode !== 404) throw e // deleted meanwhile, in another tab: it is a new one then
      }
    }
    return (await api.credentials.save({ service, ...body })).credentialId
  }
  const save = useAct(async (given: Filled) => {
    test.clear()
    setFilled(given)
    const stored = await store(given)
    setId(stored)
    await test.run(stored, given.content)
  })

  if (!form && existing) {
    return (
      <div className="stack">
        <p>{t('connect.saved', { name: existing.name })}</p>
        <HealthLine credential={existing} />
        {test.error !== null && <Failure error={test.error} />}
        <div className="row">
          <Button look="primary" busy={test.busy} onPress={() => void test.run(existing.id)}>{t('connect.test')}</Button>
          <Button onPress={() => setForm(true)}>{t('connect.anew')}</Button>
        </div>
      </div>
    )
  }
  const duplicate = apiError(save.error)?.code === 'DUPLICATE_CREDENTIAL'
  return (
    <CredentialForm service={service} name={existing?.name ?? titleOf(service, t)} sameKey={sameKey} action={t('connect.connect')} busy={save.busy || test.busy} error={save.error ?? test.error}
      note={test.error !== null ? <Notice tone="warn">{t('connect.kept')}</Notice> : duplicate ? <Notice>{t('connect.duplicate')}</Notice> : undefined}
      extra={test.error !== null && id !== undefined ? <Button onPress={() => void test.run(id, filled?.content)}>{t('connect.again')}</Button> : undefined}
      onSubmit={(given) => void save.run(given)} />
  )
}

/** Says that it works, and as whom. */
export function ConnectedAs({ as }: { as: string }) {
  const { t } = useTranslation('setup')
  return <p className="connected"><CheckCircle2 aria-hidden="true" />{t('connect.connectedAs', { as })}</p>
}
