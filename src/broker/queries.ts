/**
 * Queries: messages by key, by position and by time, and the limits of queues, as clients and tools ask for them.
 *
 * Records are answered as they lie in the log. A message by key is compared by text here, which is stricter than Apache
 * RocketMQ: it answers whatever has the same hash.
 *
 * Not here: reading a queue (pulling.ts), offsets of groups (offset-requests.ts).
 */
import { totalmem } from 'node:os'
import { VarveError } from '../base/index.ts'
import type { QueueName, SelectRequest, Store } from '../store/index.ts'
import type { BrokerConfig } from './config-keys.ts'
import type { QueueFacts } from './offset-requests.ts'

export interface KeyRequest {
  readonly topic: string
  readonly key: string
  readonly countMax: number
  readonly fromMs: number
  readonly untilMs: number
  /** The key is a UNIQ_KEY: then the broker says how many are answered. */
  readonly isUnique: boolean
}

export interface KeyAnswer {
  /** Newest first. */
  readonly records: readonly Uint8Array[]
  /** Store time of the newest of them. */
  readonly indexedAtMs: number
  /** Everything below is in the index. */
  readonly indexedUntil: number
}

export interface QueriesWorld {
  readonly store: Pick<
    Store,
    | 'messagesByKey'
    | 'messageAt'
    | 'recordAt'
    | 'read'
    | 'minOffset'
    | 'maxOffset'
    | 'offsetAt'
    | 'queues'
    | 'select'
    | 'info'
  >
  readonly config: Pick<BrokerConfig, 'maxMsgsNumBatch' | 'defaultQueryMaxNum' | 'accessMessageInMemoryMaxRatio'>
  /** Default: of the machine. */
  readonly memoryBytes?: number
}

const FIRST_MESSAGE: Omit<SelectRequest, keyof QueueName> = {
  offset: 0,
  countMax: 1,
  bytesMax: 0,
  scanMax: 1,
  diskDistanceBytes: Number.POSITIVE_INFINITY,
  diskCountMax: 1,
  diskBytesMax: 0,
  filter: undefined
}
const NONE = -1

export class Queries implements QueueFacts {
  readonly #store: QueriesWorld['store']
  readonly #config: QueriesWorld['config']
  readonly #memoryBytes: number

  constructor({ store, config, memoryBytes = totalmem() }: QueriesWorld) {
    this.#store = store
    this.#config = config
    this.#memoryBytes = memoryBytes
  }

  /** Undefined if there is none. */
  async findByKey({ topic, key, countMax, fromMs, untilMs, isUnique }: KeyRequest): Promise<KeyAnswer | undefined> {
    const { maxMsgsNumBatch, defaultQueryMaxNum } = this.#config
    const count = Math.min(isUnique ? defaultQueryMaxNum : countMax, maxMsgsNumBatch)
    const messages = await this.#store.messagesByKey({ topic, key, countMax: count, fromMs, untilMs })
    const found = await Promise.all(messages.map(({ physicalOffset }) => this.#findRecord(physicalOffset)))
    const records = found.filter(record => record !== undefined)
    const [newest] = messages
    if (newest === undefined || records.length === 0) return undefined
    return { records, indexedAtMs: newest.storedAtMs, indexedUntil: this.#store.info().dispatchedUntil }
  }

  /** @throws VarveError RECORD_NOT_FOUND, RECORD_DAMAGED */
  byPosition(physicalOffset: number): Promise<Uint8Array> {
    return this.#store.recordAt(physicalOffset)
  }

  /** The offset that the next message gets; 0 for a queue that does not exist. */
  maxOffset(queue: QueueName): number {
    return this.#store.maxOffset(queue)
  }

  /** -1 for a queue that does not exist. */
  minOffset(queue: QueueName): number {
    return this.#exists(queue) ? this.#store.minOffset(queue) : NONE
  }

  /** `lower`: the first message stored at or after the time; `upper`: the last one stored at or before it. */
  offsetAt(request: QueueName & { readonly timeMs: number; readonly boundary?: 'lower' | 'upper' }): Promise<number> {
    return this.#store.offsetAt(request)
  }

  /** Store time of the first message that is still there; -1 where there is none. */
  earliestStoredAtMs(queue: QueueName): Promise<number> {
    return this.storedAtMs(queue, this.#store.minOffset(queue))
  }

  /** Of the oldest message of all queues; -1 where there is none. */
  async oldestStoredAtMs(): Promise<number> {
    try {
      return (await this.#store.messageAt(this.#store.info().minPhysicalOffset)).storedAtMs
    } catch (error) {
      if (error instanceof VarveError) return NONE // Nothing is there yet, or it is damaged.
      throw error
    }
  }

  /** Of the newest message of the queue; -1 where there is none. */
  latestStoredAtMs(queue: QueueName): Promise<number> {
    return this.storedAtMs(queue, this.#store.maxOffset(queue) - 1)
  }

  /** Of one message; -1 where it is not, or not any more. */
  async storedAtMs(queue: QueueName, offset: number): Promise<number> {
    if (offset < this.#store.minOffset(queue) || offset >= this.#store.maxOffset(queue)) return NONE
    const { messages } = await this.#store.read({ ...queue, offset, countMax: 1 })
    return messages[0]?.storedAtMs ?? NONE
  }

  /**
   * Whether message 0 of the queue is there and in memory: a new group begins with it then. Where files are not mapped
   * nobody can tell, and the newest part of the log counts as in memory.
   */
  isFirstInMemory(queue: QueueName): boolean {
    const selection = this.#store.select({ ...queue, ...FIRST_MESSAGE })
    if (selection === undefined || selection.status !== 'found') return false
    if (this.#store.info().mapper !== 'plain') return true
    return selection.distanceBytes <= (this.#memoryBytes / 100) * this.#config.accessMessageInMemoryMaxRatio
  }

  /** Retention may take it between the search and this. */
  async #findRecord(physicalOffset: number): Promise<Uint8Array | undefined> {
    try {
      return await this.#store.recordAt(physicalOffset)
    } catch (error) {
      if (error instanceof VarveError && error.code === 'RECORD_NOT_FOUND') return undefined
      throw error
    }
  }

  #exists({ topic, queueId }: QueueName): boolean {
    return this.#store.queues(topic).includes(queueId)
  }
}
