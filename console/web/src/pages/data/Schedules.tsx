import './area'
import type { schemas } from '@turkey/sdk'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useNavigate } from 'react-router'
import { dayIn, time } from '../../format'
import { language } from '../../i18n'
import { useApi } from '../../session/context'
import { Button } from '../../ui/Button'
import { Badge, Failure, Loaded } from '../../ui/Feedback'
import { Switch } from '../../ui/Field'
import { Moment } from '../../ui/Moment'
import { Card, Defs, Page } from '../../ui/Page'
import { toast } from '../../ui/toast'
import { planOf } from './cron'
import { ScheduleForm } from './ScheduleForm'
import { useServiceName, useSources } from './sources'
import { ownZone } from './ZonePicker'

export default function Schedules() {
  const { t } = useTranslation('data')
  const api = useApi()
  const schedules = useQuery({ queryKey: ['data', 'schedules'], queryFn: async ({ signal }) => (await api.schedules.list({ signal })).data })
  const [changing, setChanging] = useState<schemas.Schedule | null>(null)
  return (
    <Page title={t('schedules.title')} lead={t('schedules.lead')}>
      <Loaded query={schedules} lines={8}>
        {(list) => <div className="stack">{list.map((s) => <ScheduleCard key={s.service} schedule={s} onChange={() => setChanging(s)} />)}</div>}
      </Loaded>
      {changing && <ScheduleForm schedule={changing} onClose={() => setChanging(null)} />}
    </Page>
  )
}

/** The zone of a schedule; of one that nobody has set yet, the reader's. */
export const zoneOf = (s: schemas.Schedule) => (s.created_at === s.updated_at ? ownZone() : s.timezone)

/** A rhythm in words. */
export function useRhythm() {
  const { t } = useTranslation('data')
  return (cron: string) => {
    const plan = planOf(cron)
    return t(`schedules.words.${plan.rhythm}`, { clock: plan.clock, minute: String(plan.minute).padStart(2, '0'), cron })
  }
}

function ScheduleCard({ schedule: s, onChange }: { schedule: schemas.Schedule; onChange: () => void }) {
  const { t } = useTranslation('data')
  const api = useApi()
  const go = useNavigate()
  const queries = useQueryClient()
  const rhythm = useRhythm()
  const name = useServiceName()(s.service)
  const connected = useSources().data?.find((x) => x.name === s.service)?.enabled
  const change = useMutation({
    mutationFn: (enabled: boolean) => api.schedules.set(s.service, { cron: s.cron, enabled, timezone: zoneOf(s) }),
    onSuccess: async ({ data }) => {
      toast(t(data.enabled ? 'schedules.isOn' : 'schedules.isOff', { name }))
      await queries.invalidateQueries({ queryKey: ['data', 'schedules'] })
    },
  })
  const run = useMutation({ mutationFn: () => api.schedules.run(s.service), onSuccess: ({ data }) => void go(`/runs/${data.jobId}`) })
  const on = change.isPending ? change.variables : s.enabled
  return (
    <Card title={<span className="row">{name}{connected === false && <Badge tone="warn">{t('schedules.notConnected')}</Badge>}</span>}
      actions={(
        <>
          <Button look="small" busy={run.isPending} isDisabled={connected === false} onPress={() => run.mutate()} aria-label={`${t('schedules.run')}: ${name}`}>{t('schedules.run')}</Button>
          <Button look="small" onPress={onChange} aria-label={`${t('schedules.change')}: ${name}`}>{t('schedules.change')}</Button>
        </>
      )}>
      {change.error && <Failure error={change.error} />}
      {run.error && <Failure error={run.error} />}
      <Switch value={on} onChange={(v) => change.mutate(v)} hint={rhythm(s.cron)}>{t('schedules.collect', { name })}</Switch>
      {connected === false && <p className="small soft">{t('schedules.connectFirst', { name })} <Link to="/setup">{t('dashboard.connect')}</Link></p>}
      <Defs items={[
        [t('zone.label'), zoneOf(s).replaceAll('_', ' ')],
        [t('schedules.next'), s.next_run_at ? <When key="n" at={s.next_run_at} zone={s.timezone} /> : t('schedules.off')],
        [t('schedules.last'), <Moment key="l" at={s.last_run_at} />],
      ]} />
    </Card>
  )
}

/** "today", "tomorrow", "Friday", "in 12 days": by the reader's calendar. */
function dayWord(at: string) {
  const days = Math.round((Date.parse(dayIn((Date.parse(at) - Date.now()) / 86_400_000)) - Date.parse(dayIn(0))) / 86_400_000)
  if (days > 1 && days < 7) return new Intl.DateTimeFormat(language, { weekday: 'long' }).format(new Date(at))
  return new Intl.RelativeTimeFormat(language, { numeric: 'auto' }).format(days, 'day')
}

/** A moment in words, in the schedule's zone and, where it differs, in the reader's. */
export function When({ at, zone }: { at: string; zone: string }) {
  const { t } = useTranslation('data')
  const there = time(at, zone)
  const here = time(at)
  return (
    <span>
      <time dateTime={at}>{dayWord(at)}</time>
      <span className="soft">, {there === here ? there : `${t('schedules.there', { time: there, zone: zone.replaceAll('_', ' ') })} · ${t('schedules.here', { time: here, zone: ownZone().replaceAll('_', ' ') })}`}</span>
    </span>
  )
}
