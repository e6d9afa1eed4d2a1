/**
 * Store parts: makes allocator, flusher and dispatcher from a setup, the same way in a worker and inline.
 *
 * Each part is a `Part`: a step, a question whether there is work, an end. The loops that drive them are elsewhere
 * (workers/run-part.ts, inline-threads.ts).
 */
import { type Clock, VarveError } from '../base/index.ts'
import { Allocator } from './allocate.ts'
import { type DispatchEvents, Dispatcher, type FirstFile, type QueueSeed } from './dispatch.ts'
import type { DropPages, Files, Prefault } from './files.ts'
import { Flusher } from './flush.ts'
import { type KeyIndex, NO_INDEX, openKeyIndex } from './key-index.ts'
import { indexDirectory } from './paths.ts'
import { Progress, SLOT } from './progress.ts'
import { QueueCounts } from './queue-counts.ts'
import { clearShortage, isShortage, noteShortage, shortageOf } from './shortage.ts'
import { encodeQueueTable } from './sidecar.ts'
import { StateKeeper } from './state-keeper.ts'
import type { QueueTableBytes, ThreadSetup } from './threads.ts'

const SHORTAGE_RETRY_MS = 50

export interface PartWorld {
  readonly files: Files
  readonly clock: Clock
  readonly prefault: Prefault | undefined
  readonly dropPages: DropPages | undefined
}

export interface Part {
  /** One piece of work; returns after how many ms to come back unless woken, 0 while there is more to do. */
  step(): number
  hasWork(): boolean
  /** Lets go of files, after everything has been done or has failed. */
  close(): void
}

export function openAllocatorPart({ files, prefault }: PartWorld, setup: ThreadSetup): Part {
  const progress = new Progress(setup.progress)
  const allocator = new Allocator(files, progress, setup.appended, { ...setup, prefault })
  return { step: () => allocator.step(), hasWork: () => allocator.hasWork(), close: () => allocator.close() }
}

export interface FlusherPart extends Part {
  /** Whether the last step was refused what it needed. */
  isShort(): boolean
  /** Everything below `appended` on disk; the part may then be closed. */
  finish(): void
  /** Writes down that only what was surely on disk counts. */
  distrust(): void
}

export function openFlusherPart(
  { files, clock, dropPages }: PartWorld,
  setup: ThreadSetup,
  onFlushed: () => void
): FlusherPart {
  const progress = new Progress(setup.progress)
  const { directory, segmentBytes, flush } = setup
  const flusher = new Flusher(files, progress, clock, setup.appended, { directory, segmentBytes, dropPages, ...flush })
  const keeper = new StateKeeper(files, { progress, clock }, directory, setup.appended, setup.identity)
  let told = setup.appended
  let isShort = false
  return {
    step() {
      try {
        const waitMs = flusher.step()
        const flushed = progress.position(SLOT.flushed, told)
        if (flushed !== told && progress.count(SLOT.flushListeners) !== 0) onFlushed()
        told = flushed
        keeper.step()
        if (isShort) clearShortage(progress, 'flusher')
        isShort = false
        return waitMs
      } catch (error) {
        // Of open files, with which a segment is synced: no sync has been tried, so the next one is to be trusted.
        if (!isShortage(error)) throw error
        noteShortage(progress, 'flusher', error)
        isShort = true
        return SHORTAGE_RETRY_MS
      }
    },
    hasWork: () => !isShort && flusher.hasWork(),
    isShort: () => isShort,
    finish() {
      const appended = progress.position(SLOT.appended, told)
      if (progress.position(SLOT.flushed, told) < appended) flusher.run(appended)
    },
    distrust: () => keeper.save({ durable: true, clean: false, trusted: false }),
    close() {
      flusher.close()
      keeper.close()
    }
  }
}

export interface DispatcherPart extends Part {
  announce(queue: QueueSeed): void
  forget(topic: string, until: number): void
  /** As `StoreThreads.logBeginsAt`. */
  logBeginsAt(physicalOffset: number, firstFiles: readonly FirstFile[]): void
  queueTable(): QueueTableBytes
  /** Dispatches the last of the log. `pause` lets the flusher come first. @throws VarveError STORE_POISONED, or what the system is short of */
  finish(pause: () => void): void
}

export function openDispatcherPart(
  { files, clock }: PartWorld,
  setup: ThreadSetup,
  events: DispatchEvents
): DispatcherPart {
  const progress = new Progress(setup.progress)
  const counts = new QueueCounts(setup.counts)
  const index = openIndex(files, clock, setup)
  const dispatcher = new Dispatcher(files, { progress, counts, clock, index, events }, setup.appended, setup.queues, {
    ...setup,
    follow: setup.flush.mode === 'sync' ? 'flushed' : 'appended',
    fillHoles: false,
    deleted: [] // Recovery has passed all of them.
  })
  return {
    step: () => dispatcher.step(),
    hasWork: () => dispatcher.hasWork(),
    announce: queue => dispatcher.announce(queue),
    forget: (topic, until) => dispatcher.forget(topic, until),
    logBeginsAt(physicalOffset, firstFiles) {
      index?.deleteBelow(physicalOffset)
      dispatcher.setFirstFiles(firstFiles)
    },
    queueTable() {
      dispatcher.writeAll()
      const until = dispatcher.dispatchedUntil
      const queues = Array.from(dispatcher.queues(), ({ topic, queueId, nextOffset, firstOffset }) => ({
        topic,
        queueId,
        firstOffset,
        maxOffset: nextOffset,
        maxPhysicalEnd: until
      }))
      const table = encodeQueueTable({
        untilPhysicalOffset: until,
        index: index?.cover ?? NO_INDEX,
        queues
      })
      return { until, storedAtMs: dispatcher.storedAtMs, table, changed: dispatcher.takeChangedFiles() }
    },
    finish(pause) {
      const isBehind = (): boolean =>
        dispatcher.dispatchedUntil < progress.positionAhead(SLOT.appended, dispatcher.dispatchedUntil)
      while (isBehind()) {
        const waitMs = dispatcher.step()
        const shortage = shortageOf(progress)
        if (shortage !== undefined) throw new VarveError(shortage, { doing: 'writing the queues' })
        if (progress.count(SLOT.failed) !== 0) throw new VarveError('STORE_POISONED')
        if (waitMs > 0 && isBehind()) pause()
      }
    },
    close() {
      dispatcher.close()
      index?.close()
    }
  }
}

export function openIndex(
  files: Files,
  clock: Clock,
  setup: Pick<ThreadSetup, 'directory' | 'index' | 'indexSlots' | 'indexItems'>
): KeyIndex | undefined {
  if (!setup.index) return undefined
  return openKeyIndex({
    files,
    clock,
    directory: indexDirectory(setup.directory),
    slots: setup.indexSlots,
    items: setup.indexItems
  })
}
