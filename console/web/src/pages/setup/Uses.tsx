import type { schemas } from '@turkey/sdk'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { useApi } from '../../session/context'
import { Badge } from '../../ui/Feedback'
import { Listing, useListing } from '../../ui/Listing'
import { Moment } from '../../ui/Moment'

/** Each time the server opened a credential. */
export function Uses({ id }: { id: number }) {
  const { t } = useTranslation('setup')
  const api = useApi()
  const uses = useListing<schemas.Use>(['setup', 'uses', id], async (cursor, signal) => {
    const { uses: rows, nextCursor } = await api.credentials.listUses(id, { limit: 20, ...(cursor ? { cursor } : {}) }, { signal })
    return { rows, nextCursor }
  })
  return (
    <section className="stack">
      <div className="stack-tight"><h2>{t('uses.title')}</h2><p className="soft">{t('uses.lead')}</p></div>
      <Listing label={t('uses.title')} listing={uses} rowKey={(u) => `${u.at} ${u.purpose} ${u.jobId ?? ''} ${u.status}`} empty={<p className="soft uses-none">{t('uses.none')}</p>} columns={[
        { id: 'at', header: t('uses.at'), cell: (u) => <Moment at={u.at} /> },
        { id: 'purpose', header: t('uses.purpose'), cell: (u) => (u.jobId ? <Link to={`/runs/${u.jobId}`}>{purpose(u)}</Link> : purpose(u)) },
        { id: 'host', header: t('uses.host'), cell: (u) => u.host ?? '–' },
        { id: 'status', header: t('uses.status'), cell: (u) => <Badge tone={u.status === 'success' ? 'good' : 'bad'}>{t(`uses.${u.status}`)}</Badge> },
      ]} />
    </section>
  )
  function purpose(u: schemas.Use) {
    return t(`uses.purposes.${u.purpose}`, { defaultValue: u.purpose })
  }
}
