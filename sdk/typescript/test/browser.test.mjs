import assert from 'node:assert/strict'
import { test } from 'node:test'
import { build } from 'esbuild'
import { browser } from './chromium.mjs'
import { refreshesOf } from './proxy.mjs'
import { baseUrl, password, setup, shortLived, signedUp } from './setup.mjs'

const seconds = Number(process.env.SDK_SECONDS ?? 15)
const page = '/-/test/page.html'
const pages = process.env.TURKEY_PAGES // another origin than the server's, of the same site

const chromium = browser()

/** A tab on a page of the test. */
async function tab(origin = baseUrl) {
  const p = await chromium().newPage()
  await p.goto(origin + page)
  return p
}

/** Tabs and workers that share one session, whose tokens are renewed four to five seconds after they were made. */
async function share({ mode, origin, tabs, workers, seconds }) {
  const { appId, email, client } = setup()
  await client.register({ email, password })
  await shortLived({ appId, client, email })
  const first = await tab(origin)
  const config = { baseUrl, appId, mode, leeway: 25, seconds }
  await first.evaluate(async ({ config, email, password }) => {
    const { Session, TurKeyClient } = await import('/-/dist/esm/core.js')
    window.session = new Session(new TurKeyClient(config), config)
    await window.session.login({ email, password })
  }, { config, email, password })
  const others = await Promise.all(Array.from({ length: tabs }, () => tab(origin)))
  const before = await refreshesOf(appId)
  const began = Date.now()
  const seen = await Promise.all([
    ...others.map((p) => p.evaluate(async (config) => (await import('/-/test/storm.mjs')).storm(config), config)),
    ...Array.from({ length: workers }, (_, i) => others[i % tabs].evaluate((config) => new Promise((done, fail) => {
      const w = new Worker('/-/test/storm.mjs', { type: 'module' })
      w.onmessage = (e) => done(e.data)
      w.onerror = (e) => fail(new Error(e.message))
      w.postMessage(config)
    }), config)),
  ])
  const took = (Date.now() - began) / 1000
  const refreshes = (await refreshesOf(appId)) - before
  await Promise.all([first, ...others].map((p) => p.close()))
  assert.deepEqual(seen.flatMap((s) => s.errors), [])
  assert.equal(seen.reduce((n, s) => n + s.lost, 0), 0)
  const tokens = new Set(seen.flatMap((s) => s.tokens))
  // Each renewal is one call, whoever makes it. The token of the sign-in may have been seen, or not any more.
  assert.ok(refreshes === tokens.size || refreshes === tokens.size - 1, `${refreshes} refreshes, ${tokens.size} tokens`)
  const made = [...tokens].map((t) => client.decodeToken(t).iat).sort()
  for (let i = 1; i < made.length; i++) assert.ok(made[i] - made[i - 1] >= 4, `two for one expiry: ${made}`)
  assert.ok(refreshes >= Math.max(1, Math.floor(seconds / 10)), `${refreshes} refreshes in ${took} s`)
  return { refreshes, took }
}

test('20 tabs that share localStorage refresh once per expiry', async (t) => {
  const { refreshes, took } = await share({ mode: 'token', origin: baseUrl, tabs: 20, workers: 0, seconds })
  t.diagnostic(`${refreshes} refreshes in ${took} s`)
})

test('12 tabs and 8 workers that share an HttpOnly cookie refresh once per expiry', async (t) => {
  const { refreshes, took } = await share({ mode: 'cookie', origin: pages, tabs: 12, workers: 8, seconds: seconds === 15 ? 8 : seconds })
  t.diagnostic(`${refreshes} refreshes in ${took} s`)
})

test('cookie mode: no script sees the refresh token, and a reload stays signed in', async () => {
  const { appId, email, client } = setup()
  await client.register({ email, password })
  const p = await tab(pages)
  const act = (work, more = {}) => p.evaluate(async ({ config, source, more }) => {
    const { Session, TurKeyClient, verifyJwt } = await import('/-/dist/esm/core.js')
    window.session ??= new Session(new TurKeyClient(config))
    return await eval(`(${source})`)(window.session, { ...more, verifyJwt, config })
  }, { config: { baseUrl, appId, mode: 'cookie' }, source: work.toString(), more })
  const login = (s, { email, password }) => s.login({ email, password })
  assert.equal(await act((s) => s.getAccessToken()), null)
  const answer = await act(login, { email, password })
  assert.deepEqual([answer.user.email, answer.refreshToken], [email, ''])
  assert.deepEqual(await p.evaluate(() => [document.cookie, localStorage.length, sessionStorage.length]), ['', 0, 0])
  await p.reload()
  const token = await act((s) => s.getAccessToken())
  assert.equal(await act(async (s, { verifyJwt, config }) => (await verifyJwt(await s.getAccessToken(), config)).email), email)
  assert.ok(token)
  // A second tab signs out: the first one knows.
  const other = await tab(pages)
  await other.evaluate(async (config) => {
    const { Session, TurKeyClient } = await import('/-/dist/esm/core.js')
    const s = new Session(new TurKeyClient(config))
    if (!(await s.getAccessToken())) throw new Error('not signed in')
    await s.logout()
  }, { baseUrl, appId, mode: 'cookie' })
  await p.waitForFunction(() => window.session.user === null)
  assert.equal(await act((s) => s.getAccessToken()), null)
  await Promise.all([p.close(), other.close()])
})

test('React: signs in, stays signed in, renews, and hears of a sign-out elsewhere', async () => {
  const { appId, email, user, client } = await signedUp()
  const { outputFiles } = await build({ entryPoints: ['test/app.mjs'], bundle: true, format: 'iife', write: false, define: { 'process.env.NODE_ENV': '"development"' } })
  const open = async () => {
    const p = await tab()
    await p.addScriptTag({ content: outputFiles[0].text })
    await p.evaluate((config) => window.show(config), { baseUrl, appId })
    const state = async (want) => {
      await p.waitForFunction((want) => {
        const now = JSON.parse(document.getElementById('state')?.textContent ?? '{}')
        return Object.entries(want).every(([k, v]) => now[k] === v)
      }, want, { timeout: 20_000 }).catch(async (e) => { throw new Error(`${JSON.stringify(want)} not in ${await p.textContent('#root')}`, { cause: e }) })
    }
    return { p, state }
  }
  const a = await open()
  await a.state({ loading: false, in: false, token: false })
  await a.p.evaluate((r) => window.acts.login(r), { email, password })
  await a.state({ loading: false, in: true, email, token: true })
  const b = await open()
  await b.state({ loading: false, in: true, email, token: true })

  const call = () => window.authenticatedFetch('/v1/users/me').then(async (r) => [r.status, (await r.json()).data.id])
  assert.deepEqual(await b.p.evaluate(call), [200, user.id])
  await b.p.evaluate(() => window.client.revoke(window.session.storage.getAccessToken()))
  assert.deepEqual(await b.p.evaluate(call), [200, user.id])
  const before = await refreshesOf(appId)
  await b.p.evaluate(() => window.acts.refreshTokens())
  assert.equal(await refreshesOf(appId), before + 1)

  await a.p.evaluate(() => window.setPassword('Correct-Horse7'))
  await a.state({ valid: true, matching: true })
  await a.p.evaluate(() => window.setPassword('short'))
  await a.state({ valid: false, matching: false })

  await a.p.evaluate(() => window.acts.logout())
  await a.state({ in: false, token: false })
  await b.state({ in: false, token: false })
  assert.equal(await b.p.evaluate(() => document.cookie), '')
  await assert.rejects(client.login({ email, password: 'wrong' }))
  await Promise.all([a.p.close(), b.p.close()])
})
