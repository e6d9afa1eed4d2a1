/**
 * Warm window: bytes of one mapping that were all in memory a moment ago.
 *
 * To ask the system costs as much as to read a record; of records that are read one by one, and lie close together, most are
 * inside what was asked for the one before. After some milliseconds it is asked again, because the system may take pages
 * away at any time.
 */
import { type Clock, systemClock } from '../base/index.ts'
import type { Mapping } from './files.ts'

const WINDOW_BYTES = 64 * 1024
const KEPT_MS = 5

export class WarmWindow {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  #mapping: Mapping | undefined
  #from = 0
  #until = 0
  #askedMs = Number.NEGATIVE_INFINITY

  constructor(clock: Pick<Clock, 'monotonicMs'> = systemClock) {
    this.#clock = clock
  }

  /** Whether the bytes are in memory. Up to `until` it may look ahead. */
  holds(mapping: Mapping, at: number, bytes: number, until: number): boolean {
    const nowMs = this.#clock.monotonicMs()
    const isKnown = mapping === this.#mapping && at >= this.#from && at + bytes <= this.#until
    if (isKnown && nowMs - this.#askedMs < KEPT_MS) return true
    const ahead = Math.min(WINDOW_BYTES, until - at)
    if (ahead <= bytes || !mapping.resident(at, ahead)) return mapping.resident(at, bytes)
    this.#mapping = mapping
    this.#from = at
    this.#until = at + ahead
    this.#askedMs = nowMs
    return true
  }
}
