import type { RouteObject } from 'react-router'
import { addMessages } from '../../i18n'
import { page } from '../../shell/lazyPage'

/** What has to be there first: credentials, services, mappings, and the wizard that leads through them. */
export const setupRoutes: RouteObject[] = [
  {
    loader: async () => {
      addMessages('setup', (await import('../../messages/en/setup.json')).default)
      return null
    },
    children: [
      { path: 'setup', element: page(() => import('./Setup')) },
      { path: 'credentials', element: page(() => import('./Credentials')) },
      { path: 'credentials/new', element: page(() => import('./NewCredential')) },
      { path: 'credentials/:id', element: page(() => import('./CredentialPage')) },
      { path: 'services', element: page(() => import('./Services')) },
      { path: 'sheets', element: page(() => import('./Sheets')) },
    ],
  },
]
