import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_PASSWORD_REQUIREMENTS, generateSecurePassword, getPasswordRequirementsText, getPasswordStrength, validatePassword } from '@turkey/sdk'
import { setup } from './setup.mjs'

test('passwords are judged', () => {
  assert.equal(validatePassword('Correct-Horse7').valid, true)
  assert.deepEqual(validatePassword('short').errors, [
    'Password must be at least 8 characters',
    'Password must contain at least one uppercase letter',
    'Password must contain at least one number',
    'Password must contain at least one special character (@$!%*?&)',
  ])
  assert.deepEqual(validatePassword('').errors, ['Password is required'])
  assert.ok(validatePassword('password123').errors.some((e) => /common/.test(e)))
  assert.ok(validatePassword('A'.repeat(129)).errors.some((e) => /128/.test(e)))
  assert.ok(validatePassword('aaa-Bbb1!').warnings.length > 0)
  assert.ok(validatePassword('ada.lovelace-1X', { preventUserInfo: ['Lovelace'] }).warnings.length > 0)
  assert.deepEqual(validatePassword('Correct-Horse7', { customValidators: [() => 'no'] }).errors, ['no'])
  assert.equal(validatePassword('Correct-Horse7', { ...DEFAULT_PASSWORD_REQUIREMENTS, specialChars: '#' }).valid, false)
  assert.ok(validatePassword('k7#Vq9!xTz2$wLp').score > validatePassword('Abcdef1!').score)
  assert.match(getPasswordRequirementsText(), /at least 8 characters, one uppercase letter/)
  assert.deepEqual([0, 20, 40, 60, 80].map((s) => getPasswordStrength(s).level), ['very-weak', 'weak', 'fair', 'good', 'strong'])
})

test('the server takes every password made here, and its special characters are ours', async () => {
  const made = Array.from({ length: 500 }, () => generateSecurePassword())
  assert.equal(new Set(made).size, 500)
  assert.ok(made.every((p) => p.length === 12 && validatePassword(p).valid))
  assert.equal(generateSecurePassword(30).length, 30)
  for (const password of [made[0], ...[...'#.-_~^ '].map((c) => `Abcdefg7${c}`)]) {
    const { client, email } = setup()
    const here = validatePassword(password).valid
    const there = await client.register({ email, password, validatePassword: false }).then(() => true, () => false)
    assert.equal(here, there, JSON.stringify(password))
  }
})
