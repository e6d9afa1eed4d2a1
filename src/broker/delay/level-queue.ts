/**
 * The queue of one delay level: its messages wait equally long, so the first is always due first, and only it is looked at.
 *
 * When a message is due stands in its queue entry; of one whose entry is not written yet it follows from its store time.
 *
 * Invariant: messages leave in their order, each not before its wait is over by the clock of the machine, or, if that has
 * been set back, by the monotonic one (stored-by.ts).
 *
 * Not here: reading the queue (queue-window.ts), what is done with a message that is due, when to look again
 * (level-delivery.ts).
 */
import type { Clock } from '../../base/index.ts'
import { locate, RECORD_WHOLE, RecordPositions, SCHEDULE_TOPIC } from '../../layout/index.ts'
import { levelOfQueue } from './level-kind.ts'
import { QueueWindow, type QueueWindowWorld } from './queue-window.ts'
import { StoredBy } from './stored-by.ts'

export interface LevelQueueWorld extends QueueWindowWorld {
  readonly clock: Clock
}

export interface LevelStart {
  readonly queueId: number
  readonly delayMs: number
  /** Brought into the limits of the queue. */
  readonly nextOffset: number
}

export class LevelQueue {
  readonly level: number
  readonly #clock: Clock
  readonly #delayMs: number
  readonly #window: QueueWindow
  readonly #storedBy = new StoredBy()
  readonly #positions = new RecordPositions()
  /** When the first message is due by the clock of the machine; 0 while that is not known, Infinity while there is none. */
  #dueAtMs = 0

  constructor(world: LevelQueueWorld, { queueId, delayMs, nextOffset }: LevelStart) {
    this.level = levelOfQueue(queueId)
    this.#clock = world.clock
    this.#delayMs = delayMs
    this.#window = new QueueWindow(world, { topic: SCHEDULE_TOPIC, queueId }, nextOffset)
  }

  /** Of the first message that has not been delivered. */
  get nextOffset(): number {
    return this.#window.nextOffset
  }

  get maxOffset(): number {
    return this.#window.maxOffset
  }

  /** A message has been appended. Costs next to nothing while others wait before it. */
  arrived(isClockBehind: boolean): void {
    this.#window.arrived()
    // It is due a whole wait from now, or a little earlier: nothing need be read to know when to look.
    if (this.#dueAtMs === Number.POSITIVE_INFINITY) this.#dueAtMs = this.#clock.nowMs() + this.#delayMs
    if (isClockBehind) this.#storedBy.mark(this.maxOffset, this.#clock.monotonicMs())
  }

  /** How long until there is something to do; 0 or less if there is now, Infinity if nothing is known to come. */
  waitMs(): number {
    if (this.#window.isFetching) return Number.POSITIVE_INFINITY
    const byWall = this.#dueAtMs - this.#clock.nowMs()
    if (byWall <= 0) return byWall
    const storedBy = this.#storedBy.find(this.nextOffset)
    return Math.min(byWall, storedBy + this.#delayMs - this.#clock.monotonicMs())
  }

  /** How late the first message is that is due. */
  lateMs(): number {
    const isDue = this.#dueAtMs > 0 && this.#dueAtMs !== Number.POSITIVE_INFINITY
    return isDue ? Math.max(0, this.#clock.nowMs() - this.#dueAtMs) : 0
  }

  /** The record of the first message if it is due; valid until `delivered`. */
  firstDue(): Uint8Array | undefined {
    if (this.waitMs() > 0) return undefined
    const record = this.#window.first()
    if (record === undefined) {
      if (this.#window.isAtEnd) this.#dueAtMs = Number.POSITIVE_INFINITY
      return undefined
    }
    this.#dueAtMs = this.#dueOf(record)
    this.#considerClock()
    return this.waitMs() <= 0 ? record : undefined
  }

  /** The first message is done with; the one after it is the first now. */
  delivered(): void {
    this.#window.passed()
    this.#storedBy.forgetBelow(this.nextOffset)
    this.#dueAtMs = 0
  }

  /** When the record is due by the clock of the machine. */
  #dueOf(record: Uint8Array): number {
    const { tagsCode } = this.#window
    if (!Number.isNaN(tagsCode)) return tagsCode
    const view = new DataView(record.buffer, record.byteOffset, record.length)
    const isWhole = locate(view, 0, record.length, this.#positions) === RECORD_WHOLE
    return isWhole ? this.#positions.storedAtMs + this.#delayMs : 0
  }

  /** What is due later than a message that is sent right now was stored before the clock was set back. */
  #considerClock(): void {
    const isBehind = this.#dueAtMs - this.#clock.nowMs() > this.#delayMs
    if (!isBehind || this.#storedBy.find(this.nextOffset) !== Number.POSITIVE_INFINITY) return
    this.#storedBy.mark(this.maxOffset, this.#clock.monotonicMs())
  }
}
