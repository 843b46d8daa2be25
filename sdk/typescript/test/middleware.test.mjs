import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { createTurKeyMiddleware, getTurKeyUser, verifyToken } from '@turkey/sdk/next'
import { createTurkeyMiddleware, extractNextToken, getTurkeyUser, optionalAuth, requireAuth, verifyNextJwt } from '@turkey/sdk/middleware'
import express from 'express'
import { NextRequest } from 'next/server.js'
import { baseUrl, serviceKey, signedUp } from './setup.mjs'

/** An API behind the middleware. */
async function serve(t, ...layers) {
  const app = express()
  app.use(...layers, (req, res) => res.json({ user: req.user ?? null, jti: req.turkey?.jti, token: req.token }))
  const server = createServer(app).listen(0)
  await once(server, 'listening')
  t.after(() => server.close())
  return async (headers = {}, method = 'GET') => {
    const response = await fetch(`http://localhost:${server.address().port}/things?token=secret`, { method, headers })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: text && JSON.parse(text) }
  }
}

test('Express: the user of a token, from wherever it comes', async (t) => {
  const { accessToken, appId, user, client } = await signedUp()
  const get = await serve(t, requireAuth({ baseUrl, appId, serviceApiKey: serviceKey }))
  for (const headers of [{ authorization: `Bearer ${accessToken}` }, { cookie: `a=b; turkey_access_token=${accessToken}` }, { 'x-access-token': accessToken }]) {
    const { status, body } = await get(headers)
    assert.deepEqual([status, body.user, body.token], [200, { id: user.id, email: user.email, role: 'user' }, accessToken])
  }
  assert.deepEqual([(await get()).status, (await get()).body], [401, { error: 'INVALID_TOKEN', message: 'Authentication failed' }])
  assert.equal((await get({ authorization: 'Bearer junk' })).body.error, 'INVALID_TOKEN')
  await client.revoke(accessToken)
  assert.deepEqual([(await get({ authorization: `Bearer ${accessToken}` })).status], [401])
})

test('Express: what is wrong has a name, and a failing server is not the caller’s fault', async (t) => {
  const { accessToken, appId } = await signedUp()
  const headers = { authorization: `Bearer ${accessToken}` }
  const answer = async (config) => {
    const { status, body } = await (await serve(t, createTurkeyMiddleware({ baseUrl, appId, serviceApiKey: serviceKey, ...config })))(headers)
    return [status, body.error]
  }
  assert.deepEqual(await answer({ appId: 'other' }), [403, 'INVALID_AUDIENCE'])
  assert.deepEqual(await answer({ baseUrl: baseUrl + '/' }), [403, 'INVALID_ISSUER'])
  assert.deepEqual(await answer({ baseUrl: 'http://localhost:1' }), [503, 'SERVICE_UNAVAILABLE'])
  assert.deepEqual(await answer({ serviceApiKey: 'wrong' }), [500, 'CONFIGURATION_ERROR'])
  assert.deepEqual(await answer({ onError: (e, req, res) => res.status(418).json({ error: e.code }), appId: 'other' }), [418, 'invalid_audience'])
  assert.throws(() => createTurkeyMiddleware(), { name: 'ConfigurationError' })
  process.env.TURKEY_BASE_URL = baseUrl
  t.after(() => delete process.env.TURKEY_BASE_URL)
  assert.deepEqual(await answer({ baseUrl: undefined }), [200, undefined])
})

test('Express: optional, with CORS and a log that keeps secrets', async (t) => {
  const { accessToken, appId, user } = await signedUp()
  const lines = []
  const get = await serve(t, optionalAuth({
    baseUrl, appId, checkRevocation: false, cors: { origin: ['https://shop.example'], credentials: true },
    logging: { includeHeaders: true, logger: (message, level, about) => lines.push([message, level, JSON.stringify(about ?? '')]) },
  }))
  assert.equal((await get()).body.user, null)
  const known = await get({ origin: 'https://shop.example', authorization: `Bearer ${accessToken}` })
  assert.deepEqual([known.body.user.id, known.headers.get('access-control-allow-origin'), known.headers.get('access-control-allow-credentials')], [user.id, 'https://shop.example', 'true'])
  const stranger = await get({ origin: 'https://evil.example' })
  assert.equal(stranger.headers.get('access-control-allow-origin'), null)
  const preflight = await get({ origin: 'https://shop.example', 'access-control-request-method': 'PUT' }, 'OPTIONS')
  assert.equal(preflight.status, 204)
  assert.match(preflight.headers.get('access-control-allow-methods'), /PUT/)
  const written = JSON.stringify(lines)
  assert.ok(lines.length >= 3 && written.includes('[REDACTED]') && written.includes(user.id))
  assert.ok(!written.includes(accessToken) && !written.includes('secret'))
  const plain = await serve(t, optionalAuth({ baseUrl, appId }))
  assert.equal((await plain({ origin: 'https://shop.example' })).headers.get('access-control-allow-origin'), null)
})

test('an error of the handler behind is not taken for one of the token', async (t) => {
  const { accessToken, appId } = await signedUp()
  const app = express()
  app.use(requireAuth({ baseUrl, appId, checkRevocation: false }), () => { throw new Error('of the handler') })
  app.use((e, _req, res, _next) => res.status(500).json({ error: e.message }))
  const server = createServer(app).listen(0)
  await once(server, 'listening')
  t.after(() => server.close())
  const response = await fetch(`http://localhost:${server.address().port}/`, { headers: { authorization: `Bearer ${accessToken}` } })
  assert.deepEqual([response.status, await response.json()], [500, { error: 'of the handler' }])
})

test('Next.js: pages redirect, APIs answer, and what is behind knows the user', async () => {
  const { accessToken, appId, user } = await signedUp()
  const middleware = createTurKeyMiddleware({ baseUrl, appId, routes: { protected: ['/admin'] } })
  const go = (path, headers = {}) => middleware(new NextRequest('https://site.example' + path, { headers }))
  /** The headers that the route behind sees. */
  const behind = (response) => {
    const names = (response.headers.get('x-middleware-override-headers') ?? '').split(',').filter(Boolean)
    return new Headers(names.map((n) => [n, response.headers.get('x-middleware-request-' + n)]))
  }
  const cookie = { cookie: `turkey_access_token=${accessToken}` }
  for (const path of ['/dashboard', '/admin/users', '/settings']) {
    const response = await go(path + '?a=1')
    assert.equal(response.status, 307)
    assert.equal(response.headers.get('location'), `https://site.example/auth/login?redirect=${encodeURIComponent(path)}`)
  }
  assert.equal((await go('/administrators')).status, 200)
  assert.equal((await go('/api/protected/x')).status, 401)
  assert.equal((await go('/auth/login', cookie)).headers.get('location'), 'https://site.example/dashboard')
  assert.equal((await go('/auth/login', { cookie: 'turkey_access_token=junk' })).status, 200)

  const inside = behind(await go('/api/protected/x', cookie))
  assert.equal(getTurKeyUser({ headers: inside }).sub, user.id)
  assert.deepEqual(getTurkeyUser({ headers: inside }), { id: user.id, email: user.email, role: 'user', appId })
  const forged = { 'x-turkey-user': '{"sub":"evil"}', 'x-turkey-user-id': 'evil', 'x-turkey-user-role': 'admin', 'x-turkey-user-email': 'e@x' }
  for (const path of ['/', '/api/open', '/auth/login']) {
    const headers = behind(await go(path, forged))
    assert.deepEqual([getTurKeyUser({ headers }), getTurkeyUser({ headers })], [null, null])
  }
  assert.equal(getTurKeyUser({ headers: behind(await go('/dashboard', { ...forged, ...cookie })) }).sub, user.id)

  assert.equal((await verifyToken(accessToken, baseUrl, appId)).success, true)
  assert.deepEqual(await verifyToken(accessToken, baseUrl, 'other'), { success: false, error: 'Token audience is invalid' })
  assert.equal(extractNextToken({ headers: new Headers({ authorization: 'Bearer x', ...cookie }) }), accessToken)
  assert.equal((await verifyNextJwt(accessToken, { baseUrl, appId })).sub, user.id)
})
