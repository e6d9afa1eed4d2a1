/**
 * Delayed messages: how they are stored, kept and delivered, put together over one store.
 *
 * A message with a delay level waits in the queue of its level and is stored under its own topic once its wait is over.
 *
 * Not here: timed messages, which the broker refuses as yet (send-transform.ts).
 */
import type { Clock, Log } from '../../base/index.ts'
import { parseDelayLevels, SCHEDULE_TOPIC } from '../../layout/index.ts'
import { Histogram } from '../../metrics/index.ts'
import type { HostAddress } from '../../model/index.ts'
import type { Files, Store } from '../../store/index.ts'
import type { Appending } from '../appending.ts'
import type { SaveFile } from '../config-file.ts'
import type { BrokerConfig } from '../config-keys.ts'
import type { Alarm } from '../deadlines.ts'
import type { SendKind } from '../send-transform.ts'
import type { RecurringWork } from '../tables.ts'
import { LevelDelivery } from './level-delivery.ts'
import { levelKind } from './level-kind.ts'
import { LevelProgress } from './level-progress.ts'

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
  readonly alarm: Alarm
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
  /** How late messages were delivered, in ms. */
  readonly lateness = new Histogram()
  readonly #progress: LevelProgress
  readonly #delivery: LevelDelivery

  /** Delivery begins at once. @throws VarveError CONFIG_FILE_DAMAGED, OPTION_INVALID */
  constructor(world: DelayedWorld) {
    const { config, onDelivered } = world
    const delaysMs = parseDelayLevels(config.messageDelayLevel)
    this.#progress = new LevelProgress(world)
    this.#delivery = new LevelDelivery({
      ...world,
      progress: this.#progress,
      delaysMs,
      deliveries: {
        delivered: (topic, queueId, sizeBytes, lateMs) => {
          this.lateness.record(lateMs)
          onDelivered(topic, queueId, sizeBytes)
        }
      }
    })
    this.kinds = [levelKind(delaysMs.length)]
    this.recurring = [
      {
        name: 'save progress of delay levels',
        everyMs: config.flushDelayOffsetInterval,
        run: () => this.#progress.saveSoon()
      }
    ]
  }

  /** A message has been appended: one that waits may be due before all others. */
  arrived(topic: string, queueId: number): void {
    if (topic === SCHEDULE_TOPIC) this.#delivery.arrived(queueId)
  }

  /** Messages that were lost while they waited. */
  get lostCount(): number {
    return this.#delivery.lostCount
  }

  *levels(): Iterable<LevelFacts> {
    for (const { level, nextOffset, maxOffset } of this.#delivery.queues) yield { level, nextOffset, maxOffset }
  }

  /** What `delayOffset.json` holds once it is saved. */
  get progressText(): string {
    return this.#progress.text()
  }

  /** Nothing is delivered after this, and the progress is saved. */
  async close(): Promise<void> {
    this.#delivery.close()
    await this.#progress.saved()
  }
}
