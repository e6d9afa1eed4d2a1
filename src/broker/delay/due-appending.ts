/**
 * Due appending: storing what is due, as long as the store takes it.
 *
 * While it takes nothing for the moment whoever delivers stands still and is woken once there is room.
 */
import { type Log, VarveError } from '../../base/index.ts'
import type { Appended, MessageInput } from '../../model/index.ts'
import type { Store } from '../../store/index.ts'
import type { Appending } from '../appending.ts'

export interface DueAppendingWorld {
  readonly store: Pick<Store, 'writable'>
  readonly appending: Pick<Appending, 'append'>
  /** There is room again. */
  readonly wake: () => void
  readonly log: Log
}

/** The message waits; it is tried again. */
export const MUST_WAIT = 'must wait'

export class DueAppending {
  readonly #world: DueAppendingWorld
  #isBlocked = false

  constructor(world: DueAppendingWorld) {
    this.#world = world
  }

  /** The store takes nothing for the moment, or never again. */
  get isBlocked(): boolean {
    return this.#isBlocked
  }

  /** Where it went; why it can never be stored; or MUST_WAIT. */
  append(message: MessageInput): Appended | VarveError | typeof MUST_WAIT {
    try {
      return this.#world.appending.append(message)
    } catch (error) {
      if (!(error instanceof VarveError)) throw error
      switch (error.code) {
        case 'STORE_BUSY':
        case 'STORE_DISK_FULL':
        case 'STORE_FILE_LIMIT':
        case 'STORE_MAP_LIMIT':
          this.#isBlocked = true
          void this.#awaitRoom()
          return MUST_WAIT
        case 'STORE_CLOSED':
        case 'STORE_POISONED':
        case 'STORE_READ_ONLY':
          this.#isBlocked = true
          return MUST_WAIT
        default:
          return error
      }
    }
  }

  async #awaitRoom(): Promise<void> {
    try {
      await this.#world.store.writable()
      this.#isBlocked = false
      this.#world.wake()
    } catch (error) {
      this.#world.log.error('delivery of delayed messages ends', { error: error as Error })
    }
  }
}
