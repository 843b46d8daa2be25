import { randomBytes } from 'node:crypto'
import { TurKeyClient } from '@turkey/sdk'

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
