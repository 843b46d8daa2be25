// Lints openapi.json with Redocly's rules; a warning is a failure. The rules stand in redocly.yaml.
import { lint, loadConfig, formatProblems, getTotals } from '@redocly/openapi-core'
import { fileURLToPath } from 'node:url'

process.env.REDOCLY_TELEMETRY = 'off'
const at = (path) => fileURLToPath(new URL(path, import.meta.url))
const config = await loadConfig({ configPath: at('redocly.yaml') })
const problems = await lint({ ref: process.argv[2] ?? at('../../openapi.json'), config })
if (problems.length > 0) {
  const totals = getTotals(problems)
  formatProblems(problems, { totals, version: '', format: 'stylish', maxProblems: 200 })
  process.exit(1)
}
console.log('openapi.json: no error and no warning')
