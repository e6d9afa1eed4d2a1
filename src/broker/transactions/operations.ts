/**
 * Operations: messages that say which half messages are decided, in Apache RocketMQ's format, so that either broker takes
 * up where the other has stopped. The body has the offsets in the half queue, each with a comma behind it.
 *
 * Offsets are gathered, and written when there are enough of them or when it is time; whoever needs one on record at once
 * says so.
 *
 * Invariants:
 * - an offset that could not be written for lack of room is kept for the next time
 * - an operation message is passed only once every half message that it names is
 *
 * Not here: what is known of the half messages (half-states.ts).
 */
import { type Clock, VarveError } from '../../base/index.ts'
import type { HostAddress } from '../../model/index.ts'
import type { Appending } from '../appending.ts'
import type { BrokerConfig } from '../config-keys.ts'
import { HALF_OPERATION_TOPIC } from '../system-topics.ts'

export const OPERATION_QUEUE = { topic: HALF_OPERATION_TOPIC, queueId: 0 }
/** Tag of all of them; Apache's broker passes over others. */
const REMOVE_TAG = 'd'
const SEPARATOR = ','

export interface OperationsWorld {
  readonly appending: Pick<Appending, 'append'>
  readonly config: Pick<BrokerConfig, 'transactionOpMsgMaxSize'>
  readonly storeHost: HostAddress
  readonly clock: Clock
}

export class Operations {
  readonly #world: OperationsWorld
  #gathered: number[] = []
  #gatheredBytes = 0
  /** Of the messages that are not passed: the highest offset that each names, and where the first of them stands. */
  readonly #highest: number[] = []
  #passedOfHighest = 0
  #nextOffset: number

  /** `nextOffset`: the first message that is not passed. */
  constructor(world: OperationsWorld, nextOffset: number) {
    this.#world = world
    this.#nextOffset = nextOffset
  }

  /** Everything below is passed. */
  get nextOffset(): number {
    return this.#nextOffset
  }

  /** Takes in a message that was found in the queue, in its order. Returns the offsets that it names. */
  found(body: Uint8Array): number[] {
    const offsets = new TextDecoder()
      .decode(body)
      .split(SEPARATOR)
      .filter(text => /^\d{1,15}$/.test(text))
      .map(Number)
    this.#written(offsets)
    return offsets
  }

  /** The half message is decided. Written at once if that makes enough of them. */
  add(halfOffset: number): void {
    this.#gathered.push(halfOffset)
    this.#gatheredBytes += String(halfOffset).length + SEPARATOR.length
    if (this.#gatheredBytes > this.#world.config.transactionOpMsgMaxSize) this.writeIfRoom()
  }

  /** It is not decided after all; it was added last. */
  takeBack(halfOffset: number): void {
    if (this.#gathered.at(-1) !== halfOffset) return
    this.#gathered.pop()
    this.#gatheredBytes -= String(halfOffset).length + SEPARATOR.length
  }

  get gatheredCount(): number {
    return this.#gathered.length
  }

  /** Writes what was gathered; if there is no room for it now, it is kept. False then. */
  writeIfRoom(): boolean {
    try {
      this.write()
      return true
    } catch (error) {
      // Whatever keeps the store from taking it: the half messages stay decided here, and the next time tries again.
      if (error instanceof VarveError) return false
      throw error
    }
  }

  /** @throws VarveError as `Store.append` */
  write(): void {
    if (this.#gathered.length === 0) return
    const { appending, storeHost, clock } = this.#world
    const body = `${this.#gathered.join(SEPARATOR)}${SEPARATOR}`
    appending.append({
      ...OPERATION_QUEUE,
      body,
      properties: { WAIT: 'true', TAGS: REMOVE_TAG },
      bornAtMs: clock.nowMs(),
      bornHost: storeHost
    })
    this.#written(this.#gathered)
    this.#gathered = []
    this.#gatheredBytes = 0
  }

  /** Everything below `halfBase` is decided: passes the messages that name nothing else. */
  passBelow(halfBase: number): void {
    const highest = this.#highest
    while (this.#passedOfHighest < highest.length && (highest[this.#passedOfHighest] as number) < halfBase) {
      this.#passedOfHighest++ // Below length.
      this.#nextOffset++
    }
    if (2 * this.#passedOfHighest > highest.length) {
      highest.splice(0, this.#passedOfHighest)
      this.#passedOfHighest = 0
    }
  }

  #written(offsets: readonly number[]): void {
    let highest = -1
    for (const offset of offsets) if (offset > highest) highest = offset
    this.#highest.push(highest)
  }
}
