import type { RouteObject } from 'react-router'
import { page } from '../../shell/lazyPage'

/** What there is to see and to run: figures, schedules, runs, sheets, activity, notices. */
export const dataRoutes: RouteObject[] = [{ index: true, element: page(() => import('./Dashboard')) }]
