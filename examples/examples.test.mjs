// Starts each example as its README says, against the real server, and uses it. make examples-test runs it.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { cp, readdir, readFile } from 'node:fs/promises'
import { before, test } from 'node:test'
import { promisify } from 'node:util'
import { browser } from '../sdk/typescript/test/chromium.mjs'
import { freePort, gravy, serviceKey } from '../sdk/typescript/test/server.mjs'
import { baseUrl, setup } from '../sdk/typescript/test/setup.mjs'

const run = promisify(execFile)
const chromium = browser()
const place = (path) => new URL(path, import.meta.url)
const password = 'Correct-Horse7'

// npm copied the SDK when it installed; this is the one of now.
before(async () => {
  for (const name of ['express-api', 'react-spa', 'next-app']) {
    for (const part of ['dist', 'peer', 'package.json']) {
      await cp(place(`../sdk/typescript/${part}`), place(`${name}/node_modules/@turkey/sdk/${part}`), { recursive: true, force: true })
    }
  }
})

/** An app of its own, which has the pages' origin. */
async function app(...origins) {
  const { appId, client, email } = setup()
  const first = await client.register({ email: 'first-' + email, password })
  if (origins.length) await gravy('app', 'set', appId, ...origins.flatMap((o) => ['--origin', o]))
  return { appId, client, email, first }
}

const environment = (appId, more = {}) => ({
  PATH: process.env.PATH, HOME: process.env.HOME, TURKEY_URL: baseUrl, APP_ID: appId, TURKEY_SERVICE_API_KEY: serviceKey, NEXT_TELEMETRY_DISABLED: '1', ...more,
})

/** Starts an example with npm, waits until it answers, and ends it after the test. */
async function started(t, name, args, env, url) {
  const child = spawn('npm', args, { cwd: place(name), env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  let log = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (d) => (log += d))
  const gone = new Promise((done) => child.on('exit', done))
  t.after(async () => {
    if (child.exitCode === null) process.kill(-child.pid, 'SIGTERM') // npm's own child too
    await gone
  })
  for (const deadline = Date.now() + 60_000; ; await new Promise((r) => setTimeout(r, 100))) {
    if (await fetch(url, { redirect: 'manual' }).catch(() => undefined)) return
    if (child.exitCode !== null || Date.now() > deadline) assert.fail(`${name} did not start:\n${log}`)
  }
}

/** A person before a page. */
async function visitor(t, url) {
  const context = await chromium().browser().newContext()
  t.after(() => context.close())
  const open = async (at = url) => {
    const page = await context.newPage()
    page.setDefaultTimeout(30_000)
    page.on('pageerror', (e) => assert.fail(`on the page: ${e.message}`))
    await page.goto(at)
    return page
  }
  return { context, open }
}

async function fill(page, email, word, button) {
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill(word)
  await page.getByRole('button', { name: button }).click()
}

test('an example is short, and its lock names no registry', async () => {
  for (const name of ['express-api', 'react-spa', 'next-app', 'go-api']) {
    const files = (await readdir(place(name), { recursive: true })).filter((f) => /\.(go|m?jsx?|html)$/.test(f) && !/node_modules|\.next|dist|_test/.test(f))
    let lines = 0
    for (const f of files) lines += (await readFile(place(`${name}/${f}`), 'utf8')).split('\n').length - 1
    assert.ok(lines > 20 && lines <= 150, `${name}: ${lines} lines`)
    if (name === 'go-api') continue
    const { packages } = JSON.parse(await readFile(place(`${name}/package-lock.json`), 'utf8'))
    for (const [path, { resolved = '', integrity }] of Object.entries(packages)) {
      assert.match(resolved, /^$|^file:\.\./, path)
      if (path && !resolved) assert.ok(integrity, `${path} has no sum`)
    }
  }
})

test('express-api: orders of the user who asks, none after the sign-out', async (t) => {
  const { appId, first, client } = await app()
  const port = await freePort()
  const url = `http://localhost:${port}/orders`
  await started(t, 'express-api', ['start'], environment(appId, { PORT: port, PAGES: 'https://shop.example' }), url)
  const ask = async (init = {}, token = first.accessToken) => {
    const response = await fetch(url, { ...init, headers: { 'Content-Type': 'application/json', ...(token && { Authorization: 'Bearer ' + token }) } })
    return [response.status, response.status === 204 ? '' : await response.json(), response.headers]
  }
  const order = (body, token) => ask({ method: 'POST', body: JSON.stringify(body) }, token)
  assert.equal((await ask({}, ''))[0], 401)
  assert.equal((await ask({}, 'junk'))[0], 401)
  assert.deepEqual((await ask()).slice(0, 2), [200, []])
  assert.equal((await order({ item: '' }))[0], 400)
  assert.equal((await order({ item: 'Tea' }))[0], 201)
  assert.equal((await ask())[1][0].item, 'Tea')
  assert.equal((await ask({ method: 'OPTIONS' }, ''))[2].get('access-control-allow-origin'), 'https://shop.example')
  const other = await client.register({ email: `other-${appId}@example.com`, password })
  assert.deepEqual((await ask({}, other.accessToken))[1], [])
  const foreign = await app()
  assert.equal((await ask({}, foreign.first.accessToken))[0], 403)
  await client.logout(first.refreshToken)
  const began = Date.now()
  while ((await ask())[0] !== 401) assert.ok(Date.now() - began < 1000, 'a token that ended is taken for more than a second')
  assert.equal((await ask({}, other.accessToken))[0], 200)
})

test('react-spa: sign up, order, reload, sign out in another tab, sign in', async (t) => {
  const [pagePort, apiPort] = [await freePort(), await freePort()]
  const [url, api] = [`http://localhost:${pagePort}`, `http://localhost:${apiPort}`]
  const { appId, email } = await app(url)
  await Promise.all([
    started(t, 'express-api', ['start'], environment(appId, { PORT: apiPort, PAGES: url }), api + '/orders'),
    started(t, 'react-spa', ['run', 'dev', '--', '--port', pagePort, '--strictPort'],
      environment(appId, { VITE_TURKEY_URL: baseUrl, VITE_API_URL: api, VITE_APP_ID: appId }), url),
  ])
  const { open } = await visitor(t, url)
  const page = await open()
  await fill(page, email, 'short', 'Sign up')
  await page.getByText('at least 8 characters').waitFor()
  await fill(page, email, password, 'Sign up')
  await page.getByText(email).waitFor()
  await page.getByLabel('Item').fill('Tea')
  await page.getByRole('button', { name: 'Order' }).click()
  await page.getByRole('listitem').filter({ hasText: 'Tea' }).waitFor()
  await page.reload()
  await page.getByRole('listitem').filter({ hasText: 'Tea' }).waitFor()
  const other = await open()
  await other.getByRole('listitem').filter({ hasText: 'Tea' }).waitFor()
  await other.getByRole('button', { name: 'Sign out' }).click()
  await page.getByRole('button', { name: 'Sign in' }).waitFor()
  await fill(page, email, 'wrong', 'Sign in')
  await page.getByRole('alert').waitFor()
  await fill(page, email, password, 'Sign in')
  await page.getByRole('listitem').filter({ hasText: 'Tea' }).waitFor()
  await other.getByText(email).waitFor()
})

test('next-app: what is behind the sign-in', async (t) => {
  const port = await freePort()
  const url = `http://localhost:${port}`
  const { appId, email } = await app(url)
  const env = environment(appId, { PORT: port })
  await run('npm', ['run', 'build'], { cwd: place('next-app'), env }).catch((e) => assert.fail(`${e.stdout}\n${e.stderr}`))
  await started(t, 'next-app', ['start'], env, url)
  const orders = (headers = {}) => fetch(url + '/api/protected/orders', { headers, redirect: 'manual' })
  assert.equal((await orders()).status, 401)
  assert.equal((await orders({ 'x-turkey-user': '{"sub":"somebody"}' })).status, 401)
  const { context, open } = await visitor(t, url)
  const page = await open(url + '/orders')
  assert.equal(new URL(page.url()).pathname, '/')
  await fill(page, email, 'short', 'Sign up')
  await page.getByText('at least 8 characters').waitFor()
  await fill(page, email, password, 'Sign up')
  await page.waitForURL('**/orders')
  await page.getByText(email).waitFor()
  const mine = () => page.evaluate(() => fetch('/api/protected/orders').then(async (r) => [r.status, await r.json()]))
  assert.equal((await mine())[0], 200)
  const [token] = (await context.cookies(url)).filter((c) => c.name === 'turkey_access_token').map((c) => c.value)
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByRole('button', { name: 'Sign in' }).waitFor()
  assert.deepEqual(await context.cookies(url), [])
  assert.equal((await mine())[0], 401)
  // Nor does the token help that somebody kept.
  const kept = { Authorization: 'Bearer ' + token }
  const began = Date.now()
  while ((await orders(kept)).status !== 401) {
    assert.ok(Date.now() - began < 10_000, 'a token that ended is taken for more than five seconds')
    await new Promise((r) => setTimeout(r, 100))
  }
  await fill(page, email, password, 'Sign in')
  await page.waitForURL('**/orders')
})
