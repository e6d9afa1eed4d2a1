/** Producers: append messages of the ledger to a store, telling a recorder what they are about to do and what came of it. */
import { type Random, VarveError } from '../../src/base/index.ts'
import type { MessageInput, Store } from '../../src/index.ts'
import type { Ledger, Recorder } from './ledger.ts'
import { type Body, messageOf, QUEUES } from './messages.ts'

export interface Producing {
  readonly store: Store
  readonly recorder: Recorder
  /** Of the contents of messages. */
  readonly seed: number
  readonly body: Body
}

/** Appends the messages `firstId` to `firstId + count - 1` to one queue, as a batch if there are several. */
export function appendOnce({ store, recorder, seed, body }: Producing, firstId: number, count: number, queue: number) {
  const messages = Array.from({ length: count }, (_, i) => messageOf(seed, firstId + i, queue, body))
  recorder.intend(firstId, count, queue, count > 1)
  try {
    const place = count === 1 ? store.append(messages[0] as MessageInput) : store.appendBatch(messages)
    recorder.appended(firstId, count, place)
    return place
  } catch (error) {
    // Whoever is refused knows that the message is not there.
    if (error instanceof VarveError) recorder.refused(firstId, count)
    throw error
  }
}

/** How many messages the next append takes. */
export const nextCount = (random: Random): number => (random.chance(0.2) ? random.between(2, 8) : 1)

/** A few messages, one after the other into each queue, all of them flushed. */
export async function produceSome(store: Store, ledger: Ledger, count: number): Promise<void> {
  const producing = { store, recorder: ledger, seed: ledger.seed, body: ledger.body }
  for (let i = 0; i < count; i++) appendOnce(producing, ledger.nextId, 1, i % QUEUES.length)
  await store.flushed()
  ledger.flushed(store.info().appendedUntil)
}
