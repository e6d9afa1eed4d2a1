/**
 * Whether this server lives and whether it is ready for clients, and if not, why.
 *
 * Alive is what a restart could not make better: a server that recovers or drains is alive, one whose store takes no
 * more writes is not. Ready is whoever may be sent clients.
 *
 * Invariants:
 * - recovering → serving → draining, never back
 * - the first failure is the one that is told, for good
 *
 * Not here: who asks (http-routes.ts), what leads from one phase to the next (server.ts).
 */
import { assert, type VarveError } from '../base/index.ts'

export type ServerPhase = 'recovering' | 'serving' | 'draining'

const PHASES: readonly ServerPhase[] = ['recovering', 'serving', 'draining']

export interface Recovering {
  readonly doneBytes: number
  readonly totalBytes: number
}

export class ServerHealth {
  #phase: ServerPhase = 'recovering'
  #recovery: Recovering | undefined
  #failure: VarveError | undefined

  get phase(): ServerPhase {
    return this.#phase
  }

  /** What ended writing for good. */
  get failure(): VarveError | undefined {
    return this.#failure
  }

  get isReady(): boolean {
    return this.reasons().length === 0
  }

  /** Why no client should be sent here; none if it is ready. */
  reasons(): string[] {
    const reasons: string[] = []
    if (this.#phase === 'recovering') reasons.push(`recovering${progressText(this.#recovery)}`)
    if (this.#phase === 'draining') reasons.push('stopping')
    if (this.#failure !== undefined) reasons.push(this.#failure.message)
    return reasons
  }

  enter(phase: ServerPhase): void {
    assert(PHASES.indexOf(phase) >= PHASES.indexOf(this.#phase), 'a server never goes back to an earlier phase')
    this.#phase = phase
  }

  recovering(progress: Recovering): void {
    this.#recovery = progress
  }

  fail(error: VarveError): void {
    this.#failure ??= error
  }
}

function progressText(recovery: Recovering | undefined): string {
  if (recovery === undefined || recovery.totalBytes === 0) return ''
  return `: ${Math.floor((100 * recovery.doneBytes) / recovery.totalBytes)} % of ${recovery.totalBytes} bytes`
}
