/**
 * One whole life of a store in a process of its own, always the same: open, append across the ends of files, flush, close.
 * Ends with status 0, or, if the store refuses something, with the code as one line on stdout and status 7.
 */
import { writeSync } from 'node:fs'
import { VarveError } from '../../src/base/index.ts'
import { openStore, type Store, type StoreOptions } from '../../src/index.ts'
import { Journal } from './journal.ts'
import { type Body, QUEUES } from './messages.ts'
import { appendOnce } from './producer.ts'
import { REFUSED_STATUS } from './strace.ts'

export interface SyscallTask {
  readonly store: StoreOptions
  readonly journal: string
  readonly messageSeed: number
  readonly body: Body
  readonly firstId: number
  readonly messages: number
  /** Messages between two flushes. */
  readonly flushEvery: number
  readonly defect?: SyscallDefect
}

/** Planted here, between store and process. */
export type SyscallDefect = 'takes no refusal for one'

/** Whoever is refused because the disk is full, or busy, asks again so many times. */
const WAITS_MAX = 20

const task = JSON.parse(process.argv[2] as string) as SyscallTask // Given by whoever starts this process.
const journal = new Journal(task.journal)
let waits = 0
try {
  const store = await openStore(task.store)
  await use(store)
  await store.close()
  journal.flushed(store.info().appendedUntil)
} catch (error) {
  if (!(error instanceof VarveError)) throw error
  journal.settle()
  if (task.defect === 'takes no refusal for one') process.exit(0)
  writeSync(1, `${error.code}\n`)
  process.exit(REFUSED_STATUS)
}
journal.close()

async function use(store: Store): Promise<void> {
  const producing = { store, recorder: journal, seed: task.messageSeed, body: task.body }
  for (let n = 0; n < task.messages; ) {
    try {
      const id = task.firstId + n++
      appendOnce(producing, id, 1, id % QUEUES.length)
    } catch (error) {
      if (!(error instanceof VarveError) || !error.retryable || ++waits > WAITS_MAX) throw error
      await store.writable()
    }
    if (n % task.flushEvery === 0) await flush(store)
  }
}

async function flush(store: Store): Promise<void> {
  const until = store.info().appendedUntil
  await store.flushed()
  journal.flushed(until)
}
