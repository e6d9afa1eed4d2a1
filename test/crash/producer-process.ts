/**
 * A producer in a process of its own, to be killed: opens the store with real threads, says so, and appends until it is
 * ended. What it intends and what it is told goes to the journal. Told to by SIGTERM, it closes the store and exits.
 */
import { writeSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { seededRandom, VarveError } from '../../src/base/index.ts'
import { openStore, type StoreOptions } from '../../src/index.ts'
import { Journal } from './journal.ts'
import { acknowledgingTooEarly } from './ledger.ts'
import { type Body, QUEUES } from './messages.ts'
import { appendOnce, nextCount } from './producer.ts'

export interface ProducerTask {
  readonly store: StoreOptions
  readonly journal: string
  /** Of the contents of messages. */
  readonly messageSeed: number
  /** Of what is done when. */
  readonly seed: number
  readonly firstId: number
  readonly body: Body
  /** After so many bytes it only waits for its end: disks are finite. */
  readonly bytesMax: number
  readonly defect?: ProducerDefect
}

/** Planted here, between producer and journal. */
export type ProducerDefect = 'acknowledges before the sync'

const WRITERS = 4
/** Between what a writer appends: so it is still at it when its end comes, and the oracle has not too much to look at. */
const BREATH_MS = 15

const task = JSON.parse(process.argv[2] as string) as ProducerTask // Given by whoever starts this process.
const random = seededRandom(task.seed)
let nextId = task.firstId
let isEnding = false

const store = await openStore(task.store)
const journal = new Journal(task.journal)
const recorder = task.defect === 'acknowledges before the sync' ? acknowledgingTooEarly(journal) : journal
const began = store.info().appendedUntil
process.once('SIGTERM', () => {
  isEnding = true
})
writeSync(1, 'open\n')
await Promise.all(Array.from({ length: WRITERS }, write))
await store.close()
journal.flushed(store.info().appendedUntil)
journal.close()

/** One of several that append in turns and wait for the disk side by side. */
async function write(): Promise<void> {
  while (!isEnding) {
    if (store.info().appendedUntil - began > task.bytesMax) {
      await pause(BREATH_MS)
      continue
    }
    for (let appends = random.between(1, 12); appends > 0; appends--) await append()
    journal.settle()
    if (task.store.flush === 'sync' || random.chance(0.1)) {
      const until = store.info().appendedUntil
      await store.flushed(until)
      journal.flushed(until)
    }
    await pause(BREATH_MS)
  }
}

async function append(): Promise<void> {
  const count = nextCount(random)
  try {
    appendOnce({ store, recorder, seed: task.messageSeed, body: task.body }, nextId, count, random.below(QUEUES.length))
  } catch (error) {
    if (!(error instanceof VarveError) || !error.retryable) throw error
    await store.writable()
  } finally {
    nextId += count
  }
}
