/**
 * Requests of ours that wait for the peer's answer, by their number. Each is settled once: by its answer, by its time, or
 * by the end of the connection.
 */
import { VarveError } from '../../base/index.ts'
import { requestName } from './codes.ts'
import type { RemotingAnswer } from './connection-api.ts'

interface Call {
  readonly code: number
  readonly deadlineMs: number
  readonly resolve: (answer: RemotingAnswer) => void
  readonly reject: (error: VarveError) => void
}

export class Calls {
  readonly #peer: string
  readonly #calls = new Map<number, Call>()
  #opaque = 0

  /** `peer` is for errors. */
  constructor(peer: string) {
    this.#peer = peer
  }

  /** A number that no call under way has. */
  nextOpaque(): number {
    do this.#opaque = (this.#opaque + 1) | 0
    while (this.#calls.has(this.#opaque))
    return this.#opaque
  }

  wait(opaque: number, code: number, deadlineMs: number): Promise<RemotingAnswer> {
    return new Promise((resolve, reject) => this.#calls.set(opaque, { code, deadlineMs, resolve, reject }))
  }

  isWaiting(opaque: number): boolean {
    return this.#calls.has(opaque)
  }

  answered(opaque: number, answer: RemotingAnswer): void {
    this.#calls.get(opaque)?.resolve(answer)
    this.#calls.delete(opaque)
  }

  expire(nowMs: number): void {
    for (const [opaque, { code, deadlineMs, reject }] of this.#calls) {
      if (deadlineMs > nowMs) continue
      this.#calls.delete(opaque)
      reject(new VarveError('PEER_TIMEOUT', { peer: this.#peer, request: requestName(code) }))
    }
  }

  closed(reason: string): void {
    for (const { code, reject } of this.#calls.values()) {
      reject(new VarveError('PEER_CLOSED', { peer: this.#peer, request: requestName(code), reason }))
    }
    this.#calls.clear()
  }
}
