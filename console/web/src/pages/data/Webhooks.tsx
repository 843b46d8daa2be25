import type { schemas } from '@turkey/sdk'
import { useQuery } from '@tanstack/react-query'
import { Plus, Webhook as WebhookIcon } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useApi } from '../../session/context'
import { useAsk } from '../../ui/ask'
import { Button } from '../../ui/Button'
import { Badge, Empty, Loaded } from '../../ui/Feedback'
import { Acts } from '../../ui/Acts'
import { Moment } from '../../ui/Moment'
import { Card } from '../../ui/Page'
import { Table } from '../../ui/Table'
import { Deliveries } from './Deliveries'
import { WebhookForm } from './WebhookForm'

/** Addresses and chats that are told. */
export function Webhooks({ known }: { known: readonly string[] }) {
  const { t } = useTranslation('data')
  const api = useApi()
  const hooks = useQuery({ queryKey: ['data', 'webhooks'], queryFn: async ({ signal }) => (await api.webhooks.list({ signal })).webhooks })
  const [adding, setAdding] = useState(false)
  const [shown, setShown] = useState<schemas.Webhook | null>(null)
  const [dialog, ask] = useAsk(['data', 'webhooks'])
  const remove = (w: schemas.Webhook) => ask({
    title: t('hooks.delete'), text: t('hooks.deleteText', { url: w.url }), action: t('hooks.delete'), done: t('hooks.deleted'), danger: true, run: () => api.webhooks.delete(w.id),
  })
  const add = <Button look={hooks.data?.length === 0 ? 'primary' : 'small'} onPress={() => setAdding(true)}><Plus aria-hidden="true" />{t('hooks.add')}</Button>
  return (
    <Card flush>
      <div className="card-bar"><h2>{t('hooks.title')}</h2>{hooks.data && hooks.data.length > 0 && add}</div>
      <Loaded query={hooks}>
        {(list) => (
          <Table label={t('hooks.title')} rows={list} rowKey={(w) => w.id} empty={<Empty icon={WebhookIcon} title={t('hooks.empty')} action={add}>{t('hooks.emptyText')}</Empty>} columns={[
            { id: 'format', header: t('hooks.format'), cell: (w) => <Badge>{t(`hooks.formats.${w.format}`)}</Badge> },
            { id: 'url', header: t('hooks.url'), cell: (w) => <span className="stack-tight"><code className="wrap">{w.url}</code>{w.chatId && <span className="small soft">{t('hooks.chat', { id: w.chatId })}</span>}</span> },
            { id: 'events', header: t('hooks.events'), cell: (w) => (w.events === null ? t('events.allShort') : t('events.some', { count: w.events.length })) },
            { id: 'since', header: t('hooks.since'), cell: (w) => <Moment at={w.createdAt} /> },
            {
              id: 'acts', header: <span className="sr-only">{t('acts')}</span>, cell: (w) => (
                <Acts label={`${t('acts')}: ${w.url}`} acts={[
                  { id: 'deliveries', label: t('hooks.deliveries'), run: () => setShown(w) },
                  { id: 'delete', label: t('hooks.delete'), danger: true, run: () => remove(w) },
                ]} />
              ),
            },
          ]} />
        )}
      </Loaded>
      {adding && <WebhookForm known={known} onClose={() => setAdding(false)} />}
      {shown && <Deliveries webhook={shown} onClose={() => setShown(null)} />}
      {dialog}
    </Card>
  )
}
