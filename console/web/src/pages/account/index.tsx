import type { RouteObject } from 'react-router'
import { addMessages } from '../../i18n'
import { page } from '../../shell/lazyPage'

/** The own account: profile, password, sessions, data. */
export const accountRoutes: RouteObject[] = [
  {
    path: 'account',
    loader: async () => {
      addMessages('account', (await import('../../messages/en/account.json')).default)
      return null
    },
    element: page(() => import('./Account')),
  },
]
