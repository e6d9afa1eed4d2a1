/**
 * Inline threads: every part of the store in the calling thread, one step at a time, in a fixed order.
 *
 * For tests, where a simulated disk and a settable clock decide what happens, and for tools that must not start
 * threads. `wake` runs the part that it would have woken until it has nothing more to do.
 */
import { AssertionError, assert, type Clock, errorFromReport, report, VarveError } from '../base/index.ts'
import type { Files } from './files.ts'
import { performJob, type RunJob } from './jobs.ts'
import type { Role } from './progress.ts'
import {
  type DispatcherPart,
  type FlusherPart,
  openAllocatorPart,
  openDispatcherPart,
  openFlusherPart,
  type Part,
  type PartWorld
} from './store-parts.ts'
import type { StoreThreads, ThreadEvents, ThreadSetup } from './threads.ts'

const RETRY_MS = 50

export function inlineThreads(files: Files, clock: Clock): StoreThreads {
  const world: PartWorld = { files, clock, prefault: undefined, dropPages: undefined }
  let parts: { allocator: Part; flusher: FlusherPart; dispatcher: DispatcherPart } | undefined
  let events: ThreadEvents | undefined
  let failed = false
  /** A part that wakes another while it works must not start it in the middle of itself. */
  let working = false
  let isAwaited = false
  let retry: NodeJS.Timeout | undefined

  function fail(error: unknown): VarveError {
    const failure = error instanceof VarveError ? error : errorFromReport(report(error))
    if (!failed) {
      failed = true
      if (failure.code === 'STORE_SYNC_FAILED') distrust()
      events?.failed(failure)
    }
    return failure
  }

  /** The disk that has just failed may fail again; then what it says already is all that can be said. */
  function distrust(): void {
    try {
      parts?.flusher.distrust()
    } catch (error) {
      if (!(error instanceof VarveError)) throw error
    }
  }

  function runUntilIdle(part: Part): void {
    if (failed || working) return
    working = true
    try {
      while (part.step() === 0);
    } catch (error) {
      fail(error)
    } finally {
      working = false
    }
  }

  /** A flusher that was refused what it needed is woken by nobody: whoever waits for it does not append meanwhile. */
  function flush(flusher: FlusherPart): void {
    runUntilIdle(flusher)
    if (!isAwaited || failed || retry !== undefined || !flusher.isShort()) return
    retry = setTimeout(() => {
      retry = undefined
      if (parts !== undefined) flush(parts.flusher)
    }, RETRY_MS)
  }

  return {
    kind: 'none',
    warm() {
      // There is no thread to start.
    },
    runJob: (async job => performJob(files, job)) as RunJob, // The result type follows from the job's.
    async start(setup: ThreadSetup, threadEvents: ThreadEvents) {
      events = threadEvents
      parts = {
        allocator: openAllocatorPart(world, setup),
        flusher: openFlusherPart(world, setup, threadEvents.flushed),
        dispatcher: openDispatcherPart(world, setup, { newQueue: neverUnannounced, damaged: threadEvents.damaged })
      }
      runUntilIdle(parts.allocator)
    },
    wake(role: Role) {
      if (parts === undefined) return
      if (role === 'flusher') flush(parts.flusher)
      else runUntilIdle(parts[role])
    },
    announce: queue => parts?.dispatcher.announce(queue),
    async forgetTopic(topic, until) {
      parts?.dispatcher.forget(topic, until)
    },
    async queueTable() {
      assert(parts !== undefined, 'the parts have been started')
      runUntilIdle(parts.dispatcher)
      return parts.dispatcher.queueTable()
    },
    async logBeginsAt(physicalOffset, firstFiles) {
      parts?.dispatcher.logBeginsAt(physicalOffset, firstFiles)
    },
    hold(waiting) {
      isAwaited = waiting
    },
    async stop() {
      assert(parts !== undefined, 'the parts have been started')
      clearTimeout(retry)
      try {
        parts.flusher.finish()
        parts.dispatcher.finish(neverPauses)
        const table = parts.dispatcher.queueTable()
        for (const part of Object.values(parts)) part.close()
        return table
      } catch (error) {
        throw fail(error)
      }
    },
    async kill() {
      failed = true
      clearTimeout(retry)
      parts = undefined
    }
  }
}

function neverUnannounced(topic: string, queueId: number): number {
  throw new VarveError('STORE_FILE_CHANGED', {
    topic,
    queueId,
    problem: 'a record of an unknown queue stands in the log'
  })
}

function neverPauses(): void {
  throw new AssertionError('inline, the flusher has finished before the dispatcher does')
}
