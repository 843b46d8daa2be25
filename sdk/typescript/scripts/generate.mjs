// Writes src/api/schema.ts and src/api/operations.ts from openapi.json. --check: only says whether they are current.
import { readFileSync, writeFileSync } from 'node:fs'

const root = new URL('../', import.meta.url)
const spec = JSON.parse(readFileSync(new URL('../../openapi.json', root), 'utf8'))
const note = '// Written by scripts/generate.mjs from openapi.json; do not edit.\n'

// Where a method stands: [beginning of the path, group, words that its name does without].
const apiGroups = [
  ['/api/activity-log', 'activity', 'Activity'],
  ['/api/credentials', 'credentials', 'Credentials|Credential|^credential'],
  ['/api/(?:ga4|meta|shopify|v1/sync)', 'sync', '^sync'],
  ['/api/v1', 'jobs', 'Job'],
  ['/api/kpis', 'kpis', 'Figures'],
  ['/api/notifications', 'notifications', 'Notifications'],
  ['/api/runs', 'runs', 'Runs|Run'],
  ['/api/schedules', 'schedules', 'Schedules|Schedule'],
  ['/api/services', 'services', 'Services|Service'],
  ['/api/sheet-mappings', 'sheetMappings', 'SheetMappings|SheetMapping'],
  ['/api/sheets', 'sheets', ''],
  ['/api/user', 'user', '^user'],
  ['/api/webhooks', 'webhooks', 'Webhooks|Webhook'],
  ['/v1/apps', 'entrance', 'Entrance'],
  ['/v1/users', 'account', ''],
]
const adminGroups = [
  ['/v1/admin/apps/{id}/users', 'users', 'Users|User'],
  ['/v1/admin/apps', 'apps', 'Apps|App'],
  ['/v1/admin/audit', 'audit', 'Audit'],
  ['/v1/admin/jobs', 'jobs', 'QueuedJobs|QueuedJob'],
  ['/v1/admin/keys', 'keys', 'Keys|Key'],
  ['/v1/admin/mailbox', 'mailbox', 'Mails'],
  ['/v1/admin/revocations', 'revocations', 'Revocations|Revocation'],
  ['/v1/admin/sessions', 'sessions', 'LiveSessions|LiveSession'],
  ['/v1/admin', 'server', '^admin'],
]
// Routes that others cover: sign-in by TurKeyClient, the rest is for machines.
const elsewhere = /^\/v1\/auth\/|^\/v1\/revocations|^\/\.well-known\/|^\/(api\/)?health$|^\/(livez|readyz|metrics)$/

const word = (s) => s.replace(/[-_/]+(\w)/g, (_, c) => c.toUpperCase())
const lower = (s) => s.replace(/^[A-Z]+(?=[A-Z0-9]|$)|^[A-Z]/, (c) => c.toLowerCase())
const property = (name) => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name))
const comment = (text, indent = '') => {
  if (!text) return ''
  const words = text.replace(/\*\//g, '* /').split(/\s+/)
  const lines = ['']
  for (const w of words) {
    const last = lines[lines.length - 1]
    if (last && (last + ' ' + w).length > 116 - indent.length) lines.push(w)
    else lines[lines.length - 1] = last ? last + ' ' + w : w
  }
  return lines.length === 1 ? `${indent}/** ${lines[0]} */\n` : `${indent}/**\n${lines.map((l) => `${indent} * ${l}\n`).join('')}${indent} */\n`
}

const refName = (ref) => ref.split('/').pop()
function type(schema, prefix = '', indent = '') {
  if (!schema || Object.keys(schema).length === 0) return 'unknown'
  if (schema.$ref) return prefix + refName(schema.$ref)
  if (schema.enum) return schema.enum.map((v) => JSON.stringify(v)).join(' | ')
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.oneOf || schema.anyOf) return (schema.oneOf ?? schema.anyOf).map((s) => type(s, prefix, indent)).join(' | ')
  if (schema.allOf) return schema.allOf.map((s) => `(${type(s, prefix, indent)})`).join(' & ')
  if (Array.isArray(schema.type)) return schema.type.map((t) => type({ ...schema, type: t }, prefix, indent)).join(' | ')
  switch (schema.type) {
    case 'null': return 'null'
    case 'boolean': return 'boolean'
    case 'integer': case 'number': return 'number'
    case 'string': return 'string'
    case 'array': return `Array<${type(schema.items, prefix, indent)}>`
    case 'object': {
      if (!schema.properties) {
        const rest = schema.additionalProperties
        return `Record<string, ${typeof rest === 'object' ? type(rest, prefix, indent) : 'unknown'}>`
      }
      return `{\n${members(schema, prefix, indent + '  ')}${indent}}`
    }
  }
  return 'unknown'
}
const members = (schema, prefix, indent) =>
  Object.entries(schema.properties)
    .map(([name, s]) => `${comment(s.description, indent)}${indent}${property(name)}${schema.required?.includes(name) ? '' : '?'}: ${type(s, prefix, indent)}\n`)
    .join('')

function schemas() {
  let out = note
  for (const [name, s] of Object.entries(spec.components.schemas)) {
    out += '\n' + comment(s.description)
    out += s.type === 'object' && s.properties ? `export interface ${name} {\n${members(s, '', '  ')}}\n` : `export type ${name} = ${type(s)}\n`
  }
  return out
}

const resolved = (p) => (p.$ref ? spec.components.parameters[refName(p.$ref)] : p)

function operation(path, method, o) {
  const parameters = [...(spec.paths[path].parameters ?? []), ...(o.parameters ?? [])].map(resolved)
  const inPath = [...path.matchAll(/{(\w+)}/g)].map((m) => m[1])
  const query = parameters.filter((p) => p.in === 'query')
  const bodyOf = o.requestBody?.content?.['application/json']?.schema
  const [, success] = Object.entries(o.responses).find(([status]) => status.startsWith('2')) ?? []
  const stream = success?.content?.['text/event-stream']
  const json = success?.content?.['application/json']?.schema
  const kinds = [bodyOf && 'b', query.length && 'q', parameters.some((p) => p.name === 'Idempotency-Key') && 'k', stream && 's'].filter(Boolean).join('')
  const args = inPath.map((name) => {
    const s = parameters.find((p) => p.name === name)?.schema
    return `${name}: ${type(s, 's.') === 'number' ? 'number | string' : 'string | number'}`
  })
  const optionalBody = bodyOf && !(o.requestBody.required || requiredMembers(bodyOf))
  if (bodyOf) args.push(`body${optionalBody ? '?' : ''}: ${type(bodyOf, 's.', '    ')}`)
  if (query.length) {
    const needed = query.some((p) => p.required)
    const list = query.map((p) => `${property(p.name)}${p.required ? '' : '?'}: ${type(p.schema, 's.')}`).join('; ')
    args.push(`query${needed ? '' : '?'}: { ${list} }`)
  }
  args.push('options?: ApiOptions')
  const result = stream ? 'AsyncGenerator<StreamEvent<unknown>, void>' : `Promise<${json ? type(json, 's.', '    ') : 'unknown'}>`
  const text = `${method.toUpperCase()} ${path}${kinds && ' ' + kinds}`
  return { text, signature: `(${args.join(', ')}): ${result}`, doc: [o.summary && o.summary + '.', o.description].filter(Boolean).join(' ') }
}
const requiredMembers = (s) => {
  const at = s.$ref ? spec.components.schemas[refName(s.$ref)] : s
  return !!at?.required?.length
}

function collect(groups, want) {
  const found = {}
  for (const [path, item] of Object.entries(spec.paths)) {
    if (elsewhere.test(path) || !want(path)) continue
    for (const [method, o] of Object.entries(item)) {
      if (method === 'parameters') continue
      const group = groups.find(([prefix]) => new RegExp('^' + prefix.replace(/{/g, '\\{')).test(path))
      const name = group?.[1] ?? word(path.split('/')[2])
      const bare = group?.[2] ? o.operationId.replace(new RegExp(group[2]), '') : o.operationId
      const member = lower(word(bare || o.operationId))
      found[name] ??= {}
      if (found[name][member]) throw new Error(`${path}: ${name}.${member} is taken; give scripts/generate.mjs a group for it`)
      found[name][member] = operation(path, method, o)
    }
  }
  return found
}

function code(name, found) {
  const entries = Object.entries(found)
  const types = entries.map(([group, ops]) => `  ${group}: {\n${Object.entries(ops).map(([m, o]) => `${comment(o.doc, '    ')}    ${m}${o.signature}\n`).join('')}  }\n`)
  const table = entries.map(([group, ops]) => `  ${group}: {\n${Object.entries(ops).map(([m, o]) => `    ${m}: '${o.text}',\n`).join('')}  },\n`)
  const constant = lower(name) + 'Operations'
  return `\nexport interface ${name === 'Api' ? 'Api' : 'AdminApi'} {\n${types.join('')}}\n\nexport const ${constant} = {\n${table.join('')}}\n`
}

const files = {
  'src/api/schema.ts': schemas(),
  'src/api/operations.ts':
    note +
    `import type { CallOptions } from '../types.js'\nimport type * as s from './schema.js'\nimport type { StreamEvent } from './sse.js'\n\n` +
    `export interface ApiOptions extends CallOptions {\n  /** Names a write, so that it can be repeated without a second effect; by itself a random one. */\n  idempotencyKey?: string\n}\n` +
    code('Api', collect(apiGroups, (p) => !p.startsWith('/v1/admin'))) +
    code('Admin', collect(adminGroups, (p) => p.startsWith('/v1/admin'))),
}
for (const [path, text] of Object.entries(files)) {
  const at = new URL(path, root)
  if (!process.argv.includes('--check')) writeFileSync(at, text)
  else if (readFileSync(at, 'utf8') !== text) {
    console.error(`sdk/typescript/${path} is older than openapi.json: make sdk-generate`)
    process.exitCode = 1
  }
}
