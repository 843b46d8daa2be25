export interface PasswordValidationResult {
  valid: boolean
  errors: string[]
  /** 0 to 100. */
  score: number
  /** What would make it better; does not stop anybody. */
  warnings: string[]
  /** What is good about it. */
  feedback: string[]
}

export interface PasswordRequirements {
  minLength: number
  maxLength?: number
  requireUppercase: boolean
  requireLowercase: boolean
  requireNumbers: boolean
  requireSpecialChars: boolean
  specialChars: string
  preventCommonPasswords?: boolean
  /** Parts that should not be in it: the e-mail, a name. */
  preventUserInfo?: string[]
  /** Each gives an error text, or null. */
  customValidators?: Array<(password: string) => string | null>
}

/** What a server without other settings asks for; it also takes any other ASCII punctuation for special. */
export const DEFAULT_PASSWORD_REQUIREMENTS: PasswordRequirements = {
  minLength: 8,
  maxLength: 128,
  requireUppercase: true,
  requireLowercase: true,
  requireNumbers: true,
  requireSpecialChars: true,
  specialChars: '@$!%*?&',
  preventCommonPasswords: true,
}

// Stems of the most common passwords, with or without digits behind them. The server knows many more; this is the first
// answer, while somebody types.
const common =
  /^(password|passw0rd|qwerty|qwertyuiop|qazwsx|letmein|welcome|monkey|dragon|iloveyou|sunshine|football|baseball|superman|trustno|princess|admin|root|test|guest|abc|changeme|master|shadow|michael|mustang|ashley|bailey|jesus|ninja|)\d*$/i
const isCommon = (p: string) => common.test(p)

const inRow = (p: string) => {
  const low = p.toLowerCase()
  return ['0123456789', 'abcdefghijklmnopqrstuvwxyz', 'qwertyuiop', 'asdfghjkl', 'zxcvbnm'].some((row) => {
    for (let i = 0; i + 3 <= row.length; i++) {
      const run = row.slice(i, i + 3)
      if (low.includes(run) || low.includes([...run].reverse().join(''))) return true
    }
    return false
  })
}

const kinds = (r: PasswordRequirements) => [
  { wanted: r.requireUppercase, has: (c: string) => c >= 'A' && c <= 'Z', name: 'uppercase letter' },
  { wanted: r.requireLowercase, has: (c: string) => c >= 'a' && c <= 'z', name: 'lowercase letter' },
  { wanted: r.requireNumbers, has: (c: string) => c >= '0' && c <= '9', name: 'number' },
  { wanted: r.requireSpecialChars, has: special(r), name: `special character (${r.specialChars})` },
]

// With the default set every ASCII punctuation counts, as on the server; a set of one's own is exact.
const special = (r: PasswordRequirements) => (c: string) =>
  r.specialChars === DEFAULT_PASSWORD_REQUIREMENTS.specialChars ? /[!-/:-@[-`{-~]/.test(c) : r.specialChars.includes(c)

export function validatePassword(password: string, requirements: Partial<PasswordRequirements> = {}): PasswordValidationResult {
  const r = { ...DEFAULT_PASSWORD_REQUIREMENTS, ...requirements }
  const errors: string[] = []
  const warnings: string[] = []
  const feedback: string[] = []
  const characters = [...(password ?? '')]
  if (characters.length === 0) return { valid: false, errors: ['Password is required'], score: 0, warnings, feedback }

  if (characters.length < r.minLength) errors.push(`Password must be at least ${r.minLength} characters`)
  if (r.maxLength && characters.length > r.maxLength) errors.push(`Password must not exceed ${r.maxLength} characters`)
  let score = Math.min(40, characters.length * 2.5)
  for (const kind of kinds(r)) {
    const count = characters.filter(kind.has).length
    if (kind.wanted && count === 0) errors.push(`Password must contain at least one ${kind.name}`)
    score += Math.min(count, 2) * 6
  }
  const variety = new Set(characters).size / characters.length
  score += variety * 12
  if (characters.length >= 12) feedback.push('Good length')
  if (variety >= 0.7) feedback.push('Good character variety')

  if (r.preventCommonPasswords && isCommon(password)) {
    errors.push('This password is too common and easily guessable')
    score = Math.min(score, 10)
  }
  const low = password.toLowerCase()
  if (r.preventUserInfo?.some((info) => info.length >= 3 && low.includes(info.toLowerCase()))) {
    warnings.push('Avoid using personal information in your password')
    score -= 15
  }
  if (inRow(password)) {
    warnings.push('Avoid sequential characters (e.g., "abc", "123")')
    score -= 10
  }
  if (/(.)\1\1/u.test(password)) {
    warnings.push('Avoid repeated characters (e.g., "aaa", "111")')
    score -= 10
  }
  for (const check of r.customValidators ?? []) {
    const error = check(password)
    if (error) errors.push(error)
  }
  return { valid: errors.length === 0, errors, score: Math.round(Math.max(0, Math.min(100, score))), warnings, feedback }
}

export function getPasswordRequirementsText(requirements: Partial<PasswordRequirements> = {}): string {
  const r = { ...DEFAULT_PASSWORD_REQUIREMENTS, ...requirements }
  const parts = kinds(r).filter((k) => k.wanted).map((k) => 'one ' + k.name)
  return `Password must contain ${['at least ' + r.minLength + ' characters', ...parts].join(', ')}`
}

export interface PasswordStrength {
  text: string
  color: 'error' | 'warning' | 'info' | 'success'
  level: 'very-weak' | 'weak' | 'fair' | 'good' | 'strong'
}

export function getPasswordStrength(score: number): PasswordStrength {
  if (score >= 80) return { text: 'Strong', color: 'success', level: 'strong' }
  if (score >= 60) return { text: 'Good', color: 'info', level: 'good' }
  if (score >= 40) return { text: 'Fair', color: 'warning', level: 'fair' }
  if (score >= 20) return { text: 'Weak', color: 'warning', level: 'weak' }
  return { text: 'Very Weak', color: 'error', level: 'very-weak' }
}

/** A random whole number below n, without favour. */
function below(n: number): number {
  const bound = 2 ** 32 - (2 ** 32 % n)
  for (;;) {
    const v = crypto.getRandomValues(new Uint32Array(1))[0]!
    if (v < bound) return v % n
  }
}

/** A random password that meets the requirements. */
export function generateSecurePassword(length = 12, requirements: Partial<PasswordRequirements> = {}): string {
  const r = { ...DEFAULT_PASSWORD_REQUIREMENTS, ...requirements }
  const sets = [
    r.requireUppercase && 'ABCDEFGHIJKLMNOPQRSTUVWXYZ',
    r.requireLowercase && 'abcdefghijklmnopqrstuvwxyz',
    r.requireNumbers && '0123456789',
    r.requireSpecialChars && r.specialChars,
  ].filter((s): s is string => !!s)
  if (sets.length === 0) sets.push('abcdefghijklmnopqrstuvwxyz')
  const pick = (set: string) => set[below(set.length)]!
  for (;;) {
    const chosen = sets.map(pick)
    while (chosen.length < Math.max(length, r.minLength)) chosen.push(pick(sets.join('')))
    for (let i = chosen.length - 1; i > 0; i--) {
      const j = below(i + 1)
      ;[chosen[i], chosen[j]] = [chosen[j]!, chosen[i]!]
    }
    const password = chosen.join('')
    if (!isCommon(password)) return password
  }
}
