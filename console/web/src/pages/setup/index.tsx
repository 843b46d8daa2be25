import type { RouteObject } from 'react-router'

/** What has to be there first: credentials, services, mappings, and the wizard that leads through them. */
export const setupRoutes: RouteObject[] = []
