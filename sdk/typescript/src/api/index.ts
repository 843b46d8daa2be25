import { ConfigurationError } from '../errors.js'
import type { Call, Caller } from '../transport.js'
import { type AdminApi, adminOperations, type Api, type ApiOptions, apiOperations } from './operations.js'
import { events } from './sse.js'

type Operations = Record<string, Record<string, string>>

/**
 * The vault, the pipeline and the own account, in the name of a session or of client.as(accessToken):
 * `createApi(session).credentials.list()`. Writes carry an Idempotency-Key, so they may be repeated.
 */
export function createApi(caller: Caller): Api {
  return methods(caller, apiOperations) as unknown as Api
}

/** Administration, in the name of an administrator's session, or of client.as({ adminKey }). */
export function createAdminApi(caller: Caller): AdminApi {
  return methods(caller, adminOperations) as unknown as AdminApi
}

function methods(caller: Caller, operations: Operations) {
  const api: Record<string, Record<string, unknown>> = {}
  for (const [group, members] of Object.entries(operations)) {
    api[group] = {}
    for (const [name, text] of Object.entries(members)) api[group][name] = method(caller, `${group}.${name}`, text)
  }
  return api
}

/** text is "METHOD /path/{id} kinds": b takes a body, q a query, k an idempotency key; s answers with a stream. */
function method(caller: Caller, name: string, text: string) {
  const [verb, template, kinds = ''] = text.split(' ') as [string, string, string?]
  const callOf = (args: unknown[]): Call => {
    const path = template.replace(/{(\w+)}/g, (_, parameter: string) => {
      const value = args.shift()
      if (value === undefined || value === null || value === '') throw new ConfigurationError(`${name}: ${parameter} is missing`)
      return encodeURIComponent(String(value))
    })
    const body = kinds.includes('b') ? args.shift() ?? {} : undefined
    const query = kinds.includes('q') ? (args.shift() as object | undefined) : undefined
    const { idempotencyKey, ...options } = (args.shift() ?? {}) as ApiOptions
    const headers = { 'Idempotency-Key': kinds.includes('k') ? idempotencyKey ?? crypto.randomUUID?.() : undefined }
    return { ...options, method: verb, path, body, query, headers }
  }
  if (!kinds.includes('s')) return async (...args: unknown[]) => caller.send(callOf(args))
  return async function* (...args: unknown[]) {
    const call = callOf(args)
    yield* events(await caller.open(call), call.signal)
  }
}
