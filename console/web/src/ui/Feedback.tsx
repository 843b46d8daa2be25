import { AlertTriangle, CheckCircle2, CircleX, Info, type LucideIcon } from 'lucide-react'
import { useEffect, useState, type ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { explain } from '../api/explain'
import { Button } from './Button'

export type Tone = 'info' | 'good' | 'warn' | 'bad'

const icons: Record<Tone, LucideIcon> = { info: Info, good: CheckCircle2, warn: AlertTriangle, bad: CircleX }

/** A line or two in a coloured box. */
export function Notice({ tone = 'info', children }: { tone?: Tone; children: ReactNode }) {
  const Icon = icons[tone]
  return (
    <div className={`notice ${tone}`} role={tone === 'bad' ? 'alert' : 'status'}>
      <Icon aria-hidden="true" />
      <div className="grow">{children}</div>
    </div>
  )
}

/** What went wrong, in words a person can act on, with the request's id, a countdown after a 429, and a way to try again. */
export function Failure({ error, retry }: { error: unknown; retry?: () => void }) {
  const { t } = useTranslation()
  const what = explain(error, t)
  const wait = useCountdown(what.retryAfter)
  return (
    <Notice tone="bad">
      <div className="stack-tight">
        <div>{what.message}</div>
        {what.details.length > 0 && <ul>{what.details.map((d) => <li key={d}>{d}</li>)}</ul>}
        {wait > 0 && <div className="small">{t('retryIn', { count: wait })}</div>}
        {what.requestId && <div className="small soft">{t('requestId')} <code>{what.requestId}</code></div>}
        {retry && <div><Button look="small" isDisabled={wait > 0} onPress={retry}>{t('tryAgain')}</Button></div>}
      </div>
    </Notice>
  )
}

/** Seconds left of `seconds`, counted down. */
export function useCountdown(seconds: number): number {
  const [left, setLeft] = useState(seconds)
  useEffect(() => {
    setLeft(seconds)
    if (seconds <= 0) return
    const until = Date.now() + seconds * 1000
    const timer = setInterval(() => {
      const rest = Math.max(0, Math.ceil((until - Date.now()) / 1000))
      setLeft(rest)
      if (rest === 0) clearInterval(timer)
    }, 250)
    return () => clearInterval(timer)
  }, [seconds])
  return left
}

export function Empty({ icon: Icon, title, children, action }: { icon: LucideIcon; title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className="empty">
      <Icon aria-hidden="true" />
      <h2>{title}</h2>
      {children && <p>{children}</p>}
      {action}
    </div>
  )
}

export function Skeleton({ lines = 3 }: { lines?: number }) {
  const { t } = useTranslation()
  return (
    <div className="stack-tight" role="status">
      <span className="sr-only">{t('loading')}</span>
      {Array.from({ length: lines }, (_, i) => <span key={i} className="skeleton" aria-hidden="true" />)}
    </div>
  )
}

export function Badge({ tone, children }: { tone?: Tone | undefined; children: ReactNode }) {
  return <span className={`badge ${tone ?? ''}`}>{children}</span>
}

interface Query<T> {
  data: T | undefined
  error: unknown
  isPending: boolean
  refetch: () => unknown
}

/** The three states of a query: waiting, failed (with what is known still shown), there. */
export function Loaded<T>({ query, children, lines = 4 }: { query: Query<T>; children: (data: T) => ReactNode; lines?: number }) {
  if (query.data !== undefined) {
    return (
      <>
        {query.error ? <Failure error={query.error} retry={() => void query.refetch()} /> : null}
        {children(query.data)}
      </>
    )
  }
  if (query.error) return <Failure error={query.error} retry={() => void query.refetch()} />
  return <Skeleton lines={lines} />
}
