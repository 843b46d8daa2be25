import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { demo, newPage, signIn, startBrowser, startServer, violations } from './harness.mjs'
import { connect } from './prepare.mjs'

const operator = { email: 'operator@example.com', password: 'Operator-Turkey-1' }
let server, browser
before(async () => {
  ;[server, browser] = await Promise.all([startServer(), startBrowser()])
  await server.gravy('user', 'create', '-e', operator.email, '-p', operator.password, '-a', 'default-app', '-r', 'admin')
})
after(async () => {
  await browser?.close()
  await server?.stop()
})

const field = (page, name) => page.getByRole('textbox', { name, exact: true })

test('the server dies while a form is half filled: nothing is lost, and once it is back the same page goes on', async () => {
  const { provider } = await connect(server)
  const ad = await provider('POST', '/ad-accounts', {})
  const page = await newPage(browser)
  await signIn(page, server.demo)
  await page.goto(`${server.demo}/credentials/new?service=meta`)
  await field(page, 'Access token').fill(ad.access_token)
  await server.crash()
  await field(page, 'Ad account ID').fill(ad.account_id)
  await field(page, 'Name').fill('Typed while it was away')
  await page.getByRole('button', { name: 'Connect', exact: true }).click()
  await page.getByText('The server cannot be reached').waitFor()
  assert.deepEqual(await violations(page), [])
  await page.getByRole('link', { name: 'Runs', exact: true }).click() // another page says it too, with a way to try again
  await page.getByRole('alert').getByText('the server cannot be reached').waitFor()
  await page.getByRole('button', { name: 'Try again' }).waitFor()
  await page.goBack()
  await field(page, 'Access token').fill(ad.access_token) // secrets are nowhere but in the form that was left
  await field(page, 'Ad account ID').fill(ad.account_id)
  await field(page, 'Name').fill('Typed while it was away')
  await page.getByRole('button', { name: 'Connect', exact: true }).click()
  await page.getByText('The server cannot be reached').waitFor()
  await server.start()
  await page.evaluate(() => Object.assign(window, { same: true }))
  assert.equal(await field(page, 'Access token').inputValue(), ad.access_token)
  assert.equal(await field(page, 'Name').inputValue(), 'Typed while it was away')
  await page.getByRole('button', { name: 'Connect', exact: true }).click()
  await page.getByRole('heading', { name: 'Typed while it was away' }).waitFor()
  await page.getByText('Works').first().waitFor()
  await page.getByRole('link', { name: 'Runs', exact: true }).click()
  await page.getByText('No runs').waitFor()
  assert.equal(await page.evaluate(() => window.same), true, 'without a reload')
  assert.deepEqual(page.troubles, [])
})

test('on a slow network there is something to see at once, and a second press sends nothing twice', async () => {
  const page = await newPage(browser)
  await signIn(page, server.demo)
  let sent = 0
  await page.route(/\/(api|v1)\//, async (route) => {
    if (route.request().method() === 'POST' && route.request().url().endsWith('/api/credentials/save')) sent++
    await new Promise((done) => setTimeout(done, 1500))
    await route.continue()
  })
  await page.getByRole('link', { name: 'Activity', exact: true }).click()
  await page.getByRole('heading', { level: 1, name: 'Activity' }).waitFor({ timeout: 1000 })
  await page.locator('.skeleton').first().waitFor({ timeout: 1000 })
  await page.getByRole('table', { name: 'Activity' }).waitFor()
  const { provider } = await connect(server)
  const ad = await provider('POST', '/ad-accounts', {})
  await page.getByRole('link', { name: 'Credentials', exact: true }).click()
  await page.getByRole('link', { name: /Add|Connect/ }).first().click()
  await page.getByRole('button', { name: /Meta Ads/ }).click()
  await field(page, 'Access token').fill(ad.access_token)
  await field(page, 'Ad account ID').fill(ad.account_id)
  const press = page.getByRole('button', { name: /Connect$/ })
  await press.click()
  await page.locator('.button .spinner').waitFor({ timeout: 1000 })
  await press.click({ force: true })
  await page.getByRole('heading', { name: 'History' }).waitFor()
  assert.equal(sent, 1)
  assert.deepEqual(page.troubles, [])
})

test('a form that the server refuses says so with a countdown or the id of the request, and goes through afterwards', async () => {
  const page = await newPage(browser)
  await signIn(page, server.console, operator)
  await page.goto(`${server.console}/admin/apps`)
  await page.getByRole('button', { name: 'New app' }).click()
  const dialog = page.getByRole('dialog')
  const create = dialog.getByRole('button', { name: 'New app' })
  await field(page, 'Id').fill(demo.app)
  await create.click()
  await dialog.getByText('There is an app of this id').waitFor() // 409, from the server itself
  await field(page, 'Id').fill('troubled')
  for (const [status, body, words] of [
    [429, { error: 'rate_limit_exceeded', message: 'Too many requests', retryAfter: 2 }, /try again in \d second/],
    [500, { error: 'internal_error', message: 'Internal server error', requestId: 'req-4711' }, /req-4711/],
    [503, { error: 'unavailable', message: 'x' }, /busy or its database/],
    [403, { error: 'insufficient_permissions', message: 'Only operators may do this' }, /Only operators may do this/],
  ]) {
    await page.route('**/v1/admin/apps', (r) => (r.request().method() === 'POST' ? r.fulfill({ status, json: body, headers: { 'Retry-After': '2', 'X-Request-Id': 'req-4711' } }) : r.continue()))
    await create.click()
    await dialog.getByText(words).waitFor()
    assert.equal(await field(page, 'Id').inputValue(), 'troubled', 'what was typed stays')
    await page.unroute('**/v1/admin/apps')
  }
  await create.click()
  await page.getByRole('heading', { name: 'troubled' }).waitFor()
  assert.deepEqual(page.troubles, [])
})

test('a session that was ended elsewhere leads to the sign-in, and back to the same page', async () => {
  const page = await newPage(browser)
  await signIn(page, server.demo)
  await page.goto(`${server.demo}/activity?status=failure`)
  await page.getByRole('heading', { level: 1, name: 'Activity' }).waitFor()
  const { api } = await connect(server)
  await api('DELETE', '/v1/users/me/sessions') // all others
  await page.reload()
  await page.getByLabel('E-mail').fill(demo.email)
  await page.getByLabel('Password', { exact: true }).fill(demo.password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL(/\/activity\?status=failure$/)
  assert.deepEqual(page.troubles, [])
})

test('a link in a mail that expired or was used says what to do', async () => {
  const page = await newPage(browser)
  for (const path of ['verify-email', 'reset-password']) {
    await page.goto(`${server.url}/auth/${path}?token=${'0'.repeat(64)}`)
    const password = page.locator('input[type=password]')
    if (await password.count()) await password.first().fill('Another-Turkey-1')
    await page.locator('button').click()
    await page.getByText('expired or was used').waitFor()
    assert.deepEqual(await violations(page), [], path)
  }
})
