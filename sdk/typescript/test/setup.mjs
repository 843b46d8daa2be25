import { randomBytes } from 'node:crypto'
import { TurKeyClient } from '@turkey/sdk'
import { gravy } from './server.mjs'

export { serviceKey } from './server.mjs'
export const baseUrl = process.env.TURKEY_URL
export const password = 'Correct-Horse7'

/** An app and a person of this test alone. Pauses are short: what is tested is how often, not how long. */
export function setup(config = {}) {
  const appId = 'app-' + randomBytes(6).toString('hex')
  const client = new TurKeyClient({ baseUrl, appId, retry: { initialDelayMs: 20 }, ...config })
  return { appId, client, email: `ada-${appId}@example.com`, password }
}

export async function signedUp(config) {
  const s = setup(config)
  return { ...s, ...(await s.client.register({ email: s.email, password })) }
}

/** Gives the tokens of an app 30 seconds, and signs in until the server has heard of it. */
export async function shortLived({ appId, client, email }) {
  await gravy('app', 'set', appId, '--access-ttl', '30s')
  for (let i = 0; i < 100; i++) {
    const pair = await client.login({ email, password })
    const { iat, exp } = client.decodeToken(pair.accessToken)
    if (exp - iat === 30) return pair
  }
  throw new Error('the server did not hear of the new lifetime')
}
