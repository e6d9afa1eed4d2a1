/**
 * Delivery of messages with a delay level: what is due is stored under its own topic, in turns between which the broker
 * serves its clients.
 *
 * One alarm is set to the moment at which the first message of any level is due. It rings once a second at least while
 * anything waits, because the clock of the machine may be set meanwhile.
 *
 * Invariants:
 * - a turn delivers no more than TURN_COUNT messages or TURN_BYTES, for no longer than TURN_MS, however many are due
 * - levels with something due take turns, so that none waits for the backlog of another
 * - a message is passed only once it has been stored, or can never be
 *
 * Not here: which message is due (level-queue.ts), what is kept of the progress (level-progress.ts).
 */
import { KiB, secondMs } from '../../base/index.ts'
import { SCHEDULE_TOPIC } from '../../layout/index.ts'
import { HALF_TOPIC } from '../system-topics.ts'
import type { DeliveryWorld } from './delivery-world.ts'
import { DueAppending, MUST_WAIT } from './due-appending.ts'
import { DueMessage } from './due-message.ts'
import { levelOfQueue, queueOfLevel } from './level-kind.ts'
import type { LevelProgress } from './level-progress.ts'
import { LevelQueue } from './level-queue.ts'

const TURN_COUNT = 128
const TURN_BYTES = 512 * KiB
/** So long a turn delivers, however slow the machine is: those who send wait for its end. */
const TURN_MS = 1
/** Between two looks at that. */
const LOOK_COUNT = 16
/** So long no look at the clock is put off. */
const LOOK_MS = secondMs

/** What a turn may still deliver. */
interface Room {
  count: number
  bytes: number
  readonly untilMs: number
}

export interface LevelDeliveryWorld extends DeliveryWorld {
  readonly progress: LevelProgress
  readonly delaysMs: readonly number[]
}

export class LevelDelivery {
  readonly #world: LevelDeliveryWorld
  readonly #queues: readonly LevelQueue[]
  readonly #appending: DueAppending
  readonly #due: DueMessage
  #isTurnPending = false
  #isClosed = false
  /** Which level comes first in the next turn. */
  #first = 0
  /** The latest that the clock of the machine has said. */
  #newestMs = Number.NEGATIVE_INFINITY

  constructor(world: LevelDeliveryWorld) {
    const { store, delaysMs, progress, log } = world
    const wake = (): void => this.#settle()
    this.#world = world
    this.#appending = new DueAppending({ ...world, wake })
    this.#due = new DueMessage(world.storeHost)
    const queueWorld = {
      ...world,
      wake,
      readsFromDisk: store.info().flush === 'sync',
      onLost: world.losses.lost,
      onFailed: (error: unknown) => log.error('delayed messages not read', { error: error as Error })
    }
    this.#queues = delaysMs.map((delayMs, queueId) => {
      const known = progress.of(levelOfQueue(queueId))
      const queue = new LevelQueue(queueWorld, { queueId, delayMs, nextOffset: known })
      if (queue.nextOffset !== known) progress.advance(queue.level, queue.nextOffset, 0)
      return queue
    })
    this.#settle()
  }

  get queues(): readonly LevelQueue[] {
    return this.#queues
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
    if (this.#isClosed) return
    const room = { count: TURN_COUNT, bytes: TURN_BYTES, untilMs: this.#world.clock.monotonicMs() + TURN_MS }
    for (let i = 0; i < this.#queues.length && !this.#appending.isBlocked; i++) {
      this.#deliverDue(this.#queues[(this.#first + i) % this.#queues.length] as LevelQueue, room) // By the remainder.
    }
    this.#first = (this.#first + 1) % this.#queues.length
    this.#settle()
  }

  /** Delivers what is due of one level and fits into `room`, and takes it from there. */
  #deliverDue(queue: LevelQueue, room: Room): void {
    const from = queue.nextOffset
    while (room.count > 0 && room.bytes > 0) {
      const record = queue.firstDue()
      if (record === undefined || !this.#deliver(queue, record)) break
      room.count--
      room.bytes -= record.length
      if (room.count % LOOK_COUNT === 0 && this.#world.clock.monotonicMs() > room.untilMs) room.count = 0
    }
    const { nextOffset } = queue
    if (nextOffset > from) this.#world.progress.advance(queue.level, nextOffset, nextOffset - from)
  }

  /** False if the message has to wait. */
  #deliver(queue: LevelQueue, record: Uint8Array): boolean {
    const due = this.#due
    // A half message is not for consumers, whoever put it here.
    if (!due.take(record) || due.message.topic === HALF_TOPIC) this.#lose(queue, undefined)
    else {
      const lateMs = queue.lateMs()
      const outcome = this.#appending.append(due.message)
      if (outcome === MUST_WAIT) return false
      if (outcome instanceof Error) this.#lose(queue, outcome)
      else this.#world.deliveries.delivered(due.message.topic, due.message.queueId, outcome.sizeBytes, lateMs)
    }
    queue.delivered()
    return true
  }

  #lose({ level, nextOffset: queueOffset }: LevelQueue, error: Error | undefined): void {
    this.#world.losses.lost({ topic: SCHEDULE_TOPIC, queueId: queueOfLevel(level), queueOffset, count: 1, error })
  }

  /** Sees to it that the next turn comes when it should. */
  #settle(): void {
    if (this.#isClosed || this.#appending.isBlocked || this.#isTurnPending) return
    let waitMs = Number.POSITIVE_INFINITY
    for (const queue of this.#queues) waitMs = Math.min(waitMs, queue.waitMs())
    if (waitMs <= 0) {
      this.#isTurnPending = true
      this.#world.defer(this.#turn)
    } else if (waitMs !== Number.POSITIVE_INFINITY) {
      this.#world.alarm.set(Math.min(Math.ceil(waitMs), LOOK_MS), this.#turn)
    }
  }
}
