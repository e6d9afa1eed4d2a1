/**
 * Group commit: from the callers who wait for their messages to be on disk to as few syncs as possible.
 *
 * Whoever begins to wait in one turn of the event loop is served by one sync. It is the flusher's, except when a single
 * caller waits for little: then the owner syncs by itself, because two changes of thread would cost as much as the
 * disk. It stops doing so for a while when the disk is slow, for the owner's thread must not be held up.
 *
 * Not here: the sync (flush.ts), the order of waiters (flush-waiters.ts).
 */
import { type Clock, KiB, VarveError } from '../base/index.ts'
import type { Files } from './files.ts'
import { LogSyncer, syncLog } from './flush.ts'
import { FlushWaiters } from './flush-waiters.ts'
import type { Health } from './health.ts'
import { type Progress, SLOT } from './progress.ts'
import type { StoreThreads } from './threads.ts'

const OWN_SYNC_MS_MAX = 2
const OWN_SYNC_BYTES_MAX = 256 * KiB
/** After a slow sync so many are left to the flusher before the owner tries again. */
const OWN_SYNC_PAUSE = 64

export interface GroupCommitWorld {
  readonly files: Files
  readonly clock: Clock
  readonly progress: Progress
  readonly threads: StoreThreads
  readonly health: Health
  readonly appended: () => number
  /** More is on disk: with synchronous flush, more can be read. */
  readonly onFlushed: () => void
  /** A sync of the owner's has failed. */
  readonly onFailed: (error: VarveError) => void
}

export class GroupCommit {
  readonly #world: GroupCommitWorld
  readonly #progress: Progress
  readonly #waiters = new FlushWaiters()
  readonly #syncer: LogSyncer
  #startScheduled = false
  #ownSyncPause = 0
  /** Told of every flush while set, though nobody waits for one. */
  #listening = false

  constructor(world: GroupCommitWorld, options: { directory: string; segmentBytes: number }) {
    this.#world = world
    this.#progress = world.progress
    this.#syncer = new LogSyncer(world.files, options)
  }

  /** Resolves once everything below `until` is on disk. */
  flushed(until: number): Promise<void> {
    const { health, appended } = this.#world
    if (health.failure !== undefined) return Promise.reject(health.refusal())
    if (!(until <= appended())) {
      const details = { physicalOffset: String(until), appendedUntil: appended() }
      return Promise.reject(new VarveError('RECORD_NOT_FOUND', details))
    }
    if (this.#progress.position(SLOT.flushed, appended()) >= until) return Promise.resolve()
    const answer = this.#waiters.add(until)
    if (!this.#startScheduled) {
      this.#startScheduled = true
      queueMicrotask(() => this.#start())
    }
    return answer
  }

  /** Told by the flusher, and after the owner's own syncs. */
  onFlushed(): void {
    const { appended, threads, onFlushed } = this.#world
    this.#waiters.answerBelow(this.#progress.position(SLOT.flushed, appended()))
    onFlushed()
    if (this.#waiters.count === 0) {
      threads.hold(false)
      if (!this.#listening) this.#progress.setCount(SLOT.flushListeners, 0)
    } else if (this.#progress.position(SLOT.flushWanted, appended()) < this.#waiters.until) {
      this.#want()
    }
  }

  /** Whether `onFlushed` is to be told of every flush. */
  listen(listening: boolean): void {
    this.#listening = listening
    if (listening) this.#progress.setCount(SLOT.flushListeners, 1)
  }

  failAll(error: VarveError): void {
    this.#waiters.failAll(error)
    this.#world.threads.hold(false)
  }

  close(): void {
    this.#syncer.close()
  }

  /** Everybody who could begin to wait in this turn of the event loop has done so. */
  #start(): void {
    const { appended, threads, health } = this.#world
    this.#startScheduled = false
    if (this.#waiters.count === 0 || health.failure !== undefined) return
    const until = appended()
    const flushed = this.#progress.position(SLOT.flushed, until)
    const alone = this.#waiters.count === 1 && until - flushed <= OWN_SYNC_BYTES_MAX && threads.kind === 'workers'
    if (alone && this.#ownSyncPause === 0) return this.#syncMyself(flushed, until)
    if (alone) this.#ownSyncPause--
    threads.hold(true)
    this.#progress.setCount(SLOT.flushListeners, 1)
    this.#want()
    if (threads.kind === 'none') this.onFlushed()
  }

  #want(): void {
    this.#progress.advanceTo(SLOT.flushWanted, this.#waiters.until)
    this.#world.threads.wake('flusher')
  }

  #syncMyself(flushed: number, until: number): void {
    const { clock, onFailed } = this.#world
    const startedMs = clock.monotonicMs()
    try {
      syncLog(this.#syncer, this.#progress, flushed, until)
    } catch (error) {
      if (!(error instanceof VarveError)) throw error
      onFailed(error)
      return
    }
    if (clock.monotonicMs() - startedMs > OWN_SYNC_MS_MAX) this.#ownSyncPause = OWN_SYNC_PAUSE
    this.onFlushed()
  }
}
