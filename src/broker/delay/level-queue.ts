/**
 * The queue of one delay level: its messages wait equally long, so the first is always due first, and only it is looked at.
 *
 * Records are read a window at a time and kept until they are delivered, so that each is read and checked once. When a
 * message is due stands in its queue entry; of one whose entry is not written yet it follows from its store time.
 *
 * Invariants:
 * - messages leave in their order, each not before its wait is over by the clock of the machine, or, if that has been set
 *   back, by the monotonic one (stored-by.ts)
 * - nothing waits for the disk: what is cold is fetched by a worker, and the queue says `fetching` meanwhile
 *
 * Not here: what is done with a message that is due, when to look again (level-delivery.ts).
 */
import type { Clock } from '../../base/index.ts'
import { locate, RECORD_WHOLE, RecordPositions, SCHEDULE_TOPIC } from '../../layout/index.ts'
import type { RecordViews, Store } from '../../store/index.ts'
import { levelOfQueue } from './level-kind.ts'
import { StoredBy } from './stored-by.ts'

const WINDOW_COUNT = 64
const WINDOW_BYTES = 256 * 1024

export interface LevelQueueWorld {
  readonly store: Pick<Store, 'readViews' | 'readViewsResident' | 'minOffset' | 'maxOffset' | 'flushed'>
  readonly clock: Clock
  /** Whether what has been appended may be read only once it is on disk. */
  readonly readsFromDisk: boolean
  /** There may be something to do again. */
  readonly wake: () => void
  /** Told of messages that cannot be read, or are gone. */
  readonly onLost: (lost: LostMessages) => void
  /** Told of a read that failed; the queue stands still until it is woken. */
  readonly onFailed: (error: unknown) => void
}

export interface LostMessages {
  readonly level: number
  readonly queueOffset: number
  readonly count: number
  readonly error: Error | undefined
}

const NOTHING: RecordViews = {
  count: 0,
  bytes: [],
  tagsCodes: [],
  offset: 0 as RecordViews['offset'],
  nextOffset: 0 as RecordViews['offset'],
  damaged: []
}

export class LevelQueue {
  readonly level: number
  readonly #world: LevelQueueWorld
  readonly #queueId: number
  readonly #delayMs: number
  readonly #storedBy = new StoredBy()
  readonly #positions = new RecordPositions()
  #nextOffset: number
  #window: RecordViews = NOTHING
  /** Of the first message that is left, in the window. */
  #at = 0
  /** When the first message is due by the clock of the machine; 0 while that is not known, Infinity while there is none. */
  #dueAtMs = 0
  #isFetching = false
  /** Something has been appended since the last look that found nothing. */
  #hasArrived = false

  constructor(world: LevelQueueWorld, { queueId, delayMs, nextOffset }: LevelStart) {
    this.#world = world
    this.#queueId = queueId
    this.level = levelOfQueue(queueId)
    this.#delayMs = delayMs
    const queue = { topic: SCHEDULE_TOPIC, queueId }
    const min = world.store.minOffset(queue)
    const max = world.store.maxOffset(queue)
    this.#nextOffset = Math.min(Math.max(nextOffset, min), max)
  }

  /** Of the first message that has not been delivered. */
  get nextOffset(): number {
    return this.#nextOffset
  }

  get maxOffset(): number {
    return this.#world.store.maxOffset({ topic: SCHEDULE_TOPIC, queueId: this.#queueId })
  }

  /** A message has been appended. Costs next to nothing while others wait before it. */
  arrived(isClockBehind: boolean): void {
    this.#hasArrived = true
    const { clock } = this.#world
    // It is due a whole wait from now, or a little earlier: nothing need be read to know when to look.
    if (this.#dueAtMs === Number.POSITIVE_INFINITY) this.#dueAtMs = clock.nowMs() + this.#delayMs
    if (isClockBehind) this.#storedBy.mark(this.maxOffset, clock.monotonicMs())
  }

  /** How long until there is something to do; 0 or less if there is now, Infinity if nothing is known to come. */
  waitMs(): number {
    if (this.#isFetching) return Number.POSITIVE_INFINITY
    return this.#waitMsFor(this.#dueAtMs)
  }

  /** How late the first message is that is due. */
  lateMs(): number {
    const isDue = this.#dueAtMs > 0 && this.#dueAtMs !== Number.POSITIVE_INFINITY
    return isDue ? Math.max(0, this.#world.clock.nowMs() - this.#dueAtMs) : 0
  }

  /** The record of the first message if it is due; valid until `delivered`. */
  firstDue(): Uint8Array | undefined {
    while (!this.#isFetching && this.waitMs() <= 0) {
      const record = this.#window.bytes[this.#at]
      if (record === undefined) {
        if (!this.#readOn()) return undefined
        continue
      }
      if (record.length === 0) {
        this.#skipLost()
        continue
      }
      this.#dueAtMs = this.#dueOf(record)
      this.#considerClock()
      if (this.waitMs() <= 0) return record
    }
    return undefined
  }

  /** The first message is done with; the one after it is the first now. */
  delivered(): void {
    this.#at++
    this.#nextOffset++
    this.#dueAtMs = 0
  }

  /** When the record is due by the clock of the machine. */
  #dueOf(record: Uint8Array): number {
    const written = this.#window.tagsCodes[this.#at]
    if (written !== undefined && !Number.isNaN(written)) return written
    const view = new DataView(record.buffer, record.byteOffset, record.length)
    const isWhole = locate(view, 0, record.length, this.#positions) === RECORD_WHOLE
    return isWhole ? this.#positions.storedAtMs + this.#delayMs : 0
  }

  /** What is due later than a message that is sent right now was stored before the clock was set back. */
  #considerClock(): void {
    const { clock } = this.#world
    const isBehind = this.#dueAtMs - clock.nowMs() > this.#delayMs
    if (!isBehind || this.#storedBy.find(this.#nextOffset) !== Number.POSITIVE_INFINITY) return
    this.#storedBy.mark(this.maxOffset, clock.monotonicMs())
  }

  #waitMsFor(dueAtMs: number): number {
    const { clock } = this.#world
    const byWall = dueAtMs - clock.nowMs()
    if (byWall <= 0) return byWall
    const storedBy = this.#storedBy.find(this.#nextOffset)
    return Math.min(byWall, storedBy + this.#delayMs - clock.monotonicMs())
  }

  /** Whether there is a window with something in it now. */
  #readOn(): boolean {
    const { store } = this.#world
    this.#storedBy.forgetBelow(this.#nextOffset)
    const request = {
      topic: SCHEDULE_TOPIC,
      queueId: this.#queueId,
      offset: this.#nextOffset,
      countMax: WINDOW_COUNT,
      bytesMax: WINDOW_BYTES
    }
    const views = store.readViewsResident(request)
    if (views !== undefined) return this.#enter(views)
    this.#fetch(store.readViews(request))
    return false
  }

  #enter(views: RecordViews): boolean {
    this.#window = views
    this.#at = 0
    if (views.count === 0) {
      this.#dueAtMs = Number.POSITIVE_INFINITY
      if (this.#hasArrived && this.#world.readsFromDisk) this.#awaitDisk()
      return false
    }
    const gone = views.offset - this.#nextOffset
    if (gone > 0) this.#lost(gone, undefined)
    this.#nextOffset = views.offset
    return true
  }

  #awaitDisk(): void {
    this.#hasArrived = false
    this.#fetch(this.#world.store.flushed().then(() => undefined))
  }

  #fetch(reading: Promise<RecordViews | undefined>): void {
    this.#isFetching = true
    reading
      .then(
        views => {
          if (views !== undefined) this.#enter(views)
          else this.#dueAtMs = 0
        },
        error => {
          this.#dueAtMs = Number.POSITIVE_INFINITY
          this.#world.onFailed(error)
        }
      )
      .finally(() => {
        this.#isFetching = false
        this.#world.wake()
      })
  }

  #skipLost(): void {
    const { bytes, damaged } = this.#window
    let count = 0
    while (bytes[this.#at]?.length === 0) {
      this.#at++
      count++
    }
    this.#lost(count, damaged[0])
    this.#nextOffset += count
    this.#dueAtMs = 0
  }

  #lost(count: number, error: Error | undefined): void {
    this.#world.onLost({ level: this.level, queueOffset: this.#nextOffset, count, error })
  }
}

export interface LevelStart {
  readonly queueId: number
  readonly delayMs: number
  /** Brought into the limits of the queue. */
  readonly nextOffset: number
}
