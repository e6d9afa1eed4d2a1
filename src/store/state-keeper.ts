/**
 * State keeper: writes down from time to time how far the store has come, so that recovery need not look at everything.
 *
 * Two files: Varve's own state (sidecar), and the checkpoint by which Apache RocketMQ would recover this directory.
 * Both may be older than the truth, never ahead of it.
 */
import { type Clock, secondMs } from '../base/index.ts'
import { CheckpointFile } from './checkpoint.ts'
import type { Files } from './files.ts'
import { type Progress, SLOT } from './progress.ts'
import { isShortage } from './shortage.ts'
import { StateFile, type StoreState } from './sidecar.ts'

/** What of the state stays the same while the store is open. */
export type StoreIdentity = Pick<
  StoreState,
  'segmentBytes' | 'queueFileEntries' | 'indexSlots' | 'indexItems' | 'run' | 'ownerToken'
>

const SAVE_INTERVAL_MS = 1 * secondMs
const SYNC_INTERVAL_MS = 10 * secondMs

export class StateKeeper {
  readonly #progress: Progress
  readonly #clock: Clock
  readonly #identity: StoreIdentity
  readonly #state: StateFile
  readonly #checkpoint: CheckpointFile
  #appended: number
  #savedMs: number
  #syncedMs: number
  #savedAppended: number
  #savedFlushed: number

  constructor(
    files: Files,
    world: { progress: Progress; clock: Clock },
    directory: string,
    appended: number,
    identity: StoreIdentity
  ) {
    this.#progress = world.progress
    this.#clock = world.clock
    this.#identity = identity
    this.#state = new StateFile(files, directory)
    this.#checkpoint = new CheckpointFile(files, directory)
    this.#appended = appended
    this.#savedAppended = appended
    this.#savedFlushed = appended
    this.#savedMs = world.clock.monotonicMs()
    this.#syncedMs = this.#savedMs
  }

  /** Saves when something has changed and it is time to. */
  step(): void {
    const nowMs = this.#clock.monotonicMs()
    const flushed = this.#look() // Each time: in the time between two saves the log may go on further than can be told.
    if (nowMs < this.#savedMs + SAVE_INTERVAL_MS) return
    this.#savedMs = nowMs
    if (this.#appended === this.#savedAppended && flushed === this.#savedFlushed) return
    const durable = nowMs >= this.#syncedMs + SYNC_INTERVAL_MS
    if (durable) this.#syncedMs = nowMs
    try {
      this.save({ durable, clean: false, trusted: true })
    } catch (error) {
      // What stands there is older than the truth: the next start has more to look at, and nothing is lost.
      if (!isShortage(error)) throw error
    }
  }

  /**
   * `trusted: false` after a failed sync: the system may have dropped pages that it had been handed, so only what was
   * surely on disk counts from now on.
   */
  save({ durable, clean, trusted }: { durable: boolean; clean: boolean; trusted: boolean }): void {
    const progress = this.#progress
    const flushed = this.#look()
    this.#savedAppended = this.#appended
    this.#savedFlushed = flushed
    this.#state.save(
      {
        ...this.#identity,
        durableUntil: flushed,
        seenUntil: trusted ? this.#appended : flushed,
        run: trusted ? this.#identity.run : '',
        clean,
        indexEndPhysicalOffset: 0,
        savedAtMs: this.#clock.nowMs()
      },
      { durable }
    )
    this.#checkpoint.write(
      {
        logStoredAtMs: progress.flushedAtMs,
        queuesStoredAtMs: progress.queuesDurableAtMs,
        indexStoredAtMs: 0,
        masterFlushedOffset: 0,
        confirmPhysicalOffset: flushed,
        queuesPhysicalOffset: 0
      },
      { durable }
    )
  }

  /** Returns how far the log is on disk: read first, so that it is not the larger of the two. */
  #look(): number {
    const flushed = this.#progress.position(SLOT.flushed, this.#appended)
    this.#appended = this.#progress.positionAhead(SLOT.appended, this.#appended)
    return flushed
  }

  close(): void {
    this.#state.close()
    this.#checkpoint.close()
  }
}
