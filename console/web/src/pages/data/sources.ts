import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { useApi, useUser } from '../../session/context'

/** All that can be collected, and whether it is connected. Spreadsheets are where figures go, not where they come from. */
export function useSources() {
  const api = useApi()
  return useQuery({
    queryKey: ['data', 'sources'],
    queryFn: async ({ signal }) => (await api.services.list({ signal })).services.filter((s) => s.name !== 'google_sheets'),
  })
}

/**
 * Whether this is somebody who has nothing yet and did not skip the set-up; undefined: not known yet. Operators come for other
 * things.
 */
export function useNewcomer(sources: readonly { enabled: boolean }[] | undefined): boolean | undefined {
  const api = useApi()
  const user = useUser()
  const empty = sources?.every((s) => !s.enabled) && user.role !== 'admin'
  const status = useQuery({
    queryKey: ['data', 'newcomer'], enabled: empty === true, staleTime: 0, gcTime: 0,
    queryFn: async ({ signal }) => !(await api.user.status({ signal })).data.onboardingComplete,
  })
  if (!empty || status.error) return false
  return status.isPending ? undefined : status.data
}

export function useMappings() {
  const api = useApi()
  return useQuery({ queryKey: ['data', 'mappings'], queryFn: async ({ signal }) => (await api.sheetMappings.list({ signal })).mappings })
}

/** A service's name for people. */
export function useServiceName() {
  const { t } = useTranslation('data')
  return (service: string) => t(`services.${service}`, { defaultValue: service })
}

/** A metric's name for people: of an API of one's own, its column. */
export function useMetricName() {
  const { t } = useTranslation('data')
  return (metric: string) => t(`metrics.${metric}`, { defaultValue: metric.replaceAll('_', ' ') })
}
