import type { schemas } from '@turkey/sdk'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect } from 'react'
import { useApi } from '../../session/context'

export type Status = schemas.Run['status']
export const statuses: readonly Status[] = ['waiting', 'delayed', 'active', 'completed', 'failed', 'cancelled']
export const hasEnded = (status: Status) => status === 'completed' || status === 'failed' || status === 'cancelled'

/** Milliseconds before a stream that broke off is opened anew. */
const pause = 2000

/** A run, as it is at every moment until it has ended. */
export function useRun(id: string | undefined) {
  const api = useApi()
  const queries = useQueryClient()
  const run = useQuery({ queryKey: ['run', id], queryFn: ({ signal }) => api.runs.get(id ?? '', { signal }), enabled: id !== undefined })
  const running = run.data !== undefined && !hasEnded(run.data.status)
  useEffect(() => {
    if (!id || !running) return
    const stop = new AbortController()
    const watch = async () => {
      while (!stop.signal.aborted) {
        try {
          for await (const { data } of api.runs.watch(id, { signal: stop.signal })) {
            const seen = data as schemas.Run // what the event `run` holds
            queries.setQueryData(['run', id], seen)
            if (hasEnded(seen.status)) {
              await Promise.all([['runs'], ['kpis', seen.service], ['data', 'schedules']].map((queryKey) => queries.invalidateQueries({ queryKey })))
              return
            }
          }
        } catch {
          // The connection broke off; what the run has become is read when it is back.
        }
        await new Promise((done) => setTimeout(done, pause))
      }
    }
    void watch()
    return () => stop.abort()
  }, [api, queries, id, running])
  return run
}
