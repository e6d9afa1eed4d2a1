/**
 * What a broker says over HTTP: whether it lives, whether it is ready, what it is, and its metrics.
 *
 * The status is for machines (200, or 503 with the reasons), the body for whoever asks why.
 */
import { EXPOSITION_CONTENT_TYPE, expositionPieces, type Labels, type Registry } from '../metrics/index.ts'
import type { ServerHealth } from './health.ts'
import type { HttpAnswer, HttpRoutes } from './http.ts'

export interface RouteSources {
  readonly health: ServerHealth
  readonly registry: Registry
  /** Brings up to date what the metrics cannot read where they stand. */
  readonly look: () => Promise<void>
  /** Of every sample. Asked for each time: the name of a broker may stand in a file that is read later. */
  readonly labels: () => Labels
  readonly version: VersionFacts
}

/** What runs here, for bug reports. */
export type VersionFacts = Readonly<Record<string, string>>

export function httpRoutes({ health, registry, look, labels, version }: RouteSources): HttpRoutes {
  return {
    '/healthz': () => alive(health),
    '/readyz': () => ready(health),
    '/version': () => json(200, version),
    '/metrics': async () => {
      await look()
      return { status: 200, contentType: EXPOSITION_CONTENT_TYPE, body: expositionPieces(registry, labels()) }
    }
  }
}

function alive({ failure, phase }: ServerHealth): HttpAnswer {
  if (failure === undefined) return json(200, { status: 'alive', phase })
  const { code, message, hint } = failure
  return json(503, { status: 'failed', phase, code, reasons: [message], hint })
}

function ready(health: ServerHealth): HttpAnswer {
  const reasons = health.reasons()
  const notes = health.notes.length === 0 ? {} : { notes: health.notes }
  if (reasons.length === 0) return json(200, { status: 'ready', ...notes })
  return json(503, { status: 'not ready', phase: health.phase, reasons, ...notes })
}

const json = (status: number, value: unknown): HttpAnswer => ({
  status,
  contentType: 'application/json; charset=utf-8',
  body: `${JSON.stringify(value)}\n`
})
