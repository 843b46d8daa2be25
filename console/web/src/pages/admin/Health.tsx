import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { useAdmin } from '../../session/context'
import { Button } from '../../ui/Button'
import { Badge, Loaded } from '../../ui/Feedback'
import { CopyButton } from '../../ui/CopyButton'
import { Card, Page } from '../../ui/Page'
import { Table } from '../../ui/Table'

const tones = { ok: 'good', warn: 'warn', fail: 'bad' } as const

export default function Health() {
  const { t } = useTranslation('admin')
  const admin = useAdmin()
  const doctor = useQuery({ queryKey: ['admin', 'doctor'], queryFn: ({ signal }) => admin.server.doctor({ signal }), staleTime: 60_000 })
  return (
    <Page title={t('health.title')} lead={t('health.lead')} actions={<Button busy={doctor.isFetching} onPress={() => void doctor.refetch()}>{t('health.again')}</Button>}>
      <Loaded query={doctor} lines={10}>{({ data }) => (
        <Card flush>
          <Table label={t('health.title')} rows={data.checks.toSorted((a, b) => weight(b.status) - weight(a.status))} rowKey={(c) => c.name} columns={[
            { id: 'status', header: t('health.result'), cell: (c) => <Badge tone={tones[c.status]}>{t(`health.${c.status}`)}</Badge> },
            { id: 'name', header: t('health.check'), cell: (c) => <strong>{c.name}</strong> },
            { id: 'message', header: t('health.finding'), cell: (c) => c.message },
            { id: 'remedy', header: t('health.remedy'), cell: (c) => (c.remedy ? <span className="row"><code>{c.remedy}</code><CopyButton text={c.remedy} /></span> : null) },
          ]} />
        </Card>
      )}</Loaded>
    </Page>
  )
}

const weight = (status: keyof typeof tones) => ({ ok: 0, warn: 1, fail: 2 })[status]
