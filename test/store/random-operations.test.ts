/**
 * Random operations against a model in memory: appends, batches, deletions, flushes, reopening, killing and power cuts,
 * on a simulated disk, with everything read back after each of them.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Random, seededRandom } from '../../src/base/index.ts'
import { type MessageInput, openStore, type Store } from '../../src/index.ts'
import { SYS_FLAG } from '../../src/layout/index.ts'
import { SettableClock } from '../support/settable-clock.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { nameOf, readAll, simulated } from '../support/store-fixtures.ts'

interface ModelMessage {
  readonly name: string
  readonly key: string
  /** The log ends here with it. */
  readonly until: number
}

const QUEUES = [
  { topic: 'a', queueId: 0 },
  { topic: 'a', queueId: 5 },
  { topic: 'b', queueId: 0 }
]

type Step =
  | { readonly type: 'append'; readonly queue: number; readonly bytes: number }
  | { readonly type: 'prepare'; readonly queue: number }
  | { readonly type: 'batch'; readonly queue: number; readonly count: number; readonly bytes: number }
  | { readonly type: 'invalid'; readonly queue: number; readonly count: number }
  | { readonly type: 'flush' | 'reopen' | 'kill' | 'power' }
  | { readonly type: 'delete'; readonly topic: string }
  | { readonly type: 'rebuild' }
  | { readonly type: 'wait'; readonly ms: number }

const queue = fc.nat(QUEUES.length - 1)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ type: fc.constant('append' as const), queue, bytes: fc.nat(9000) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('prepare' as const), queue }) },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('batch' as const),
      queue,
      count: fc.integer({ min: 1, max: 25 }),
      bytes: fc.nat(2000)
    })
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('invalid' as const), queue, count: fc.integer({ min: 1, max: 5 }) })
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constantFrom('flush', 'reopen', 'kill', 'power') }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.nat(12_000) }) }
)
const withDeletion: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: step.filter(({ type }) => type !== 'power') },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('delete' as const), topic: fc.constantFrom('a', 'b') }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('rebuild' as const) }) }
)

/** A store and what it should hold. */
class Run {
  readonly #flush: 'sync' | 'async'
  readonly #clock = new SettableClock()
  readonly #random: Random
  #disk: SimulatedDisk
  #store!: Store
  #messages = QUEUES.map(() => [] as ModelMessage[])
  #sent = 0

  constructor(flush: 'sync' | 'async', mapper: 'native' | 'plain', seed: number) {
    this.#flush = flush
    this.#random = seededRandom(seed)
    this.#disk = new SimulatedDisk({ mapper })
  }

  async run(steps: readonly Step[]): Promise<void> {
    await this.#open()
    for (const next of steps) {
      await this.#take(next)
      if (next.type !== 'append') await this.#check()
    }
    await this.#store.close()
    await this.#open()
    expect(this.#store.info().recovery.kind).toBe('clean')
    await this.#check()
    await this.#store.close()
  }

  async #take(next: Step): Promise<void> {
    switch (next.type) {
      case 'append':
        return this.#append([this.#message(next.queue, next.bytes)], next.queue)
      case 'batch':
        return this.#append(
          Array.from({ length: next.count }, () => this.#message(next.queue, next.bytes)),
          next.queue
        )
      case 'prepare':
        this.#store.append({ ...this.#message(next.queue, 10), sysFlag: SYS_FLAG.TRANSACTION_PREPARED })
        return
      case 'invalid': {
        const batch = Array.from({ length: next.count }, () => this.#message(next.queue, 100))
        expect(() => this.#store.appendBatch([...batch, { ...this.#message(next.queue, 1), tag: '\u0001' }])).toThrow(
          expect.objectContaining({ code: 'MESSAGE_PROPERTY_INVALID' })
        )
        return
      }
      case 'flush':
        return this.#store.flushed()
      case 'wait':
        this.#clock.advance(next.ms)
        return
      case 'delete':
        if (this.#flush === 'sync') await this.#store.flushed()
        await this.#store.deleteTopic(next.topic)
        this.#messages = this.#messages.map((known, i) => (QUEUES[i]?.topic === next.topic ? [] : known))
        return
      case 'reopen':
        await this.#store.close()
        return this.#open()
      case 'rebuild':
        await this.#store.close()
        this.#disk.removeDirectory('/store/consumequeue')
        return this.#open()
      case 'kill':
        this.#disk = this.#disk.kill()
        return this.#open()
      case 'power': {
        const { flushedUntil } = this.#store.info()
        this.#disk = this.#disk.crash(this.#random)
        await this.#open()
        return this.#forgetLost(flushedUntil)
      }
    }
  }

  async #open(): Promise<void> {
    this.#store = await openStore({ ...simulated(this.#disk), flush: this.#flush, clock: this.#clock })
    expect(this.#store.info().recovery.damaged).toEqual([])
  }

  #message(to: number, bytes: number): MessageInput {
    const i = this.#sent++
    return { ...QUEUES[to]!, body: `m${i} `.padEnd(bytes, '.'), keys: `k${i}`, tag: `t${i % 3}` }
  }

  #append(batch: readonly MessageInput[], to: number): void {
    const known = this.#messages[to]!
    const { queueOffset } = batch.length === 1 ? this.#store.append(batch[0]!) : this.#store.appendBatch(batch)
    expect(queueOffset).toBe(known.length)
    const until = this.#store.info().appendedUntil
    for (const { body, keys } of batch) known.push({ name: String(body).split(' ')[0]!, key: keys as string, until })
  }

  /** After a power cut what was flushed must be there, and of the rest a beginning of the log. */
  #forgetLost(flushedUntil: number): void {
    const { appendedUntil } = this.#store.info()
    expect(appendedUntil).toBeGreaterThanOrEqual(flushedUntil)
    // A batch may have got as far as one of its records; each message that the log still has counts.
    this.#messages = this.#messages.map((known, i) => {
      const max = this.#store.maxOffset(QUEUES[i]!)
      expect(max).toBeGreaterThanOrEqual(known.filter(({ until }) => until <= flushedUntil).length)
      expect(max).toBeLessThanOrEqual(known.length)
      return known.slice(0, max)
    })
  }

  async #check(): Promise<void> {
    // With synchronous flush only what is on disk can be seen.
    if (this.#flush === 'sync') await this.#store.flushed()
    for (const [i, known] of this.#messages.entries()) {
      const found = await readAll(this.#store, QUEUES[i]!)
      expect(found.map(nameOf)).toEqual(known.map(({ name }) => name))
      expect(found.map(({ queueOffset }) => queueOffset)).toEqual(known.map((_, offset) => offset))
      const one = known[this.#random.below(Math.max(1, known.length))]
      if (one === undefined) continue
      const byKey = await this.#store.messagesByKey({ topic: QUEUES[i]!.topic, key: one.key })
      expect(byKey.map(nameOf)).toEqual([one.name])
    }
    expect(this.#disk.sparseWrites()).toEqual([])
  }
}

describe.each([
  { flush: 'async', mapper: 'native' },
  { flush: 'sync', mapper: 'native' },
  { flush: 'async', mapper: 'plain' }
] as const)('a store with $flush flush and $mapper files', ({ flush, mapper }) => {
  test('holds what the model holds after any operations, over kills and power cuts', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.array(step, { minLength: 10, maxLength: 60 }), (seed, steps) =>
        new Run(flush, mapper, seed).run(steps)
      ),
      { numRuns: 25 }
    )
  })

  test('forgets deleted topics for good, over kills and rebuilds', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.array(withDeletion, { minLength: 10, maxLength: 40 }), (seed, steps) =>
        new Run(flush, mapper, seed).run(steps)
      ),
      { numRuns: 15 }
    )
  })
})
