import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { Navigate, Outlet, useLocation, useSearchParams } from 'react-router'
import { useAccount, useSessionState } from '../session/context'
import { Failure } from '../ui/Feedback'

/** Lets those in who are signed in; others go to the sign-in, and come back after it. */
export function SignedIn() {
  const state = useSessionState()
  const account = useAccount()
  const { pathname, search } = useLocation()
  if (state.status === 'starting') return <Waiting />
  if (state.status === 'unknown') return <Centre><Failure error={state.error} retry={() => void account.start()} /></Centre>
  if (state.status === 'out') return <Navigate replace to={`/sign-in?next=${encodeURIComponent(pathname + search)}`} />
  return <Outlet />
}

/** The pages before the sign-in: whoever is signed in goes on at once. */
export function SignedOut() {
  const state = useSessionState()
  const next = useNext()
  if (state.status === 'starting') return <Waiting />
  if (state.status === 'in') return <Navigate replace to={next} />
  return <Outlet />
}

/** Administration is for administrators of the default app. */
export function Operators() {
  const state = useSessionState()
  const account = useAccount()
  if (state.status !== 'in' || state.user.role !== 'admin' || account.appId) return <Navigate replace to="/" />
  return <Outlet />
}

/** Where to go after the sign-in: a path of the console and nothing else. */
export function useNext() {
  const [query] = useSearchParams()
  const next = query.get('next') ?? '/'
  return /^\/(?![/\\])/.test(next) ? next : '/'
}

export function Centre({ children }: { children: ReactNode }) {
  return <main className="gate">{children}</main>
}

function Waiting() {
  const { t } = useTranslation()
  return <Centre><span className="spinner" role="status" aria-label={t('loading')} /></Centre>
}
