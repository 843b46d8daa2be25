import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { demo, newPage, shoot, signIn, startBrowser, startServer, violations } from './harness.mjs'

let server, browser
before(async () => {
  ;[server, browser] = await Promise.all([startServer(), startBrowser()])
})
after(async () => {
  await browser?.close()
  await server?.stop()
})

test('the pages before the sign-in are accessible', async () => {
  const page = await newPage(browser)
  for (const path of ['sign-in', 'sign-up', 'forgot-password']) {
    await page.goto(`${server.demo}/${path}`)
    await page.getByLabel('E-mail').waitFor()
    assert.deepEqual(await violations(page), [], path)
    await shoot(page, path)
  }
  assert.deepEqual(page.troubles, [])
})

test('a wrong password keeps what was typed, the right one signs in, a reload keeps the session', async () => {
  const page = await newPage(browser)
  await page.goto(`${server.demo}/`)
  await page.getByLabel('E-mail').fill(demo.email)
  await page.getByLabel('Password', { exact: true }).fill('not-the-one')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('alert').getByText('Invalid email or password').waitFor()
  assert.equal(await page.getByLabel('E-mail').inputValue(), demo.email)
  await page.getByLabel('Password', { exact: true }).fill(demo.password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('navigation').waitFor()
  await page.reload()
  await page.getByRole('navigation').waitFor()
  assert.equal(await page.evaluate(() => document.cookie), '', 'no script sees the session')
  assert.deepEqual(page.troubles, [])
})

test('signing out in one tab signs out in all', async () => {
  const page = await newPage(browser)
  await signIn(page, server.demo)
  const other = await page.context().newPage()
  await other.goto(`${server.demo}/`)
  await other.getByRole('navigation').waitFor()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByLabel('E-mail').waitFor()
  await other.getByLabel('E-mail').waitFor()
})

test('a new user is signed in, and a weak password is explained at its field', async () => {
  const page = await newPage(browser)
  await page.goto(`${server.demo}/sign-up`)
  await page.getByLabel('E-mail').fill('new@example.com')
  await page.getByLabel('Password', { exact: true }).fill('short')
  await page.getByRole('button', { name: 'Create an account' }).click()
  await page.getByText('Password must be at least 8 characters').waitFor()
  await page.getByLabel('Password', { exact: true }).fill('Long-enough-1')
  await page.getByRole('button', { name: 'Create an account' }).click()
  await page.getByRole('navigation').waitFor()
})
