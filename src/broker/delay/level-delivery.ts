/**
 * Delivery of messages with a delay level: what is due is stored under its own topic, in turns between which the broker
 * serves its clients.
 *
 * One alarm is set to the moment at which the first message of any level is due. It rings once a second at least while
 * anything waits, because the clock of the machine may be set meanwhile.
 *
 * Invariants:
 * - a turn delivers no more than TURN_COUNT messages or TURN_BYTES, however many are due
 * - levels with something due take turns, so that none waits for the backlog of another
 * - a message is passed only once it has been stored, or can never be
 *
 * Not here: which message is due (level-queue.ts), what is kept of the progress (level-progress.ts).
 */
import { type Clock, KiB, type Log, secondMs, VarveError } from '../../base/index.ts'
import type { HostAddress } from '../../model/index.ts'
import type { Store } from '../../store/index.ts'
import type { Appending } from '../appending.ts'
import type { Alarm } from '../deadlines.ts'
import { HALF_TOPIC } from '../system-topics.ts'
import { DueMessage } from './due-message.ts'
import type { LevelProgress } from './level-progress.ts'
import { LevelQueue, type LostMessages } from './level-queue.ts'

const TURN_COUNT = 128
const TURN_BYTES = 512 * KiB
/** So long no look at the clock is put off. */
const LOOK_MS = secondMs

/** Told of each message that was delivered, under its topic. */
export interface Deliveries {
  delivered(topic: string, queueId: number, sizeBytes: number, lateMs: number): void
}

export interface LevelDeliveryWorld {
  readonly store: Pick<
    Store,
    'readViews' | 'readViewsResident' | 'minOffset' | 'maxOffset' | 'flushed' | 'writable' | 'info'
  >
  readonly appending: Pick<Appending, 'append'>
  readonly progress: LevelProgress
  readonly delaysMs: readonly number[]
  readonly storeHost: HostAddress
  readonly deliveries: Deliveries
  readonly clock: Clock
  readonly alarm: Alarm
  /** Calls back once everything that has arrived is served. */
  readonly defer: (run: () => void) => void
  readonly log: Log
}

export class LevelDelivery {
  readonly #world: LevelDeliveryWorld
  readonly #queues: readonly LevelQueue[]
  readonly #due: DueMessage
  #isTurnPending = false
  /** The store takes nothing for the moment, or never again. */
  #isBlocked = false
  #isClosed = false
  /** Which level comes first in the next turn. */
  #first = 0
  /** The latest that the clock of the machine has said. */
  #newestMs = Number.NEGATIVE_INFINITY
  #lostCount = 0

  constructor(world: LevelDeliveryWorld) {
    const { store, clock, delaysMs, progress, log } = world
    this.#world = world
    this.#due = new DueMessage(world.storeHost)
    const queueWorld = {
      store,
      clock,
      readsFromDisk: store.info().flush === 'sync',
      wake: () => this.#settle(),
      onLost: (lost: LostMessages) => this.#lost(lost),
      onFailed: (error: unknown) => log.error('delayed messages not read', { error: error as Error })
    }
    this.#queues = delaysMs.map((delayMs, queueId) => {
      const queue = new LevelQueue(queueWorld, { queueId, delayMs, nextOffset: progress.of(queueId + 1) })
      if (queue.nextOffset !== progress.of(queue.level)) progress.advance(queue.level, queue.nextOffset, 0)
      return queue
    })
    this.#settle()
  }

  get queues(): readonly LevelQueue[] {
    return this.#queues
  }

  /** Messages that could not be delivered because they are damaged, gone, or say no topic. */
  get lostCount(): number {
    return this.#lostCount
  }

  /** A message has been appended to the queue of a level. */
  arrived(queueId: number): void {
    const queue = this.#queues[queueId]
    if (queue === undefined) return
    const nowMs = this.#world.clock.nowMs()
    const isClockBehind = nowMs < this.#newestMs
    if (!isClockBehind) this.#newestMs = nowMs
    const wasIdle = queue.waitMs() === Number.POSITIVE_INFINITY
    queue.arrived(isClockBehind)
    if (wasIdle) this.#settle()
  }

  close(): void {
    this.#isClosed = true
    this.#world.alarm.clear()
  }

  readonly #turn = (): void => {
    this.#isTurnPending = false
    if (this.#isClosed || this.#isBlocked) return
    const room = { count: TURN_COUNT, bytes: TURN_BYTES }
    for (let i = 0; i < this.#queues.length && !this.#isBlocked; i++) {
      this.#deliverDue(this.#queues[(this.#first + i) % this.#queues.length] as LevelQueue, room) // By the remainder.
    }
    this.#first = (this.#first + 1) % this.#queues.length
    this.#settle()
  }

  /** Delivers what is due of one level and fits into `room`, and takes it from there. */
  #deliverDue(queue: LevelQueue, room: { count: number; bytes: number }): void {
    const from = queue.nextOffset
    while (room.count > 0 && room.bytes > 0) {
      const record = queue.firstDue()
      if (record === undefined || !this.#deliver(queue, record)) break
      room.count--
      room.bytes -= record.length
    }
    const { nextOffset } = queue
    if (nextOffset > from) this.#world.progress.advance(queue.level, nextOffset, nextOffset - from)
  }

  /** False if the message has to wait. */
  #deliver(queue: LevelQueue, record: Uint8Array): boolean {
    const { appending, deliveries } = this.#world
    const due = this.#due
    if (!due.take(record) || due.message.topic === HALF_TOPIC) {
      this.#lost({ level: queue.level, queueOffset: queue.nextOffset, count: 1, error: undefined })
    } else {
      const lateMs = queue.lateMs()
      try {
        const { sizeBytes } = appending.append(due.message)
        deliveries.delivered(due.message.topic, due.message.queueId, sizeBytes, lateMs)
      } catch (error) {
        if (this.#mustWait(error)) return false
        this.#lost({ level: queue.level, queueOffset: queue.nextOffset, count: 1, error: error as Error })
      }
    }
    queue.delivered()
    return true
  }

  /** Whether the store may take the message later; if not, it never will. */
  #mustWait(error: unknown): boolean {
    const code = error instanceof VarveError ? error.code : undefined
    switch (code) {
      case 'STORE_BUSY':
      case 'STORE_DISK_FULL':
        this.#isBlocked = true
        this.#world.store.writable().then(
          () => {
            this.#isBlocked = false
            this.#settle()
          },
          (failure: unknown) => this.#world.log.error('delivery of delayed messages ends', { error: failure as Error })
        )
        return true
      case 'STORE_CLOSED':
      case 'STORE_POISONED':
      case 'STORE_READ_ONLY':
        this.#isBlocked = true
        return true
      case undefined:
        throw error
      default:
        return false
    }
  }

  /** Sees to it that the next turn comes when it should. */
  #settle(): void {
    if (this.#isClosed || this.#isBlocked || this.#isTurnPending) return
    let waitMs = Number.POSITIVE_INFINITY
    for (const queue of this.#queues) waitMs = Math.min(waitMs, queue.waitMs())
    if (waitMs <= 0) {
      this.#isTurnPending = true
      this.#world.defer(this.#turn)
    } else if (waitMs !== Number.POSITIVE_INFINITY) {
      this.#world.alarm.set(Math.min(Math.ceil(waitMs), LOOK_MS), this.#turn)
    }
  }

  #lost({ level, queueOffset, count, error }: LostMessages): void {
    this.#lostCount += count
    this.#world.log.error('delayed messages lost', { delayLevel: level, queueOffset, count, error })
  }
}
