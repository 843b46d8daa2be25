import type { schemas } from '@turkey/sdk'
import { sheetsService } from './catalogue'
import { sheetsCredential } from './data'

export const steps = ['source', 'sheets', 'tab', 'sync', 'done'] as const
export type Step = (typeof steps)[number]

export interface Known {
  complete: boolean
  services: readonly schemas.ServiceState[]
  credentials: readonly schemas.Credential[]
  mappings: readonly schemas.Mapping[]
  runs: readonly schemas.Run[]
}

export interface Progress {
  /** The source that is being set up. */
  source: string | undefined
  /** Its credential, proved or not. */
  credential: schemas.Credential | undefined
  sheets: schemas.Credential | undefined
  mapping: schemas.Mapping | undefined
  run: schemas.Run | undefined
  /** The first step that is not done. */
  step: Step
}

/** Where somebody is, from nothing but what the server knows. `wanted` is the source that the address names. */
export function progress({ complete, services, credentials, mappings, runs }: Known, wanted: string | null): Progress {
  const sources = services.filter((s) => s.name !== sheetsService)
  const of = (name: string | undefined) => {
    const bound = sources.find((s) => s.name === name && s.enabled)?.credential?.id
    return credentials.find((c) => c.id === bound)
  }
  // The source whose credential was saved last is the one that somebody is at.
  const latest = sources.map((s) => of(s.name)).filter((c) => c !== undefined).sort((a, b) => b.createdAt.localeCompare(a.createdAt))[0]
  const source = sources.find((s) => s.name === wanted)?.name ?? latest?.service
  const credential = of(source)
  const sheets = sheetsCredential(credentials, services)
  const mapping = mappings.find((m) => m.service === source)
  const run = runs.find((r) => r.service === source && !r.dryRun)
  const step = (): Step => {
    if (!credential?.verified) return 'source'
    if (!sheets) return 'sheets'
    if (!mapping) return 'tab'
    // Completed runs are forgotten after a day; whoever was through once is not asked to sync again.
    if (run ? run.status === 'completed' : complete) return 'done'
    return 'sync'
  }
  return { source, credential, sheets, mapping, run, step: step() }
}
