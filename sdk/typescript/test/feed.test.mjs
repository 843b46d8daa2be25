import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { connect, createServer as listenTo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { RevocationFeed, requireAuth, verifyJwt } from '@turkey/sdk'
import express from 'express'
import { gravy, start } from './server.mjs'
import { baseUrl, serviceKey, setup, signedUp } from './setup.mjs'

/** A line to the server that can be cut, and goes silent; it keeps what is asked. */
async function line(t) {
  const open = new Set()
  const own = { asked: [], answered: [], silent: false, target: baseUrl }
  const server = listenTo((near) => {
    const { hostname, port } = new URL(own.target)
    const far = connect(Number(port), hostname)
    for (const s of [near, far]) {
      open.add(s)
      s.on('error', () => {}).on('close', () => [near, far].forEach((o) => (open.delete(o), o.destroy())))
    }
    near.on('data', (d) => (own.asked.push(d.toString('latin1')), own.silent || far.write(d)))
    far.on('data', (d) => (own.answered.push(d.toString('latin1')), own.silent || near.write(d)))
  })
  const listen = (at) => once(server.listen(at, '127.0.0.1'), 'listening')
  await listen(0)
  const at = server.address().port
  own.url = `http://127.0.0.1:${at}`
  own.cut = () => {
    if (server.listening) server.close()
    for (const s of open) s.destroy()
  }
  own.mend = () => listen(at)
  t.after(own.cut)
  return own
}

function follow(t, config) {
  const feed = new RevocationFeed({ baseUrl, serviceApiKey: serviceKey, ...config })
  t.after(() => feed.close())
  return feed.start()
}

/** Waits for a verdict and tells how long it took: a code, or good. */
async function judged(token, config, want) {
  const began = Date.now()
  for (let is; is !== want; await new Promise((r) => setTimeout(r, 10))) {
    is = await verifyJwt(token, config).then(() => 'good', (e) => e.code)
    assert.ok(is === want || Date.now() - began < 30_000, `${is}; want ${want}`)
  }
  return Date.now() - began
}

test('what ends a token is known within a second', async (t) => {
  const bystander = await signedUp()
  const { appId } = bystander
  const revocations = follow(t, { appId })
  const config = { baseUrl, appId, revocations }
  await judged(bystander.accessToken, config, 'good')
  const another = async () => {
    const client = setup({ appId }).client
    const made = await client.register({ email: `grace-${crypto.randomUUID()}@example.com`, password: 'Correct-Horse7' })
    await judged(made.accessToken, config, 'good')
    return { client, ...made }
  }
  const ends = {
    jti: ({ client, accessToken }) => client.revoke(accessToken),
    session: ({ client, refreshToken }) => client.logout(refreshToken),
    user: ({ client, refreshToken }) => client.logoutAll(refreshToken),
  }
  for (const [what, end] of Object.entries(ends)) {
    const one = await another()
    await end(one)
    const took = await judged(one.accessToken, config, 'token_revoked')
    assert.ok(took < 1000, `${what}: after ${took} ms`)
    t.diagnostic(`${what}: after ${took} ms`)
  }
  await judged(bystander.accessToken, config, 'good')
  const late = new RevocationFeed({ baseUrl, serviceApiKey: serviceKey }) // of all apps, and asked rather than followed
  await judged(bystander.accessToken, { ...config, revocations: late }, 'good')
})

test('a leaked key is none, and a server that stopped says no more yes', async (t) => {
  // A server of its own: every token of the others would end.
  const dir = await mkdtemp(join(tmpdir(), 'turkey-sdk-feed-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  const gate = await line(t)
  const server = await start(process.env.TURKEY_BINARY, dir, { url: gate.url, pages: gate.url })
  t.after(() => server.stop())
  gate.target = server.url
  const s = setup({ baseUrl: gate.url })
  const { accessToken } = await s.client.register(s)
  const revocations = follow(t, { baseUrl: gate.url, appId: s.appId, maxAge: 2000 })
  const config = { baseUrl: gate.url, appId: s.appId, revocations }
  await judged(accessToken, config, 'good')
  const { kid } = JSON.parse(atob(accessToken.split('.')[0]))
  const { TURKEY_DATA_DIR, TURKEY_URL } = process.env
  Object.assign(process.env, { TURKEY_DATA_DIR: server.data, TURKEY_URL: gate.url })
  await gravy('key', 'revoke', kid, '--yes').finally(() => Object.assign(process.env, { TURKEY_DATA_DIR, TURKEY_URL }))
  const known = await judged(accessToken, config, 'invalid_signature')
  const again = await s.client.login(s)
  await judged(again.accessToken, config, 'good')
  await server.stop()
  const refused = await judged(again.accessToken, config, 'REVOCATIONS_UNKNOWN')
  t.diagnostic(`the key: after ${known} ms; the server: after ${refused} ms`)
  assert.ok(known < 1000 && refused < 4000, `${known}, ${refused} ms`)
})

test('Express refuses within a second, and answers 503 while nobody can say', async (t) => {
  const { accessToken, refreshToken, appId, client, user } = await signedUp()
  const gate = await line(t)
  const revocations = follow(t, { baseUrl: gate.url, appId, maxAge: 2000 })
  const server = createServer(express().use(requireAuth({ baseUrl, appId, revocations }), (req, res) => res.json(req.user))).listen(0)
  await once(server, 'listening')
  t.after(() => server.close())
  const get = async () => {
    const response = await fetch(`http://localhost:${server.address().port}/`, { headers: { Authorization: `Bearer ${accessToken}` } })
    return [response.status, await response.json()]
  }
  const becomes = async (status) => {
    for (const began = Date.now(); (await get())[0] !== status; await new Promise((r) => setTimeout(r, 10))) assert.ok(Date.now() - began < 30_000, `not ${status}`)
  }
  assert.deepEqual((await get())[1].id, user.id) // at once: who has heard nothing yet asks
  gate.cut()
  await becomes(503)
  assert.equal((await get())[1].error, 'SERVICE_UNAVAILABLE')
  await gate.mend()
  await becomes(200)
  await client.logout(refreshToken)
  const began = Date.now()
  await becomes(401)
  assert.ok(Date.now() - began < 1000)
})

test('silence is no yes, and holds for no longer than maxAge', async (t) => {
  const { accessToken, appId } = await signedUp()
  const gate = await line(t)
  const config = { baseUrl, appId, revocations: follow(t, { baseUrl: gate.url, appId, maxAge: 2500 }) }
  await judged(accessToken, config, 'good')
  gate.silent = true
  const began = Date.now()
  while (Date.now() - began < 1000) await verifyJwt(accessToken, config) // the last sign of life is at most a second old
  await judged(accessToken, config, 'REVOCATIONS_UNKNOWN')
  gate.cut()
  gate.silent = false
  await gate.mend()
  await judged(accessToken, config, 'good')
})

test('a broken stream goes on where it was', async (t) => {
  const { accessToken, refreshToken, appId, client } = await signedUp()
  const first = await signedUp({ appId })
  const second = await signedUp({ appId })
  const gate = await line(t)
  const broken = []
  const config = { baseUrl, appId, revocations: follow(t, { baseUrl: gate.url, appId, maxAge: 60_000, onError: (e) => broken.push(e.code) }) }
  await judged(accessToken, config, 'good')
  await client.logout(first.refreshToken)
  await judged(first.accessToken, config, 'token_revoked')
  gate.cut()
  await client.logout(second.refreshToken) // while nobody listens
  gate.asked.length = 0
  await gate.mend()
  await judged(second.accessToken, config, 'token_revoked')
  await judged(first.accessToken, config, 'token_revoked')
  await judged(accessToken, config, 'good')
  assert.match(gate.asked.join(''), /last-event-id: \d+/i)
  assert.ok(broken.length > 0)
  await client.logout(refreshToken)
})

test('who does not follow asks, with the tag of the last answer', async (t) => {
  const { accessToken, refreshToken, appId, client } = await signedUp()
  const gate = await line(t)
  const config = { baseUrl, appId, revocations: new RevocationFeed({ baseUrl: gate.url, appId, serviceApiKey: serviceKey, maxAge: 100 }) }
  await Promise.all(Array.from({ length: 20 }, () => verifyJwt(accessToken, config)))
  const lists = () => gate.asked.join('').match(/GET \/v1\/revocations/g).length
  assert.equal(lists(), 1)
  await new Promise((r) => setTimeout(r, 200))
  await verifyJwt(accessToken, config)
  assert.match(gate.asked.join(''), /if-none-match: "[\w-]+"/i)
  assert.match(gate.answered.join(''), /^HTTP\/1.1 304/m)
  await client.logout(refreshToken)
  assert.ok(await judged(accessToken, config, 'token_revoked') < 1000)
  gate.cut()
  await judged((await signedUp({ appId })).accessToken, config, 'REVOCATIONS_UNKNOWN')
})

test('a wrong service key is the program’s fault, and a web site in the server’s place is no feed', async (t) => {
  const { accessToken, appId } = await signedUp()
  const wrong = follow(t, { appId, serviceApiKey: 'wrong' })
  await assert.rejects(verifyJwt(accessToken, { baseUrl, appId, revocations: wrong }), { name: 'AuthorizationError', code: 'invalid_api_key' })
  const site = createServer((_req, res) => res.writeHead(200, { 'Content-Type': 'text/html' }).end('<p>Welcome\n\n')).listen(0)
  await once(site, 'listening')
  t.after(() => site.close())
  const html = follow(t, { appId, baseUrl: `http://localhost:${site.address().port}` })
  await assert.rejects(verifyJwt(accessToken, { baseUrl, appId, revocations: html }), { name: 'NetworkError', code: 'REVOCATIONS_UNKNOWN' })
})
