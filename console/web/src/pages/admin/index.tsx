import type { RouteObject } from 'react-router'
import { addMessages } from '../../i18n'
import { page } from '../../shell/lazyPage'

/** Administration, below /admin. Its texts come with its first page. */
export const adminRoutes: RouteObject[] = [
  {
    loader: async () => {
      addMessages('admin', (await import('../../messages/en/admin.json')).default)
      return null
    },
    children: [
      { index: true, element: page(() => import('./Overview')) },
      { path: 'apps', element: page(() => import('./Apps')) },
      { path: 'apps/:id', element: page(() => import('./AppPage')) },
      { path: 'apps/:id/mails', element: page(() => import('./MailTemplates')) },
      { path: 'apps/:id/mails/:kind', element: page(() => import('./MailTemplate')) },
      { path: 'users', element: page(() => import('./Users')) },
      { path: 'users/:app/:id', element: page(() => import('./UserPage')) },
      { path: 'sessions', element: page(() => import('./Sessions')) },
      { path: 'keys', element: page(() => import('./Keys')) },
      { path: 'revocations', element: page(() => import('./Revocations')) },
      { path: 'audit', element: page(() => import('./Audit')) },
      { path: 'jobs', element: page(() => import('./Jobs')) },
      { path: 'mailbox', element: page(() => import('./MailboxPage')) },
      { path: 'health', element: page(() => import('./Health')) },
      { path: 'limits', element: page(() => import('./Limits')) },
    ],
  },
]
