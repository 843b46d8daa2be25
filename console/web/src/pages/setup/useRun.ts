import { useQueryClient } from '@tanstack/react-query'
import type { schemas } from '@turkey/sdk'
import { useEffect, useState } from 'react'
import { apiError } from '../../api/explain'
import { useApi } from '../../session/context'

const ended = ['completed', 'failed', 'cancelled']
export const hasEnded = (run: schemas.Run) => ended.includes(run.status)

/** A run as it goes, from its events, anew with each `begun` (a retry keeps the id). Where they break off, they are asked for again until the run has ended. */
export function useRun(begun: schemas.Run | undefined): { run: schemas.Run | undefined; lost: boolean; gone: boolean } {
  const api = useApi()
  const queries = useQueryClient()
  const [run, setRun] = useState(begun)
  const [lost, setLost] = useState(false)
  const [gone, setGone] = useState(false)
  useEffect(() => {
    setRun(begun)
    setLost(false)
    setGone(false)
    if (!begun || hasEnded(begun)) return
    const stop = new AbortController()
    const watch = async () => {
      while (!stop.signal.aborted) {
        try {
          for await (const { data } of api.runs.watch(begun.id, { signal: stop.signal })) {
            const now = data as schemas.Run
            setLost(false)
            setRun(now)
            if (hasEnded(now)) return void queries.invalidateQueries({ queryKey: ['setup', 'runs'] })
          }
        } catch (e) {
          if (stop.signal.aborted) return
          if (apiError(e)?.statusCode === 404) return setGone(true)
          setLost(true)
        }
        await new Promise((done) => setTimeout(done, 1500))
      }
    }
    void watch()
    return () => stop.abort()
  }, [begun, api, queries])
  return { run, lost, gone }
}
