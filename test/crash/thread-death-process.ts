/**
 * A process in which one thread of the store ends although nobody told it to. Prints what the store made of it, as one line
 * of JSON, and must then end by itself: a thread or a timer that is left over keeps it alive.
 */

import { writeSync } from 'node:fs'
import type { Worker } from 'node:worker_threads'
import { openStore, type StoreOptions } from '../../src/index.ts'
import { Journal } from './journal.ts'
import { type Body, QUEUES } from './messages.ts'
import { refusalOf } from './oracle.ts'
import { appendOnce } from './producer.ts'

export interface ThreadDeathTask {
  readonly store: StoreOptions
  readonly journal: string
  readonly messageSeed: number
  readonly body: Body
  /** Which of the threads, in the order in which they were started. */
  readonly thread: number
  readonly defect?: ThreadDefect
}

/** Planted here, between thread and store. */
export type ThreadDefect = 'nobody hears of its end'

export interface ThreadDeathReport {
  readonly threadCount: number
  readonly failure: string
  readonly thread: string
  readonly state: string
  readonly append: string
  readonly flushed: string
  readonly writable: string
  readonly follow: string
  readonly readCount: number
}

const MESSAGES = 300
/** An offset that this load does not reach: who follows from there waits. */
const NOT_YET = 10_000

const task = JSON.parse(process.argv[2] as string) as ThreadDeathTask // Given by whoever starts this process.
const threads: Worker[] = []
process.on('worker', (worker: Worker) => {
  threads.push(worker)
  if (task.defect === 'nobody hears of its end') worker.emit = () => false
})
const store = await openStore(task.store)
const journal = new Journal(task.journal)
const producing = { store, recorder: journal, seed: task.messageSeed, body: task.body }
for (let id = 0; id < MESSAGES; id++) appendOnce(producing, id, 1, id % QUEUES.length)
await store.flushed()
journal.flushed(store.info().appendedUntil)
for (let id = MESSAGES; id < 2 * MESSAGES; id++) appendOnce(producing, id, 1, id % QUEUES.length)

const threadCount = threads.length
const [queue] = QUEUES as [(typeof QUEUES)[number]] // There is at least one.
const follower = store.follow({ ...queue, offset: NOT_YET })[Symbol.asyncIterator]()
const followed = refusalOf(() => follower.next())
await threads[task.thread]?.terminate()
const failure = await store.failed

const { messages } = await store.read({ ...queue, offset: 0, countMax: 1000 })
const report: ThreadDeathReport = {
  threadCount,
  failure: failure.code,
  thread: String(failure.details.thread),
  state: store.info().state,
  append: (await refusalOf(() => appendOnce(producing, 2 * MESSAGES, 1, 0))).code,
  flushed: (await refusalOf(() => store.flushed())).code,
  writable: (await refusalOf(() => store.writable())).code,
  follow: (await followed).code,
  readCount: messages.length
}
await store.close()
journal.close()
writeSync(1, `${JSON.stringify(report)}\n`)
