import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { createAdminApi, createApi, MemoryTokenStorage, Session } from '@turkey/sdk'
import { fault } from './proxy.mjs'
import { gravy } from './server.mjs'
import { password, setup, signedUp } from './setup.mjs'

const shop = { shop_url: 'ada.myshopify.com', access_token: 'shpat_' + '0'.repeat(32) }

async function signedIn() {
  const s = setup()
  const session = new Session(s.client, { storage: new MemoryTokenStorage() })
  await session.register({ email: s.email, password })
  return { ...s, session, api: createApi(session) }
}

test('the generated files are those of openapi.json', () => {
  execFileSync(process.execPath, ['scripts/generate.mjs', '--check'], { stdio: 'inherit' })
})

test('the vault', async () => {
  const { api } = await signedIn()
  assert.deepEqual((await api.credentials.list()).credentials, [])
  const saved = await api.credentials.save({ service: 'shopify', credentialName: 'Shop', credentialJson: shop })
  const id = saved.credentialId
  const { credentials } = await api.credentials.list({ limit: 10 })
  assert.deepEqual(credentials.map((c) => [c.id, c.name]), [[id, 'Shop']])
  assert.equal((await api.credentials.get(id)).service, 'shopify')
  await api.credentials.update(id, { credentialName: 'Shop 2' })
  assert.equal((await api.credentials.get(id)).name, 'Shop 2')
  await api.credentials.delete(id)
  await assert.rejects(api.credentials.get(id), { name: 'NotFoundError', code: 'CREDENTIAL_NOT_FOUND' })
  assert.ok((await api.services.list()).services.length > 0)
  await assert.rejects(api.credentials.get(''), { name: 'ConfigurationError' })
  await assert.rejects(api.credentials.save({ service: 'nonsense', credentialName: 'x', credentialJson: {} }), { name: 'ValidationError', statusCode: 400 })
})

test('a write whose answer got lost has its effect once', async () => {
  const { api, appId } = await signedIn()
  const name = 'Lost ' + appId
  await fault(name, 'lose')
  await api.credentials.save({ service: 'shopify', credentialName: name, credentialJson: shop })
  assert.equal((await api.credentials.list()).credentials.length, 1)
})

test('the pipeline', async () => {
  const { api } = await signedIn()
  assert.deepEqual((await api.runs.list()).runs, [])
  assert.deepEqual((await api.activity.list({ limit: 5 })).success, true)
  const preview = await api.schedules.preview('shopify', { cron: '0 6 * * *', timezone: 'UTC' })
  assert.equal(preview.data.next.length, 5)
  await api.credentials.save({ service: 'shopify', credentialName: 'Shop', credentialJson: shop })
  const run = await api.runs.create({ service: 'shopify', from: '2026-01-01', to: '2026-01-02' })
  const seen = []
  for await (const { event, data } of api.runs.watch(run.id, { signal: AbortSignal.timeout(60_000) })) seen.push([event, data.id, data.status])
  assert.ok(seen.length > 0)
  assert.deepEqual(seen.at(-1).slice(0, 2), ['run', run.id])
  assert.equal((await api.runs.get(run.id)).status, seen.at(-1)[2])
})

test('a stream ends with its signal', async () => {
  const { api } = await signedIn()
  await assert.rejects(async () => {
    for await (const _ of api.runs.watch('00000000-0000-4000-8000-000000000000', { signal: AbortSignal.abort(new Error('enough')) }));
  }, { message: 'enough' })
  await assert.rejects(async () => {
    for await (const _ of api.runs.watch('00000000-0000-4000-8000-000000000000'));
  }, { name: 'NotFoundError' })
})

test('the own account, in the name of a token', async () => {
  const { client, accessToken, email } = await signedUp()
  const api = createApi(client.as(accessToken))
  assert.equal((await api.account.getCurrentUser()).data.email, email)
  assert.equal((await api.account.listSessions()).data.length, 1)
})

test('administration, in the name of a key', async () => {
  const { client, appId, email, user } = await signedUp()
  const { key } = await gravy('admin-key', 'create', 'sdk-' + appId)
  const admin = createAdminApi(client.as({ adminKey: key }))
  assert.deepEqual((await admin.users.list(appId, { q: email })).data.map((u) => u.id), [user.id])
  assert.equal((await admin.apps.update(appId, { accessTtl: 60 })).data.accessTtl, 60)
  assert.equal((await client.login({ email, password })).expiresIn, 60)
  await assert.rejects(createAdminApi(client.as({ adminKey: 'turkey_admin_wrong' })).apps.list(), { statusCode: 403 })
})
