import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { CookieTokenStorage, createApi, LocalStorageTokenStorage, MemoryTokenStorage, Session, TurKeyClient, verifyJwt } from '@turkey/sdk'
import { fault, refreshesOf } from './proxy.mjs'
import { baseUrl, password, setup, shortLived, signedUp } from './setup.mjs'

/** A session that is signed in, in memory. */
async function session(config, options = {}) {
  const s = setup(config)
  const storage = new MemoryTokenStorage()
  const session = new Session(s.client, { storage, ...options })
  await session.register({ email: s.email, password })
  return { ...s, storage, session }
}

/** What the calls of one refresh have in them, and no other call. */
const refreshOf = (s) => s.storage.getRefreshToken()

test('twenty at once refresh once', async () => {
  const s = await session()
  const before = await refreshesOf(s.appId)
  await new Promise((r) => setTimeout(r, 200)) // a token is made at a full second: by now it has less than 899.9 s left
  const tokens = await Promise.all(Array.from({ length: 20 }, () => s.session.getAccessToken({ minTtl: 899.9 })))
  assert.equal(new Set(tokens).size, 1)
  assert.equal(await refreshesOf(s.appId) - before, 1)
})

test('20 workers that share a session refresh once per expiry', async (t) => {
  const { appId, client, email, storage } = await session()
  const pair = await shortLived({ appId, client, email })
  storage.setTokens(pair.accessToken, pair.refreshToken)
  const before = await refreshesOf(appId)
  const tokens = new Set()
  const until = Date.now() + Number(process.env.SDK_SECONDS ?? 12) * 1000
  await Promise.all(Array.from({ length: 20 }, async () => {
    const one = new Session(new TurKeyClient({ baseUrl, appId }), { storage, leeway: 25 }) // tokens are renewed five seconds after they were made
    while (Date.now() < until) {
      const token = await one.getAccessToken()
      assert.ok(token, 'signed out')
      tokens.add(token)
      await new Promise((r) => setTimeout(r, 20 + Math.random() * 80))
    }
  }))
  const refreshes = (await refreshesOf(appId)) - before
  t.diagnostic(`${refreshes} refreshes`)
  assert.equal(refreshes, tokens.size - 1)
  assert.ok(refreshes >= 2)
  const made = [...tokens].map((x) => client.decodeToken(x).iat).sort()
  for (let i = 1; i < made.length; i++) assert.ok(made[i] - made[i - 1] >= 4, `two for one expiry: ${made}`)
})

for (const [kind, what] of [['lose', 'an answer that got lost'], ['cut', 'an answer that was cut off'], ['gateway', 'a gateway that fails'], ['refuse', 'a connection that breaks']]) {
  test(`a refresh survives ${what}`, async () => {
    const s = await session()
    const before = s.storage.getRefreshToken()
    await fault(refreshOf(s), kind)
    const pair = await s.session.refresh()
    assert.notEqual(pair.refreshToken, before)
    assert.equal(s.storage.getRefreshToken(), pair.refreshToken)
    assert.equal(await refreshesOf(s.appId), 2)
    assert.ok(await s.client.getCurrentUser(pair.accessToken))
    assert.ok((await s.session.refresh()).accessToken)
  })
}

for (const [kind, expected] of [
  ['html', { name: 'ServerError', code: 'INVALID_RESPONSE', isRetryable: false }],
  ['lose', { name: 'NetworkError', code: 'NETWORK_ERROR', isRetryable: true }],
  ['gateway', { name: 'ServerError', statusCode: 502 }],
]) {
  test(`a network that stays bad (${kind}) ends with an error and loses no token`, async () => {
    const s = await session()
    const [access, refresh] = [s.storage.getAccessToken(), s.storage.getRefreshToken()]
    const calls = kind === 'html' ? 1 : 3 // a web site in the server's place does not go away
    await fault(refreshOf(s), kind, { times: calls })
    await assert.rejects(s.session.refresh(), expected)
    assert.deepEqual([s.storage.getAccessToken(), s.storage.getRefreshToken()], [access, refresh])
    assert.equal(await refreshesOf(s.appId), calls)
    assert.ok((await s.session.refresh()).accessToken)
  })
}

test('429 and 503 are waited for as the server says, up to the cap', async () => {
  const { client, email } = await signedUp({ retry: { maxDelayMs: 1500, initialDelayMs: 1 } })
  await fault(email, 'limit', { seconds: 1 })
  let began = Date.now()
  await client.login({ email, password })
  assert.ok(Date.now() - began >= 1000)
  await fault(email, 'busy', { seconds: 1 })
  began = Date.now()
  await client.login({ email, password })
  assert.ok(Date.now() - began >= 1000)
  await fault(email, 'limit', { seconds: 2 })
  began = Date.now()
  await assert.rejects(client.login({ email, password }), { name: 'RateLimitError', retryAfter: 2 })
  await fault(email, 'busy', { seconds: 9 })
  await assert.rejects(client.login({ email, password }), { name: 'ServerError', code: 'service_unavailable', retryAfter: 9 })
  assert.ok(Date.now() - began < 1000)
})

test('a call ends with its time, with its signal, and without repetition if so told', async () => {
  const { email, appId } = await signedUp()
  const client = new TurKeyClient({ baseUrl, appId, timeout: 500, retry: { maxAttempts: 2, initialDelayMs: 1 } })
  await fault('late-' + email, 'hang', { times: 2 })
  await assert.rejects(client.login({ email: 'late-' + email, password }), { name: 'NetworkError', code: 'TIMEOUT' })
  await fault('left-' + email, 'hang')
  await assert.rejects(client.login({ email: 'left-' + email, password }, { signal: AbortSignal.timeout(50), timeout: 60_000 }), { name: 'TimeoutError' })
  await assert.rejects(client.login({ email, password }, { signal: AbortSignal.abort(new Error('enough')) }), { message: 'enough' })
  const once = new TurKeyClient({ baseUrl, appId, retry: false })
  await fault(email, 'gateway')
  await assert.rejects(once.login({ email, password }), { statusCode: 502 })
  let asked = 0
  const choosy = new TurKeyClient({ baseUrl, appId, retry: { shouldRetry: () => ++asked < 0 } })
  await fault(email, 'gateway')
  await assert.rejects(choosy.login({ email, password }), { statusCode: 502 })
  assert.equal(asked, 1)
})

test('a token is verified by a clock that is off by seconds, not by more', async () => {
  const { client, accessToken, appId } = await signedUp()
  const { iat, exp } = client.decodeToken(accessToken)
  const at = async (seconds) => {
    mock.timers.enable({ apis: ['Date'], now: seconds * 1000 })
    try {
      return await verifyJwt(accessToken, { baseUrl, appId }).then(() => 'good', (e) => `${e.name} ${e.code}`)
    } finally {
      mock.timers.reset()
    }
  }
  await verifyJwt(accessToken, { baseUrl, appId }) // the keys are there
  assert.deepEqual(await at(exp + 4), 'good')
  assert.deepEqual(await at(exp + 6), 'TokenError token_expired')
  assert.deepEqual(await at(iat - 4), 'good')
  assert.deepEqual(await at(iat - 6), 'TokenError invalid_token')
})

for (const kind of ['html', 'cut', 'gateway', 'refuse']) {
  test(`keys that cannot be read (${kind}) say nothing of the token`, async () => {
    const { accessToken, appId } = await signedUp()
    await fault(appId + '/.well-known', kind)
    await assert.rejects(verifyJwt(accessToken, { baseUrl: `${baseUrl}/${appId}`, appId }), { name: 'NetworkError', code: 'JWKS_UNAVAILABLE' })
  })
}

test('a wrong appId is an error and loses no token', async () => {
  const s = await session()
  const other = new Session(new TurKeyClient({ baseUrl, appId: 'other-' + s.appId }), { storage: s.storage })
  await assert.rejects(other.refresh(), { name: 'TokenError', code: 'invalid_audience' })
  assert.ok(s.storage.getRefreshToken())
  assert.ok((await s.session.refresh()).accessToken)
})

test('a session that the server ended is forgotten, and told', async () => {
  const s = await session()
  let told = 0
  s.session.subscribe(() => told++)
  await s.client.logout(s.storage.getRefreshToken())
  assert.equal(await s.session.getAccessToken({ minTtl: 1000 }), null)
  assert.deepEqual([s.storage.getAccessToken(), s.storage.getRefreshToken(), s.session.user], [null, null, null])
  assert.equal(told, 1)
  await assert.rejects(s.session.refresh(), { code: 'NOT_SIGNED_IN' })
  await assert.rejects(createApi(s.session).account.getProfile(), { code: 'NOT_SIGNED_IN' })
})

test('when everything has expired nobody is signed in, after one question', async () => {
  const s = await session()
  await s.client.logout(s.storage.getRefreshToken())
  const before = await refreshesOf(s.appId)
  const real = Date.now
  Date.now = () => real() + 40 * 86_400_000
  try {
    const late = new Session(s.client, { storage: s.storage })
    for (let i = 0; i < 3; i++) assert.equal(await late.getAccessToken(), null)
    await assert.rejects(createApi(late).account.getProfile(), { code: 'NOT_SIGNED_IN' })
  } finally {
    Date.now = real
  }
  assert.equal(await refreshesOf(s.appId) - before, 1)
})

test('a token of somebody who was faster without our lock is used, not thrown away', async () => {
  const s = await session()
  const old = s.storage.getRefreshToken()
  const faster = await s.client.login({ email: s.email, password })
  await s.client.logout(old)
  // The other one writes between our reading and the answer.
  const real = s.client.refresh.bind(s.client)
  s.client.refresh = (r) => real(r).finally(() => r.refreshToken === old && s.storage.setTokens(faster.accessToken, faster.refreshToken))
  assert.ok((await s.session.refresh()).accessToken)
  assert.ok(s.storage.getRefreshToken())
})

test('a clock that is wrong by hours costs one refresh', async () => {
  for (const hours of [-3, 3]) {
    const s = await session()
    const real = Date.now
    Date.now = () => real() + hours * 3_600_000
    try {
      const fresh = new Session(s.client, { storage: s.storage }) // a page that knows nothing of the clock yet
      const before = await refreshesOf(s.appId)
      for (let i = 0; i < 5; i++) assert.ok(await fresh.getAccessToken())
      assert.ok(await refreshesOf(s.appId) - before <= 1)
      assert.equal((await createApi(fresh).account.getCurrentUser()).data.email, s.email)
    } finally {
      Date.now = real
    }
  }
})

test('a token that the server refuses is renewed once', async () => {
  const s = await session()
  const api = createApi(s.session)
  await s.client.revoke(s.storage.getAccessToken())
  assert.equal((await api.account.getCurrentUser()).data.email, s.email)
  await s.client.revoke(s.storage.getAccessToken())
  assert.equal((await s.session.fetch(baseUrl + '/v1/users/me')).status, 200)
  const before = await refreshesOf(s.appId)
  await assert.rejects(api.account.adminOnly(), { name: 'AuthorizationError', code: 'insufficient_permissions' })
  assert.equal(await refreshesOf(s.appId), before)
})

test('sign-out forgets the tokens even when nobody answers', async () => {
  const s = await session({ retry: false })
  await fault(refreshOf(s), 'refuse')
  await assert.rejects(s.session.logout(), { name: 'NetworkError' })
  assert.equal(s.storage.getRefreshToken(), null)
})

test('storages hold nothing where there is no browser', () => {
  for (const storage of [new CookieTokenStorage(), new LocalStorageTokenStorage()]) {
    storage.setTokens('a', 'r')
    storage.clearTokens()
    assert.equal(storage.getAccessToken(), null)
  }
})
