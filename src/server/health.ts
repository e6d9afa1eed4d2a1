/**
 * Whether this server lives and whether it is ready for clients, and if not, why.
 *
 * Alive is what a restart could not make better: a server that recovers or drains is alive, one whose store takes no
 * more writes is not. Ready is whoever may be sent clients.
 *
 * Invariants:
 * - recovering → serving → draining, never back
 * - the first failure is the one that is told, for good
 * - a slow disk is no failure: once it has caught up, clients may be sent here again
 *
 * Not here: who asks (http-routes.ts), what leads from one phase to the next (server.ts).
 */
import { assert, secondMs, type VarveError } from '../base/index.ts'

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
  #diskWaitMs: number | undefined
  readonly #notes: string[] = []

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
    if (this.#diskWaitMs !== undefined) {
      reasons.push(`the disk is slow: bytes have been waiting for it for ${Math.round(this.#diskWaitMs / secondMs)} s`)
    }
    return reasons
  }

  enter(phase: ServerPhase): void {
    assert(PHASES.indexOf(phase) >= PHASES.indexOf(this.#phase), 'a server never goes back to an earlier phase')
    this.#phase = phase
  }

  recovering(progress: Recovering): void {
    this.#recovery = progress
  }

  /** For how long bytes have been waiting for the disk, if that is too long; undefined once it is not. */
  diskWaits(ms: number | undefined): void {
    this.#diskWaitMs = ms
  }

  /** What whoever looks should know, though clients may be sent here. */
  get notes(): readonly string[] {
    return this.#notes
  }

  note(text: string): void {
    this.#notes.push(text)
  }

  fail(error: VarveError): void {
    this.#failure ??= error
  }
}

function progressText(recovery: Recovering | undefined): string {
  if (recovery === undefined || recovery.totalBytes === 0) return ''
  return `: ${Math.floor((100 * recovery.doneBytes) / recovery.totalBytes)} % of ${recovery.totalBytes} bytes`
}
