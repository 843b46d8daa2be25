import { FileKey2, Plus, Undo2 } from 'lucide-react'
import type { schemas } from '@turkey/sdk'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { useApi } from '../../session/context'
import { useAsk } from '../../ui/ask'
import { Button, ButtonLink } from '../../ui/Button'
import { Empty, Loaded } from '../../ui/Feedback'
import { Listing, useListing } from '../../ui/Listing'
import { Moment } from '../../ui/Moment'
import { Card, Page } from '../../ui/Page'
import { Table } from '../../ui/Table'
import { titleOf } from './catalogue'
import { useCredentials } from './data'
import { Expiry, HealthBadge } from './health'

export default function Credentials() {
  const { t } = useTranslation('setup')
  const credentials = useCredentials()
  const add = <ButtonLink to="/credentials/new" look="primary"><Plus aria-hidden="true" />{t('credentials.add')}</ButtonLink>
  const empty = <Empty icon={FileKey2} title={t('credentials.none')} action={<ButtonLink to="/setup">{t('credentials.wizard')}</ButtonLink>}>{t('credentials.noneText')}</Empty>
  return (
    <Page title={t('credentials.title')} lead={t('credentials.lead')} actions={add}>
      <Loaded query={credentials}>{(rows) => (
        <Card flush>
          <Table label={t('credentials.title')} rows={rows} rowKey={(c) => c.id} empty={empty} columns={[
            { id: 'name', header: t('credentials.name'), cell: (c) => <div className="stack-tight"><Link to={`/credentials/${c.id}`}>{c.name}</Link><code className="small soft">{c.maskedPreview}</code></div> },
            { id: 'service', header: t('credentials.service'), cell: (c) => titleOf(c.service, t) },
            { id: 'health', header: t('credentials.health'), cell: (c) => <HealthBadge health={c.health} /> },
            { id: 'verified', header: t('credentials.verified'), cell: (c) => <Moment at={c.verifiedAt} /> },
            { id: 'expires', header: t('credentials.expires'), cell: (c) => <Expiry at={c.expiresAt} /> },
          ]} />
        </Card>
      )}</Loaded>
      <Deleted />
    </Page>
  )
}

/** What was deleted and can still be had back. Nothing is shown while there is nothing. */
function Deleted() {
  const { t } = useTranslation('setup')
  const api = useApi()
  const [dialog, ask] = useAsk(['setup'])
  const deleted = useListing<schemas.Credential>(['setup', 'deleted'], async (cursor, signal) => {
    const { credentials, nextCursor } = await api.credentials.list({ deleted: true, ...(cursor ? { cursor } : {}) }, { signal })
    return { rows: credentials, nextCursor }
  })
  if (!deleted.error && !deleted.data?.pages[0]?.rows.length) return null
  const restore = (c: schemas.Credential) => ask({
    title: t('deleted.restore'), text: t('deleted.restoreText', { name: c.name }), action: t('deleted.restore'), done: t('deleted.restored', { name: c.name }),
    run: () => api.credentials.restore(c.id),
  })
  return (
    <section className="stack">
      <div className="stack-tight"><h2>{t('deleted.title')}</h2><p className="soft">{t('deleted.lead')}</p></div>
      <Listing label={t('deleted.title')} listing={deleted} rowKey={(c) => c.id} empty={null} columns={[
        { id: 'name', header: t('credentials.name'), cell: (c) => c.name },
        { id: 'service', header: t('credentials.service'), cell: (c) => titleOf(c.service, t) },
        { id: 'deleted', header: t('deleted.at'), cell: (c) => <Moment at={c.deletedAt} /> },
        { id: 'acts', header: <span className="sr-only">{t('acts')}</span>, cell: (c) => <Button look="small" aria-label={t('deleted.restoreName', { name: c.name })} onPress={() => restore(c)}><Undo2 aria-hidden="true" />{t('deleted.restore')}</Button> },
      ]} />
      {dialog}
    </section>
  )
}
