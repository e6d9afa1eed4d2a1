/**
 * Queue counts: for each queue, below which offset its entries are in the queue's file.
 *
 * Shared memory, written by the dispatcher after the write, read by the owner to decide where an entry is found: in
 * the file below the count, in the gap (gap.ts) from it on. As in progress.ts a slot holds the low 32 bits, and the
 * reader completes them from the next offset of the queue, which is less than 2^31 ahead.
 */
export class QueueCounts {
  readonly shared: SharedArrayBuffer
  readonly #slots: Int32Array

  /** Four bytes a queue; pages of queues that do not exist are never touched, so they cost nothing. */
  static sized(queueCountMax: number): QueueCounts {
    return new QueueCounts(new SharedArrayBuffer(queueCountMax * 4))
  }

  constructor(shared: SharedArrayBuffer) {
    this.shared = shared
    this.#slots = new Int32Array(shared)
  }

  get queueCountMax(): number {
    return this.#slots.length
  }

  publish(queueIndex: number, written: number): void {
    Atomics.store(this.#slots, queueIndex, written | 0)
  }

  written(queueIndex: number, nextOffset: number): number {
    return nextOffset - ((nextOffset - Atomics.load(this.#slots, queueIndex)) >>> 0)
  }
}
