import type { schemas } from '@turkey/sdk'
import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState, type FormEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { apiError } from '../../api/explain'
import { useApi } from '../../session/context'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import { Failure, Skeleton } from '../../ui/Feedback'
import { Select, Switch, TextField } from '../../ui/Field'
import { toast } from '../../ui/toast'
import { useSettled } from '../../ui/settled'
import { cronOf, planOf, type Rhythm } from './cron'
import { When, zoneOf } from './Schedules'
import { useServiceName } from './sources'
import { ZonePicker } from './ZonePicker'

const rhythms: readonly Rhythm[] = ['daily', 'weekdays', 'hourly', 'custom']

/** When a source is collected, with the times that come of it. */
export function ScheduleForm({ schedule: s, onClose }: { schedule: schemas.Schedule; onClose: () => void }) {
  const { t } = useTranslation('data')
  const api = useApi()
  const queries = useQueryClient()
  const name = useServiceName()(s.service)
  const [plan, setPlan] = useState(() => planOf(s.cron))
  const [zone, setZone] = useState(zoneOf(s))
  const [enabled, setEnabled] = useState(true)
  const [each, setEach] = useState(s.misfire === 'each')
  const cron = cronOf(plan)
  const asked = useSettled(cron, 300)
  const preview = useQuery({
    queryKey: ['data', 'preview', s.service, asked, zone],
    queryFn: async ({ signal }) => (await api.schedules.preview(s.service, { cron: asked, timezone: zone }, { signal })).data,
    placeholderData: keepPreviousData,
    enabled: asked !== '',
    retry: false,
  })
  const wrong = apiError(preview.error)?.statusCode === 400 ? apiError(preview.error)?.message : undefined
  const save = useMutation({
    mutationFn: () => api.schedules.set(s.service, { cron, enabled, timezone: zone, misfire: each ? 'each' : 'once' }),
    onSuccess: async () => {
      toast(t('schedules.saved', { name }))
      await queries.invalidateQueries({ queryKey: ['data', 'schedules'] })
      onClose()
    },
  })
  const submit = (e: FormEvent) => {
    e.preventDefault()
    save.mutate()
  }
  return (
    <Dialog title={t('schedules.form', { name })} isOpen onClose={onClose}>
      <form className="stack" onSubmit={submit}>
        <Select label={t('schedules.rhythm')} value={plan.rhythm} choices={rhythms.map((id) => ({ id, label: t(`schedules.rhythms.${id}`) }))}
          onChange={(rhythm) => setPlan({ ...plan, rhythm, text: rhythm === 'custom' ? cron : plan.text })} />
        {(plan.rhythm === 'daily' || plan.rhythm === 'weekdays') && <TextField label={t('schedules.clock')} type="time" isRequired value={plan.clock} onChange={(clock) => setPlan({ ...plan, clock: clock || '00:00' })} />}
        {plan.rhythm === 'hourly' && (
          <TextField label={t('schedules.minute')} type="number" inputMode="numeric" value={String(plan.minute)}
            onChange={(v) => setPlan({ ...plan, minute: Math.max(0, Math.min(59, Math.trunc(Number(v)) || 0)) })} />
        )}
        {plan.rhythm === 'custom' && (
          <TextField label={t('schedules.cron')} isRequired value={plan.text} onChange={(text) => setPlan({ ...plan, text })} hint={t('schedules.cronHint')} error={wrong} autoComplete="off" />
        )}
        <ZonePicker value={zone} onChange={setZone} error={plan.rhythm === 'custom' ? undefined : wrong} />
        <Switch value={enabled} onChange={setEnabled}>{t('schedules.on')}</Switch>
        <Switch value={each} onChange={setEach} hint={t('schedules.eachHint')}>{t('schedules.each')}</Switch>
        <section className="stack-tight" aria-live="polite">
          <h3>{t('schedules.preview')}</h3>
          {wrong
            ? <p className="small soft">{t('schedules.noPreview')}</p>
            : preview.error
              ? <Failure error={preview.error} retry={() => void preview.refetch()} />
              : preview.data
                ? <ol className="times">{preview.data.next.map((at) => <li key={at} className="small"><When at={at} zone={zone} /></li>)}</ol>
                : <Skeleton lines={3} />}
        </section>
        {save.error && <Failure error={save.error} />}
        <footer>
          <Button onPress={onClose}>{t('common:cancel')}</Button>
          <Button type="submit" look="primary" busy={save.isPending} isDisabled={cron === '' || wrong !== undefined}>{t('common:save')}</Button>
        </footer>
      </form>
    </Dialog>
  )
}
