import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { useAdmin } from '../../session/context'
import { Select } from '../../ui/Field'

interface AppPickerProps {
  value: string
  onChange: (app: string) => void
  /** Offers "any" too, as ''. */
  any?: boolean
}

/** One of the first hundred apps. */
export function AppPicker({ value, onChange, any = false }: AppPickerProps) {
  const { t } = useTranslation('admin')
  const apps = useApps()
  const choices = (apps.data?.data ?? []).map((a) => ({ id: a.id, label: a.name, ...(a.name === a.id ? {} : { hint: a.id }) }))
  return <Select label={t('users.app')} choices={any ? [{ id: 'any', label: t('users.any') }, ...choices] : choices} value={value || (any ? 'any' : null)} onChange={(v) => onChange(v === 'any' ? '' : v)} />
}

export function useApps() {
  const admin = useAdmin()
  return useQuery({ queryKey: ['admin', 'apps', 'first'], queryFn: ({ signal }) => admin.apps.list({ limit: 100 }, { signal }), staleTime: 60_000 })
}
