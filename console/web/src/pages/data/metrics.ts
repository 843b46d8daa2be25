import { money, number, percent } from '../../format'
import { language } from '../../i18n'

/** How a figure is said: an amount, a count, parts of a hundred, a part of one, or times. */
type Unit = 'money' | 'count' | 'percent' | 'ratio' | 'times' | 'plain'

const amounts = ['revenue', 'spend', 'ad_spend', 'total_revenue', 'net_revenue', 'total_returns', 'aov', 'cpm', 'cpc', 'cac']
const hundredths = ['ctr', 'conversion_rate', 'new_customer_rate', 'return_rate']
const costs = ['cpm', 'cpc', 'cac', 'total_returns', 'return_rate', 'bounce_rate']
const neutral = ['spend', 'ad_spend']

/** Metrics of the known sources in the order in which they are shown; the first four lead. */
const orders: Record<string, readonly string[]> = {
  ga4: ['revenue', 'purchases', 'sessions', 'conversion_rate', 'aov', 'users', 'add_to_cart', 'bounce_rate', 'ad_spend'],
  meta: ['spend', 'roas', 'purchases', 'revenue', 'cac', 'aov', 'impressions', 'reach', 'clicks', 'ctr', 'cpc', 'cpm', 'landing_page_views', 'add_to_cart', 'initiate_checkout'],
  shopify: ['total_revenue', 'total_orders', 'aov', 'new_customers', 'net_revenue', 'new_customer_rate', 'repeat_customers', 'total_returns', 'return_rate', 'total_sessions'],
}

export const leading = 4

function unitOf(service: string, metric: string): Unit {
  if (!orders[service]?.includes(metric)) return 'plain' // an API of one's own: nothing is known of its columns
  if (amounts.includes(metric)) return 'money'
  if (hundredths.includes(metric)) return 'percent'
  if (metric === 'bounce_rate') return 'ratio'
  return metric === 'roas' ? 'times' : 'count'
}

export function say(service: string, metric: string, value: number, currency: string): string {
  switch (unitOf(service, metric)) {
    case 'money': return money(value, currency || undefined)
    case 'percent': return percent(value / 100, 2)
    case 'ratio': return percent(value, 1)
    case 'times': return `${number(value, 2)}×`
    case 'count': return number(value)
    case 'plain': return number(value, 2)
  }
}

/** The same at a chart's axis: short, "€2K". */
export function atAxis(service: string, metric: string, value: number, currency: string): string {
  const short = { notation: 'compact', maximumFractionDigits: 1 } as const
  switch (unitOf(service, metric)) {
    case 'money': return new Intl.NumberFormat(language, currency ? { ...short, style: 'currency', currency } : short).format(value)
    case 'percent': return percent(value / 100)
    case 'ratio': return percent(value)
    case 'times': return `${number(value, 1)}×`
    default: return new Intl.NumberFormat(language, short).format(value)
  }
}

/** Whether a change is told in points, because the figure is in percent itself. */
export const inPoints = (service: string, metric: string) => ['percent', 'ratio'].includes(unitOf(service, metric))

/** Whether more of it is good, bad, or neither. */
export function better(metric: string, change: number): 'good' | 'bad' | undefined {
  if (change === 0 || neutral.includes(metric)) return undefined
  return change > 0 === costs.includes(metric) ? 'bad' : 'good'
}

/** The metrics that are there, the known ones first and in their order. */
export function ordered(service: string, names: Iterable<string>): string[] {
  const there = new Set(names)
  const known = (orders[service] ?? []).filter((n) => there.has(n))
  return [...known, ...[...there].filter((n) => !known.includes(n)).sort()]
}
