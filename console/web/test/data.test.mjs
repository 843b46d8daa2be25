import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { newPage, shoot, signIn, startBrowser, startServer, violations } from './harness.mjs'
import { dayFromNow, ended, prepare } from './prepare.mjs'

let server, browser, page, account
before(async () => {
  ;[server, browser] = await Promise.all([startServer(), startBrowser()])
  page = await newPage(browser, { acceptDownloads: true })
})
after(async () => {
  await browser?.close()
  await server?.stop()
})

const open = async (path) => {
  await page.goto(server.demo + path)
  await page.getByRole('heading', { level: 1 }).waitFor()
  await page.waitForFunction(() => !document.querySelector('.skeleton'))
}
const choose = async (label, option, within = page) => {
  await within.getByRole('button', { name: label }).click()
  await page.getByRole('option', { name: option }).click()
}
const source = (name) => page.getByRole('region', { name })

test('a newcomer is led to the set-up; whoever skipped it finds the way on the dashboard', async () => {
  await signIn(page, server.demo)
  await page.waitForURL(/\/console\/a\/demo\/setup$/)
  await page.getByRole('heading', { name: 'Where do your figures come from?' }).waitFor()
  await page.getByRole('button', { name: 'Skip for now' }).click()
  await page.waitForURL(/\/console\/a\/demo\/?$/)
  await page.reload()
  await page.getByText('Set up your first source').waitFor()
  assert.match(await page.getByRole('link', { name: 'Set up your first source' }).getAttribute('href'), /\/setup$/)
  assert.deepEqual(await violations(page), [])
  account = await prepare(server)
})

test('every page of the data area loads and is accessible', async () => {
  const dry = await account.api('POST', '/api/runs', { service: 'ga4', from: dayFromNow(-9), to: dayFromNow(-1), dryRun: true })
  await ended(account, dry.id)
  for (const path of ['/', '/?source=ga4', '/?source=meta&days=90', '/schedules', '/runs', `/runs/${account.runs.ga4}`, `/runs/${dry.id}`, '/viewer', '/activity', '/notifications']) {
    await open(path)
    assert.equal(await page.getByRole('alert').count(), 0, `${path}: no failure is shown`)
    assert.deepEqual(await violations(page), [], path)
    await shoot(page, `data-${path.replace(/[0-9a-f]{8}-[\w-]+/, path.includes(dry.id) ? 'dry' : 'run').replace(/\W+/g, '-')}`)
  }
  assert.deepEqual(page.troubles, [])
})

test('the dashboard shows the figures of the API, and compares only complete periods', async () => {
  const range = (from, to) => `from=${dayIn('Europe/Berlin', from)}&to=${dayIn('Europe/Berlin', to)}`
  const now = await account.api('GET', `/api/kpis?service=ga4&${range(-28, -1)}`)
  const then = await account.api('GET', `/api/kpis?service=ga4&${range(-56, -29)}`)
  await open('/')
  const ga4 = source(/Google Analytics/)
  await ga4.getByText(euro(now.totals.revenue)).waitFor()
  await ga4.getByText(`before: ${euro(then.totals.revenue)}`).waitFor()
  await ga4.getByText('EUR · days of Europe/Berlin').waitFor()
  await source(/Meta Ads/).getByText('USD · days of America/New_York').waitFor()
  const open28 = now.rows.filter((r) => r.provisional).length
  assert.ok(open28 > 0, 'recent days of GA4 are provisional')
  await ga4.locator('h2').getByText(`${open28} days may still change`).waitFor()
  // The shop has the last 28 days alone: there is nothing to compare with.
  await source(/Shopify/).getByText(/No comparison: 28 days of the period before are missing/).first().waitFor()
  assert.equal(await source(/Shopify/).getByText('before:').count(), 0)
  // Nothing adds the sources up.
  await page.getByText('adding them up would count a sale more than once').waitFor()
  await choose(/Period/, 'Last 90 days')
  await ga4.getByText(/No comparison: 20 days of this period are missing/).first().waitFor()
})

test('a source has a chart of each metric, with its table, by week too, and as a file', async () => {
  await open('/?source=ga4&days=28')
  await page.getByRole('img', { name: /^Revenue from/ }).locator('canvas').waitFor()
  assert.equal(await page.locator('.chart canvas').count(), 9)
  const table = page.getByRole('table', { name: 'Revenue' })
  assert.equal(await table.count(), 0)
  await page.getByText('Show as a table: Revenue').click()
  await table.waitFor()
  assert.equal(await table.locator('tbody tr').count(), 28)
  assert.ok((await table.getByText('may still change').count()) > 0)
  await choose(/Put together by/, 'By week')
  await page.getByRole('table', { name: 'Figures' }).getByText('7 days').first().waitFor()
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download CSV' }).click()])
  assert.equal(file.suggestedFilename(), 'ga4.csv')
  assert.match(await readFile(await file.path(), 'utf8'), /^date,days,provisional,currency,/)
})

test('"Sync now" runs and says what it wrote', async () => {
  await open('/')
  await source(/Shopify/).getByRole('button', { name: 'Sync now' }).click()
  await source(/Shopify/).getByText(/^Done\. Your sheet was up to date/).waitFor()
  await source(/Shopify/).getByRole('link', { name: 'Show the run' }).click()
  await page.getByRole('heading', { name: 'Shopify run' }).waitFor()
})

test('a dry run shows its cells; written, the run can be undone', async () => {
  await account.provider('PUT', `/spreadsheets/${account.spreadsheetId}/cells`, { tab: 'Google', a1: 'C71', value: 5 })
  await open('/runs')
  await page.getByRole('button', { name: 'Pull days' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('From').fill(dayFromNow(-2))
  await dialog.getByLabel('To', { exact: true }).fill(dayFromNow(-5))
  await dialog.getByText('The last day is before the first.').waitFor()
  await dialog.getByLabel('From').fill(dayFromNow(-5))
  await dialog.getByLabel('To', { exact: true }).fill(dayFromNow(-1))
  await choose(/Source/, 'Google Analytics', dialog)
  await dialog.getByText('Only show what would change').click()
  await dialog.getByRole('button', { name: 'Show changes' }).click()
  const changes = page.getByRole('table', { name: 'Cells that would change' })
  await changes.waitFor()
  assert.match(await changes.locator('tbody tr').first().innerText(), /sessions\s+5\s+\d+/)
  await page.getByRole('button', { name: 'Write these days' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Write these days' }).click()
  await page.getByText('What it did').waitFor()
  await page.getByRole('button', { name: 'Undo this run' }).click()
  await page.getByRole('dialog').getByText('Cells that somebody has changed since are left alone').waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'Undo this run' }).click()
  await page.getByText(/^This run was undone on/).waitFor()
  const sheet = await account.provider('GET', `/spreadsheets/${account.spreadsheetId}`)
  assert.equal(String(sheet.tabs[0].shown[70][2]), '5', 'the cell holds again what it held')
})

test('a run that fails says why and where to mend it, live; a waiting one can be cancelled', async () => {
  await account.api('DELETE', '/api/sheet-mappings/meta')
  await open('/runs')
  const run = await account.api('POST', '/api/runs', { service: 'meta' })
  await open(`/runs/${run.id}`)
  await page.getByRole('alert').getByText('Choose the tab that this source writes to.').waitFor()
  assert.match(await page.getByRole('link', { name: 'Go to Sheets' }).getAttribute('href'), /\/sheets$/)
  await account.api('POST', '/api/sheet-mappings/set', { service: 'meta', spreadsheetId: account.spreadsheetId, sheetName: 'Meta' })
  await account.provider('POST', '/faults', { path: '/graph', status: 503, times: 1, retryAfter: 40 })
  await page.getByRole('button', { name: 'Try again' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Try again' }).click()
  await page.getByText('The provider could not be reached').waitFor()
  await page.getByText(/^Next attempt:/).waitFor()
  await page.getByRole('button', { name: 'Cancel run' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel run' }).click()
  await page.getByText('Cancelled', { exact: true }).waitFor()
  await account.provider('DELETE', '/faults')
  await open('/runs?status=cancelled')
  assert.equal(await page.getByRole('table', { name: 'Runs' }).locator('tbody tr').count(), 1)
})

test('a schedule is set with a zone, shows its next runs in both zones, and refuses a wrong expression', async () => {
  await open('/schedules')
  await page.getByRole('button', { name: 'Change: Google Analytics' }).click()
  const dialog = page.getByRole('dialog')
  await choose(/How often/, 'Monday to Friday')
  await dialog.getByLabel('At', { exact: true }).fill('06:30')
  await dialog.getByRole('combobox', { name: 'Time zone' }).fill('new york')
  await page.getByRole('option', { name: 'America/New York' }).click()
  await dialog.getByText(/6:30 AM in America\/New York · .*for you \(Europe\/Berlin\)/).first().waitFor()
  assert.equal(await dialog.locator('.times li').count(), 5)
  assert.deepEqual(await violations(page), [])
  await choose(/How often/, 'Custom')
  await dialog.getByLabel('Cron expression').fill('61 2 * * *')
  await dialog.getByText(/minute/i).and(dialog.locator('.error')).waitFor()
  assert.equal(await dialog.getByRole('button', { name: 'Save' }).isDisabled(), true)
  await dialog.getByLabel('Cron expression').fill('30 6 * * MON-FRI')
  await dialog.locator('.times li').first().waitFor()
  await dialog.getByRole('button', { name: 'Save' }).click()
  await page.getByText('Monday to Friday at 06:30').waitFor()
  const set = (await account.api('GET', '/api/schedules')).data.find((s) => s.service === 'ga4')
  assert.deepEqual([set.cron, set.timezone, set.enabled], ['30 6 * * MON-FRI', 'America/New_York', true])
  await page.getByText('Collect Google Analytics by itself').click()
  await page.getByText('Google Analytics is no longer collected by itself.').waitFor()
  await page.getByRole('button', { name: 'Run now: Google Analytics' }).click()
  await page.getByRole('heading', { name: 'Google Analytics run' }).waitFor()
  await page.getByText('Completed', { exact: true }).waitFor()
})

test('the viewer shows the mapped tab, and whom to share with where it may not read', async () => {
  await open('/viewer')
  await page.getByRole('table', { name: 'Google' }).getByText('sessions').waitFor()
  await choose(/Tab/, /Shopify/)
  await page.getByRole('table', { name: 'Shopify' }).getByText('total_orders').waitFor()
  await account.provider('PUT', `/spreadsheets/${account.spreadsheetId}/sharing`, { email: account.robot, role: 'none' })
  await page.reload()
  await page.getByRole('alert').getByText(account.robot).waitFor()
  await page.getByRole('button', { name: 'Copy address' }).waitFor()
  assert.deepEqual(await violations(page), [])
  await account.provider('PUT', `/spreadsheets/${account.spreadsheetId}/sharing`, { email: account.robot, role: 'writer' })
  await page.getByRole('button', { name: 'Try again' }).click()
  await page.getByRole('table', { name: 'Shopify' }).waitFor()
})

test('activity is filtered and saved as a file', async () => {
  await open('/activity')
  await choose(/Source/, 'Meta Ads')
  await choose(/Outcome/, 'Failure')
  const table = page.getByRole('table', { name: 'Activity' })
  await table.getByText('Run failed').first().waitFor()
  assert.equal(await table.getByText('Google Analytics').count(), 0)
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download CSV' }).click()])
  const lines = (await readFile(await file.path(), 'utf8')).trim().split('\n')
  assert.equal(lines.length - 1, await table.locator('tbody tr').count())
  await page.getByLabel('To', { exact: true }).fill('2020-01-01')
  await page.getByText('Nothing matches').waitFor()
})

test('a webhook shows its secret once, is tested and replayed, and is deleted', async () => {
  await open('/notifications')
  await page.getByText('Everything, also what will be added later').click()
  await page.getByText('A credential is about to end', { exact: true }).click()
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('Your choice is saved.').waitFor()
  assert.deepEqual((await account.api('GET', '/api/notifications')).events, ['credential.broken', 'credential.recovered', 'run.failed', 'run.recovered'])
  await page.getByRole('button', { name: 'Add a webhook' }).click()
  await choose(/Where to/, 'Own address')
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('textbox', { name: 'Address' }).fill('ftp://example.com/hook')
  await dialog.getByRole('button', { name: 'Add a webhook' }).click()
  await dialog.getByRole('alert').waitFor()
  assert.equal(await dialog.getByRole('textbox', { name: 'Address' }).inputValue(), 'ftp://example.com/hook', 'what was typed stays')
  await dialog.getByRole('textbox', { name: 'Address' }).fill(`${server.url}/nobody-listens`)
  await dialog.getByRole('button', { name: 'Add a webhook' }).click()
  assert.match(await dialog.locator('.secret code').innerText(), /^whsec_/)
  assert.deepEqual(await violations(page), [])
  await dialog.getByRole('button', { name: 'I have kept it' }).click()
  assert.equal(await page.getByText(/whsec_/).count(), 0)
  await page.getByRole('button', { name: 'Send a test' }).click()
  await page.getByText('It also goes to 1 webhook.').waitFor()
  await page.getByRole('button', { name: /^What can be done/ }).click()
  await page.getByRole('menuitem', { name: 'Deliveries' }).click()
  const deliveries = page.getByRole('dialog').getByRole('table')
  await deliveries.getByText('404', { exact: true }).waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'Send again' }).click()
  await page.getByText('It is sent again.').waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).last().click()
  await page.getByRole('button', { name: /^What can be done/ }).click()
  await page.getByRole('menuitem', { name: 'Delete webhook' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete webhook' }).click()
  await page.getByText('No chat or webhook yet').waitFor()
})

test('what the server refuses is said in words, and can be tried again', async () => {
  for (const [status, body, words] of [
    [503, { error: 'down', code: 'UNAVAILABLE' }, /busy or its database/],
    [500, { error: 'x', code: 'INTERNAL', requestId: 'req-42' }, /req-42/],
    [429, { error: 'Too many requests', code: 'RATE_LIMITED' }, /try again in \d+ second/],
  ]) {
    await page.route('**/api/runs?*', (route) => route.fulfill({ status, contentType: 'application/json', headers: { 'Retry-After': '3', 'X-Request-Id': 'req-42' }, body: JSON.stringify(body) }))
    await page.goto(`${server.demo}/runs`)
    await page.getByRole('alert').getByText(words).waitFor()
    await page.unroute('**/api/runs?*')
    await page.getByRole('button', { name: 'Try again' }).click()
    await page.getByRole('table', { name: 'Runs' }).waitFor()
  }
})

const euro = (text) => new Intl.NumberFormat('en', { style: 'currency', currency: 'EUR' }).format(Number(text))
// The n-th day from today in a zone, by the calendar: not every day has 24 hours.
const dayIn = (timeZone, n) => new Date(Date.parse(new Intl.DateTimeFormat('sv-SE', { timeZone }).format()) + n * 86_400_000).toISOString().slice(0, 10)
