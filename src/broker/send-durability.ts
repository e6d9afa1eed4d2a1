/**
 * Waiting until what was sent is on disk, but not for ever: a client that waits longer than `syncFlushTimeout` is told so,
 * and its message is stored all the same.
 */
import type { Clock } from '../base/index.ts'
import type { Store } from '../store/index.ts'
import { refusalOfStore } from './appending.ts'
import type { BrokerConfig } from './config-keys.ts'
import { type Alarm, DeadlineNode, Deadlines } from './deadlines.ts'

export interface DurabilityWorld {
  readonly store: Pick<Store, 'flushed'>
  readonly config: Pick<BrokerConfig, 'syncFlushTimeout'>
  readonly clock: Clock
  readonly alarm: Alarm
}

class Waiting extends DeadlineNode {
  readonly answer: (isOnDisk: boolean) => void

  constructor(answer: (isOnDisk: boolean) => void) {
    super()
    this.answer = answer
  }
}

export class Durability {
  readonly #world: DurabilityWorld
  readonly #deadlines: Deadlines<Waiting>

  constructor(world: DurabilityWorld) {
    this.#world = world
    this.#deadlines = new Deadlines(world, waiting => waiting.answer(false))
  }

  get waitingCount(): number {
    return this.#deadlines.count
  }

  /**
   * Whether everything below `until` came onto the disk in time.
   * @throws VarveError BROKER_UNAVAILABLE if it never will
   */
  durable(until: number): Promise<boolean> {
    const { store, config, clock } = this.#world
    return new Promise((resolve, reject) => {
      const waiting = new Waiting(resolve)
      this.#deadlines.add(waiting, clock.monotonicMs() + config.syncFlushTimeout)
      store.flushed(until).then(
        () => {
          this.#deadlines.remove(waiting)
          resolve(true)
        },
        error => {
          this.#deadlines.remove(waiting)
          reject(refusalOfStore(error))
        }
      )
    })
  }

  close(): void {
    this.#deadlines.close()
  }
}
