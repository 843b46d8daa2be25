// An account as it is after some weeks of use: credentials of all providers, tabs, runs. Through the API, as an app would.
import { demo } from './harness.mjs'

async function ask(url, method, body, token) {
  const answer = await fetch(url, {
    method, headers: { 'Content-Type': 'application/json', ...(token ? { Authorization: `Bearer ${token}` } : {}) }, ...(body && method !== 'GET' ? { body: JSON.stringify(body) } : {}),
  })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${text}`)
  return JSON.parse(text)
}

/** The n-th day from today, UTC. */
export const dayFromNow = (n) => new Date(Date.now() + n * 86_400_000).toISOString().slice(0, 10)

/** Acts as a user at the API and as a person at the providers. */
export async function connect(server, { app, email, password } = demo) {
  const { data: { accessToken } } = await ask(`${server.url}/v1/auth/login`, 'POST', { email, password, appId: app })
  const api = (method, path, body) => ask(server.url + path, method, body, accessToken)
  const provider = (method, path, body = {}) => ask(`${server.sandbox}/_sandbox${path}`, method, body)
  return { api, provider }
}

/** Waits until a run has ended well. */
export async function ended({ api }, id) {
  for (let i = 0; i < 600; i++) {
    const run = await api('GET', `/api/runs/${id}`)
    if (['completed', 'failed', 'cancelled'].includes(run.status)) return run
    await new Promise((done) => setTimeout(done, 100))
  }
  throw new Error(`run ${id} did not end`)
}

/** Saves, verifies, enables and maps GA4, Meta and Shopify; GA4 and Meta have figures of `days` days, Shopify of the last 28. */
export async function prepare(server, days = 70) {
  const at = await connect(server)
  const { api, provider } = at
  const robot = await provider('POST', '/service-accounts', { name: 'kpi-robot' })
  const { spreadsheetId } = await provider('POST', '/spreadsheets', { title: 'Shop figures', tabs: ['Google', 'Meta', 'Shopify'], shareWith: robot.client_email })
  const { propertyId } = await provider('POST', '/properties', { timeZone: 'Europe/Berlin', currency: 'EUR', shareWith: robot.client_email })
  const save = async (service, credentialName, credentialJson) => {
    const { credentialId } = await api('POST', '/api/credentials/save', { service, credentialName, credentialJson })
    await api('POST', `/api/credentials/${credentialId}/verify`, {})
    return credentialId
  }
  const sheets = await save('google_sheets', 'Sheets robot', robot)
  const sources = [
    ['ga4', 'Google', await save('ga4', 'Analytics', { ...robot, property_id: propertyId })],
    ['meta', 'Meta', await save('meta', 'Ad account', await provider('POST', '/ad-accounts', { timeZone: 'America/New_York', currency: 'USD' }))],
    ['shopify', 'Shopify', await save('shopify', 'Shop', await provider('POST', '/shops', {}))],
  ]
  await api('POST', '/api/services/google_sheets/enable', { credentialId: sheets })
  const runs = {}
  for (const [service, sheetName, credentialId] of sources) {
    await api('POST', `/api/services/${service}/enable`, { credentialId })
    await api('POST', '/api/sheet-mappings/set', { service, spreadsheetId, sheetName })
    const range = service === 'shopify' ? { from: dayFromNow(-28), to: dayFromNow(-1) } : { from: dayFromNow(-days), to: dayFromNow(-1) }
    runs[service] = (await api('POST', '/api/runs', { service, ...range })).id
  }
  for (const id of Object.values(runs)) {
    const run = await ended(at, id)
    if (run.status !== 'completed') throw new Error(`preparing run: ${run.reason} ${run.error}`)
  }
  return { ...at, spreadsheetId, runs, robot: robot.client_email }
}
