import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { after, before, test } from 'node:test'
import { newPage, shoot, startBrowser, startServer, violations } from './harness.mjs'

let server, browser, sandbox
before(async () => {
  // The fake providers of this server, where the tests do what a person does in the providers' consoles.
  const port = await freePort()
  sandbox = `http://localhost:${port}`
  ;[server, browser] = await Promise.all([startServer({ TURKEY_SANDBOX_PORT: String(port), HTTP_JSON_SOURCE: 'true' }), startBrowser()])
})
after(async () => {
  await browser?.close()
  await server?.stop()
})

async function freePort() {
  const listener = createServer().listen(0, '127.0.0.1')
  await new Promise((done) => listener.once('listening', done))
  const { port } = listener.address()
  await new Promise((done) => listener.close(done))
  return port
}

/** Something in a provider's console. */
async function provider(path, body = {}, method = 'POST') {
  const answer = await fetch(`${sandbox}/_sandbox/${path}`, { method, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) })
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`)
  return answer.json()
}

/** A service account with a property and a spreadsheet that are shared with it. */
async function google(name, tabs = ['Google']) {
  const key = await provider('service-accounts', { name })
  const { propertyId } = await provider('properties', { timeZone: 'Europe/Berlin', currency: 'EUR', shareWith: key.client_email })
  const { spreadsheetId } = await provider('spreadsheets', { title: `KPIs of ${name}`, tabs, shareWith: key.client_email })
  return { key, propertyId, spreadsheetId }
}

const file = (name, content) => ({ name, mimeType: 'application/json', buffer: Buffer.from(typeof content === 'string' ? content : JSON.stringify(content)) })

/** A new user who is signed in, at a page of the console. */
async function newcomer(email, path) {
  const page = await newPage(browser)
  await page.goto(`${server.demo}/sign-up`)
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password', { exact: true }).fill('Newcomer-Turkey-1')
  await page.getByRole('button', { name: 'Create an account' }).click()
  await page.getByRole('navigation').waitFor()
  await page.goto(`${server.demo}/${path}`)
  return page
}

const field = (page, name) => page.getByRole('textbox', { name, exact: true })

/** Chooses in a list that opens. */
async function select(page, label, choice) {
  await page.getByRole('button', { name: label }).click()
  await page.getByRole('option', { name: choice }).click()
}

async function accessible(page, name) {
  // What a button that is gone told the screen reader stands there for some seconds.
  await page.waitForFunction(() => !document.querySelector('[data-live-announcer] [role=img]'))
  assert.deepEqual(await violations(page), [], name)
  await shoot(page, name)
}

test('a newcomer comes from the sign-up to the first synced rows, and goes on after a reload at each step', async () => {
  const { key, propertyId } = await google('newcomer')
  const page = await newcomer('newcomer@example.com', 'setup')
  await page.getByRole('heading', { name: 'Where do your figures come from?' }).waitFor()
  await accessible(page, 'setup-source')
  await page.getByRole('button', { name: /Google Analytics/ }).click()

  await page.getByRole('heading', { name: 'Connect Google Analytics' }).waitFor()
  await accessible(page, 'setup-connect')
  await page.setInputFiles('input[type=file]', file('robot.json', key))
  await page.getByText(key.client_email).waitFor()
  await field(page, 'Property ID').fill(propertyId)
  await page.getByRole('button', { name: 'Connect', exact: true }).click()
  await page.getByText('Connected as').waitFor()
  await page.getByRole('button', { name: 'Continue' }).click()

  await page.getByRole('heading', { name: 'Connect Google Sheets' }).waitFor()
  await page.reload()
  await page.getByRole('heading', { name: 'Connect Google Sheets' }).waitFor()
  await page.setInputFiles('input[type=file]', file('robot.json', key))
  await page.getByRole('button', { name: 'Connect', exact: true }).click()
  await page.getByText(`Connected as ${key.client_email}`).waitFor()
  await page.getByRole('button', { name: 'Continue' }).click()

  await page.getByRole('heading', { name: 'Where should Google Analytics be written?' }).waitFor()
  await page.getByText('This tab is empty: a good choice.').waitFor() // the only spreadsheet and tab are chosen already
  await accessible(page, 'setup-tab')
  await page.getByRole('button', { name: 'Use this tab' }).click()

  await page.getByRole('button', { name: 'Start the first sync' }).click()
  await page.getByRole('button', { name: 'Show me the rows' }).waitFor({ timeout: 60_000 })
  await accessible(page, 'setup-sync')
  await page.getByRole('button', { name: 'Show me the rows' }).click()
  await page.getByRole('heading', { name: 'Your figures are here' }).waitFor()
  await page.getByRole('columnheader', { name: 'sessions' }).waitFor()
  assert.ok((await page.locator('.sheet-grid tbody tr').count()) >= 3, 'a window of days')
  await accessible(page, 'setup-done')
  await page.reload()
  await page.getByRole('heading', { name: 'Your figures are here' }).waitFor()
  assert.deepEqual(page.troubles, [])
})

test('with samples a newcomer without any account comes to rows', async () => {
  const page = await newPage(browser)
  await page.goto(`${server.demo}/sign-up`)
  await page.getByLabel('E-mail').fill('samples@example.com')
  await page.getByLabel('Password', { exact: true }).fill('Newcomer-Turkey-1')
  await page.getByRole('button', { name: 'Create an account' }).click()
  await page.waitForURL(/\/setup$/)
  await page.getByRole('button', { name: /Google Analytics/ }).click()
  await page.getByRole('button', { name: 'Use a sample' }).click()
  await page.getByText('sample.json').waitFor()
  assert.match(await field(page, 'Property ID').inputValue(), /^\d+$/)
  await accessible(page, 'setup-sample')
  await page.getByRole('button', { name: 'Connect', exact: true }).click()
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.getByRole('heading', { name: 'Connect Google Sheets' }).waitFor()
  await page.getByRole('button', { name: 'Use a sample' }).click()
  await page.getByText('sample.json').waitFor()
  await page.getByRole('button', { name: 'Connect', exact: true }).click()
  await page.getByRole('button', { name: 'Continue' }).click()
  await select(page, /Tab/, 'Google')
  await page.getByText('This tab is empty: a good choice.').waitFor()
  await page.getByRole('button', { name: 'Use this tab' }).click()
  await page.getByRole('button', { name: 'Start the first sync' }).click()
  await page.getByRole('button', { name: 'Show me the rows' }).click({ timeout: 60_000 })
  await page.getByRole('columnheader', { name: 'sessions' }).waitFor()
  for (const [service, name] of [['meta', 'Ad account ID'], ['shopify', 'Shop address']]) {
    await page.goto(`${server.demo}/credentials/new?service=${service}`)
    await page.getByRole('button', { name: 'Use a sample' }).click()
    await page.waitForFunction(([label]) => [...document.querySelectorAll('label')].find((l) => l.textContent === label)?.control?.value, [name])
    await page.getByRole('button', { name: 'Connect', exact: true }).click()
    await page.getByRole('heading', { name: 'History' }).waitFor()
    await page.getByText('Works').first().waitFor()
  }
  assert.equal((await fetch(`${server.url}/console/sandbox/ga4`, { method: 'POST' })).status, 401, 'not for strangers')
  assert.deepEqual(page.troubles, [])
})

test('the same key serves Google Sheets, and a spreadsheet that is not shared yet is explained', async () => {
  const key = await provider('service-accounts', { name: 'sharing' })
  const { propertyId } = await provider('properties', { shareWith: key.client_email })
  const page = await newcomer('sharing@example.com', 'setup?source=ga4')
  await page.setInputFiles('input[type=file]', file('robot.json', key))
  await field(page, 'Property ID').fill(propertyId)
  await page.getByRole('button', { name: 'Connect', exact: true }).click()
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.getByRole('button', { name: 'Use the same key' }).click()
  await page.getByRole('button', { name: 'Connect', exact: true }).click()
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.getByText('We do not see a spreadsheet yet.').waitFor()
  await page.getByText(key.client_email, { exact: true }).waitFor()
  await accessible(page, 'setup-share')
  const { spreadsheetId } = await provider('spreadsheets', { title: 'Late', tabs: ['Notes', 'Google'], shareWith: key.client_email })
  await provider(`spreadsheets/${spreadsheetId}/cells`, { tab: 'Notes', a1: 'A1', value: 'shopping list' }, 'PUT')
  await page.getByRole('button', { name: 'I have shared it: look again' }).click()
  await select(page, /Tab/, 'Notes')
  await page.getByText('Something else is in this tab, so we do not write into it.').waitFor()
  assert.ok(await page.getByRole('button', { name: 'Use this tab' }).isDisabled())
  await accessible(page, 'setup-foreign')
  await select(page, /Tab/, 'Google')
  await page.getByText('This tab is empty: a good choice.').waitFor()
  await page.getByRole('button', { name: 'Skip for now' }).click()
  await page.getByText('You find the set-up in the menu').waitFor()
  assert.deepEqual(page.troubles, [])
})

test('each kind of credential is taken', async () => {
  const page = await newcomer('kinds@example.com', 'credentials/new')
  await page.getByRole('button', { name: /Shopify/ }).waitFor()
  await accessible(page, 'credentials-new')
  const connected = async () => {
    await page.getByRole('button', { name: 'Connect', exact: true }).click()
    await page.getByRole('heading', { name: 'History' }).waitFor()
  }

  const ad = await provider('ad-accounts', {})
  await page.getByRole('button', { name: /Meta Ads/ }).click()
  await field(page, 'Access token').fill(` ${ad.access_token} `)
  await field(page, 'Ad account ID').fill(ad.account_id)
  await connected()

  const shop = await provider('shops', {})
  await page.goto(`${server.demo}/credentials/new?service=shopify`)
  await field(page, 'Shop address').fill(`https://${shop.shop_url}/`)
  await field(page, 'Access token').fill(shop.access_token)
  await connected()

  const app = await provider('shops?kind=client', {})
  await page.goto(`${server.demo}/credentials/new?service=shopify`)
  await select(page, /What do you have/, /App from the Dev Dashboard/)
  await field(page, 'Shop address').fill(app.shop_url)
  await field(page, 'Client ID').fill(app.client_id)
  await field(page, 'Client secret').fill(app.client_secret)
  await connected()

  const person = await provider('oauth-clients', {})
  const { propertyId } = await provider('properties', { shareWith: person.client_id })
  await page.goto(`${server.demo}/credentials/new?service=ga4`)
  await select(page, /What do you have/, /OAuth client/)
  await field(page, 'Client ID').fill(person.client_id)
  await field(page, 'Client secret').fill(person.client_secret)
  await field(page, 'Refresh token').fill(person.refresh_token)
  await field(page, 'Property ID').fill(propertyId)
  await connected()

  const api = await provider('json-apis', {})
  await page.goto(`${server.demo}/credentials/new?service=http_json`)
  await field(page, 'Text of the JSON file').fill(JSON.stringify(api))
  await connected()

  await page.goto(`${server.demo}/credentials`)
  await page.getByRole('link', { name: 'Your own API' }).waitFor()
  assert.equal(await page.getByRole('region', { name: 'Credentials' }).getByText('Works').count(), 5)
  await accessible(page, 'credentials')
  const kept = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }) + location.href)
  for (const secret of [ad.access_token, shop.access_token, app.client_secret, person.refresh_token]) {
    assert.ok(!kept.includes(secret) && !(await page.content()).includes(secret), 'a secret stays in the page')
  }
  assert.deepEqual(page.troubles, [])
})

test('wrong files are explained before anything is sent', async () => {
  const { key } = await google('wrong')
  const page = await newcomer('wrong@example.com', 'credentials/new?service=google_sheets')
  let sent = 0
  page.on('request', (r) => r.url().endsWith('/api/credentials/save') && sent++)
  const drop = async (f, said) => {
    await page.setInputFiles('input[type=file]', f)
    await page.getByText(said).waitFor()
  }
  await drop({ ...file('notes.txt', 'hello'), mimeType: 'text/plain' }, 'notes.txt is not one of')
  await drop(file('big.json', ' '.repeat(1024 * 1024 + 1)), 'big.json is larger than 1024 KiB')
  await drop(file('mib.json', JSON.stringify({ x: 'x'.repeat(1024 * 1024 - 8) })), 'too large to be a credential')
  await drop(file('cut.json', JSON.stringify(key).slice(0, 500)), 'The end of it is missing')
  await drop(file('client.json', { installed: { client_id: 'x' } }), 'This is the file of an OAuth client')
  await drop(file('meta.json', { access_token: 'x', account_id: 'act_1' }), 'looks like a credential for Meta Ads, not for Google Sheets')
  await drop(file('lost.json', { ...key, project_id: '' }), 'The file has no project_id')
  await accessible(page, 'credentials-wrong-file')
  assert.equal(sent, 0)
  await drop(file('robot.json', key), key.client_email)
  await field(page, 'Name').fill('')
  await page.getByRole('button', { name: 'Connect', exact: true }).click()
  await page.getByText('This is needed.').waitFor()
  assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'INPUT', 'the field has the focus')
  assert.equal(sent, 0)
  assert.deepEqual(page.troubles, [])
})

test('a refused credential is mended without typing it again, and a server that is away loses nothing', async () => {
  const ad = await provider('ad-accounts', {})
  const page = await newcomer('mend@example.com', 'credentials/new?service=meta')
  await field(page, 'Access token').fill('EAAwrong')
  await field(page, 'Ad account ID').fill('G-12')
  await page.getByRole('button', { name: 'Connect', exact: true }).click()
  await page.getByText('An ad account ID has digits only').waitFor()
  await field(page, 'Ad account ID').fill(ad.account_id)

  await page.route('**/api/credentials/save', (r) => r.abort())
  await page.getByRole('button', { name: 'Connect', exact: true }).click()
  await page.getByText('The server cannot be reached').waitFor()
  assert.equal(await field(page, 'Access token').inputValue(), 'EAAwrong')
  await page.unroute('**/api/credentials/save')

  const limited = { error: 'Too many requests. Please try again later.', code: 'RATE_LIMITED', retryAfter: 3 }
  await page.route('**/api/credentials/save', (r) => r.fulfill({ status: 429, json: limited, headers: { 'Retry-After': '3' } }))
  await page.getByRole('button', { name: 'Connect', exact: true }).click()
  await page.getByText(/You can try again in \d second/).waitFor()
  assert.ok(await page.getByRole('button', { name: 'Connect', exact: true }).isDisabled())
  await page.unroute('**/api/credentials/save')

  const refused = { error: 'Invalid credential format', code: 'INVALID_CREDENTIAL_FORMAT', details: { errors: ['Invalid account_id'] } }
  await page.route('**/api/credentials/save', (r) => r.fulfill({ status: 400, json: refused }))
  await page.getByRole('button', { name: 'Connect', exact: true }).click() // waits until the countdown is over
  await page.getByText('Invalid account_id').waitFor()
  await page.unroute('**/api/credentials/save')

  await page.getByRole('button', { name: 'Connect', exact: true }).click()
  await page.getByText('It is saved, but it does not work yet.').waitFor()
  await accessible(page, 'credentials-refused')
  await field(page, 'Access token').fill(ad.access_token)
  await page.getByRole('button', { name: 'Connect', exact: true }).click()
  await page.getByRole('heading', { name: 'History' }).waitFor()
  await page.getByText('Version 2').waitFor() // replaced, not saved a second time

  // The token ends: the test says so, and a new one mends it.
  await provider(`ad-accounts/${ad.account_id.replace('act_', '')}/tokens?subcode=460`, {}, 'DELETE')
  await page.getByRole('button', { name: 'Test now' }).click()
  await page.getByRole('alert').getByText('verification failed', { exact: false }).waitFor()
  await page.getByText('Refused').waitFor()
  await accessible(page, 'credential-broken')
  const anew = await provider('ad-accounts', { accountId: ad.account_id })
  await page.getByRole('button', { name: 'Replace', exact: true }).click()
  await field(page, 'Access token').fill(anew.access_token)
  await field(page, 'Ad account ID').fill(anew.account_id)
  await page.getByRole('button', { name: 'Replace and test' }).click()
  await page.getByText('Works').waitFor()
  assert.deepEqual(page.troubles, [])
})

test('a credential is renamed, taken back to an old content, deleted and restored; another tab sees that it is gone', async () => {
  const shop = await provider('shops', {})
  const page = await newcomer('life@example.com', 'credentials/new?service=shopify')
  await field(page, 'Shop address').fill(shop.shop_url)
  await field(page, 'Access token').fill(shop.access_token)
  await page.getByRole('button', { name: 'Connect', exact: true }).click()
  await page.getByRole('heading', { name: 'History' }).waitFor()
  await page.getByRole('button', { name: 'Rename' }).click()
  await field(page.getByRole('dialog'), 'Name').fill('My shop')
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click()
  await page.getByRole('heading', { name: 'My shop' }).waitFor()

  const second = await provider('shops', { shop: shop.shop_url })
  await page.getByRole('button', { name: 'Replace', exact: true }).click()
  await field(page, 'Shop address').fill(second.shop_url)
  await field(page, 'Access token').fill(second.access_token)
  await page.getByRole('button', { name: 'Replace and test' }).click()
  await page.getByText('Version 2').waitFor()
  await page.getByRole('button', { name: 'Go back to this: Version 1' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Go back to this' }).click()
  await page.getByText('Version 3').waitFor()
  await page.getByText('Going back to an old version').waitFor() // among its uses
  await page.getByText('Not tested yet').waitFor()
  await accessible(page, 'credential')

  const other = await page.context().newPage()
  await other.goto(page.url())
  await other.getByRole('heading', { name: 'My shop' }).waitFor()
  await page.getByRole('button', { name: 'Delete', exact: true }).click()
  await page.getByRole('dialog').getByText('Shopify stops: no more figures are collected').waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await page.getByRole('heading', { name: 'Recently deleted' }).waitFor()
  await other.getByRole('button', { name: 'Test now' }).click()
  await other.getByRole('heading', { name: 'This credential is gone' }).waitFor()
  await page.getByRole('button', { name: 'Restore My shop' }).click()
  await accessible(page, 'credentials-deleted')
  await page.getByRole('dialog').getByRole('button', { name: 'Restore' }).click()
  await page.getByRole('link', { name: 'My shop' }).waitFor()
  assert.deepEqual(page.troubles, [])
})

test('services say what is missing next, and tabs are changed and removed', async () => {
  const { key, propertyId, spreadsheetId } = await google('tabs', ['Google', 'Other'])
  const page = await newcomer('tabs@example.com', 'sheets')
  await page.getByText('Connect Google Sheets first').waitFor()
  await accessible(page, 'sheets-empty')
  await page.goto(`${server.demo}/services`)
  const card = page.locator('section.card', { has: page.getByRole('heading', { name: 'Google Analytics' }) })
  await card.getByText('Nothing is connected yet.').waitFor()
  await card.getByRole('link', { name: 'Connect' }).click()
  await page.setInputFiles('input[type=file]', file('robot.json', { ...key, property_id: propertyId }))
  await page.getByText(key.client_email).waitFor()
  assert.equal(await field(page, 'Property ID').inputValue(), propertyId) // taken from the file
  await page.getByRole('button', { name: 'Connect', exact: true }).click()
  await page.getByRole('heading', { name: 'History' }).waitFor()
  await page.goto(`${server.demo}/services`)
  await card.getByRole('link', { name: 'Connect Google Sheets' }).click()
  await page.setInputFiles('input[type=file]', file('robot.json', key))
  await page.getByRole('button', { name: 'Connect', exact: true }).click()
  await page.getByRole('heading', { name: 'History' }).waitFor()
  await page.goto(`${server.demo}/services`)
  await card.getByRole('link', { name: 'Choose a tab' }).click()

  await select(page, /Tab/, 'Other')
  await page.getByRole('button', { name: 'Use this tab' }).click()
  await page.getByText('Google Analytics writes there from now on.').waitFor()
  await page.getByText('This tab is empty: a good choice.').waitFor()
  await accessible(page, 'sheets')
  await provider(`spreadsheets/${spreadsheetId}/cells`, { tab: 'Other', a1: 'A1', value: 'mine' }, 'PUT')
  await page.getByRole('button', { name: 'Look again' }).click()
  await page.getByText('Something else is in this tab').waitFor()
  await page.getByRole('button', { name: 'Remove: Google Analytics' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click()
  await page.getByText('No tab is chosen yet').waitFor()

  await page.goto(`${server.demo}/services`)
  await card.getByText('No tab to write to is chosen.').waitFor()
  await card.getByText('Use Google Analytics').click()
  await page.getByText('Google Analytics is off.').waitFor()
  await card.getByText('Switch it on to use it.').waitFor()
  await accessible(page, 'services')
  assert.deepEqual(page.troubles, [])
})

test('a sync that fails leads to what mends it', async () => {
  const { key, propertyId, spreadsheetId } = await google('mending')
  const page = await newcomer('mending@example.com', 'setup?source=ga4')
  await page.setInputFiles('input[type=file]', file('robot.json', key))
  await field(page, 'Property ID').fill(propertyId)
  await page.getByRole('button', { name: 'Connect', exact: true }).click()
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.getByRole('button', { name: 'Use the same key' }).click()
  await page.getByRole('button', { name: 'Connect', exact: true }).click()
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.getByText('This tab is empty: a good choice.').waitFor()
  await page.getByRole('button', { name: 'Use this tab' }).click()
  await page.getByRole('button', { name: 'Start the first sync' }).waitFor()
  await provider(`spreadsheets/${spreadsheetId}/sharing`, { email: key.client_email, role: 'none' }, 'PUT')
  await page.getByRole('button', { name: 'Start the first sync' }).click()
  await page.getByText('The sync did not succeed.').waitFor({ timeout: 60_000 })
  await accessible(page, 'setup-failed')
  await page.reload() // the failure is still told
  await page.getByText('The sync did not succeed.').waitFor()
  await provider(`spreadsheets/${spreadsheetId}/sharing`, { email: key.client_email, role: 'writer' }, 'PUT')
  await page.getByRole('button', { name: 'Try again' }).click()
  await page.getByRole('button', { name: 'Show me the rows' }).click({ timeout: 60_000 })
  await page.getByRole('columnheader', { name: 'sessions' }).waitFor()
  assert.deepEqual(page.troubles, [])
})
