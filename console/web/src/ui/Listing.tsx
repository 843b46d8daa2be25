import { useInfiniteQuery, type QueryKey } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { Button } from './Button'
import { Failure, Skeleton } from './Feedback'
import { Card } from './Page'
import { Table, type Column } from './Table'

interface PageOf<T> {
  rows: T[]
  nextCursor: string | null
}

/** A list that comes in pages, from its newest entry on. */
export function useListing<T>(key: QueryKey, load: (cursor: string | undefined, signal: AbortSignal) => Promise<PageOf<T>>, every?: number) {
  return useInfiniteQuery({
    queryKey: key,
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) => load(pageParam, signal),
    getNextPageParam: (last) => last.nextCursor ?? undefined,
    ...(every ? { refetchInterval: every } : {}),
  })
}

interface ListingProps<T> {
  label: string
  listing: ReturnType<typeof useListing<T>>
  columns: readonly Column<T>[]
  rowKey: (row: T) => string | number
  empty: ReactNode
}

/** The rows that are there, and the way to more. */
export function Listing<T>({ label, listing, columns, rowKey, empty }: ListingProps<T>) {
  const { t } = useTranslation()
  const rows = listing.data?.pages.flatMap((p) => p.rows)
  return (
    <div className="stack">
      {listing.error && <Failure error={listing.error} retry={() => void listing.refetch()} />}
      {rows
        ? <Card flush><Table label={label} columns={columns} rows={rows} rowKey={rowKey} empty={empty} /></Card>
        : !listing.error && <Card><Skeleton lines={6} /></Card>}
      {listing.hasNextPage && <div><Button busy={listing.isFetchingNextPage} onPress={() => void listing.fetchNextPage()}>{t('common:more')}</Button></div>}
    </div>
  )
}
