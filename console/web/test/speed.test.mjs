// How fast the page is. What is time is told, not asserted: the machine of the day decides it. What causes it is asserted.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { newPage, signIn, startBrowser, startServer } from './harness.mjs'
import { prepare } from './prepare.mjs'

let server, browser, account
before(async () => {
  ;[server, browser] = await Promise.all([startServer(), startBrowser()])
  account = await prepare(server)
})
after(async () => {
  await browser?.close()
  await server?.stop()
})

const median = (all) => all.toSorted((a, b) => a - b)[all.length >> 1]

/** Bytes of scripts and styles as they came over the wire, and when something was first seen. */
const loaded = (page) => page.evaluate(() => ({
  bytes: performance.getEntriesByType('resource').filter((r) => r.name.includes('/console/assets/')).reduce((sum, r) => sum + r.encodedBodySize, 0),
  paint: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN,
}))

test('the first load is small, and charts come when they are seen', async (t) => {
  const paints = []
  for (let i = 0; i < 5; i++) {
    const page = await newPage(browser) // an empty cache each time
    await page.goto(`${server.demo}/sign-in`)
    await page.getByLabel('E-mail').waitFor()
    const { bytes, paint } = await loaded(page)
    paints.push(paint)
    assert.ok(bytes > 0 && bytes <= 250_000, `${bytes} bytes`)
    if (i === 0) t.diagnostic(`sign-in: ${bytes} bytes`)
    await page.context().close()
  }
  t.diagnostic(`sign-in: first contentful paint ${Math.round(median(paints))} ms (${paints.map(Math.round).join(', ')})`)
  const page = await newPage(browser)
  await signIn(page, server.demo)
  await page.goto(`${server.demo}/`)
  await page.getByRole('region', { name: /Shopify/ }).waitFor()
  const whole = await page.evaluate(() => performance.getEntriesByType('resource').filter((r) => r.name.includes('/console/assets/')).reduce((sum, r) => sum + r.encodedBodySize, 0))
  t.diagnostic(`dashboard: ${whole} bytes`)
  assert.ok(whole <= 270_000, `${whole} bytes`)
  const dashboard = []
  for (let i = 0; i < 5; i++) {
    await page.goto(`${server.demo}/`)
    await page.getByText('Overview').first().waitFor()
    dashboard.push((await loaded(page)).paint)
  }
  t.diagnostic(`dashboard, signed in: first contentful paint ${Math.round(median(dashboard))} ms (${dashboard.map(Math.round).join(', ')})`)
  const chart = () => page.evaluate(() => performance.getEntriesByType('resource').some((r) => /\/Chart-/.test(r.name)))
  assert.equal(await chart(), false, 'the chart library is not loaded yet')
  await page.goto(`${server.demo}/?source=ga4`)
  await page.locator('.chart canvas').first().waitFor()
  assert.equal(await chart(), true)
})

test('each navigation', async (t) => {
  const page = await newPage(browser)
  await signIn(page, server.demo)
  const took = {}
  for (const round of [1, 2]) {
    for (const name of ['Credentials', 'Services', 'Sheets', 'Schedules', 'Runs', 'Sheet viewer', 'Activity', 'Notifications', 'Set-up', 'Dashboard']) {
      // From the press to a page with its data, measured within the page.
      const ms = await page.evaluate(async (name) => {
        const link = [...document.querySelectorAll('nav.side a.item')].find((a) => a.textContent === name)
        const before = document.querySelector('h1')
        const began = performance.now()
        link.click()
        while (document.querySelector('h1') === before || !document.querySelector('h1') || document.querySelector('main .skeleton')) {
          if (performance.now() - began > 20_000) return NaN
          await new Promise((done) => requestAnimationFrame(done))
        }
        return performance.now() - began
      }, name)
      assert.ok(ms > 0, name)
      ;(took[round] ??= []).push([name, ms])
    }
  }
  for (const [round, all] of Object.entries(took)) {
    t.diagnostic(`navigation, ${round === '1' ? 'first visit' : 'again'}: median ${Math.round(median(all.map(([, ms]) => ms)))} ms; ${all.map(([n, ms]) => `${n} ${Math.round(ms)}`).join(', ')}`)
  }
})

test('of a table of 10,000 rows only those in sight are in the page', async (t) => {
  const page = await newPage(browser)
  await signIn(page, server.demo)
  const part = 2000
  await page.route(`**/api/sheets/${account.spreadsheetId}/values*`, (r) => {
    const from = Number(new URL(r.request().url()).searchParams.get('offset'))
    const data = Array.from({ length: part }, (_, i) => (from + i === 0 ? ['id', 'date', 'sessions', 'users', 'revenue'] : [`row-${from + i}`, '2026-01-01', String(from + i), String(i), `${i}.50`]))
    return r.fulfill({ json: { success: true, data, ...(from + part < 10_000 ? { nextOffset: from + part } : {}) } })
  })
  await page.goto(`${server.demo}/viewer`)
  const table = page.getByRole('table', { name: 'Google' })
  await table.waitFor()
  for (let n = 2; n <= 5; n++) {
    await page.getByRole('button', { name: 'Show more' }).click()
    await page.getByText(new Intl.NumberFormat('en').format(n * part)).first().waitFor()
  }
  assert.equal(await table.getAttribute('aria-rowcount'), '10000')
  const result = await page.evaluate(async () => {
    const area = document.querySelector('.table-wrap')
    const frames = []
    let most = 0
    let last = performance.now()
    for (let i = 0; i < 120; i++) {
      area.scrollTop = ((i + 1) / 120) * area.scrollHeight
      await new Promise((done) => requestAnimationFrame(done))
      const now = performance.now()
      frames.push(now - last)
      last = now
      most = Math.max(most, area.querySelectorAll('tbody tr').length)
    }
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))
    return { frames, most, last: area.querySelector('tbody')?.textContent ?? '' }
  })
  assert.ok(result.most < 100, `${result.most} rows in the page`)
  assert.match(result.last, /row-9999/, 'the end is reached')
  const sorted = result.frames.toSorted((a, b) => a - b)
  t.diagnostic(`10,000 rows scrolled through in 120 steps: frame median ${sorted[60].toFixed(1)} ms, 95th ${sorted[113].toFixed(1)} ms, longest ${sorted.at(-1).toFixed(1)} ms; at most ${result.most} rows in the page`)
})
