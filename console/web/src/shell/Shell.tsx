import {
  Activity, Bell, BookOpen, CalendarClock, Cog, Database, FileKey2, Gauge, HeartPulse, KeyRound, LayoutDashboard, ListChecks, LogOut, Mailbox, Menu as MenuIcon,
  MonitorSmartphone, Play, Plug, ScrollText, ShieldBan, Sheet, Sparkles, Table2, UserRound, Users, type LucideIcon,
} from 'lucide-react'
import { Suspense, useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, NavLink, Outlet, useLocation } from 'react-router'
import { useAccount, useUser } from '../session/context'
import { Button } from '../ui/Button'
import { Skeleton } from '../ui/Feedback'
import { Acts } from '../ui/Acts'
import { Brand } from './Brand'
import { applyTheme, type Theme } from './theme'

interface Item {
  to: string
  text: string
  icon: LucideIcon
}

const yours: readonly Item[] = [
  { to: '/', text: 'nav.dashboard', icon: LayoutDashboard },
  { to: '/credentials', text: 'nav.credentials', icon: FileKey2 },
  { to: '/services', text: 'nav.services', icon: Plug },
  { to: '/sheets', text: 'nav.mappings', icon: Sheet },
  { to: '/schedules', text: 'nav.schedules', icon: CalendarClock },
  { to: '/runs', text: 'nav.runs', icon: Play },
  { to: '/viewer', text: 'nav.viewer', icon: Table2 },
  { to: '/activity', text: 'nav.activity', icon: Activity },
  { to: '/notifications', text: 'nav.notifications', icon: Bell },
  { to: '/setup', text: 'nav.setup', icon: Sparkles },
]

const administration: readonly Item[] = [
  { to: '/admin', text: 'nav.overview', icon: Gauge },
  { to: '/admin/apps', text: 'nav.apps', icon: Database },
  { to: '/admin/users', text: 'nav.users', icon: Users },
  { to: '/admin/sessions', text: 'nav.sessions', icon: MonitorSmartphone },
  { to: '/admin/keys', text: 'nav.keys', icon: KeyRound },
  { to: '/admin/revocations', text: 'nav.revocations', icon: ShieldBan },
  { to: '/admin/audit', text: 'nav.audit', icon: ScrollText },
  { to: '/admin/jobs', text: 'nav.jobs', icon: ListChecks },
  { to: '/admin/mailbox', text: 'nav.mailbox', icon: Mailbox },
  { to: '/admin/health', text: 'nav.health', icon: HeartPulse },
  { to: '/admin/limits', text: 'nav.limits', icon: Cog },
]

/** Everything around the pages of somebody who is signed in. */
export default function Shell() {
  const { t } = useTranslation()
  const user = useUser()
  const account = useAccount()
  const [open, setOpen] = useState(false)
  const main = useRef<HTMLElement>(null)
  const { pathname } = useLocation()
  useEffect(() => setOpen(false), [pathname])

  const operator = user.role === 'admin' && !account.appId
  const appearance = (theme: Theme) => ({ id: theme, label: `${t('theme.label')}: ${t(`theme.${theme}`)}`, run: () => applyTheme(theme) })
  return (
    <div className="shell">
      <a className="skip" href="#content" onClick={() => main.current?.focus()}>{t('skip')}</a>
      <div className="topbar">
        <Button look="quiet icon" aria-label={t('menu')} aria-expanded={open} onPress={() => setOpen(!open)}><MenuIcon aria-hidden="true" /></Button>
        <Home />
      </div>
      {open && <button type="button" className="scrim" aria-label={t('close')} onClick={() => setOpen(false)} />}
      <nav className={`side${open ? ' open' : ''}`} aria-label={t('menu')}>
        <Home />
        <Items items={yours} />
        {operator && <><h2>{t('nav.administration')}</h2><Items items={administration} /></>}
        <div className="foot">
          <a className="item" href="/docs"><BookOpen aria-hidden="true" />{t('nav.docs')}</a>
          <NavLink className="item" to="/account"><UserRound aria-hidden="true" /><span className="truncate">{user.email}</span></NavLink>
          <div className="row-between">
            <Button look="quiet small" onPress={() => void account.signOut()}><LogOut aria-hidden="true" />{t('nav.signOut')}</Button>
            <Acts label={t('theme.label')} acts={(['system', 'light', 'dark'] as const).map(appearance)} />
          </div>
        </div>
      </nav>
      <main id="content" tabIndex={-1} ref={main}>
        <Suspense fallback={<div className="page"><Skeleton lines={6} /></div>}><Outlet /></Suspense>
      </main>
    </div>
  )
}

function Home() {
  return <Link className="brand" to="/"><Brand /></Link>
}

function Items({ items }: { items: readonly Item[] }) {
  const { t } = useTranslation()
  return items.map(({ to, text, icon: Icon }) => (
    <NavLink key={to} className="item" to={to} end={to === '/' || to === '/admin'}><Icon aria-hidden="true" />{t(text)}</NavLink>
  ))
}
