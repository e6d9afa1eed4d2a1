/**
 * Half states: what is known of each half message since the oldest that is not decided, by its offset in the half queue.
 *
 * One byte each, in one piece of memory that follows the queue. Offsets that were never mentioned are pending: sending a
 * half message costs nothing here.
 *
 * Invariants:
 * - everything below `base` is decided, and `base` does not go back
 * - a state is set once: what is not pending stays as it is
 */
import { assert } from '../../base/index.ts'

/** `closed`: decided, but nobody remembers how; or replaced by a copy; or given up. */
export const HALF_STATE = { pending: 0, committed: 1, rolledBack: 2, closed: 3 } as const
export type HalfState = (typeof HALF_STATE)[keyof typeof HALF_STATE]

const STATES_MIN = 1024

export class HalfStates {
  #base: number
  /** State of offset o is at `o - #origin`; the origin follows the base from time to time. */
  #origin: number
  #states = new Uint8Array(STATES_MIN)

  constructor(base: number) {
    this.#base = base
    this.#origin = base
  }

  /** The oldest offset that may be pending. */
  get base(): number {
    return this.#base
  }

  /** Below the base it is closed. */
  stateOf(offset: number): HalfState {
    if (offset < this.#base) return HALF_STATE.closed
    return (this.#states[offset - this.#origin] ?? HALF_STATE.pending) as HalfState // Only such are set.
  }

  isPending(offset: number): boolean {
    return this.stateOf(offset) === HALF_STATE.pending
  }

  set(offset: number, state: HalfState): void {
    if (offset < this.#base) return
    assert(this.isPending(offset), 'a half message is decided once')
    if (offset - this.#origin >= this.#states.length) this.#makeRoom(offset)
    this.#states[offset - this.#origin] = state
  }

  /** The first pending one of `[from, until)`; `until` if there is none. */
  nextPending(from: number, until: number): number {
    let offset = Math.max(from, this.#base)
    while (offset < until && !this.isPending(offset)) offset++
    return Math.min(offset, until)
  }

  /** Moves the base over what is decided, up to the end of the queue. True if it has moved. */
  advance(until: number): boolean {
    const from = this.#base
    this.#base = Math.max(from, this.nextPending(from, until))
    return this.#base > from
  }

  /** What lies below is gone from the queue, decided or not. */
  skipTo(offset: number): void {
    if (offset > this.#base) this.#base = offset
  }

  #makeRoom(offset: number): void {
    const used = this.#states.subarray(Math.min(this.#base - this.#origin, this.#states.length))
    let length = STATES_MIN
    while (length <= 2 * (offset - this.#base)) length *= 2
    const states = new Uint8Array(length)
    states.set(used.subarray(0, length))
    this.#states = states
    this.#origin = this.#base
  }
}
