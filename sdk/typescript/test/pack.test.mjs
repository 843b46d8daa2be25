import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { baseUrl, password, signedUp } from './setup.mjs'

const run = promisify(execFile)
const npm = (args, cwd) => run('npm', args, { cwd, env: { ...process.env, npm_config_update_notifier: 'false' } })

// A project that knows nothing of this directory: the packed package and jose, and no React.
let dir
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'turkey-sdk-pack-'))
  const pack = async (what) => {
    const answer = JSON.parse((await npm(['pack', what, '--json', '--ignore-scripts', '--pack-destination', dir])).stdout)
    return join(dir, (Array.isArray(answer) ? answer[0] : Object.values(answer)[0]).filename)
  }
  const tarballs = await Promise.all([pack('.'), pack('./node_modules/jose')])
  await writeFile(join(dir, 'package.json'), '{"name":"scratch","version":"1.0.0","private":true}')
  await npm(['install', '--offline', '--no-audit', '--no-fund', ...tarballs], dir)
})
after(() => rm(dir, { recursive: true, force: true }))

/** Runs a program in the project. */
async function node(name, text) {
  await writeFile(join(dir, name), text)
  const { stdout } = await run(process.execPath, [name], { cwd: dir })
  return stdout.trim()
}

test('the package holds what it needs and nothing else', async () => {
  const manifest = JSON.parse(await readFile(join(dir, 'node_modules/@turkey/sdk/package.json'), 'utf8'))
  assert.deepEqual(Object.keys(manifest.dependencies), ['jose'])
  assert.ok(Number(manifest.version.replace(/^0\.(\d+).*/, '$1')) >= 5 || !manifest.version.startsWith('0.'))
  for (const entry of Object.values(manifest.exports)) {
    for (const file of typeof entry === 'string' ? [entry] : Object.values(entry).flatMap((e) => Object.values(e))) await readFile(join(dir, 'node_modules/@turkey/sdk', file))
  }
  await assert.rejects(readFile(join(dir, 'node_modules/@turkey/sdk/src/client.ts')))
})

for (const [kind, name, head] of [
  ['ESM', 'main.mjs', (p) => `import TurKey, * as sdk from '@turkey/sdk${p}'`],
  ['CommonJS', 'main.cjs', (p) => `const sdk = require('@turkey/sdk${p}'); const TurKey = sdk.default`],
]) {
  test(`${kind} without React`, async () => {
    const { accessToken, appId, email } = await signedUp()
    const use = `
      ;(async () => {
        const client = new TurKey({ baseUrl: ${JSON.stringify(baseUrl)}, appId: '${appId}' })
        const { user } = await client.login({ email: '${email}', password: '${password}' })
        const payload = await sdk.verifyJwt('${accessToken}', client.config)
        const e = await client.login({ email: '${email}', password: 'x' }).catch((e) => e)
        console.log(JSON.stringify([payload.sub === user.id, TurKey === sdk.TurKeyClient, e instanceof sdk.AuthenticationError, typeof sdk.requireAuth]))
      })()`
    assert.equal(await node(name, head('') + use), '[true,true,true,"function"]')
    assert.equal(await node(name, head('/core') + use), '[true,true,true,"function"]')
    const hooks = `;try { sdk.useAccessToken() } catch (e) { console.log(e.code) }`
    assert.equal(await node(name, head('') + hooks), 'CONFIGURATION_ERROR')
    const rest = name.endsWith('mjs') ? `import * as m from '@turkey/sdk/middleware'; import * as r from '@turkey/sdk/react'` : `const m = require('@turkey/sdk/middleware'); const r = require('@turkey/sdk/react')`
    assert.equal(await node(name, rest + `; console.log(typeof m.turkeyAuth, typeof r.AuthProvider)`), 'function function')
  })
}

test('the errors of both forms know each other', async () => {
  assert.equal(await node('both.cjs', `import('@turkey/sdk').then((esm) => console.log(esm.isTurKeyError(new (require('@turkey/sdk').NetworkError)('x')), esm.isTurKeyError(new Error('x'))))`), 'true false')
})

test('bundles for a browser without React', async () => {
  await assert.rejects(readFile(join(dir, 'node_modules/react/package.json')))
  for (const from of ['@turkey/sdk', '@turkey/sdk/core']) {
    const contents = `import { TurKeyClient } from '${from}'; window.c = new TurKeyClient({ baseUrl: 'https://x' })`
    const { outputFiles } = await build({ stdin: { contents, resolveDir: dir }, bundle: true, format: 'esm', platform: 'browser', external: ['jose'], write: false, logLevel: 'silent' })
    assert.doesNotMatch(outputFiles[0].text, /\brequire\(/)
  }
})

const source = `
  import TurKeyDefault, {
    AuthProvider, AuthorizationError, type AuthResponse, checkRevocation, CookieTokenStorage, createApi, createAdminApi, createErrorFromResponse, type ErrorDetail, type IntrospectionResult,
    isTurKeyError, type JWTPayload, type RetryConfig, type schemas, Session, type TokenPair, type TokenStorage, TurKeyClient, type TurKeyConfig, type TurKeyError, TurKeyErrorBase, type User, useTurkey, verifyJwt,
  } from '@turkey/sdk'
  import { type CorsConfig, createTurkeyMiddleware, type ExpressAuthRequest, type LoggingConfig, type NextTurKeyConfig, type TurKeyMiddlewareConfig, type TurKeyUser } from '@turkey/sdk/middleware'
  const retry: RetryConfig = { maxAttempts: 3, initialDelayMs: 1, maxDelayMs: 2, backoffMultiplier: 2, jitter: true }
  const config: TurKeyConfig = { baseUrl: 'https://x', appId: 'a', timeout: 1, serviceApiKey: 's', retry }
  const client: TurKeyDefault = new TurKeyClient(config)
  const storage: TokenStorage = new CookieTokenStorage({ secure: false, sameSite: 'lax' })
  export async function all() {
    const entered: AuthResponse = await client.login({ email: 'e', password: 'p' })
    storage.setTokens(entered.accessToken, entered.refreshToken)
    const pair: TokenPair = await client.refresh({ refreshToken: entered.refreshToken })
    const claims: JWTPayload = await verifyJwt(pair.accessToken, config)
    const me: User | null = client.getUserFromToken(pair.accessToken)
    const seen: IntrospectionResult = await client.introspect(claims.jti)
    const api = createApi(new Session(client))
    const first: schemas.Credential | undefined = (await api.credentials.list({ limit: 1 })).credentials[0]
    for await (const e of api.runs.watch('1')) e.event.toUpperCase()
    // @ts-expect-error: service is needed
    await api.runs.create({})
    // @ts-expect-error: no such filter
    await createAdminApi(client.as({ adminKey: 'k' })).apps.list({ nonsense: 1 })
    const revoked: boolean = await checkRevocation('j', { baseUrl: 'https://x' })
    return { me, seen, first, revoked, context: useTurkey().isAuthenticated, AuthProvider }
  }
  export function told(e: unknown): ErrorDetail[] | undefined {
    if (e instanceof AuthorizationError || e instanceof TurKeyErrorBase) return e.details
    const body: TurKeyError = { error: 'x', message: 'x', timestamp: '', path: '' }
    return isTurKeyError(e) ? e.details : createErrorFromResponse(400, body).details
  }
  const cors: CorsConfig = { origin: (o) => o === 'x' }
  const logging: LoggingConfig = { logger: (message, level, about) => void [message, level, about] }
  const m: TurKeyMiddlewareConfig & NextTurKeyConfig = { cors, logging, onError: (e: Error, req: ExpressAuthRequest) => void [e, req] }
  export const middleware = createTurkeyMiddleware(m)
  export const who = (req: ExpressAuthRequest): TurKeyUser | undefined => req.user
`
test('TypeScript, as ESM, as CommonJS and for bundlers, without the types of React', async () => {
  await Promise.all([['a.mts', 'nodenext'], ['b.cts', 'nodenext'], ['c.ts', 'esnext', 'bundler']].map(async ([name, module, resolution = module]) => {
    await writeFile(join(dir, name), source)
    const flags = ['--noEmit', '--strict', '--target', 'es2022', '--lib', 'es2022,dom,dom.iterable', '--types', '', '--module', module, '--moduleResolution', resolution]
    await run(process.execPath, [resolve('node_modules/typescript/bin/tsc'), ...flags, name], { cwd: dir }).catch((e) => assert.fail(`${name}:\n${e.stdout}`))
  }))
})
