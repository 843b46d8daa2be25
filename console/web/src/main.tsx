import './styles/tokens.css'
import './styles/base.css'
import './ui/ui.css'
import './shell/shell.css'
import './i18n'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { createBrowserRouter, RouterProvider } from 'react-router'
import { apiError } from './api/explain'
import { routes } from './routes'
import { AccountContext } from './session/context'
import { Account } from './session/session'
import { entrance, EntranceContext, paint } from './shell/brand'
import { applyTheme } from './shell/theme'
import { Toasts } from './ui/toast'

// /console/… is the default app; /console/a/<app>/… is the same console for users of another app.
const [, app] = /^\/console\/a\/([\w-]{1,100})(?:\/|$)/.exec(location.pathname) ?? []
const basename = app ? `/console/a/${app}` : '/console'

applyTheme()
const account = new Account(app)
void account.start()

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      retry: (failures, error) => failures < 1 && apiError(error)?.isRetryable === true,
    },
  },
})

// What one person saw is not the next one's.
account.subscribe(() => {
  if (account.current().status === 'out') queries.clear()
})

const known = await entrance(app)
if (known?.brand.color) paint(known.brand.color)

const root = document.getElementById('root')
if (root) {
  createRoot(root).render(
    <StrictMode>
      <EntranceContext value={known}>
        <AccountContext value={account}>
          <QueryClientProvider client={queries}>
            <RouterProvider router={createBrowserRouter(routes, { basename })} />
            <Toasts />
          </QueryClientProvider>
        </AccountContext>
      </EntranceContext>
    </StrictMode>,
  )
}
