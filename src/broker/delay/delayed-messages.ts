/**
 * Delayed messages: how they are stored, kept and delivered, put together over one store.
 *
 * A message with a delay level waits in the queue of its level, a timed one in the timer topic and in the wheel. Once its
 * time has come it is stored under its own topic.
 */
import { join } from 'node:path'
import { type Clock, hourMs, type Log, secondMs, VarveError } from '../../base/index.ts'
import { parseDelayLevels, SCHEDULE_TOPIC, TIMER_TOPIC } from '../../layout/index.ts'
import { Histogram } from '../../metrics/index.ts'
import type { HostAddress } from '../../model/index.ts'
import type { Files, Store } from '../../store/index.ts'
import type { Appending } from '../appending.ts'
import type { SaveFile } from '../config-file.ts'
import type { BrokerConfig } from '../config-keys.ts'
import type { Alarm } from '../deadlines.ts'
import type { SendKind } from '../send-transform.ts'
import type { RecurringWork } from '../tables.ts'
import type { DeliveryWorld } from './delivery-world.ts'
import { LevelDelivery } from './level-delivery.ts'
import { levelKind } from './level-kind.ts'
import { LevelProgress } from './level-progress.ts'
import { Losses } from './losses.ts'
import { TimedDelivery } from './timed-delivery.ts'
import { TimerCounts } from './timer-counts.ts'
import { timerKind } from './timer-kind.ts'

const COUNTS_MS = 10 * secondMs
const TIDY_MS = hourMs

export interface DelayedWorld {
  readonly store: Store
  readonly appending: Appending
  readonly directory: string
  readonly files: Files
  readonly save: SaveFile
  readonly config: BrokerConfig
  readonly storeHost: HostAddress
  /** Told of each message that was delivered: its topic, its queue, and the bytes of its record. */
  readonly onDelivered: (topic: string, queueId: number, sizeBytes: number) => void
  readonly clock: Clock
  /** Makes the timers. */
  readonly alarm: () => Alarm
  /** Calls back once everything that has arrived is served. */
  readonly defer: (run: () => void) => void
  readonly log: Log
}

/** What is known of one level. */
export interface LevelFacts {
  readonly level: number
  readonly nextOffset: number
  readonly maxOffset: number
}

export class DelayedMessages {
  readonly kinds: readonly SendKind[]
  readonly recurring: readonly RecurringWork[]
  /** How late messages with a delay level were delivered, in ms; and timed ones. */
  readonly lateness = new Histogram()
  readonly timedLateness = new Histogram()
  /** By topic, timed messages that wait, came and went. */
  readonly timedCounts: TimerCounts
  readonly #log: Log
  readonly #losses: Losses
  readonly #progress: LevelProgress
  readonly #levels: LevelDelivery
  readonly #openTimed: () => TimedDelivery
  #timed: TimedDelivery | undefined

  /** Delivery begins at once. @throws VarveError CONFIG_FILE_DAMAGED, OPTION_INVALID, STORE_FILE_CHANGED */
  constructor(world: DelayedWorld) {
    const { config, alarm } = world
    const delaysMs = parseDelayLevels(config.messageDelayLevel)
    this.#log = world.log
    this.#losses = new Losses(world.log)
    this.#progress = new LevelProgress(world)
    this.timedCounts = new TimerCounts(world)
    const delivery = (lateness: Histogram): DeliveryWorld => ({
      ...world,
      alarm: alarm(),
      losses: this.#losses,
      deliveries: {
        delivered(topic, queueId, sizeBytes, lateMs) {
          lateness.record(lateMs)
          world.onDelivered(topic, queueId, sizeBytes)
        }
      }
    })
    this.#levels = new LevelDelivery({ ...delivery(this.lateness), progress: this.#progress, delaysMs })
    const timedDelivery = delivery(this.timedLateness)
    this.#openTimed = () => new TimedDelivery({ ...world, ...timedDelivery, counts: this.timedCounts })
    try {
      if (config.timerWheelEnable && holdsTimed(world)) this.#timed = this.#openTimed()
    } catch (error) {
      this.#levels.close() // Nobody gets this object to close it, and the store ends before the next turn.
      throw error
    }
    this.kinds = [levelKind(delaysMs.length), timerKind(world)]
    this.recurring = [
      {
        name: 'save progress of delay levels',
        everyMs: config.flushDelayOffsetInterval,
        run: () => this.#progress.saveSoon()
      },
      {
        name: 'save progress of timed messages',
        everyMs: config.timerFlushIntervalMs,
        run: () => this.#timed?.saveSoon()
      },
      { name: 'save counts of timed messages', everyMs: COUNTS_MS, run: () => this.timedCounts.saveSoon() },
      { name: 'forget timed messages that are gone', everyMs: TIDY_MS, run: () => this.#timed?.tidy() }
    ]
  }

  /** A message has been appended: one that waits may be due before all others. */
  arrived(topic: string, queueId: number): void {
    if (topic === SCHEDULE_TOPIC) this.#levels.arrived(queueId)
    else if (topic === TIMER_TOPIC) this.#timedArrived()
  }

  /** The topic is deleted: what waits for it is no longer counted. */
  forgetTopic(topic: string): void {
    this.timedCounts.forget(topic)
  }

  /** Undefined while there has been no timed message, and where `timerWheelEnable` is off. */
  get timed(): TimedDelivery | undefined {
    return this.#timed
  }

  /** Messages that were lost while they waited. */
  get lostCount(): number {
    return this.#losses.count
  }

  *levels(): Iterable<LevelFacts> {
    for (const { level, nextOffset, maxOffset } of this.#levels.queues) yield { level, nextOffset, maxOffset }
  }

  /** What `delayOffset.json` holds once it is saved. */
  get progressText(): string {
    return this.#progress.text()
  }

  /** Nothing is delivered after this, and the progress is saved. */
  async close(): Promise<void> {
    this.#levels.close()
    await this.#timed?.close()
    await Promise.all([this.#progress.saved(), this.timedCounts.saved()])
  }

  /** The files of the timer are made with the first message for it: most brokers never have one. */
  #timedArrived(): void {
    if (this.#timed !== undefined) return this.#timed.arrived()
    try {
      this.#timed = this.#openTimed()
    } catch (error) {
      if (!(error instanceof VarveError)) throw error
      // The message is stored: with the next one, or at the next start, it is tried again.
      this.#log.error('timed messages stand still', { error })
    }
  }
}

/** Whether there is anything for the wheel, or has been. */
function holdsTimed({ store, files, directory }: DelayedWorld): boolean {
  return (
    store.maxOffset({ topic: TIMER_TOPIC, queueId: 0 }) > 0 || files.find(join(directory, 'timerwheel')) !== undefined
  )
}
