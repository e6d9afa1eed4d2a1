/**
 * Opening a store: lock, recover, mark as running, start the threads, put the parts together.
 *
 * The order matters. The lock comes before anything is looked at; recovery before the mark, because it wants to know
 * who was here last; the mark before the first append, so that Apache RocketMQ too sees a crash for what it is.
 */
import { dirname, resolve } from 'node:path'
import { PAGE_BYTES, VarveError } from '../base/index.ts'
import { readCheckpoint } from './checkpoint.ts'
import { CommitLog } from './commit-log.ts'
import { leaveDoubtAfter } from './doubt.ts'
import type { Files } from './files.ts'
import { Gap } from './gap.ts'
import { bySystemTimer, type EverySecond, never } from './housekeeping.ts'
import { LogSegments } from './log-segments.ts'
import { MessageEncoder } from './message-encoder.ts'
import { queueFilesOpenMax } from './open-files-limit.ts'
import { type ResolvedOptions, resolveOptions, SIZES_DEFAULT } from './options.ts'
import { commitLogDirectory, lockPath } from './paths.ts'
import { Progress, SLOT } from './progress.ts'
import { QueueCounts } from './queue-counts.ts'
import { EntryReader } from './queue-entries.ts'
import { QueueFiles } from './queue-files.ts'
import { QueueMinimum } from './queue-minimum.ts'
import { RecordReader } from './record-reader.ts'
import { type Recovered, Recovery } from './recovery.ts'
import { markClean, markRunning } from './running-mark.ts'
import { readState } from './sidecar.ts'
import { OpenStore } from './store.ts'
import type { Store, StoreOptions } from './store-api.ts'
import type { StoreThreads, ThreadSetup } from './threads.ts'
import { Topics } from './topics.ts'

/** How far ahead of the writer pages are made present. */
const PREFAULT_AHEAD_BYTES = 64 * 1024 * 1024
const READ_FILES_OPEN_MAX = 256

/** What opening needs beside the options: chosen by the roots (embedded, command line, tests). */
export interface StoreSurroundings {
  readonly files: Files
  readonly threads: StoreThreads
  /** When housekeeping is done: by a timer, or never where there are no threads, unless somebody knows better. */
  readonly everySecond?: EverySecond
}

export async function openStoreWith(given: StoreOptions, surroundings: StoreSurroundings): Promise<Store> {
  const { files, threads } = surroundings
  const options = withSizesOf(files, given)
  makeRoot(files, options)
  const lock = files.lock(lockPath(options.directory))
  try {
    threads.warm()
    const recovered = await recover(files, threads, options)
    const identity = markRunning(files, options, recovered)
    return await start(surroundings, options, recovered, identity, () => lock.release())
  } catch (error) {
    await threads.kill()
    leaveDoubtAfter(error, files, options.directory)
    lock.release()
    throw error
  }
}

/** A store keeps the sizes that it was made with; those of the options count for a new one. */
function withSizesOf(files: Files, given: StoreOptions): ResolvedOptions {
  const state = given.directory === '' ? undefined : readState(files, given.directory)
  if (state === undefined) return resolveOptions(given)
  for (const name of Object.keys(SIZES_DEFAULT) as (keyof typeof SIZES_DEFAULT)[]) {
    const wanted = given[name]
    if (wanted !== undefined && wanted !== state[name]) {
      throw new VarveError('STORE_LAYOUT_FOREIGN', { option: name, wanted, madeWith: state[name] })
    }
  }
  const { segmentBytes, queueFileEntries, indexSlots, indexItems } = state
  return resolveOptions({ ...given, segmentBytes, queueFileEntries, indexSlots, indexItems })
}

function makeRoot(files: Files, { directory, create }: ResolvedOptions): void {
  const found = files.find(directory)
  if (found !== undefined && !found.isDirectory)
    throw new VarveError('STORE_NOT_FOUND', { directory, problem: 'it is a file' })
  if (!create && files.find(commitLogDirectory(directory)) === undefined)
    throw new VarveError('STORE_NOT_FOUND', { directory })
  // All names in the root exist before the owner's token is taken: it changes when one is added.
  if (found === undefined) makeDurableDirectory(files, resolve(directory))
}

function makeDurableDirectory(files: Files, path: string): void {
  if (files.find(path) !== undefined) return
  const parent = dirname(path)
  makeDurableDirectory(files, parent)
  files.makeDirectory(path)
  files.syncDirectory(parent)
}

function recover(files: Files, { runJob }: StoreThreads, options: ResolvedOptions): Promise<Recovered> {
  return new Recovery(files, { clock: options.clock, runJob }, { ...options, ...queueLimits(options) }).run()
}

/** How many files of queues the dispatcher may have open, and how many of their entries it may have in memory. */
function queueLimits({ undispatchedCountMax }: ResolvedOptions): { openFilesMax: number; stagedCountMax: number } {
  return { openFilesMax: queueFilesOpenMax(), stagedCountMax: Math.floor(undispatchedCountMax / 2) }
}

async function start(
  { files, threads, everySecond = threads.kind === 'none' ? never : bySystemTimer }: StoreSurroundings,
  options: ResolvedOptions,
  recovered: Recovered,
  identity: ThreadSetup['identity'],
  release: () => void
): Promise<Store> {
  const { directory, segmentBytes, queueFileEntries, queueCountMax } = options
  const progress = new Progress()
  const counts = QueueCounts.sized(queueCountMax)
  const active = Math.floor(recovered.appended / segmentBytes)
  for (const slot of [SLOT.appended, SLOT.flushed, SLOT.dispatched, SLOT.queuesWritten, SLOT.flushWanted])
    progress.publish(slot, recovered.appended)
  progress.publish(SLOT.pagesTaken, Math.ceil(recovered.appended / PAGE_BYTES) * PAGE_BYTES)
  progress.setCount(SLOT.segmentPrepared, active)
  progress.setCount(SLOT.segmentMapped, active - 1)
  const { logStoredAtMs, queuesStoredAtMs } = readCheckpoint(files, directory)
  progress.appendedAtMs = recovered.lastStoredAtMs
  progress.flushedAtMs = Math.min(recovered.lastStoredAtMs, logStoredAtMs || recovered.lastStoredAtMs)
  progress.queuesDurableAtMs = queuesStoredAtMs
  const topics = new Topics(options)
  for (const { topic, queueId, nextOffset, index } of recovered.queues) {
    topics.add(topics.newQueue(topics.open(topic), queueId, nextOffset, index))
    counts.publish(index, nextOffset)
  }

  const segments = new LogSegments(files, progress, directory, {
    segmentBytes,
    first: recovered.firstSegment,
    last: active
  })
  segments.openPrepared()
  const log = new CommitLog(segments, { progress, wake: role => threads.wake(role) }, recovered.appended, {
    dirtyBytesMax: options.dirtyBytesMax,
    recordBytesMax: recordBytesMax(options)
  })
  const gap = new Gap(options.undispatchedCountMax)
  const queueFiles = new QueueFiles(files, { directory, queueFileEntries, mode: 'read', openMax: READ_FILES_OPEN_MAX })
  const minimum = new QueueMinimum({ files, queueFiles, counts, directory, queueFileEntries })
  const setup: ThreadSetup = {
    directory,
    mapper: files.mapper,
    segmentBytes,
    queueFileEntries,
    index: options.index,
    indexSlots: options.indexSlots,
    indexItems: options.indexItems,
    delayLevelsMs: options.delayLevelsMs,
    ...queueLimits(options),
    flush: {
      mode: options.flush,
      intervalMs: options.flushIntervalMs,
      leastPages: options.flushLeastPages,
      thoroughIntervalMs: options.flushThoroughIntervalMs
    },
    aheadBytes: PREFAULT_AHEAD_BYTES,
    identity,
    appended: recovered.appended,
    queues: recovered.queues,
    progress: progress.shared,
    counts: counts.shared
  }
  const closeFiles = (): void => {
    queueFiles.close()
    release()
  }
  const store: OpenStore = new OpenStore({
    files,
    clock: options.clock,
    options,
    threads,
    progress,
    segments,
    log,
    gap,
    topics,
    encoder: new MessageEncoder(options),
    entries: new EntryReader({ segments, files: queueFiles, counts, gap, queueFileEntries }),
    records: new RecordReader(segments),
    minimum,
    everySecond,
    recovery: recovered.report,
    lastStoredAtMs: recovered.lastStoredAtMs,
    finish: table => markClean(files, options, identity, log.appended, progress.appendedAtMs, table),
    abandon: closeFiles
  })
  await threads.start(setup, store.events)
  return store
}

/** The largest window that an append encodes into where files are not mapped: a batch of a few large messages. */
function recordBytesMax({ messageBytesMax, segmentBytes }: ResolvedOptions): number {
  return Math.min(segmentBytes, 4 * messageBytesMax + 1024 * 1024)
}
