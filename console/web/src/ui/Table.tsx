import { useVirtualizer } from '@tanstack/react-virtual'
import { useRef, type ReactNode } from 'react'

export interface Column<T> {
  id: string
  header: ReactNode
  cell: (row: T) => ReactNode
  number?: boolean
}

interface TableProps<T> {
  label: string
  columns: readonly Column<T>[]
  rows: readonly T[]
  rowKey: (row: T) => string | number
  empty?: ReactNode
}

const virtualFrom = 200
const rowHeight = 41

/** A table. From some hundred rows on only those in sight are in the page. */
export function Table<T>(props: TableProps<T>) {
  if (props.rows.length === 0 && props.empty) return <>{props.empty}</>
  return props.rows.length > virtualFrom ? <LongTable {...props} /> : <ShortTable {...props} />
}

function Head<T>({ columns }: { columns: readonly Column<T>[] }) {
  return <thead><tr>{columns.map((c) => <th key={c.id} scope="col" className={c.number ? 'num' : ''}>{c.header}</th>)}</tr></thead>
}

function Cells<T>({ columns, row }: { columns: readonly Column<T>[]; row: T }) {
  return columns.map((c) => <td key={c.id} className={c.number ? 'num' : ''}>{c.cell(row)}</td>)
}

function ShortTable<T>({ label, columns, rows, rowKey }: TableProps<T>) {
  return (
    <div className="table-wrap" role="region" aria-label={label} tabIndex={0}>
      <table className="table">
        <caption className="sr-only">{label}</caption>
        <Head columns={columns} />
        <tbody>{rows.map((row) => <tr key={rowKey(row)}><Cells columns={columns} row={row} /></tr>)}</tbody>
      </table>
    </div>
  )
}

function LongTable<T>({ label, columns, rows, rowKey }: TableProps<T>) {
  const parent = useRef<HTMLDivElement>(null)
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => parent.current, estimateSize: () => rowHeight, overscan: 12 })
  const seen = virtual.getVirtualItems()
  const before = seen[0]?.start ?? 0
  const after = virtual.getTotalSize() - (seen.at(-1)?.end ?? 0)
  return (
    <div className="table-wrap" ref={parent} style={{ maxHeight: '70dvh' }} role="region" aria-label={label} tabIndex={0}>
      <table className="table" aria-rowcount={rows.length + 1}>
        <caption className="sr-only">{label}</caption>
        <Head columns={columns} />
        <tbody>
          {before > 0 && <tr aria-hidden="true" style={{ height: before }}><td colSpan={columns.length} /></tr>}
          {seen.map((item) => {
            const row = rows[item.index]
            return row === undefined ? null : <tr key={rowKey(row)} aria-rowindex={item.index + 2} style={{ height: rowHeight }}><Cells columns={columns} row={row} /></tr>
          })}
          {after > 0 && <tr aria-hidden="true" style={{ height: after }}><td colSpan={columns.length} /></tr>}
        </tbody>
      </table>
    </div>
  )
}
