import type { schemas } from '@turkey/sdk'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState, type FormEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { useApi } from '../../session/context'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import { Failure, Notice } from '../../ui/Feedback'
import { Select, TextField } from '../../ui/Field'
import { CopyButton } from '../../ui/CopyButton'
import { toast } from '../../ui/toast'
import { EventChoice } from './EventChoice'

type Format = schemas.Webhook['format']
const formats: readonly Format[] = ['slack', 'discord', 'telegram', 'turkey']
const examples: Record<Format, string> = {
  slack: 'https://hooks.slack.com/services/…', discord: 'https://discord.com/api/webhooks/…', telegram: 'https://api.telegram.org/bot<token>/sendMessage', turkey: 'https://example.com/hooks/turkey',
}

/** Adds an address or chat. A signing secret is shown this once. */
export function WebhookForm({ known, onClose }: { known: readonly string[]; onClose: () => void }) {
  const { t } = useTranslation('data')
  const api = useApi()
  const queries = useQueryClient()
  const [format, setFormat] = useState<Format>('slack')
  const [url, setUrl] = useState('')
  const [chatId, setChatId] = useState('')
  const [events, setEvents] = useState<string[] | null>(null)
  const add = useMutation({
    mutationFn: () => api.webhooks.create({ format, url: url.trim(), events, ...(format === 'telegram' ? { chatId: chatId.trim() } : {}) }),
    onSuccess: async (made) => {
      await queries.invalidateQueries({ queryKey: ['data', 'webhooks'] })
      if (made.secret) return
      toast(t('hooks.added'))
      onClose()
    },
  })
  const secret = add.data?.secret
  if (secret) {
    return (
      <Dialog title={t('hooks.secretTitle')} isOpen onClose={onClose}>
        <Notice tone="warn">{t('hooks.secretText')}</Notice>
        <div className="secret"><code>{secret}</code><CopyButton text={secret} /></div>
        <footer><Button look="primary" onPress={onClose}>{t('hooks.secretKept')}</Button></footer>
      </Dialog>
    )
  }
  const submit = (e: FormEvent) => {
    e.preventDefault()
    add.mutate()
  }
  return (
    <Dialog title={t('hooks.add')} isOpen onClose={onClose}>
      <form className="stack" onSubmit={submit}>
        <Select label={t('hooks.format')} value={format} onChange={setFormat} choices={formats.map((id) => ({ id, label: t(`hooks.formats.${id}`) }))} />
        <TextField label={t('hooks.url')} type="url" isRequired value={url} onChange={setUrl} placeholder={examples[format]} hint={t(`hooks.where.${format}`)} autoComplete="off" />
        {format === 'telegram' && <TextField label={t('hooks.chatId')} isRequired value={chatId} onChange={setChatId} placeholder="-1001234567890" hint={t('hooks.chatHint')} autoComplete="off" />}
        <EventChoice known={known} value={events} onChange={setEvents} />
        {add.error && <Failure error={add.error} />}
        <footer>
          <Button onPress={onClose}>{t('common:cancel')}</Button>
          <Button type="submit" look="primary" busy={add.isPending} isDisabled={url.trim() === '' || (format === 'telegram' && chatId.trim() === '')}>{t('hooks.add')}</Button>
        </footer>
      </form>
    </Dialog>
  )
}
