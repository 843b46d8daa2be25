// What every test of the console shares: a real server with its private PostgreSQL and fake providers, a real browser.
import { AxeBuilder } from './axe.mjs'
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, mkdir, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const program = process.env.TURKEY_BIN ?? join(root, 'bin/turkey')
const browserProgram = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((p) => p && existsSync(p))

export const demo = { app: 'demo', email: 'demo@turkey.local', password: 'Demo-Turkey-1' }

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((done) => server.once('listening', done))
  const { port } = server.address()
  await new Promise((done) => server.close(done))
  return port
}

/** Starts `turkey serve --demo` on a free port with data of its own. */
export async function startServer(env = {}) {
  const data = await mkdtemp(join(tmpdir(), 'turkey-console-'))
  const port = await freePort()
  const sandboxPort = env.TURKEY_SANDBOX_PORT ?? String(await freePort())
  const url = `http://localhost:${port}`
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(DB_|DATABASE_|JWT_|PORT$|REDIS_|TURKEY_)/.test(name)))
  let child, ended, log
  const stop = async () => {
    child.kill('SIGTERM')
    await Promise.race([ended, new Promise((done) => setTimeout(done, 15_000).unref())])
    child.kill('SIGKILL')
    await rm(data, { recursive: true, force: true })
  }
  /** Ends the server at once, as a crash would. `start` brings it back on the same port with the same data. */
  const crash = async () => {
    child.kill('SIGKILL')
    await ended
  }
  const start = async () => {
    log = ''
    child = spawn(program, ['serve', '--demo'], {
      cwd: data,
      env: { ...clean, NODE_ENV: 'development', PORT: String(port), TURKEY_SANDBOX_PORT: sandboxPort, TURKEY_DATA_DIR: join(data, 'turkey'), LOG_FORMAT: 'json', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child.stdout.on('data', (b) => (log += b))
    child.stderr.on('data', (b) => (log += b))
    ended = new Promise((done) => child.once('exit', done))
    const deadline = Date.now() + 90_000
    for (;;) {
      if (child.exitCode !== null || Date.now() > deadline) {
        await stop()
        throw new Error(`the server did not become ready:\n${log}`)
      }
      try {
        if ((await fetch(`${url}/readyz`)).ok && log.includes('Log in with app')) break
      } catch {
        // not yet
      }
      await new Promise((done) => setTimeout(done, 100))
    }
  }
  await start()
  const gravy = (...args) =>
    new Promise((done, fail) => {
      const p = spawn(program, args, { cwd: data, env: { ...clean, NODE_ENV: 'development', PORT: String(port), TURKEY_DATA_DIR: join(data, 'turkey'), ...env } })
      let out = ''
      p.stdout.on('data', (b) => (out += b))
      p.stderr.on('data', (b) => (out += b))
      p.once('exit', (code) => (code === 0 ? done(out) : fail(new Error(`gravy ${args.join(' ')}: ${out}`))))
    })
  return { url, sandbox: `http://localhost:${sandboxPort}`, stop, crash, start, gravy, log: () => log, console: `${url}/console`, demo: `${url}/console/a/${demo.app}` }
}

export async function startBrowser() {
  if (!browserProgram) throw new Error('no Chromium found: run `make setup`, or set CHROMIUM')
  return chromium.launch({ executablePath: browserProgram, args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking'] })
}

/** A fresh browser profile with one page. Errors in the page fail the test at `calm`. */
export async function newPage(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, locale: 'en-GB', timezoneId: 'Europe/Berlin', ...options })
  const page = await context.newPage()
  const troubles = []
  page.on('pageerror', (e) => troubles.push(e.message))
  page.on('console', (m) => m.type() === 'error' && !/Failed to load resource/.test(m.text()) && troubles.push(m.text()))
  page.setDefaultTimeout(20_000)
  return Object.assign(page, { troubles })
}

export async function signIn(page, base, { email, password } = demo) {
  await page.goto(`${base}/sign-in`)
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password', { exact: true }).fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('navigation').waitFor()
}

/** Shows the page in a colour scheme: its colours are painted, and no transition to them runs any more. */
async function inColours(page, colorScheme) {
  await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
  await page.evaluate(async () => {
    for (let i = 0; i < 2; i++) await new Promise((done) => requestAnimationFrame(done))
    await Promise.allSettled(document.getAnimations().filter((a) => a instanceof CSSTransition).map((a) => a.finished))
  })
  await page.waitForFunction(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(document.getAnimations().every((a) => !(a instanceof CSSTransition)))))))
}

/** Violations of WCAG 2.2 A and AA, in both colour schemes, as readable lines. */
export async function violations(page) {
  const lines = []
  await page.waitForFunction(() => !document.querySelector('[data-live-announcer] [role=img]')) // what was announced of a busy button outlives it by seconds
  for (const colorScheme of ['light', 'dark']) {
    await inColours(page, colorScheme)
    for (const v of await AxeBuilder(page)) lines.push(`${colorScheme}: ${v.id}: ${v.help}: ${v.nodes.map((n) => n.html.slice(0, 160)).join(' | ')}`)
  }
  await page.emulateMedia({ colorScheme: 'light' })
  return lines
}

/** Saves the page as pictures where SHOTS names a folder: light, dark and as a phone shows it. */
export async function shoot(page, name) {
  const folder = process.env.SHOTS
  if (!folder) return
  await mkdir(folder, { recursive: true })
  const size = page.viewportSize()
  for (const colorScheme of ['light', 'dark']) {
    await inColours(page, colorScheme)
    await page.screenshot({ path: join(folder, `${name}-${colorScheme}.png`) })
  }
  await page.setViewportSize({ width: 390, height: 844 })
  await inColours(page, 'light')
  await page.screenshot({ path: join(folder, `${name}-phone.png`) })
  await page.setViewportSize(size)
}
