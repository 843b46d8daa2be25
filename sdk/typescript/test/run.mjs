// Runs the tests against a real server on a PostgreSQL of its own. node test/run.mjs [files]; SDK_SECONDS=60 for a longer
// storm of tabs.
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startProxy } from './proxy.mjs'
import { build, start } from './server.mjs'

process.chdir(fileURLToPath(new URL('../', import.meta.url)))
const files = process.argv.length > 2 ? process.argv.slice(2) : readdirSync('test').filter((f) => f.endsWith('.test.mjs')).map((f) => 'test/' + f)
const dir = await mkdtemp(join(tmpdir(), 'turkey-sdk-'))
let proxy, server
let code = 1
try {
  const binary = await build(dir)
  proxy = await startProxy()
  server = await start(binary, dir, proxy)
  proxy.target(server.url)
  const env = { ...process.env, TURKEY_URL: proxy.url, TURKEY_PAGES: proxy.pages, TURKEY_BINARY: binary, TURKEY_DATA_DIR: server.data }
  const tests = spawn(process.execPath, ['--test', '--test-concurrency=3', ...files], { stdio: 'inherit', env })
  code = await new Promise((done) => tests.on('exit', (c) => done(c ?? 1)))
  if (code !== 0 && process.env.SDK_LOG) console.error(server.log())
} finally {
  await server?.stop()
  proxy?.stop()
  await rm(dir, { recursive: true, force: true })
}
process.exit(code)
