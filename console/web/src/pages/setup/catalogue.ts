import type { TFunction } from 'i18next'

/** What the page knows of each service besides its name; one that is not in here works too, with JSON as its only form. */

export const sheetsService = 'google_sheets'

export type Kind = 'service_account' | 'oauth' | 'access_token' | 'client' | 'json'

export interface FieldSpec {
  name: string
  secret?: boolean
  optional?: boolean
  /** What a value looks like; the server checks the same. */
  form?: RegExp
}

export interface KindSpec {
  kind: Kind
  /** Takes a JSON file or its text. */
  file: boolean
  fields: readonly FieldSpec[]
  /** Pages of the provider where the values are found. */
  links: readonly (readonly [text: string, href: string])[]
}

const property: FieldSpec = { name: 'property_id', form: /^(properties\/)?\d{1,20}$/ }
const shop: FieldSpec = { name: 'shop_url', form: /^(https?:\/\/)?[a-z0-9][a-z0-9-]*\.myshopify\.com\/?$/ }
const serviceAccounts = ['serviceAccounts', 'https://console.cloud.google.com/iam-admin/serviceaccounts'] as const
const json: KindSpec = { kind: 'json', file: true, fields: [], links: [] }

const kinds: Record<string, readonly KindSpec[]> = {
  google_sheets: [{
    kind: 'service_account', file: true, fields: [],
    links: [serviceAccounts, ['sheetsApi', 'https://console.cloud.google.com/apis/library/sheets.googleapis.com'], ['driveApi', 'https://console.cloud.google.com/apis/library/drive.googleapis.com']],
  }],
  ga4: [
    {
      kind: 'service_account', file: true, fields: [property],
      links: [serviceAccounts, ['analyticsApi', 'https://console.cloud.google.com/apis/library/analyticsdata.googleapis.com'], ['analyticsAdmin', 'https://analytics.google.com/analytics/web/#/admin']],
    },
    {
      kind: 'oauth', file: false, fields: [{ name: 'client_id' }, { name: 'client_secret', secret: true }, { name: 'refresh_token', secret: true }, property],
      links: [['googleClients', 'https://console.cloud.google.com/auth/clients'], ['playground', 'https://developers.google.com/oauthplayground'], ['analyticsAdmin', 'https://analytics.google.com/analytics/web/#/admin']],
    },
  ],
  meta: [
    {
      kind: 'access_token', file: false, fields: [{ name: 'access_token', secret: true }, { name: 'account_id', form: /^(act_)?\d{1,20}$/ }],
      links: [['systemUsers', 'https://business.facebook.com/settings/system-users'], ['adAccounts', 'https://business.facebook.com/settings/ad-accounts']],
    },
    json,
  ],
  shopify: [
    { kind: 'access_token', file: false, fields: [shop, { name: 'access_token', secret: true }], links: [['shopifyAdmin', 'https://admin.shopify.com']] },
    { kind: 'client', file: false, fields: [shop, { name: 'client_id' }, { name: 'client_secret', secret: true }], links: [['shopifyDevs', 'https://dev.shopify.com/dashboard']] },
    json,
  ],
}

/** Sources as people look for them; those of one's own come last. */
export const sourcesIn = (names: readonly string[]): string[] => names.filter((n) => n !== sheetsService).sort((a, b) => Number(!(a in kinds)) - Number(!(b in kinds)))

export const kindsOf = (service: string): readonly KindSpec[] => kinds[service] ?? [json]

/** The columns that a source writes, and how many at the end its first generation did not have. */
const columns: Record<string, readonly [names: readonly string[], later: number]> = {
  ga4: [['id', 'date', 'sessions', 'users', 'add_to_cart', 'purchases', 'revenue', 'bounce_rate', 'ad_spend'], 1],
  meta: [['id', 'date', 'spend', 'reach', 'impressions', 'clicks', 'landing_page_views', 'add_to_cart', 'initiate_checkout', 'purchases', 'revenue', 'roas', 'cpm', 'ctr'], 3],
  shopify: [['id', 'date', 'total_orders', 'total_revenue', 'net_revenue', 'total_returns', 'new_customers', 'repeat_customers', 'total_sessions', 'aov'], 2],
}

export const columnsOf = (service: string): readonly string[] => columns[service]?.[0] ?? []

export const titleOf = (service: string, t: TFunction): string => t(`setup:services.${service}.title`, { defaultValue: service })

export type HeaderState =
  /** Nothing is in the tab: it gets our header. */
  | { state: 'empty' }
  /** Our columns are there, in any order. */
  | { state: 'ours' }
  /** Ours of an older generation: the later columns are added at the right. */
  | { state: 'extends'; missing: readonly string[] }
  /** Something else is in it: it would be refused. */
  | { state: 'foreign'; missing: readonly string[] }
  /** The columns of this source are not known to the page. */
  | { state: 'unknown' }

/** Says what a run would make of a tab, by the rules of the server. */
export function headerOf(service: string, rows: readonly (readonly string[])[]): HeaderState {
  if (rows.length === 0) return { state: 'empty' }
  const [expected, later] = columns[service] ?? [[], 0]
  if (expected.length === 0) return { state: 'unknown' }
  const found = new Set((rows[0] ?? []).map((c) => c.trim().toLowerCase()))
  const missing = expected.filter((c) => !found.has(c))
  if (missing.length === 0) return { state: 'ours' }
  if (missing.join() === expected.slice(expected.length - later).join()) return { state: 'extends', missing }
  return { state: 'foreign', missing }
}
