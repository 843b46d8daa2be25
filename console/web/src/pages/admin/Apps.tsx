import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Database, Plus } from 'lucide-react'
import { useState, type FormEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useNavigate } from 'react-router'
import { apiError, fieldError } from '../../api/explain'
import { useAdmin } from '../../session/context'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import { Badge, Empty, Failure } from '../../ui/Feedback'
import { TextField } from '../../ui/Field'
import { Listing, useListing } from '../../ui/Listing'
import { Moment } from '../../ui/Moment'
import { Page } from '../../ui/Page'
import { toast } from '../../ui/toast'

export default function Apps() {
  const { t } = useTranslation('admin')
  const admin = useAdmin()
  const [making, setMaking] = useState(false)
  const apps = useListing(['admin', 'apps'], async (cursor, signal) => {
    const { data, nextCursor } = await admin.apps.list({ limit: 100, ...(cursor ? { cursor } : {}) }, { signal })
    return { rows: data, nextCursor }
  })
  const make = <Button look="primary" onPress={() => setMaking(true)}><Plus aria-hidden="true" />{t('apps.create')}</Button>
  return (
    <Page title={t('apps.title')} lead={t('apps.lead')} actions={make}>
      <Listing label={t('apps.title')} listing={apps} rowKey={(a) => a.id} empty={<Empty icon={Database} title={t('apps.empty')}>{t('apps.emptyText')}</Empty>} columns={[
        { id: 'name', header: t('apps.name'), cell: (a) => <span className="row"><Link to={`/admin/apps/${a.id}`}>{a.name}</Link>{a.default && <Badge tone="info">{t('apps.default')}</Badge>}</span> },
        { id: 'id', header: t('apps.id'), cell: (a) => <code>{a.id}</code> },
        { id: 'registration', header: t('apps.registration'), cell: (a) => t(`apps.${!a.registrationOpen ? 'closed' : a.silentRegistration ? 'silent' : 'open'}`) },
        { id: 'origins', header: t('apps.origins'), cell: (a) => (a.origins.length > 0 ? a.origins.join(', ') : <span className="soft">{t('apps.none')}</span>) },
        { id: 'created', header: t('apps.created'), cell: (a) => <Moment at={a.createdAt} /> },
      ]} />
      <NewApp isOpen={making} onClose={() => setMaking(false)} />
    </Page>
  )
}

function NewApp({ isOpen, onClose }: { isOpen: boolean; onClose: () => void }) {
  const { t } = useTranslation('admin')
  const admin = useAdmin()
  const queries = useQueryClient()
  const navigate = useNavigate()
  const [id, setId] = useState('')
  const [name, setName] = useState('')
  const create = useMutation({
    mutationFn: () => admin.apps.create({ id, ...(name ? { name } : {}) }),
    onSuccess: async () => {
      toast(t('apps.made', { id }))
      await queries.invalidateQueries({ queryKey: ['admin', 'apps'] })
      onClose()
      await navigate(`/admin/apps/${id}`)
    },
  })
  const submit = (e: FormEvent) => {
    e.preventDefault()
    create.mutate()
  }
  return (
    <Dialog title={t('apps.create')} isOpen={isOpen} onClose={onClose}>
      <form onSubmit={submit} className="stack">
        {create.error && !apiError(create.error)?.details?.length && <Failure error={create.error} />}
        <TextField label={t('apps.id')} hint={t('apps.idHint')} value={id} onChange={setId} isRequired autoFocus error={fieldError(create.error, 'id')} />
        <TextField label={t('apps.name')} hint={t('apps.nameHint')} value={name} onChange={setName} error={fieldError(create.error, 'name')} />
        <footer><Button onPress={onClose}>{t('common:cancel')}</Button><Button type="submit" look="primary" busy={create.isPending} isDisabled={!id}>{t('apps.create')}</Button></footer>
      </form>
    </Dialog>
  )
}
