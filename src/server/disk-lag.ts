/**
 * Disk lag: for how long bytes of the log have been waiting for the disk. A disk that dies rarely says so first: it
 * becomes slow, and then no sync ends any more.
 *
 * One mark is kept: how far the log went at some moment. Once all below it is on disk, the next one is set. So the answer
 * is never too large, too small by at most the time that the mark before took, and costs no memory.
 *
 * Not here: what is done about it (health.ts).
 */
import type { Clock } from '../base/index.ts'
import type { Store } from '../broker/index.ts'

export class DiskLag {
  readonly #store: Pick<Store, 'info'>
  readonly #clock: Clock
  #mark: { readonly until: number; readonly atMs: number } | undefined

  constructor(store: Pick<Store, 'info'>, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  /** Ms since the oldest known of the bytes that wait were appended; 0 while none wait. To be asked from time to time. */
  sample(): number {
    const { appendedUntil, flushedUntil, state } = this.#store.info()
    if (state !== 'open') return 0
    const nowMs = this.#clock.monotonicMs()
    if (this.#mark !== undefined && flushedUntil >= this.#mark.until) this.#mark = undefined
    if (this.#mark === undefined && appendedUntil > flushedUntil) this.#mark = { until: appendedUntil, atMs: nowMs }
    return this.#mark === undefined ? 0 : nowMs - this.#mark.atMs
  }
}
