import type { RouteObject } from 'react-router'
import { page } from '../../shell/lazyPage'

/** What there is to see and to run: figures, schedules, runs, sheets, activity, notices. */
export const dataRoutes: RouteObject[] = [
  { index: true, element: page(() => import('./Dashboard')) },
  { path: 'schedules', element: page(() => import('./Schedules')) },
  { path: 'runs', element: page(() => import('./Runs')) },
  { path: 'runs/:id', element: page(() => import('./RunPage')) },
  { path: 'viewer', element: page(() => import('./Viewer')) },
  { path: 'activity', element: page(() => import('./Activity')) },
  { path: 'notifications', element: page(() => import('./Notifications')) },
]
