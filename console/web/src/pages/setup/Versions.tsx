import { useQuery } from '@tanstack/react-query'
import type { schemas } from '@turkey/sdk'
import { useTranslation } from 'react-i18next'
import { useApi } from '../../session/context'
import { useAsk } from '../../ui/ask'
import { Button } from '../../ui/Button'
import { Badge, Loaded } from '../../ui/Feedback'
import { Moment } from '../../ui/Moment'
import { Card } from '../../ui/Page'
import { Table } from '../../ui/Table'

/** What a credential held before, and the way back to it. */
export function Versions({ credential: c }: { credential: schemas.Credential }) {
  const { t } = useTranslation('setup')
  const api = useApi()
  const [dialog, ask] = useAsk(['setup'])
  const versions = useQuery({ queryKey: ['setup', 'versions', c.id], queryFn: ({ signal }) => api.credentials.listVersions(c.id, { signal }) })
  const restore = (v: schemas.Version) => ask({
    title: t('versions.restoreTitle', { number: v.number }), text: t('versions.restoreText', { number: v.number }), action: t('versions.restore'), done: t('versions.restored', { number: v.number }),
    run: () => api.credentials.restoreVersion(c.id, v.number),
  })
  return (
    <Card title={t('versions.title')}>
      <p className="soft">{t('versions.lead')}</p>
      <Loaded query={versions}>{(d) => (
        <Table label={t('versions.title')} rows={d.versions} rowKey={(v) => v.number} columns={[
          { id: 'number', header: t('versions.number'), cell: (v) => <span className="row">{t('versions.version', { number: v.number })}{v.current && <Badge tone="good">{t('versions.current')}</Badge>}</span> },
          { id: 'preview', header: t('details.preview'), cell: (v) => <code>{v.maskedPreview}</code> },
          { id: 'type', header: t('details.kind'), cell: (v) => t(`types.${v.type}`) },
          { id: 'created', header: t('versions.saved'), cell: (v) => <Moment at={v.createdAt} /> },
          { id: 'replaced', header: t('versions.replaced'), cell: (v) => <Moment at={v.replacedAt} /> },
          { id: 'acts', header: <span className="sr-only">{t('acts')}</span>, cell: (v) => (v.current ? null : <Button look="small" aria-label={`${t('versions.restore')}: ${t('versions.version', { number: v.number })}`} onPress={() => restore(v)}>{t('versions.restore')}</Button>) },
        ]} />
      )}</Loaded>
      {dialog}
    </Card>
  )
}
