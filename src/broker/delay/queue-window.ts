/**
 * A window on a queue of the broker's own: its records in their order, read some at a time and kept until they are done
 * with, so that each is read and checked once.
 *
 * Invariants:
 * - nothing waits for the disk: what is cold is fetched by a worker, and the window says `isFetching` meanwhile
 * - every message between two that are handed out has been told to be lost
 *
 * Not here: what is done with the records (level-queue.ts, timed-intake.ts).
 */
import { KiB } from '../../base/index.ts'
import type { QueueName, RecordViews, Store } from '../../store/index.ts'
import type { LostMessages } from './losses.ts'

const WINDOW_COUNT = 64
const WINDOW_BYTES = 256 * KiB

export interface QueueWindowWorld {
  readonly store: Pick<Store, 'readViews' | 'readViewsResident' | 'minOffset' | 'maxOffset' | 'flushed'>
  /** Whether what has been appended may be read only once it is on disk. */
  readonly readsFromDisk: boolean
  /** There may be something to do again. */
  readonly wake: () => void
  /** Told of messages that cannot be read, or are gone. */
  readonly onLost: (lost: LostMessages) => void
  /** Told of a read that failed; the window stands still until something is appended. */
  readonly onFailed: (error: unknown) => void
}

const NOTHING: RecordViews = {
  count: 0,
  bytes: [],
  tagsCodes: [],
  offset: 0 as RecordViews['offset'],
  nextOffset: 0 as RecordViews['offset'],
  damaged: []
}

export class QueueWindow {
  readonly #world: QueueWindowWorld
  readonly #queue: QueueName
  #nextOffset: number
  #views: RecordViews = NOTHING
  /** Of the first record that is left. */
  #at = 0
  #isFetching = false
  #isAtEnd = false
  /** Something has been appended since the last look that found nothing. */
  #hasArrived = false

  /** `nextOffset` is brought into the limits of the queue. */
  constructor(world: QueueWindowWorld, queue: QueueName, nextOffset: number) {
    this.#world = world
    this.#queue = queue
    this.#nextOffset = Math.min(Math.max(nextOffset, world.store.minOffset(queue)), world.store.maxOffset(queue))
  }

  /** Of the first message that is not done with. */
  get nextOffset(): number {
    return this.#nextOffset
  }

  get maxOffset(): number {
    return this.#world.store.maxOffset(this.#queue)
  }

  get isFetching(): boolean {
    return this.#isFetching
  }

  /** The last look found nothing, and nothing has been appended since. */
  get isAtEnd(): boolean {
    return this.#isAtEnd && !this.#isFetching
  }

  /** A message has been appended to the queue. */
  arrived(): void {
    this.#hasArrived = true
    this.#isAtEnd = false
  }

  /** The first record; valid until it has been passed. Undefined at the end, and while something is fetched. */
  first(): Uint8Array | undefined {
    while (!this.#isFetching) {
      const record = this.#views.bytes[this.#at]
      if (record === undefined) {
        if (!this.#readOn()) return undefined
      } else if (record.length === 0) this.#skipLost()
      else return record
    }
    return undefined
  }

  /** The tag code of the first record, as the queue's entry has it; NaN if that is not written yet. */
  get tagsCode(): number {
    return this.#views.tagsCodes[this.#at] ?? Number.NaN
  }

  /** The first message is done with; the one after it is the first now. */
  passed(): void {
    this.#at++
    this.#nextOffset++
  }

  /** Whether there is something now. */
  #readOn(): boolean {
    const request = { ...this.#queue, offset: this.#nextOffset, countMax: WINDOW_COUNT, bytesMax: WINDOW_BYTES }
    const views = this.#world.store.readViewsResident(request)
    if (views !== undefined) return this.#enter(views)
    this.#await(this.#world.store.readViews(request))
    return false
  }

  #enter(views: RecordViews): boolean {
    this.#views = views
    this.#at = 0
    if (views.count === 0) {
      this.#isAtEnd = true
      // With synchronous flush a message can be read only once it is on disk.
      if (this.#hasArrived && this.#world.readsFromDisk) this.#await(this.#world.store.flushed().then(() => undefined))
      this.#hasArrived = false
      return false
    }
    const gone = views.offset - this.#nextOffset
    if (gone > 0) this.#lost(gone, undefined)
    this.#nextOffset = views.offset
    return true
  }

  #await(reading: Promise<RecordViews | undefined>): void {
    this.#isFetching = true
    this.#isAtEnd = false
    reading
      .then(
        views => {
          if (views !== undefined) this.#enter(views)
        },
        error => {
          this.#isAtEnd = true
          this.#world.onFailed(error)
        }
      )
      .finally(() => {
        this.#isFetching = false
        this.#world.wake()
      })
  }

  #skipLost(): void {
    const { bytes, damaged } = this.#views
    let count = 0
    while (bytes[this.#at]?.length === 0) {
      this.#at++
      count++
    }
    this.#lost(count, damaged[0])
    this.#nextOffset += count
  }

  #lost(count: number, error: Error | undefined): void {
    this.#world.onLost({ ...this.#queue, queueOffset: this.#nextOffset, count, error })
  }
}
