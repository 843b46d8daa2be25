import { execFile, spawn } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../../../', import.meta.url))

export const serviceKey = 'service-key-of-the-sdk-tests'

/** Builds the server; TURKEY_BINARY names one that is there. */
export async function build(dir) {
  if (process.env.TURKEY_BINARY) return process.env.TURKEY_BINARY
  const binary = join(dir, 'turkey')
  await run('go', ['build', '-buildvcs=false', '-o', binary, '.'], { cwd: root })
  return binary
}

export const freePort = () =>
  new Promise((done) => {
    const s = createServer().listen(0, '127.0.0.1', () => {
      const { port } = s.address()
      s.close(() => done(port))
    })
  })

/** Starts `turkey serve` with a private PostgreSQL. Clients reach it through the proxy, whose address is the issuer. */
export async function start(binary, dir, proxy) {
  const port = await freePort()
  const data = join(dir, 'data')
  await mkdir(data)
  const env = {
    PATH: process.env.PATH, HOME: process.env.HOME, ...(process.env.TURKEY_POSTGRES_BIN && { TURKEY_POSTGRES_BIN: process.env.TURKEY_POSTGRES_BIN }),
    PORT: String(port), HOST: '127.0.0.1', TURKEY_DATA_DIR: data, JWT_ISSUER: proxy.url, ALLOWED_ORIGINS: `${proxy.url},${proxy.pages}`,
    TURKEY_SERVICE_API_KEY: serviceKey, RATE_LIMIT_MAX_REQUESTS: '1000000', LOGIN_RATE_LIMIT_MAX_ATTEMPTS: '1000', REGISTER_RATE_LIMIT_MAX_ATTEMPTS: '1000',
    EMAIL_SERVICE: 'mailbox', LOG_LEVEL: 'info',
  }
  const child = spawn(binary, ['serve'], { cwd: data, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  child.stdout.on('data', (d) => (log += d))
  child.stderr.on('data', (d) => (log += d))
  let ended = false
  const gone = new Promise((done) => child.on('exit', () => done((ended = true))))
  const url = `http://127.0.0.1:${port}`
  const stop = async () => {
    child.kill('SIGTERM')
    await gone
  }
  for (const deadline = Date.now() + 120_000; ; await new Promise((r) => setTimeout(r, 100))) {
    if (ended || Date.now() > deadline) {
      await stop()
      throw new Error('the server did not start:\n' + log)
    }
    const health = await fetch(url + '/health').catch(() => undefined)
    if (health?.ok) return { url, data, stop, log: () => log }
  }
}

/** Runs a gravy command beside the server and gives its JSON. */
export async function gravy(...args) {
  const { TURKEY_BINARY: binary, TURKEY_DATA_DIR: data, TURKEY_URL } = process.env
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, TURKEY_DATA_DIR: data, JWT_ISSUER: TURKEY_URL }
  if (process.env.TURKEY_POSTGRES_BIN) env.TURKEY_POSTGRES_BIN = process.env.TURKEY_POSTGRES_BIN
  const { stdout } = await run(binary, [...args, '--json'], { cwd: data, env }).catch((e) => {
    throw new Error(`gravy ${args.join(' ')}: ${e.stderr || e.stdout || e.message}`)
  })
  return JSON.parse(stdout)
}
