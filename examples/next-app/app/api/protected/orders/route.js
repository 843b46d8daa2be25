import { getTurKeyUser } from '@turkey/sdk/next'

export const GET = (request) => Response.json({ user: getTurKeyUser(request).sub, orders: [] })
