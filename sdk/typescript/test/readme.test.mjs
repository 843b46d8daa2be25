// Type-checks and runs the programs of README.md: what stands there works as it is, with the addresses of the test.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { transform } from 'esbuild'
import express from 'express'
import { NextRequest } from 'next/server.js'
import { createElement } from 'react'
import { renderToString } from 'react-dom/server'
import { baseUrl, password, serviceKey, setup, signedUp } from './setup.mjs'

const dir = 'test/.readme' // inside of the package, which finds itself by its name
const readme = await readFile('README.md', 'utf8')
const blocks = [...readme.matchAll(/^```(tsx?)\n([^]*?)^```$/gm)].map(([, language, text]) => ({ language, text, ran: false }))
before(() => rm(dir, { recursive: true, force: true }).then(() => mkdir(dir)))
after(() => rm(dir, { recursive: true, force: true }))

/** The block with these words in it as a module; given stands before it, and what it gives is exported. */
async function block(words, given = '', gives = []) {
  const found = blocks.filter((b) => b.text.includes(words))
  assert.equal(found.length, 1, words)
  found[0].ran = true
  const { code } = await transform(given + found[0].text, { loader: 'tsx', jsx: 'automatic', format: 'esm', target: 'es2022' })
  const exported = gives.length ? `\nexport { ${gives.join(', ')} }\n` : ''
  const file = `${dir}/${words.replace(/\W+/g, '-')}.mjs`
  await writeFile(file, code.replaceAll('https://auth.example.com', baseUrl).replaceAll('"shop"', 'globalThis.readmeApp') + exported)
  return import(new URL('../' + file, import.meta.url))
}

/** What the words in the programs stand for. */
async function person() {
  const s = setup()
  globalThis.readmeApp = s.appId
  await s.client.register({ email: 'ada@example.com', password })
  return s
}

const preamble = `
  import type * as E from '@turkey/sdk'
  declare global {
    const password: string, session: E.Session, app: any, process: { env: Record<string, string | undefined> }
    const showSignIn: () => void, SignIn: (p: { onSubmit: (r: E.LoginRequest) => Promise<unknown> }) => null
  }
`
test('the programs have no mistake of types', async () => {
  const names = ['given.d.mts']
  await writeFile(`${dir}/given.d.mts`, preamble)
  for (const [i, { language, text }] of blocks.entries()) {
    names.push(`block${i}.${language === 'tsx' ? 'tsx' : 'mts'}`)
    await writeFile(`${dir}/${names.at(-1)}`, text)
  }
  const flags = ['--noEmit', '--strict', '--target', 'es2022', '--lib', 'es2022,dom,dom.iterable', '--types', '', '--module', 'esnext', '--moduleResolution', 'bundler', '--jsx', 'react-jsx', '--skipLibCheck']
  await promisify(execFile)(process.execPath, ['../../node_modules/typescript/bin/tsc', '--ignoreConfig', ...flags, ...names], { cwd: dir }).catch((e) => assert.fail(e.stdout))
})

test('sign in and stay signed in', async (t) => {
  await person()
  const api = createServer((req, res) => res.end(req.headers.authorization)).listen(0)
  t.after(() => api.close())
  const real = globalThis.fetch
  const kept = new Map()
  globalThis.localStorage = { getItem: (k) => kept.get(k) ?? null, setItem: (k, v) => kept.set(k, v), removeItem: (k) => kept.delete(k) }
  globalThis.fetch = (r, i) => real(r.url === 'https://api.example.com/orders' ? new Request(`http://localhost:${api.address().port}`, r) : r, i)
  t.after(() => {
    globalThis.fetch = real
    delete globalThis.localStorage
  })
  const given = `const password = '${password}'\n`
  const { answer, session } = await block('session.login(', given, ['answer', 'session'])
  assert.match(await answer.text(), /^Bearer eyJ/)
  assert.equal(session.user, null)
})

test('cookies', async () => {
  await person()
  const { asked } = await block("mode: 'cookie'", 'let asked = 0\nconst showSignIn = () => asked++\n', ['asked'])
  assert.equal(asked, 1)
})

test('React', async () => {
  await person()
  const { App } = await block('AuthProvider', 'const SignIn = () => null\n')
  assert.equal(renderToString(createElement(App)), '')
})

test('Express', async (t) => {
  const { accessToken, appId, client, refreshToken, user } = await signedUp()
  globalThis.readmeApp = appId
  globalThis.readmeExpress = express()
  process.env.TURKEY_SERVICE_API_KEY = serviceKey
  const { revocations } = await block('requireAuth', 'const app = globalThis.readmeExpress\n', ['revocations'])
  const server = createServer(globalThis.readmeExpress).listen(0)
  t.after(() => {
    revocations.close()
    server.close()
  })
  const me = async () => {
    const response = await fetch(`http://localhost:${server.address().port}/api/me`, { headers: { Authorization: `Bearer ${accessToken}` } })
    return [response.status, (await response.json()).id]
  }
  assert.deepEqual(await me(), [200, user.id])
  await client.logout(refreshToken)
  const began = Date.now()
  while ((await me())[0] === 200) assert.ok(Date.now() - began < 1000)
})

test('Next.js', async () => {
  const { accessToken, appId, user } = await signedUp()
  globalThis.readmeApp = appId
  process.env.TURKEY_BASE_URL = baseUrl
  const proxy = await block('createTurKeyMiddleware')
  const go = (headers) => proxy.default(new NextRequest('https://site.example/orders', { headers }))
  assert.equal((await go({})).status, 307)
  const passed = await go({ cookie: `turkey_access_token=${accessToken}` })
  const route = await block('export const GET')
  const headers = { 'x-turkey-user': passed.headers.get('x-middleware-request-x-turkey-user') }
  assert.equal((await route.GET(new Request('https://site.example/api/protected/me', { headers })).json()).sub, user.id)
  delete process.env.TURKEY_BASE_URL
})

test('vault and pipeline', async () => {
  const { appId, accessToken, client } = await signedUp()
  Object.assign(globalThis, { readmeApp: appId, readmeSession: client.as(accessToken) })
  // Nobody has enabled the service: the server says so.
  await assert.rejects(block('createApi(session)', 'const session = globalThis.readmeSession\n'), { code: 'SERVICE_NOT_FOUND' })
})

test('every program was run', () => {
  assert.deepEqual(blocks.filter((b) => !b.ran).map((b) => b.text), [])
})
