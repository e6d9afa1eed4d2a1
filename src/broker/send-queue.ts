/**
 * Sends that wait for room: when the store can take no more for the moment, what comes is kept, in its order, for as long
 * as a client shall wait (`waitTimeMillsInSendQueue`), and no more than may wait at once.
 *
 * Invariants:
 * - while anything waits nothing overtakes it, so that the messages of a producer keep their order
 * - each answer is given exactly once
 * - what waits is a copy: bounded in number and in bytes
 *
 * Not here: storing (sending.ts).
 */
import { type Clock, MiB, VarveError } from '../base/index.ts'
import type { Store } from '../store/index.ts'
import { OVERLOAD, refusalOfStore, TIMED_OUT } from './appending.ts'
import type { BrokerConfig } from './config-keys.ts'
import { type Alarm, DeadlineNode, Deadlines } from './deadlines.ts'
import type { SendDraft, Sent } from './send-draft.ts'

/** Given what was stored, valid during the call, or why it was not. */
export type SendAnswer = (outcome: Sent | VarveError) => void

export interface SendQueueWorld {
  readonly store: Pick<Store, 'writable'>
  /** As `Sending.store`. */
  readonly storeNow: (draft: SendDraft) => Sent | undefined
  readonly config: Pick<
    BrokerConfig,
    'waitTimeMillsInSendQueue' | 'sendThreadPoolQueueCapacity' | 'brokerFastFailureEnable'
  >
  readonly clock: Clock
  readonly alarm: Alarm
}

const WAITING_BYTES_MAX = 128 * MiB

class WaitingSend extends DeadlineNode {
  readonly draft: SendDraft
  readonly answer: SendAnswer
  readonly sinceMs: number
  isAnswered = false

  constructor(draft: SendDraft, answer: SendAnswer, sinceMs: number) {
    super()
    this.draft = draft
    this.answer = answer
    this.sinceMs = sinceMs
  }

  get bytes(): number {
    return this.draft.body.length + this.draft.properties.length
  }
}

export class SendQueue {
  readonly #world: SendQueueWorld
  readonly #deadlines: Deadlines<WaitingSend>
  /** In their order; those that were answered because they waited too long are still among them. */
  #waiting: WaitingSend[] = []
  #count = 0
  #bytes = 0
  #isDraining = false

  constructor(world: SendQueueWorld) {
    this.#world = world
    this.#deadlines = new Deadlines(world, waiting => this.#expire(waiting))
  }

  /** How many wait. */
  get count(): number {
    return this.#count
  }

  /** Keeps a copy of the draft until there is room. The answer comes at once only if too many wait. */
  add(draft: SendDraft, answer: SendAnswer): void {
    const { config, clock } = this.#world
    const waiting = new WaitingSend(
      { ...draft, body: draft.body.slice(), properties: draft.properties.slice() },
      answer,
      clock.monotonicMs()
    )
    if (this.#count >= config.sendThreadPoolQueueCapacity || this.#bytes + waiting.bytes > WAITING_BYTES_MAX) {
      answer(new VarveError('BROKER_BUSY', { reason: OVERLOAD, waiting: this.#count }))
      return
    }
    this.#waiting.push(waiting)
    this.#count++
    this.#bytes += waiting.bytes
    if (config.brokerFastFailureEnable) this.#deadlines.add(waiting, waiting.sinceMs + config.waitTimeMillsInSendQueue)
    if (!this.#isDraining) void this.#drain()
  }

  close(): void {
    this.#deadlines.close()
    this.#refuseAll(new VarveError('BROKER_UNAVAILABLE', { because: 'the broker is stopping' }))
  }

  async #drain(): Promise<void> {
    this.#isDraining = true
    try {
      while (this.#count > 0) {
        await this.#world.store.writable()
        this.#storeWaiting()
      }
    } catch (error) {
      const refusal = refusalOfStore(error)
      if (!(refusal instanceof VarveError)) throw error
      this.#refuseAll(refusal)
    } finally {
      this.#isDraining = false
      this.#waiting = this.#waiting.filter(({ isAnswered }) => !isAnswered)
    }
  }

  /** As many as there is room for. */
  #storeWaiting(): void {
    let stored = 0
    for (const waiting of this.#waiting) {
      if (!waiting.isAnswered) {
        const outcome = this.#tryStore(waiting.draft)
        if (outcome === undefined) break
        this.#answer(waiting, outcome)
      }
      stored++
    }
    this.#waiting.splice(0, stored)
  }

  #tryStore(draft: SendDraft): Sent | VarveError | undefined {
    try {
      return this.#world.storeNow(draft)
    } catch (error) {
      if (error instanceof VarveError) return error
      throw error
    }
  }

  #expire(waiting: WaitingSend): void {
    const periodMs = Math.round(this.#world.clock.monotonicMs() - waiting.sinceMs)
    const reason = `${TIMED_OUT}, period in queue: ${periodMs}ms, size of queue: ${this.#count}`
    this.#answer(waiting, new VarveError('BROKER_BUSY', { reason }))
  }

  #refuseAll(error: VarveError): void {
    for (const waiting of this.#waiting) if (!waiting.isAnswered) this.#answer(waiting, error)
    this.#waiting = []
  }

  #answer(waiting: WaitingSend, outcome: Sent | VarveError): void {
    waiting.isAnswered = true
    this.#count--
    this.#bytes -= waiting.bytes
    this.#deadlines.remove(waiting)
    waiting.answer(outcome)
  }
}
