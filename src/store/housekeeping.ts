/**
 * Housekeeping: what an open store does from time to time without being asked.
 *
 * - makes consume queues and index durable, so that recovery has little to dispatch again
 * - deletes what retention no longer keeps, and stops writing while the disk is too full
 * - seals complete segments
 * - looks whether somebody has touched the segment being written
 *
 * Each is done by jobs and by the dispatcher; the owner's thread only starts them and takes note of the result.
 */
import { type Clock, GiB, minuteMs, secondMs, VarveError } from '../base/index.ts'
import type { CommitLog } from './commit-log.ts'
import type { FirstFile } from './dispatch.ts'
import type { Files } from './files.ts'
import type { LogSegments } from './log-segments.ts'
import type { ResolvedOptions } from './options.ts'
import { type Progress, SLOT } from './progress.ts'
import type { QueueMinimum } from './queue-minimum.ts'
import { Retention } from './retention.ts'
import { Sealer } from './sealer.ts'
import { isShortage } from './shortage.ts'
import type { DeletedTopic } from './sidecar.ts'
import type { SegmentFacts } from './store-api.ts'
import type { QueueTableBytes, StoreThreads } from './threads.ts'
import type { Queue, Topics } from './topics.ts'

/** Calls `step` about once a second, until the function that it returns is called. */
export type EverySecond = (step: () => void) => () => void

export const bySystemTimer: EverySecond = step => {
  const timer = setInterval(step, secondMs)
  timer.unref()
  return () => clearInterval(timer)
}

/** For whoever runs everything inline, and has nothing done behind his back. */
export const never: EverySecond = () => () => {}

/** Queues are made durable after so much log or time, whichever comes first. */
const QUEUES_DURABLE_BYTES = 1 * GiB
const QUEUES_DURABLE_INTERVAL_MS = 1 * minuteMs
/** Looking at the files of so many queues, or deleting them, is one turn of the event loop. */
const QUEUES_PER_TURN = 64

export interface HousekeepingWorld {
  readonly files: Files
  readonly clock: Clock
  readonly options: ResolvedOptions
  readonly threads: StoreThreads
  readonly progress: Progress
  readonly segments: LogSegments
  readonly log: CommitLog
  readonly topics: Topics
  readonly minimum: QueueMinimum
  readonly everySecond: EverySecond
  /** Told of what ends the store; a full disk does not. */
  readonly onFailed: (error: VarveError) => void
}

export class Housekeeping {
  readonly #world: HousekeepingWorld
  readonly #progress: Progress
  readonly #retention: Retention
  readonly #sealer: Sealer
  #endSteps = (): void => {}
  #queuesDurableUntil: number
  #queuesDurableMs: number
  #saving: Promise<void> | undefined
  /** Files of queues that are written to and may not be durable; undefined when any may be such. */
  #unsynced: Set<string> | undefined = new Set()
  #marking: Promise<unknown> = Promise.resolve()
  #cleaning: Promise<readonly SegmentFacts[]> | undefined
  /** Copies of the log under way: no segment is deleted meanwhile. */
  #copies = 0
  #diskIsFull = false
  /** Segments that the log has let go of and whose files are still to be removed. */
  readonly #outdated: string[] = []

  constructor(world: HousekeepingWorld) {
    const { files, clock, options, threads, log } = world
    this.#world = world
    this.#progress = world.progress
    this.#retention = new Retention(files, clock, options.retention, options.directory)
    this.#sealer = new Sealer(files, { clock, runJob: threads.runJob }, options)
    this.#queuesDurableUntil = log.appended
    this.#queuesDurableMs = clock.monotonicMs()
  }

  start(): void {
    this.#endSteps = this.#world.everySecond(() => this.#step())
  }

  stop(): void {
    this.#endSteps()
  }

  /** Resolves when nothing goes on any more; how it ended has been told. */
  async settle(): Promise<void> {
    await Promise.allSettled([this.#saving, this.#marking, this.#cleaning, this.#sealer.settle()])
  }

  /** @throws VarveError STORE_DISK_FULL while the disk is fuller than retention allows */
  checkDisk(): void {
    if (this.#diskIsFull) throw new VarveError('STORE_DISK_FULL', { directory: this.#world.options.directory })
  }

  /** Whether `checkDisk` would throw, after looking again. */
  diskIsFull(): boolean {
    this.#diskIsFull = this.#diskIsFull && this.#retention.diskIsFull()
    return this.#diskIsFull
  }

  /** The queues as they are now, everything written. */
  async queueTable(): Promise<QueueTableBytes> {
    const table = await this.#world.threads.queueTable()
    if (table.changed === undefined) this.#unsynced = undefined
    else for (const path of table.changed) this.#unsynced?.add(path)
    return table
  }

  /** Makes queues and index durable as they are now. */
  saveQueues(): Promise<void> {
    this.#saving ??= this.#finalIfUnsynced(this.#saveQueues()).finally(() => {
      this.#saving = undefined
    })
    return this.#saving
  }

  /** The same, but not satisfied by a save that has begun before. */
  async saveQueuesAnew(): Promise<void> {
    await this.#saving
    await this.saveQueues()
  }

  /** So that a rebuild of the queues does not bring the topic back. One after the other: each replaces a whole file. */
  markDeleted(deleted: DeletedTopic): Promise<void> {
    const { threads, options, segments } = this.#world
    const mark = async (): Promise<void> => {
      const { firstPosition } = segments
      await threads.runJob({ type: 'markDeleted', directory: options.directory, deleted, firstPosition })
    }
    const marked = this.#marking.then(() => this.#finalIfUnsynced(mark()))
    this.#marking = Promise.allSettled([marked])
    return marked
  }

  clean(options: { ignoreHours: boolean }): Promise<readonly SegmentFacts[]> {
    this.#cleaning ??= this.#finalIfUnsynced(this.#clean(options)).finally(() => {
      this.#cleaning = undefined
    })
    return this.#cleaning
  }

  async whileKeepingSegments<T>(copy: () => Promise<T>): Promise<T> {
    this.#copies++
    try {
      await Promise.allSettled([this.#cleaning]) // It may be about to delete files of queues.
      return await copy()
    } finally {
      this.#copies--
    }
  }

  #step(): void {
    try {
      this.#world.segments.checkCurrent()
    } catch (error) {
      this.#failUnlessShort(error)
      return
    }
    const { clock, options, log, segments } = this.#world
    const nowMs = clock.monotonicMs()
    const written = this.#position(SLOT.queuesWritten)
    const dueMs = this.#queuesDurableMs + QUEUES_DURABLE_INTERVAL_MS
    const isDue = nowMs >= dueMs || written - this.#queuesDurableUntil >= QUEUES_DURABLE_BYTES
    if (isDue && written > this.#queuesDurableUntil) this.saveQueues().catch(error => this.#failUnlessShort(error))
    if (options.retention.intervalMs > 0 && this.#retention.isDue(nowMs)) {
      this.clean({ ignoreHours: false }).catch(error => this.#failUnlessShort(error))
    }
    const { firstPosition } = segments
    this.#sealer.step({ firstPosition, flushed: this.#position(SLOT.flushed), appended: log.appended })
  }

  /** A sync that failed is final, whoever had asked for it: the next one would report as durable what is lost. */
  async #finalIfUnsynced<Result>(work: Promise<Result>): Promise<Result> {
    try {
      return await work
    } catch (error) {
      if (error instanceof VarveError && error.code === 'STORE_SYNC_FAILED') this.#world.onFailed(error)
      throw error
    }
  }

  /** A shortage passes; whatever else fails in the background ends the store. */
  #failUnlessShort(error: unknown): void {
    if (isShortage(error)) return
    this.#world.onFailed(
      error instanceof VarveError ? error : new VarveError('STORE_THREAD_DIED', {}, { cause: error })
    )
  }

  async #saveQueues(): Promise<void> {
    const { threads, options, clock } = this.#world
    const { until, storedAtMs, table } = await this.queueTable()
    const changed = this.#unsynced
    this.#unsynced = new Set()
    try {
      const { directory } = options
      await threads.runJob({ type: 'saveQueues', directory, table, changed: changed && [...changed] })
    } catch (error) {
      this.#unsynced = undefined
      throw error
    }
    this.#queuesDurableUntil = until
    this.#queuesDurableMs = clock.monotonicMs()
    this.#progress.queuesDurableAtMs = Math.max(storedAtMs, this.#progress.queuesDurableAtMs)
  }

  async #clean(options: { ignoreHours: boolean }): Promise<readonly SegmentFacts[]> {
    const { segments, log } = this.#world
    const gone: SegmentFacts[] = []
    await this.#discard()
    this.#diskIsFull = this.#retention.diskIsFull()
    for (const segment of this.#retention.choose(segments.deletable(), log.appended, options)) {
      // A segment that is not yet flushed or dispatched, or is being copied, stays until the next time.
      if (this.#copies > 0 || segment.until > this.#position(SLOT.flushed)) break
      if (segment.until > this.#position(SLOT.queuesWritten)) break
      segments.dropFirst()
      this.#outdated.push(segment.path)
      await this.#discard()
      gone.push(segment)
    }
    if (gone.length === 0) return gone
    await this.#cleanQueues()
    this.#diskIsFull = this.#retention.diskIsFull()
    return gone
  }

  /** Oldest first: a log with a segment missing before the last of them could not be opened. */
  async #discard(): Promise<void> {
    for (let path = this.#outdated[0]; path !== undefined; path = this.#outdated[0]) {
      await this.#world.threads.runJob({ type: 'discard', path })
      this.#outdated.shift()
    }
  }

  async #cleanQueues(): Promise<void> {
    const { threads, topics, minimum, segments } = this.#world
    const { firstPosition } = segments
    const kept: KeptFrom[] = []
    const queues = [...topics.all()]
    for (let from = 0; from < queues.length; from += QUEUES_PER_TURN) {
      const some = queues.slice(from, from + QUEUES_PER_TURN)
      // Their oldest entries are cold: whoever appends must not wait for them.
      await minimum.findAll(some, firstPosition, threads.runJob)
      for (const queue of some) {
        const firstOffset = minimum.firstFileFrom(queue, queue.minOffset)
        if (firstOffset !== undefined) kept.push({ queue, firstOffset })
      }
    }
    // Of a topic that was deleted meanwhile these are the files of another one of its name.
    const isKnown = ({ queue }: KeptFrom): boolean => topics.findQueue(queue.topic.name, queue.queueId) === queue
    await threads.logBeginsAt(firstPosition, kept.filter(isKnown).map(firstFileOf))
    // A file of which the table speaks and that is gone counts as lost.
    await this.saveQueuesAnew()
    await inTurns(kept, outdated => {
      if (isKnown(outdated)) minimum.deleteFilesBelow(outdated.queue, outdated.firstOffset)
    })
  }

  #position(slot: number): number {
    return this.#progress.positionBehind(slot, this.#world.log.appended)
  }
}

/** The files of a queue before the one that begins with this entry are of records that the log no longer has. */
interface KeptFrom {
  readonly queue: Queue
  readonly firstOffset: number
}

const firstFileOf = ({ queue, firstOffset }: KeptFrom): FirstFile => ({
  topic: queue.topic.name,
  queueId: queue.queueId,
  firstOffset
})

async function inTurns<Item>(items: Iterable<Item>, work: (item: Item) => void): Promise<void> {
  let count = 0
  for (const item of items) {
    work(item)
    if (++count % QUEUES_PER_TURN === 0) await new Promise(resolve => setImmediate(resolve))
  }
}
