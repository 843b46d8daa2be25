import { useQuery } from '@tanstack/react-query'
import { RefreshCw } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { useApi } from '../../session/context'
import { Button } from '../../ui/Button'
import { Loaded, Notice } from '../../ui/Feedback'
import { columnsOf, headerOf, titleOf, type HeaderState } from './catalogue'

const previewRows = 6

/** The first rows of a tab, as they are now. They are read again whenever somebody comes back to the page. */
export function useTab(credential: number | undefined, spreadsheetId: string | null, sheetName: string | null, rows = previewRows) {
  const api = useApi()
  return useQuery({
    queryKey: ['setup', 'tab', credential, spreadsheetId, sheetName, rows],
    enabled: credential !== undefined && Boolean(spreadsheetId) && Boolean(sheetName),
    staleTime: 2000,
    queryFn: async ({ signal }) => (await api.sheets.readTab(spreadsheetId ?? '', { credential_id: String(credential), sheetName: sheetName ?? '', limit: String(rows) }, { signal })).data,
  })
}

interface TabPreviewProps {
  service: string
  tab: ReturnType<typeof useTab>
  /** Says what a run would make of it. */
  verdict?: boolean
}

export function TabPreview({ service, tab, verdict = true }: TabPreviewProps) {
  const { t } = useTranslation('setup')
  return (
    <section className="stack-tight" aria-label={t('preview.title')}>
      <div className="row-between"><h3>{t('preview.title')}</h3><Button look="small quiet" busy={tab.isFetching} onPress={() => void tab.refetch()}><RefreshCw aria-hidden="true" />{t('preview.refresh')}</Button></div>
      <Loaded query={tab}>{(rows) => (
        <div className="stack">
          {verdict && <Verdict service={service} header={headerOf(service, rows)} />}
          <Grid rows={rows.length > 0 ? rows : [[...columnsOf(service)]]} ghost={rows.length === 0} label={t('preview.title')} />
        </div>
      )}</Loaded>
    </section>
  )
}

function Verdict({ service, header }: { service: string; header: HeaderState }) {
  const { t } = useTranslation('setup')
  const values = { service: titleOf(service, t), columns: columnsOf(service).join(', '), missing: 'missing' in header ? header.missing.join(', ') : '' }
  const tone = header.state === 'foreign' ? 'bad' : header.state === 'unknown' ? 'info' : 'good'
  return <Notice tone={tone}><div className="stack-tight"><div>{t(`preview.${header.state}`, values)}</div><div className="small soft">{t(`preview.${header.state}Text`, values)}</div></div></Notice>
}

/** Cells as a spreadsheet shows them. A ghost is what will be there. */
export function Grid({ rows, label, ghost = false }: { rows: readonly (readonly string[])[]; label: string; ghost?: boolean }) {
  const { t } = useTranslation('setup')
  const [head = [], ...body] = rows
  const width = Math.max(...rows.map((r) => r.length))
  if (width === 0) return <p className="soft small">{t('preview.nothing')}</p>
  const cells = Array.from({ length: width }, (_, i) => i)
  return (
    <div className={`table-wrap sheet-grid${ghost ? ' ghost' : ''}`} role="region" aria-label={label} tabIndex={0}>
      <table className="table">
        <caption className="sr-only">{label}</caption>
        <thead><tr>{cells.map((i) => <th key={i} scope="col">{head[i] ?? ''}</th>)}</tr></thead>
        <tbody>
          {body.map((row, y) => <tr key={y}>{cells.map((i) => <td key={i}>{row[i] ?? ''}</td>)}</tr>)}
          {ghost && <tr><td colSpan={width} className="soft small">{t('preview.ghost')}</td></tr>}
        </tbody>
      </table>
    </div>
  )
}
