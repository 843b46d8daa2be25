import { useQuery, useQueryClient } from '@tanstack/react-query'
import type { schemas } from '@turkey/sdk'
import { useCallback, useRef, useState } from 'react'
import { useApi } from '../../session/context'
import { sheetsService } from './catalogue'

export function useCredentials() {
  const api = useApi()
  return useQuery({ queryKey: ['setup', 'credentials'], queryFn: ({ signal }) => api.credentials.list({}, { signal }), select: (d) => d.credentials })
}

export function useServices() {
  const api = useApi()
  return useQuery({ queryKey: ['setup', 'services'], queryFn: ({ signal }) => api.services.list({ signal }), select: (d) => d.services })
}

export function useMappings() {
  const api = useApi()
  return useQuery({ queryKey: ['setup', 'mappings'], queryFn: ({ signal }) => api.sheetMappings.list({ signal }), select: (d) => d.mappings })
}

/** After a change: much depends on each other, on other pages too. What is in sight is read anew at once. */
export function useRefresh() {
  const queries = useQueryClient()
  return useCallback(() => queries.invalidateQueries(), [queries])
}

/** The credential that runs write spreadsheets with: the one that is switched on, else the newest that was verified. */
export function sheetsCredential(credentials: readonly schemas.Credential[], services: readonly schemas.ServiceState[]): schemas.Credential | undefined {
  const own = credentials.filter((c) => c.service === sheetsService && c.verified)
  const bound = services.find((s) => s.name === sheetsService && s.enabled)?.credential?.id
  return own.find((c) => c.id === bound) ?? own[0]
}

/**
 * Does one act at a time, and keeps what went wrong. Not a mutation of the query cache: that would keep what it was given, and
 * secrets are given here.
 */
export function useAct<A extends unknown[]>(act: (...args: A) => Promise<void>) {
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const running = useRef(false)
  const run = async (...args: A) => {
    if (running.current) return
    running.current = true
    setBusy(true)
    setError(null)
    try {
      await act(...args)
    } catch (e) {
      setError(e)
    } finally {
      running.current = false
      setBusy(false)
    }
  }
  return { busy, error, run, clear: () => setError(null) }
}
