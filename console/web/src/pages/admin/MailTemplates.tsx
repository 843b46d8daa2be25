import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { Link, useParams } from 'react-router'
import { useAdmin } from '../../session/context'
import { ButtonLink } from '../../ui/Button'
import { Badge, Loaded } from '../../ui/Feedback'
import { Moment } from '../../ui/Moment'
import { Card, Page } from '../../ui/Page'
import { Table } from '../../ui/Table'

/** The mails that an app sends, and which of them it words itself. */
export default function MailTemplates() {
  const { t } = useTranslation('admin')
  const { id = '' } = useParams()
  const admin = useAdmin()
  const list = useQuery({ queryKey: ['admin', 'mails', id], queryFn: ({ signal }) => admin.apps.listMailTemplates(id, { signal }) })
  return (
    <Page title={t('mails.title', { id })} lead={t('mails.lead')} actions={<ButtonLink to={`/admin/apps/${id}`}>{t('mails.toApp')}</ButtonLink>}>
      <Loaded query={list} lines={8}>{({ data }) => (
        <Card flush>
          <Table label={t('mails.list')} rows={data ?? []} rowKey={(m) => m.kind} columns={[
            { id: 'kind', header: t('mails.kind'), cell: (m) => <><Link to={`/admin/apps/${id}/mails/${m.kind}`}>{t(`mails.kinds.${m.kind}`, { defaultValue: m.kind })}</Link><span className="option-hint">{t(`mails.when.${m.kind}`, { defaultValue: '' })}</span></> },
            { id: 'words', header: t('mails.words'), cell: (m) => (m.custom ? <Badge tone="info">{t('mails.own')}</Badge> : <Badge>{t('mails.default')}</Badge>) },
            { id: 'at', header: t('mails.changed'), cell: (m) => (m.updatedAt ? <Moment at={m.updatedAt} /> : '–') },
          ]} />
        </Card>
      )}</Loaded>
    </Page>
  )
}
