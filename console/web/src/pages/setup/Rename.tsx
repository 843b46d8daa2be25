import type { schemas } from '@turkey/sdk'
import { useState, type FormEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { useApi } from '../../session/context'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import { Failure } from '../../ui/Feedback'
import { TextField } from '../../ui/Field'
import { toast } from '../../ui/toast'
import { useAct, useRefresh } from './data'

export function Rename({ credential: c, isOpen, onClose }: { credential: schemas.Credential; isOpen: boolean; onClose: () => void }) {
  const { t } = useTranslation('setup')
  const api = useApi()
  const refresh = useRefresh()
  const [name, setName] = useState(c.name)
  const close = () => {
    setName(c.name)
    save.clear()
    onClose()
  }
  const save = useAct(async () => {
    await api.credentials.update(c.id, { credentialName: name.trim() })
    await refresh()
    toast(t('rename.done'))
    onClose()
  })
  const submit = (e: FormEvent) => {
    e.preventDefault()
    if (name.trim() !== '') void save.run()
  }
  return (
    <Dialog title={t('rename.action')} isOpen={isOpen} onClose={close}>
      <form className="stack" onSubmit={submit} noValidate>
        <TextField label={t('form.name')} value={name} onChange={setName} maxLength={255} autoComplete="off" autoFocus error={name.trim() === '' ? t('problems.required') : undefined} />
        {save.error !== null && <Failure error={save.error} />}
        <footer><Button onPress={close}>{t('common:cancel')}</Button><Button type="submit" look="primary" busy={save.busy}>{t('common:save')}</Button></footer>
      </form>
    </Dialog>
  )
}
