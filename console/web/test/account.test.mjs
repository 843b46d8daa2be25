import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { newPage, shoot, signIn, startBrowser, startServer, violations } from './harness.mjs'

let server, browser
before(async () => {
  ;[server, browser] = await Promise.all([startServer(), startBrowser()])
})
after(async () => {
  await browser?.close()
  await server?.stop()
})

/** A new user who is signed in. */
async function newcomer(email) {
  const page = await newPage(browser)
  await page.goto(`${server.demo}/sign-up`)
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password', { exact: true }).fill('Newcomer-Turkey-1')
  await page.getByRole('button', { name: 'Create an account' }).click()
  await page.getByRole('navigation').waitFor()
  await page.goto(`${server.demo}/account`)
  return page
}

test('the account page is accessible', async () => {
  const page = await newcomer('a@example.com')
  await page.getByText('This device').waitFor()
  assert.deepEqual(await violations(page), [])
  await shoot(page, 'account')
  assert.deepEqual(page.troubles, [])
})

test('another device is signed out, and everything can be downloaded', async () => {
  const page = await newcomer('b@example.com')
  const other = await newPage(browser)
  await signIn(other, server.demo, { email: 'b@example.com', password: 'Newcomer-Turkey-1' })
  await page.reload()
  await page.getByRole('button', { name: 'Sign out there' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Sign out there' }).click()
  await page.getByText('Signed out there.').waitFor()
  await other.reload()
  await other.getByRole('button', { name: 'Sign in' }).waitFor()
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download all of it' }).click()])
  const data = JSON.parse(await readFile(await download.path(), 'utf8'))
  assert.equal(data.profile.email, 'b@example.com')
})

test('a wrong current password is said, the right one changes it and asks to sign in', async () => {
  const page = await newcomer('c@example.com')
  const card = page.locator('section', { has: page.getByRole('heading', { name: 'Password' }) })
  await card.getByLabel('Current password').fill('Wrong-Turkey-1')
  await card.getByLabel('New password').fill('Changed-Turkey-1')
  await card.getByRole('button', { name: 'Change password' }).click()
  await page.getByText('Current password is incorrect').waitFor()
  assert.equal(await card.getByLabel('New password').inputValue(), 'Changed-Turkey-1')
  await card.getByLabel('Current password').fill('Newcomer-Turkey-1')
  await card.getByRole('button', { name: 'Change password' }).click()
  await page.getByRole('button', { name: 'Sign in' }).waitFor()
  await signIn(page, server.demo, { email: 'c@example.com', password: 'Changed-Turkey-1' })
})

test('an account is deleted after its address was typed', async () => {
  const page = await newcomer('d@example.com')
  await page.getByRole('button', { name: 'Delete the account' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Type d@example.com to go on').fill('d@example.com')
  await dialog.getByRole('button', { name: 'Delete the account' }).click()
  await page.getByRole('button', { name: 'Sign in' }).waitFor()
})
