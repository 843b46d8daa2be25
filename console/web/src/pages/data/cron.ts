export type Rhythm = 'daily' | 'weekdays' | 'hourly' | 'custom'

export interface Plan {
  rhythm: Rhythm
  /** HH:MM of daily and weekdays. */
  clock: string
  /** Of hourly. */
  minute: number
  /** Of custom. */
  text: string
}

const two = (n: string | number) => String(n).padStart(2, '0')

/** Reads a cron expression as one of the rhythms that people know. */
export function planOf(cron: string): Plan {
  const text = cron.trim().replace(/\s+/g, ' ')
  const plan: Plan = { rhythm: 'custom', clock: '02:00', minute: 0, text }
  const clock = /^(\d{1,2}) (\d{1,2}) \* \* (\*|1-5|MON-FRI)$/i.exec(text)
  if (clock && Number(clock[1]) < 60 && Number(clock[2]) < 24) return { ...plan, rhythm: clock[3] === '*' ? 'daily' : 'weekdays', clock: `${two(clock[2] ?? 0)}:${two(clock[1] ?? 0)}` }
  const hourly = /^(\d{1,2}) \* \* \* \*$/.exec(text)
  if (hourly && Number(hourly[1]) < 60) return { ...plan, rhythm: 'hourly', minute: Number(hourly[1]) }
  return plan
}

export function cronOf({ rhythm, clock, minute, text }: Plan): string {
  const [hour = '0', min = '0'] = clock.split(':')
  switch (rhythm) {
    case 'daily': return `${Number(min)} ${Number(hour)} * * *`
    case 'weekdays': return `${Number(min)} ${Number(hour)} * * 1-5`
    case 'hourly': return `${minute} * * * *`
    case 'custom': return text.trim()
  }
}
