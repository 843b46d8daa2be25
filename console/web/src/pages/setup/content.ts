import type { FieldSpec, KindSpec } from './catalogue'

/** Checks of a credential before it is sent. The server checks again; here somebody learns at once what is wrong. */

export type Members = Record<string, unknown>

export const maxContent = 64 * 1024

/** What a text is, if it is one JSON object; otherwise the name of the problem. */
export function readContent(text: string): { members: Members } | { problem: 'blank' | 'large' | 'cutOff' | 'notJson' | 'notObject' } {
  const trimmed = text.replace(/^\uFEFF/, '').trim()
  if (trimmed === '') return { problem: 'blank' }
  if (new Blob([trimmed]).size > maxContent) return { problem: 'large' }
  try {
    const value: unknown = JSON.parse(trimmed)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return { problem: 'notObject' }
    return { members: value as Members }
  } catch {
    return { problem: trimmed.startsWith('{') && !trimmed.endsWith('}') ? 'cutOff' : 'notJson' }
  }
}

const has = (m: Members, ...names: string[]) => names.every((n) => typeof m[n] === 'string' && m[n] !== '')

/** What a file looks like, to tell somebody who took the wrong one. */
export function looksLike(m: Members): 'service_account' | 'oauthClient' | 'userKey' | 'meta' | 'shopify' | 'ga4' | 'http_json' | 'unknown' {
  if (m.type === 'service_account') return 'service_account'
  if ('installed' in m || 'web' in m) return 'oauthClient'
  if (m.type === 'authorized_user') return 'userKey'
  if (has(m, 'shop_url')) return 'shopify'
  if (has(m, 'access_token', 'account_id')) return 'meta'
  if (has(m, 'refresh_token', 'client_id', 'property_id')) return 'ga4'
  if (has(m, 'url') && 'metrics' in m) return 'http_json'
  return 'unknown'
}

const homes: Record<string, readonly string[]> = {
  service_account: ['google_sheets', 'ga4'], meta: ['meta'], shopify: ['shopify'], ga4: ['ga4'], http_json: ['http_json'],
}

export type FileProblem = { key: string; of?: string }

/** What is wrong with a file for a service, as keys of messages. */
export function fileProblems(service: string, spec: KindSpec, m: Members): FileProblem[] {
  const like = looksLike(m)
  if (spec.kind === 'service_account') {
    if (like !== 'service_account') return [{ key: like === 'unknown' ? 'notAKey' : like === 'oauthClient' || like === 'userKey' ? like : 'otherService', of: like }]
    const missing = ['private_key', 'client_email', 'project_id'].filter((n) => !has(m, n))
    if (missing.length > 0) return [{ key: 'lacks', of: missing.join(', ') }]
    return String(m.private_key).startsWith('-----BEGIN') ? [] : [{ key: 'brokenKey' }]
  }
  const home = homes[like]
  return home && !home.includes(service) ? [{ key: 'otherService', of: like }] : []
}

/** What is wrong with a typed value, as a key of messages. */
export function fieldProblem(spec: FieldSpec, value: string): string | undefined {
  if (value.trim() === '') return spec.optional ? undefined : 'required'
  if (spec.form && !spec.form.test(value.trim())) return `form.${spec.name}`
  return undefined
}

/** The field that a problem of the server is about: "Missing private_key", "Invalid property_id". */
export function fieldOf(problem: string): string | undefined {
  return /^(?:Missing|Invalid) ([a-z_]+)\b/.exec(problem)?.[1]
}

/** The service account's address, which is no secret and which things are shared with. */
export const addressIn = (m: Members | undefined) => (m && typeof m.client_email === 'string' ? m.client_email : undefined)
