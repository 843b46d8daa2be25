import assert from 'node:assert/strict'
import { test } from 'node:test'
import TurKey, {
  AuthenticationError, AuthorizationError, checkRevocation, ConflictError, getRevocationInfo, introspectToken, isTurKeyError, RateLimitError, revokeToken,
  TokenError, TokenManager, TurKeyAuthError, TurKeyClient, TurKeyErrorBase, ValidationError, verifyJwt,
} from '@turkey/sdk'
import { baseUrl, password, serviceKey, setup, signedUp } from './setup.mjs'

test('a person registers, signs in, refreshes and signs out', async () => {
  const { client, email, appId } = setup()
  assert.equal(TurKey, TurKeyClient)
  const joined = await client.register({ email, password })
  assert.equal(joined.user.email, email)
  const entered = await client.login({ email, password })
  assert.equal(entered.tokenType, 'Bearer')
  assert.equal(entered.expiresIn, 900)
  const me = await client.getCurrentUser(entered.accessToken)
  assert.deepEqual([me.email, me.role, me.appId, me.emailVerified], [email, 'user', appId, false])
  const pair = await client.refresh({ refreshToken: entered.refreshToken })
  assert.notEqual(pair.refreshToken, entered.refreshToken)
  await client.logout(pair.refreshToken)
  await assert.rejects(client.refresh({ refreshToken: pair.refreshToken }), { code: 'invalid_grant', statusCode: 401 })
})

test('refreshes at one time share one request', async () => {
  const { client, refreshToken } = await signedUp()
  const [a, b] = await Promise.all([client.refresh({ refreshToken }), client.refresh({ refreshToken })])
  assert.equal(a, b)
})

test('an abandoned wait does not end the refresh of the others', async () => {
  const { client, refreshToken } = await signedUp()
  const stop = new AbortController()
  const mine = client.refresh({ refreshToken }, { signal: stop.signal })
  const theirs = client.refresh({ refreshToken })
  stop.abort()
  await assert.rejects(mine, { name: 'AbortError' })
  assert.ok((await theirs).accessToken)
})

test('tokens are read and verified', async () => {
  const { client, accessToken, appId, user } = await signedUp()
  const payload = await client.validateTokenFormat(accessToken)
  assert.deepEqual([payload.sub, payload.aud, payload.iss], [user.id, appId, baseUrl])
  assert.deepEqual(client.getUserFromToken(accessToken), { id: user.id, email: user.email, role: 'user' })
  assert.equal(client.isTokenExpired(accessToken), false)
  assert.ok(client.getTimeUntilExpiry(accessToken) > 880)
  assert.equal(client.decodeToken(accessToken).jti, payload.jti)
  assert.equal(new TokenManager({ baseUrl }).getUserFromToken('x'), null)
  assert.throws(() => client.decodeToken('a.b.c'), TokenError)

  await assert.rejects(verifyJwt(accessToken, { baseUrl, appId: 'other' }), { name: 'TokenError', code: 'invalid_audience' })
  await assert.rejects(verifyJwt(accessToken, { baseUrl: baseUrl + '/', appId }), { code: 'invalid_issuer' })
  const [head, body, signature] = accessToken.split('.')
  const forged = body.slice(0, -4) + (body.at(-4) === 'A' ? 'B' : 'A') + body.slice(-3)
  await assert.rejects(verifyJwt([head, forged, signature].join('.'), { baseUrl, appId }), { code: /invalid_(signature|token)/ })
  const none = btoa('{"alg":"none"}').replace(/=/g, '')
  await assert.rejects(verifyJwt([none, body, ''].join('.'), { baseUrl, appId }), { code: 'invalid_token' })
  await assert.rejects(verifyJwt(accessToken, { baseUrl: 'http://localhost:1', appId }), { name: 'NetworkError', code: 'JWKS_UNAVAILABLE' })
})

test('the account is changed and deleted', async () => {
  const { client, email, accessToken } = await signedUp()
  const changed = await client.updateProfile(accessToken, { email: 'new-' + email })
  assert.equal(changed.user.email, 'new-' + email)
  await assert.rejects(client.changePassword(accessToken, { currentPassword: password, newPassword: password }), ValidationError)
  await assert.rejects(client.changePassword(accessToken, { currentPassword: 'wrong', newPassword: 'Another-Horse8' }), { name: 'AuthenticationError', code: 'unauthorized' })
  const done = await client.changePassword(accessToken, { currentPassword: password, newPassword: 'Another-Horse8' })
  assert.equal(done.requiresReauthentication, true)
  await assert.rejects(client.getCurrentUser(accessToken), TokenError)
  const again = await client.login({ email: 'new-' + email, password: 'Another-Horse8' })
  assert.equal((await client.deleteAccount(again.accessToken)).deletedUser.email, 'new-' + email)
})

test('mails are asked for, and a wrong token of one is refused', async () => {
  const { client, email } = await signedUp()
  assert.match((await client.requestPasswordReset(email)).message, /If an account exists/)
  assert.match((await client.resendVerification(email)).message, /verification link/)
  await assert.rejects(client.verifyEmail('0'.repeat(64)), { code: 'bad_request', details: [{ field: 'token', code: 'INVALID_TOKEN', message: 'Invalid or expired email verification token' }] })
  await assert.rejects(client.resetPassword('0'.repeat(64), 'weak'), { name: 'ValidationError', statusCode: 0 })
  await assert.rejects(client.resetPassword('0'.repeat(64), password), { code: 'bad_request' })
})

test('errors have classes and the codes of the server', async () => {
  const { client, email } = await signedUp()
  const caught = async (p) => p.then(() => assert.fail('no error'), (e) => e)
  const wrong = await caught(client.login({ email, password: 'wrong' }))
  assert.ok(wrong instanceof AuthenticationError && wrong instanceof TurKeyErrorBase && wrong instanceof TurKeyAuthError && isTurKeyError(wrong))
  assert.deepEqual([wrong.code, wrong.statusCode, wrong.isRetryable], ['invalid_credentials', 401, false])
  assert.match(wrong.requestId, /^[0-9a-f-]{36}$/)
  assert.equal(JSON.parse(JSON.stringify(wrong)).code, 'invalid_credentials')
  const twice = await caught(client.register({ email, password }))
  assert.ok(twice instanceof ConflictError && twice instanceof ValidationError)
  assert.equal(twice.code, 'user_exists')
  const weak = await caught(client.register({ email, password: 'short', validatePassword: false }))
  assert.equal(weak.code, 'validation_error')
  assert.ok(weak.details.some((d) => d.field === 'password'))
  const local = await caught(client.register({ email, password: 'short' }))
  assert.deepEqual([local.name, local.statusCode], ['ValidationError', 0])
  assert.throws(() => new TurKeyClient({ baseUrl: '' }), { name: 'ConfigurationError' })
})

test('a lockout is not waited for', async () => {
  const { client, email } = await signedUp()
  for (let i = 0; i < 5; i++) await client.login({ email, password: 'wrong' }).catch(() => {})
  const began = Date.now()
  await assert.rejects(client.login({ email, password }), (e) => e instanceof RateLimitError && e.code === 'account_locked' && e.retryAfter > 200)
  assert.ok(Date.now() - began < 5000)
})

test('backends introspect, revoke and check', async () => {
  const { client, accessToken, refreshToken, appId, user } = await signedUp({ serviceApiKey: serviceKey })
  const seen = await client.introspect(accessToken)
  assert.deepEqual([seen.active, seen.type, seen.userId, seen.payload.aud], [true, 'access', user.id, appId])
  assert.equal((await introspectToken('junk', { baseUrl, serviceApiKey: serviceKey })).active, false)
  await assert.rejects(introspectToken(accessToken, { baseUrl, serviceApiKey: 'wrong' }), { name: 'AuthorizationError', code: 'invalid_api_key' })

  const { jti } = client.decodeToken(accessToken)
  const config = { baseUrl, serviceApiKey: serviceKey }
  assert.equal(await checkRevocation(jti, config), false)
  assert.deepEqual(await getRevocationInfo(jti, config), { revoked: false })
  await client.revokeAll(accessToken, refreshToken)
  assert.equal(await checkRevocation(jti, config), true)
  const info = await getRevocationInfo(jti, config)
  assert.equal(info.reason, 'User logout')
  assert.ok(Math.abs(info.revokedAt - Date.now()) < 60_000)
  await revokeToken(accessToken, config)
  assert.equal((await client.introspect(refreshToken)).active, false)

  await assert.rejects(checkRevocation(jti, { baseUrl, serviceApiKey: 'wrong' }), AuthorizationError)
  assert.equal(await checkRevocation(jti, { ...config, baseUrl: 'http://localhost:1' }), false)
  assert.equal(await getRevocationInfo(jti, { ...config, baseUrl: 'http://localhost:1' }), null)
  await assert.rejects(checkRevocation(jti, { ...config, baseUrl: 'http://localhost:1', failClosed: true }), { name: 'NetworkError' })
})
