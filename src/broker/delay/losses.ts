/** Losses: messages that waited and cannot be delivered, because they are damaged, gone, or say no topic. Logged and counted. */
import type { Log } from '../../base/index.ts'
import type { QueueName } from '../../store/index.ts'

export interface LostMessages extends QueueName {
  /** Of the first of them, where it is known. */
  readonly queueOffset?: number
  readonly physicalOffset?: number
  readonly count: number
  readonly error: Error | undefined
}

export class Losses {
  readonly #log: Log
  #count = 0

  constructor(log: Log) {
    this.#log = log
  }

  get count(): number {
    return this.#count
  }

  readonly lost = (lost: LostMessages): void => {
    this.#count += lost.count
    this.#log.error('delayed messages lost', { ...lost })
  }
}
