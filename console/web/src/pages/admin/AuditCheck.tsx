import { useMutation } from '@tanstack/react-query'
import type { schemas } from '@turkey/sdk'
import { useTranslation } from 'react-i18next'
import { useAdmin } from '../../session/context'
import { Failure, Notice, Skeleton } from '../../ui/Feedback'
import { Card } from '../../ui/Page'
import { Table } from '../../ui/Table'

export function useAuditCheck() {
  const admin = useAdmin()
  return useMutation({ mutationFn: () => admin.audit.verify() })
}

/** Says in words what holding the log against its seals has found. */
export function AuditCheck({ check }: { check: ReturnType<typeof useAuditCheck> }) {
  if (check.isPending) return <Card><Skeleton lines={2} /></Card>
  if (check.error) return <Failure error={check.error} retry={() => check.mutate()} />
  return check.data ? <Outcome report={check.data.data} /> : null
}

function Outcome({ report }: { report: schemas.Report }) {
  const { t } = useTranslation('admin')
  const findings = report.findings ?? []
  if (!report.intact) {
    return (
      <>
        <Notice tone="bad">
          <strong>{report.more ? t('audit.brokenMore', { count: findings.length }) : t('audit.broken', { count: findings.length })}</strong>
          <p>{t('audit.brokenText')}</p>
        </Notice>
        <Card flush>
          <Table label={t('audit.finding')} rows={findings.map((f, i) => ({ ...f, i }))} rowKey={(f) => f.i} columns={[
            { id: 'kind', header: t('audit.finding'), cell: (f) => t(`audit.kinds.${f.kind}`, { defaultValue: f.kind }) },
            { id: 'means', header: t('audit.means'), cell: (f) => f.message },
            { id: 'log', header: t('audit.log'), cell: (f) => <code>{f.log ?? '–'}</code> },
            { id: 'month', header: t('audit.month'), cell: (f) => f.month ?? '–' },
          ]} />
        </Card>
      </>
    )
  }
  const more = [
    report.seals === 0 ? t('audit.noSeals') : t('audit.checked', { count: report.rows, seals: report.seals }),
    report.erased > 0 && t('audit.checkedErased', { count: report.erased }),
    report.archived > 0 && t('audit.checkedArchived', { count: report.archived }),
  ].filter(Boolean)
  return (
    <Notice tone="good">
      <strong>{t('audit.intact')}</strong>
      <p>{more.join(' ')}</p>
      <p className="small soft">{t('audit.scope')}</p>
    </Notice>
  )
}
