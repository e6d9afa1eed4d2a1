/**
 * Threads: each worker of a store ends on purpose, in a process of its own. The store fails with one clear error: every
 * call that needs the thread says so, nothing waits for ever, what was appended can still be read, and the process can
 * close the store and end. Then everything appended is there.
 */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { KiB, MiB } from '../../src/base/index.ts'
import { openStore, type StoreOptions } from '../../src/index.ts'
import { openRealFiles } from '../../src/store/index.ts'
import { readJournal } from './journal.ts'
import { Ledger } from './ledger.ts'
import { check, Violation } from './oracle.ts'
import { processFile } from './process-files.ts'
import type { Scenario, Tally } from './scenario.ts'
import type { ThreadDeathReport, ThreadDeathTask, ThreadDefect } from './thread-death-process.ts'

const THREADS = ['allocator', 'flusher', 'dispatcher'] as const
const BODY = { bytesMax: 4 * KiB }
const END_MS_MAX = 20_000
const ENTRY = processFile('thread-death')

export const threads: Scenario = {
  name: 'threads',
  about: 'each thread of a store ends on purpose: one clear error, nothing half alive, nothing lost',
  cases: { short: 2, medium: 10, long: 100 },
  lanes: 1,
  run: (seed, directory) => endThreads(seed, directory)
}

export async function endThreads(seed: number, directory: string, defect?: ThreadDefect): Promise<Tally> {
  const died = new Set<string>()
  for (const thread of THREADS.keys()) died.add(await endThread(seed, join(directory, String(thread)), thread, defect))
  if (died.size !== THREADS.length) throw new Violation(`the threads that died were ${[...died].join(', ')}`)
  return { threads: died.size }
}

async function endThread(
  seed: number,
  directory: string,
  thread: number,
  defect: ThreadDefect | undefined
): Promise<string> {
  const store: StoreOptions = {
    directory,
    segmentBytes: MiB,
    queueFileEntries: 2_000,
    indexSlots: 500,
    indexItems: 5_000,
    flush: seed % 2 === 0 ? 'async' : 'sync'
  }
  const ledger = new Ledger(seed, BODY)
  const journal = `${directory}.journal`
  const task: ThreadDeathTask = { store, journal, messageSeed: seed, body: BODY, thread, ...(defect && { defect }) }
  const report = await reportOf(task)
  const expected = {
    threadCount: THREADS.length,
    failure: 'STORE_THREAD_DIED',
    state: 'poisoned',
    append: 'STORE_POISONED',
    flushed: 'STORE_POISONED',
    writable: 'STORE_POISONED',
    follow: 'STORE_POISONED'
  }
  for (const [what, value] of Object.entries(expected)) {
    const found = report[what as keyof typeof expected] // Its own keys.
    if (found !== value)
      throw new Violation(`after the death of the ${report.thread}: ${what} is ${found}, not ${value}`)
  }
  if (report.readCount === 0) throw new Violation(`after the death of the ${report.thread} nothing can be read`)
  readJournal(journal, ledger)
  const open = () => openStore({ ...store, threads: 'none' })
  await check({ directory, files: openRealFiles(), open }, ledger, { survives: 'appended' })
  return report.thread
}

async function reportOf(task: ThreadDeathTask): Promise<ThreadDeathReport> {
  try {
    const run = promisify(execFile)(process.execPath, [ENTRY, JSON.stringify(task)], { timeout: END_MS_MAX })
    return JSON.parse((await run).stdout) as ThreadDeathReport // What the process prints.
  } catch (error) {
    throw new Violation(`after the death of thread ${task.thread} the process did not end well: ${String(error)}`)
  }
}
