/**
 * Stored-by marks: what is known of when messages were stored while the clock of the machine stood behind.
 *
 * After the clock has been set back, store times stand still until it has caught up (store/writer.ts), and those before
 * lie ahead. A due time made of them can be late by as much as the clock went back. A mark says that everything below an
 * offset had been stored by a moment of the monotonic clock: from there the wait is counted as it really is.
 *
 * Invariant: marks ascend in offset and in time, so the first one above an offset tells most about it.
 */

/** Marks closer together tell nothing new worth their place. */
const MARK_GAP_MS = 20

export class StoredBy {
  readonly #offsets: number[] = []
  readonly #atMs: number[] = []

  /** Everything below `offset` is stored by now. */
  mark(offset: number, monotonicMs: number): void {
    const last = this.#offsets.length - 1
    if (last >= 0 && (this.#offsets[last] as number) >= offset) return
    // Moving the last mark on instead makes what it covers late by the gap at most, never early.
    const isClose = last > 0 && monotonicMs - (this.#atMs[last - 1] as number) < MARK_GAP_MS
    const at = isClose ? last : last + 1
    this.#offsets[at] = offset
    this.#atMs[at] = monotonicMs
  }

  /** When the message at `offset` had been stored at the latest, by the monotonic clock; Infinity if no mark tells. */
  find(offset: number): number {
    for (let i = 0; i < this.#offsets.length; i++) {
      if ((this.#offsets[i] as number) > offset) return this.#atMs[i] as number // Below length.
    }
    return Number.POSITIVE_INFINITY
  }

  /** Nothing below will be asked for again. */
  forgetBelow(offset: number): void {
    let count = 0
    while (count < this.#offsets.length && (this.#offsets[count] as number) <= offset) count++
    if (count === 0) return
    this.#offsets.splice(0, count)
    this.#atMs.splice(0, count)
  }
}
