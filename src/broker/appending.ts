/**
 * Appending: the one way in which the broker stores a message, whoever it is from. Whoever waits for messages of a queue
 * hears of it from here.
 *
 * Not here: what may be stored (sending.ts), who waits (long-polling.ts).
 */
import { VarveError } from '../base/index.ts'
import type { Appended, MessageInput } from '../model/index.ts'
import type { Store } from '../store/index.ts'

/** Told of each append: cheap where nobody waits for the queue. */
export interface Arrivals {
  arrived(topic: string, queueId: number): void
}

export class Appending {
  readonly #store: Pick<Store, 'append' | 'appendBatch'>
  readonly #arrivals: Arrivals

  constructor(store: Pick<Store, 'append' | 'appendBatch'>, arrivals: Arrivals) {
    this.#store = store
    this.#arrivals = arrivals
  }

  /** @throws VarveError as `Store.append` */
  append(message: MessageInput): Appended {
    const appended = this.#store.append(message)
    this.#arrivals.arrived(message.topic, message.queueId)
    return appended
  }

  /** All or none of them, in one queue. @throws VarveError as `Store.appendBatch` */
  appendBatch(messages: readonly MessageInput[], positions?: number[]): Appended {
    const appended = this.#store.appendBatch(messages, positions)
    const [first] = messages
    if (first !== undefined) this.#arrivals.arrived(first.topic, first.queueId)
    return appended
  }
}

/** Whether it is worth waiting a moment and storing again. */
export const isShortOfRoom = (error: unknown): boolean => error instanceof VarveError && error.code === 'STORE_BUSY'

/** What a client is told when the store cannot write; anything else is what it was. */
export function refusalOfStore(error: unknown): unknown {
  if (!(error instanceof VarveError)) return error
  switch (error.code) {
    case 'STORE_BUSY':
      return new VarveError('BROKER_BUSY', { reason: BUSY, ...error.details }, { cause: error })
    case 'STORE_CLOSED':
    case 'STORE_POISONED':
    case 'STORE_DISK_FULL':
    case 'STORE_FILE_LIMIT':
    case 'STORE_MAP_LIMIT':
    case 'STORE_READ_ONLY':
      return new VarveError('BROKER_UNAVAILABLE', { because: error.code, ...error.details }, { cause: error })
    default:
      return error
  }
}

/** What people look for in the logs of their producers. */
export const BUSY = '[PC_SYNCHRONIZED]broker busy, start flow control for a while'
export const OVERLOAD = '[OVERLOAD]system busy, start flow control for a while'
export const REJECTED = '[REJECTREQUEST]system busy, start flow control for a while'
export const TIMED_OUT = '[TIMEOUT_CLEAN_QUEUE]broker busy, start flow control for a while'
