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
import { isShortage } from './shortage.ts'
import type { StoreThreads } from './threads.ts'

const OWN_SYNC_MS_MAX = 2
const OWN_SYNC_BYTES_MAX = 256 * KiB
/** With this many the flusher need not wait until the turn is over: it syncs the first while the rest are appended. */
const EARLY_START_COUNT = 64
/** So often whoever waits is answered within one turn of the event loop: it may wait again at once, and others need turns. */
const TURN_ANSWERS_MAX = 16
/** After a slow sync one is left to the flusher for each millisecond it took, at most so many, before the owner tries again. */
const OWN_SYNC_PAUSE_MAX = 64

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
  /** Who has begun to wait since the last start. */
  #sinceStart = 0
  #held = false
  #turnAnswers = 0
  #ownSyncPause = 0
  /** Told of every flush while set, though nobody waits for one. */
  #listening = false

  constructor(world: GroupCommitWorld, options: { directory: string; segmentBytes: number }) {
    this.#world = world
    this.#progress = world.progress
    this.#syncer = new LogSyncer(world.files, options, { quickly: true })
  }

  /** Resolves once everything below `until` is on disk, for so many callers. */
  flushed(until: number, callers = 1): Promise<void> {
    const { health, appended } = this.#world
    if (health.failure !== undefined) return Promise.reject(health.refusal())
    if (!(until <= appended())) {
      const details = { physicalOffset: String(until), appendedUntil: appended() }
      return Promise.reject(new VarveError('RECORD_NOT_FOUND', details))
    }
    const flushed = this.#progress.position(SLOT.flushed, appended())
    if (flushed >= until) return Promise.resolve()
    if (flushed >= this.#waiters.first) this.#answerInPassing(flushed)
    const answer = this.#waiters.add(until, callers)
    this.#sinceStart += callers
    if (!this.#startScheduled) {
      this.#startScheduled = true
      queueMicrotask(this.#start)
    } else if (this.#sinceStart >= EARLY_START_COUNT) {
      this.#sinceStart = 0
      this.#startFlusher()
    }
    return answer
  }

  /** Told by the flusher, and after the owner's own syncs. */
  onFlushed(): void {
    const { appended, onFlushed } = this.#world
    this.#waiters.answerBelow(this.#progress.position(SLOT.flushed, appended()))
    onFlushed()
    if (this.#waiters.count === 0) {
      this.#hold(false)
    } else if (this.#progress.position(SLOT.flushWanted, appended()) < this.#waiters.until) {
      this.#want()
    }
  }

  /** Whether `onFlushed` is to be told of every flush. */
  listen(listening: boolean): void {
    if (this.#listening === listening) return
    this.#listening = listening
    this.#progress.setCount(SLOT.flushListeners, listening || this.#held ? 1 : 0)
  }

  failAll(error: VarveError): void {
    this.#waiters.failAll(error)
    this.#hold(false)
  }

  close(): void {
    this.#syncer.close()
  }

  /** Everybody who could begin to wait in this turn of the event loop has done so. */
  readonly #start = (): void => {
    const { appended, threads, health } = this.#world
    this.#startScheduled = false
    this.#sinceStart = 0
    if (this.#waiters.count === 0 || health.failure !== undefined) return
    const until = appended()
    const flushed = this.#progress.position(SLOT.flushed, until)
    const alone = this.#waiters.count === 1 && until - flushed <= OWN_SYNC_BYTES_MAX && threads.kind === 'workers'
    if (alone && this.#ownSyncPause === 0) return this.#syncMyself(flushed, until)
    if (alone) this.#ownSyncPause--
    this.#startFlusher()
    if (threads.kind === 'none') this.#answer()
  }

  /** The flusher's message waits until this turn is over, and all that is appended in it would wait for that. */
  #answerInPassing(flushed: number): void {
    if (this.#mayAnswer()) this.#waiters.answerBelow(flushed)
  }

  readonly #answer = (): void => {
    if (this.#mayAnswer()) this.onFlushed()
    else setImmediate(() => this.onFlushed())
  }

  #mayAnswer(): boolean {
    if (this.#turnAnswers === TURN_ANSWERS_MAX) return false
    if (this.#turnAnswers === 0) setImmediate(this.#onTurn)
    this.#turnAnswers++
    return true
  }

  readonly #onTurn = (): void => {
    this.#turnAnswers = 0
  }

  #startFlusher(): void {
    const listened = this.#held
    this.#hold(true)
    this.#want()
    if (listened) return
    // A flush that ended before the flusher could know that somebody listens was told to nobody.
    const { appended } = this.#world
    if (this.#progress.position(SLOT.flushed, appended()) >= this.#waiters.first) queueMicrotask(this.#answer)
  }

  /** While an answer of the flusher is awaited it tells of each flush, and the process stays alive. */
  #hold(waiting: boolean): void {
    if (this.#held === waiting) return
    this.#held = waiting
    this.#world.threads.hold(waiting)
    this.#progress.setCount(SLOT.flushListeners, waiting || this.#listening ? 1 : 0)
  }

  #want(): void {
    this.#waiters.closeRound()
    this.#progress.advanceTo(SLOT.flushWanted, this.#waiters.until)
    this.#world.threads.wake('flusher')
  }

  #syncMyself(flushed: number, until: number): void {
    const { clock, onFailed } = this.#world
    const startedMs = clock.monotonicMs()
    this.#waiters.closeRound()
    try {
      syncLog(this.#syncer, this.#progress, flushed, until)
    } catch (error) {
      if (!(error instanceof VarveError)) throw error
      // A segment that cannot be opened for now has not failed to be synced: the flusher tries until it can.
      if (isShortage(error)) this.#startFlusher()
      else onFailed(error)
      return
    }
    const tookMs = clock.monotonicMs() - startedMs
    if (tookMs > OWN_SYNC_MS_MAX) this.#ownSyncPause = Math.min(OWN_SYNC_PAUSE_MAX, Math.ceil(tookMs))
    this.#answer()
  }
}
