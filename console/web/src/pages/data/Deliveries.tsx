import type { schemas } from '@turkey/sdk'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Send } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { useApi } from '../../session/context'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import { Badge, Empty, Failure, type Tone } from '../../ui/Feedback'
import { Listing, useListing } from '../../ui/Listing'
import { Moment } from '../../ui/Moment'
import { toast } from '../../ui/toast'

const tones: Record<schemas.Delivery['status'], Tone> = { pending: 'info', delivered: 'good', failed: 'bad' }

/** What was sent to a webhook, and what became of it. */
export function Deliveries({ webhook, onClose }: { webhook: schemas.Webhook; onClose: () => void }) {
  const { t } = useTranslation('data')
  const api = useApi()
  const queries = useQueryClient()
  const list = useListing(['data', 'deliveries', webhook.id], async (cursor, signal) => {
    const { deliveries, nextCursor } = await api.webhooks.listDeliveries(webhook.id, { limit: 50, ...(cursor ? { cursor } : {}) }, { signal })
    return { rows: deliveries, nextCursor }
  }, 3000)
  const replay = useMutation({
    mutationFn: (id: string) => api.webhooks.replayDelivery(webhook.id, id),
    onSuccess: async () => {
      toast(t('deliveries.queued'))
      await queries.invalidateQueries({ queryKey: ['data', 'deliveries', webhook.id] })
    },
  })
  return (
    <Dialog wide title={t('deliveries.title')} isOpen onClose={onClose}>
      <p className="soft wrap">{webhook.url}</p>
      {replay.error && <Failure error={replay.error} />}
      <Listing label={t('deliveries.title')} listing={list} rowKey={(d) => d.id} empty={<Empty icon={Send} title={t('deliveries.empty')}>{t('deliveries.emptyText')}</Empty>} columns={[
        { id: 'event', header: t('deliveries.event'), cell: (d) => t(`events.names.${d.event.replace('.', '_')}`, { defaultValue: d.event }) },
        { id: 'when', header: t('deliveries.when'), cell: (d) => <Moment at={d.createdAt} /> },
        {
          id: 'status', header: t('runs.status'), cell: (d) => (
            <span className="stack-tight">
              <span><Badge tone={tones[d.status]}>{t(`deliveries.statuses.${d.status}`)}</Badge></span>
              {d.status !== 'delivered' && d.error && <span className="small soft">{d.error}</span>}
            </span>
          ),
        },
        { id: 'answer', header: t('deliveries.answer'), number: true, cell: (d) => d.responseStatus ?? <span className="soft">–</span> },
        { id: 'tries', header: t('deliveries.tries'), number: true, cell: (d) => d.attempts },
        {
          id: 'replay', header: <span className="sr-only">{t('acts')}</span>, cell: (d) => (
            <Button look="small" busy={replay.isPending && replay.variables === d.id} onPress={() => replay.mutate(d.id)}>{t('deliveries.replay')}</Button>
          ),
        },
      ]} />
      <footer><Button onPress={onClose}>{t('common:close')}</Button></footer>
    </Dialog>
  )
}
