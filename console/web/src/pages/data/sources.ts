import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { useApi } from '../../session/context'

/** All that can be collected, and whether it is connected. Spreadsheets are where figures go, not where they come from. */
export function useSources() {
  const api = useApi()
  return useQuery({
    queryKey: ['data', 'sources'],
    queryFn: async ({ signal }) => (await api.services.list({ signal })).services.filter((s) => s.name !== 'google_sheets'),
  })
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
