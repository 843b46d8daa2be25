import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before } from 'node:test'
import { chromium } from 'playwright-core'

/** A browser for the tests of a file; what is returned gives it once tests run. */
export function browser() {
  let context, dir
  before(async () => {
    const places = [process.env.CHROME_BIN, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome']
    const executablePath = places.find((p) => p && existsSync(p))
    assert.ok(executablePath, 'These tests need Chromium or Chrome: install it, or name it in CHROME_BIN')
    dir = await mkdtemp(join(tmpdir(), 'turkey-sdk-browser-'))
    const args = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-dev-shm-usage']
    context = await chromium.launchPersistentContext(dir, { executablePath, headless: true, args })
  })
  after(async () => {
    await context?.close()
    await rm(dir, { recursive: true, force: true, maxRetries: 5 })
  })
  return () => context
}
