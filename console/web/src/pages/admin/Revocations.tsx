import { useMutation, useQueryClient } from '@tanstack/react-query'
import { ShieldBan } from 'lucide-react'
import { useState, type FormEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { useSearchParams } from 'react-router'
import { apiError, fieldError } from '../../api/explain'
import { useAdmin } from '../../session/context'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import { Empty, Failure } from '../../ui/Feedback'
import { Select, TextField } from '../../ui/Field'
import { Listing, useListing } from '../../ui/Listing'
import { Moment } from '../../ui/Moment'
import { Page } from '../../ui/Page'
import { toast } from '../../ui/toast'
import { AppPicker } from './AppPicker'

const kinds = ['jti', 'session', 'user', 'app'] as const

export default function Revocations() {
  const { t } = useTranslation('admin')
  const admin = useAdmin()
  const [query, setQuery] = useSearchParams()
  const [adding, setAdding] = useState(false)
  const app = query.get('app') ?? ''
  const list = useListing(['admin', 'revocations', app], async (cursor, signal) => {
    const { data, nextCursor } = await admin.revocations.list({ limit: 100, ...(app ? { app } : {}), ...(cursor ? { cursor } : {}) }, { signal })
    return { rows: data, nextCursor }
  })
  return (
    <Page title={t('revocations.title')} lead={t('revocations.lead')} actions={<Button look="primary" onPress={() => setAdding(true)}>{t('revocations.add')}</Button>}>
      <div className="grid"><AppPicker any value={app} onChange={(id) => setQuery(id ? { app: id } : {})} /></div>
      <Listing label={t('revocations.title')} listing={list} rowKey={(r) => r.id} empty={<Empty icon={ShieldBan} title={t('revocations.empty')} />} columns={[
        { id: 'at', header: t('revocations.at'), cell: (r) => <Moment at={r.createdAt} /> },
        { id: 'kind', header: t('revocations.kind'), cell: (r) => t(`revocations.kinds.${r.kind}`) },
        { id: 'subject', header: t('revocations.subject'), cell: (r) => <code>{r.subject}</code> },
        { id: 'app', header: t('revocations.app'), cell: (r) => <code>{r.appId}</code> },
        { id: 'until', header: t('revocations.until'), cell: (r) => <Moment at={r.expiresAt} /> },
      ]} />
      <Add isOpen={adding} onClose={() => setAdding(false)} />
    </Page>
  )
}

function Add({ isOpen, onClose }: { isOpen: boolean; onClose: () => void }) {
  const { t } = useTranslation('admin')
  const admin = useAdmin()
  const queries = useQueryClient()
  const [kind, setKind] = useState<(typeof kinds)[number]>('session')
  const [subject, setSubject] = useState('')
  const [expiresAt, setExpires] = useState('')
  const [userId, setUser] = useState('')
  const [reason, setReason] = useState('')
  const add = useMutation({
    mutationFn: () => admin.revocations.add({ kind, subject, ...(reason ? { reason } : {}), ...(kind === 'jti' ? { expiresAt, userId } : {}) }),
    onSuccess: async () => {
      toast(t('revocations.added'))
      await queries.invalidateQueries({ queryKey: ['admin'] })
      setSubject('')
      onClose()
    },
  })
  const submit = (e: FormEvent) => {
    e.preventDefault()
    add.mutate()
  }
  const error = (field: string) => fieldError(add.error, field)
  return (
    <Dialog title={t('revocations.addTitle')} isOpen={isOpen} onClose={onClose}>
      <form onSubmit={submit} className="stack">
        {add.error && !apiError(add.error)?.details?.length && <Failure error={add.error} />}
        <Select label={t('revocations.kind')} value={kind} onChange={setKind} choices={kinds.map((id) => ({ id, label: t(`revocations.kinds.${id}`) }))} />
        <TextField label={t('revocations.subject')} hint={t('revocations.subjectHint')} value={subject} onChange={setSubject} isRequired error={error('subject')} />
        {kind === 'jti' && <TextField label={t('audit.user')} value={userId} onChange={setUser} error={error('userId')} />}
        {kind === 'jti' && <TextField label={t('revocations.expires')} hint={t('revocations.expiresHint')} value={expiresAt} onChange={setExpires} error={error('expiresAt')} />}
        <TextField label={t('revocations.reason')} value={reason} onChange={setReason} error={error('reason')} />
        <footer><Button onPress={onClose}>{t('common:cancel')}</Button><Button type="submit" look="danger primary" busy={add.isPending} isDisabled={!subject}>{t('revocations.add')}</Button></footer>
      </form>
    </Dialog>
  )
}
