import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { newPage, shoot, signIn, startBrowser, startServer, violations } from './harness.mjs'

const operator = { email: 'operator@example.com', password: 'Operator-Turkey-1' }
let server, browser, page
before(async () => {
  ;[server, browser] = await Promise.all([startServer(), startBrowser()])
  await server.gravy('user', 'create', '-e', operator.email, '-p', operator.password, '-a', 'default-app', '-r', 'admin')
  page = await newPage(browser)
  await signIn(page, server.console, operator)
})
after(async () => {
  await browser?.close()
  await server?.stop()
})

const pages = ['', 'apps', 'apps/demo', 'users?app=demo', 'sessions', 'keys', 'revocations', 'audit', 'jobs', 'mailbox', 'health', 'limits']

test('every page of administration loads and is accessible', async () => {
  for (const path of pages) {
    await page.goto(`${server.console}/admin/${path}`)
    await page.getByRole('heading', { level: 1 }).waitFor()
    await page.waitForFunction(() => !document.querySelector('.skeleton'))
    assert.equal(await page.getByRole('alert').count(), 0, `${path}: no failure is shown`)
    assert.deepEqual(await violations(page), [], path)
    await shoot(page, `admin-${path.replace(/\W+/g, '-') || 'overview'}`)
  }
  assert.deepEqual(page.troubles, [])
})

test('an app is made, changed and deleted', async () => {
  await page.goto(`${server.console}/admin/apps`)
  await page.getByRole('button', { name: 'New app' }).click()
  await page.getByRole('textbox', { name: 'Id' }).fill('no good')
  await page.getByRole('dialog').getByRole('button', { name: 'New app' }).click()
  await page.getByText('must contain only letters').waitFor()
  await page.getByRole('textbox', { name: 'Id' }).fill('shop')
  await page.getByRole('dialog').getByRole('button', { name: 'New app' }).click()
  await page.getByRole('heading', { name: 'shop' }).waitFor()
  await page.getByRole('textbox', { name: 'Name' }).fill('The Shop')
  await page.getByText('People may register').click()
  await page.getByRole('button', { name: 'Save' }).first().click()
  await page.getByText('Saved. All servers follow').waitFor()
  await page.reload()
  assert.equal(await page.getByRole('textbox', { name: 'Name' }).inputValue(), 'The Shop')
  assert.equal(await page.getByRole('switch', { name: 'People may register' }).isChecked(), false)
  await page.getByRole('button', { name: 'Delete app' }).click()
  const confirm = page.getByRole('dialog').getByRole('button', { name: 'Delete app' })
  assert.equal(await confirm.isDisabled(), true, 'the id has to be typed first')
  await page.getByLabel('Type shop to go on').fill('shop')
  await confirm.click()
  await page.getByText('App shop is deleted.').waitFor()
})

test('a user is suspended, and a suspended user is told so at the sign-in', async () => {
  await page.goto(`${server.console}/admin/users?app=demo`)
  await page.getByRole('button', { name: 'New user' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('E-mail').fill('someone@example.com')
  await dialog.getByLabel('Password', { exact: true }).fill('Someone-Turkey-1')
  await dialog.getByText('confirmed already').click()
  await dialog.getByRole('button', { name: 'New user' }).click()
  await page.getByRole('link', { name: 'someone@example.com' }).click()
  await page.getByRole('button', { name: 'Suspend' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Suspend' }).click()
  await page.getByText('Suspended', { exact: true }).waitFor()
  const other = await newPage(browser)
  await other.goto(`${server.demo}/sign-in`)
  await other.getByLabel('E-mail').fill('someone@example.com')
  await other.getByLabel('Password', { exact: true }).fill('Someone-Turkey-1')
  await other.getByRole('button', { name: 'Sign in' }).click()
  await other.getByRole('alert').waitFor()
  assert.match(await other.getByRole('alert').innerText(), /suspended/i)
})

test('the signing key is rotated', async () => {
  await page.goto(`${server.console}/admin/keys`)
  await page.getByRole('button', { name: 'Rotate' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Rotate' }).click()
  await page.getByText('Signs next').waitFor()
})

test('a user who is no operator sees no administration', async () => {
  const other = await newPage(browser)
  await signIn(other, server.demo)
  assert.equal(await other.getByText('Administration').count(), 0)
  await other.goto(`${server.demo}/admin/apps`)
  await other.waitForURL(/\/console\/a\/demo\/?$/)
})
