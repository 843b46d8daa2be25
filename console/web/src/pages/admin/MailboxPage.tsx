import type { schemas } from '@turkey/sdk'
import { Mailbox } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { time } from '../../format'
import { useAdmin } from '../../session/context'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import { Empty } from '../../ui/Feedback'
import { TextField } from '../../ui/Field'
import { Listing, useListing } from '../../ui/Listing'
import { Moment } from '../../ui/Moment'
import { Defs, Page } from '../../ui/Page'
import { useSettled } from '../../ui/settled'

export default function MailboxPage() {
  const { t } = useTranslation('admin')
  const admin = useAdmin()
  const [typed, setRecipient] = useState('')
  const recipient = useSettled(typed)
  const [open, setOpen] = useState<schemas.KeptMail | null>(null)
  const list = useListing(['admin', 'mailbox', recipient], async (cursor, signal) => {
    const { data, nextCursor } = await admin.mailbox.list({ limit: 50, ...(recipient ? { recipient } : {}), ...(cursor ? { cursor } : {}) }, { signal })
    return { rows: data, nextCursor }
  }, 5000)
  return (
    <Page title={t('mailbox.title')} lead={t('mailbox.lead')}>
      <div className="grid"><TextField label={t('mailbox.recipient')} type="search" value={typed} onChange={setRecipient} /></div>
      <Listing label={t('mailbox.title')} listing={list} rowKey={(m) => m.id} empty={<Empty icon={Mailbox} title={t('mailbox.empty')}>{t('mailbox.emptyText')}</Empty>} columns={[
        { id: 'at', header: t('mailbox.at'), cell: (m) => <Moment at={m.createdAt} /> },
        { id: 'to', header: t('mailbox.to'), cell: (m) => m.to },
        { id: 'subject', header: t('mailbox.subject'), cell: (m) => m.subject },
        { id: 'open', header: <span className="sr-only">{t('mailbox.open')}</span>, cell: (m) => <Button look="small" onPress={() => setOpen(m)} aria-label={`${t('mailbox.open')}: ${m.subject}`}>{t('mailbox.open')}</Button> },
      ]} />
      <Dialog wide title={open?.subject ?? ''} isOpen={open !== null} onClose={() => setOpen(null)}>
        {open && (
          <>
            <Defs items={[[t('mailbox.to'), open.to], [t('mailbox.at'), time(open.createdAt)]]} />
            <Text text={open.text} />
            <footer><Button onPress={() => setOpen(null)}>{t('common:close')}</Button></footer>
          </>
        )}
      </Dialog>
    </Page>
  )
}

/** The plain text of a mail with its links. */
function Text({ text }: { text: string }) {
  const parts = text.split(/(https?:\/\/[^\s<>"]+)/)
  return (
    <p style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>
      {parts.map((part, i) => (i % 2 === 1 ? <a key={i} href={part} target="_blank" rel="noreferrer noopener">{part}</a> : part))}
    </p>
  )
}
