import { useInfiniteQuery } from '@tanstack/react-query'
import { Table2 } from 'lucide-react'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { number } from '../../format'
import { useApi } from '../../session/context'
import { Button } from '../../ui/Button'
import { Empty, Skeleton } from '../../ui/Feedback'
import { Card } from '../../ui/Page'
import { Table } from '../../ui/Table'
import { SheetTrouble } from './SheetTrouble'

/** Rows that are asked for at a time. */
const part = 2000

interface Row {
  at: number
  cells: string[]
}

/** The letter of a column, as spreadsheets count: A … Z, AA … */
function letter(index: number): string {
  let name = ''
  for (let n = index + 1; n > 0; n = Math.floor((n - 1) / 26)) name = String.fromCharCode(65 + ((n - 1) % 26)) + name
  return name
}

/** The values of a tab, part by part. */
export function TabValues({ credential, spreadsheet, tab }: { credential: string; spreadsheet: string; tab: string }) {
  const { t } = useTranslation('data')
  const api = useApi()
  const values = useInfiniteQuery({
    queryKey: ['data', 'values', credential, spreadsheet, tab],
    initialPageParam: 0,
    queryFn: async ({ pageParam, signal }) => {
      const { data, nextOffset } = await api.sheets.readTab(spreadsheet, { credential_id: credential, sheetName: tab, limit: String(part), offset: String(pageParam) }, { signal })
      return { offset: pageParam, data, nextOffset }
    },
    getNextPageParam: (last) => (last.data.length > 0 ? last.nextOffset : undefined), // the grid goes on below what is in it
  })
  const rows = useMemo<Row[]>(() => (values.data?.pages ?? []).flatMap((p) => p.data.map((cells, i) => ({ at: p.offset + i + 1, cells }))), [values.data])
  const width = useMemo(() => rows.reduce((most, r) => Math.max(most, r.cells.length), 0), [rows])
  const columns = useMemo(() => [
    { id: 'row', header: <span className="sr-only">{t('viewer.row')}</span>, cell: (r: Row) => <span className="small soft">{r.at}</span>, number: true },
    ...Array.from({ length: width }, (_, i) => ({
      id: String(i),
      header: <>{letter(i)}{rows[0]?.cells[i] ? <span className="column-name">{rows[0].cells[i]}</span> : null}</>,
      cell: (r: Row) => <span className="cell">{r.cells[i] ?? ''}</span>,
      number: /^-?[\d.,\s]*\d[\d.,\s]*%?$/.test(rows[1]?.cells[i] ?? ''),
    })),
  ], [rows, width, t])
  if (values.error && !values.data) return <SheetTrouble error={values.error} retry={() => void values.refetch()} />
  if (!values.data) return <Card><Skeleton lines={8} /></Card>
  if (rows.length === 0) return <Card><Empty icon={Table2} title={t('viewer.empty')}>{t('viewer.emptyText')}</Empty></Card>
  return (
    <div className="stack">
      <p className="small soft" role="status">{t('viewer.rows', { count: rows.length, shown: number(rows.length) })}</p>
      <Card flush><Table label={tab} columns={columns} rows={rows.slice(1)} rowKey={(r) => r.at} /></Card>
      {values.error && <SheetTrouble error={values.error} retry={() => void values.fetchNextPage()} />}
      {values.hasNextPage && rows.length % part === 0 && <div><Button busy={values.isFetchingNextPage} onPress={() => void values.fetchNextPage()}>{t('common:more')}</Button></div>}
    </div>
  )
}
