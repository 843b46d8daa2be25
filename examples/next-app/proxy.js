// Pages and routes behind a sign-in. It sees every request, since it also takes away x-turkey-* headers from outside.
import { RevocationFeed } from '@turkey/sdk/middleware'
import { createTurKeyMiddleware } from '@turkey/sdk/next'

const { TURKEY_URL: baseUrl = 'http://localhost:3000', APP_ID: appId = 'shop', TURKEY_SERVICE_API_KEY: serviceApiKey } = process.env

export default createTurKeyMiddleware({
  baseUrl,
  appId,
  redirects: { unauthenticated: '/' },
  routes: { protected: ['/orders'] },
  revocations: new RevocationFeed({ baseUrl, appId, serviceApiKey }), // asked every five seconds at most
})
export const config = { matcher: ['/((?!_next/static|_next/image|favicon.ico).*)'] }
