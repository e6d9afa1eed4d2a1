/** A clock that is set by hand. */
import type { Clock } from '../../src/base/index.ts'

/** A time that nobody would write by hand, so that it is recognised wherever it turns up. */
export const START_MS = 1_700_000_000_123

/** Stands still until it is moved. */
export class SettableClock implements Clock {
  #nowMs = START_MS
  #monotonicMs = 0

  nowMs(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#monotonicMs
  }

  advance(ms: number): void {
    this.#nowMs += ms
    this.#monotonicMs += ms
  }

  /** Wall time alone, as when somebody corrects the clock of the machine. */
  setWall(ms: number): void {
    this.#nowMs = ms
  }
}
