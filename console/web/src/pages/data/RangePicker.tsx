import { useTranslation } from 'react-i18next'
import { useSearchParams } from 'react-router'
import { dayIn } from '../../format'
import { Select, TextField } from '../../ui/Field'
import { validRange, type Period } from './figures'

const presets = ['7', '28', '90'] as const

/** The period stands in the address, so that it can be shared and reloaded. */
export function usePeriod() {
  const [query, setQuery] = useSearchParams()
  const days = query.get('days')
  const custom = days === 'custom'
  const range = { from: query.get('from') ?? dayIn(-28), to: query.get('to') ?? dayIn(-1) }
  const preset = presets.find((p) => p === days) ?? '28'
  const valid = !custom || validRange(range)
  const period: Period = custom && valid ? range : { days: Number(preset) }
  const set = (changes: Record<string, string>) => setQuery((q) => {
    for (const [name, value] of Object.entries(changes)) q.set(name, value)
    return q
  }, { replace: true })
  return { period, custom, range, preset, valid, set }
}

export function RangePicker({ custom, range, preset, valid, set }: ReturnType<typeof usePeriod>) {
  const { t } = useTranslation('data')
  return (
    <div className="range">
      <Select label={t('range.label')} value={custom ? 'custom' : preset} onChange={(days) => set(days === 'custom' ? { days, ...range } : { days })}
        choices={[...presets.map((id) => ({ id, label: t('range.last', { count: Number(id) }) })), { id: 'custom', label: t('range.custom') }]} />
      {custom && (
        <>
          <TextField label={t('range.from')} type="date" value={range.from} onChange={(from) => set({ from })} />
          <TextField label={t('range.to')} type="date" value={range.to} onChange={(to) => set({ to })} error={valid ? undefined : t('range.wrong')} />
        </>
      )}
    </div>
  )
}
