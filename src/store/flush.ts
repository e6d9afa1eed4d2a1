/**
 * Flush: how long a message may live in memory only.
 *
 * With synchronous flush whatever has been appended is synced as soon as somebody waits for it; one sync answers every
 * waiter below the new watermark: that is the group commit. With asynchronous flush, an interval passes first, and a
 * longer one when little has come together.
 *
 * Invariants:
 * - `flushed ≤ appended`, and neither goes back
 * - `flushed` moves only after the sync that covers it has succeeded
 * - a failed sync is final: the system may have dropped the pages that it could not write, and the next sync would
 *   report success. Whoever calls `step` or `run` must end the store when it throws
 *
 * Not here: who waits (store.ts), the thread (workers/flusher.ts), what is saved besides the log (state-keeper.ts).
 */
import { assert, type Clock, MiB, PAGE_BYTES } from '../base/index.ts'
import { ZEROING_BYTES_MAX } from './allocate.ts'
import type { DropPages, Files, OpenFile } from './files.ts'
import { segmentPath } from './paths.ts'
import { type Progress, SLOT } from './progress.ts'

export interface FlushOptions {
  readonly directory: string
  readonly segmentBytes: number
  readonly mode: 'sync' | 'async'
  readonly intervalMs: number
  readonly leastPages: number
  readonly thoroughIntervalMs: number
  /** See `DropPages`; undefined where files are not mapped. */
  readonly dropPages?: DropPages | undefined
}

/** With synchronous flush, what nobody waits for is still on disk after this long. */
const UNAWAITED_INTERVAL_MS = 10
/**
 * More than this is begun to be written in pieces before it is waited for: the system does such a call in one go, and
 * on some systems whoever else wants the processor, such as the thread that appends, waits until it is over.
 */
const PIECE_BYTES = 2 * MiB

export class Flusher {
  readonly #files: Files
  readonly #progress: Progress
  readonly #clock: Clock
  readonly #options: FlushOptions
  readonly #log: LogSyncer
  #flushed: number
  #lastFlushMs: number
  #lastThoroughMs: number

  constructor(files: Files, progress: Progress, clock: Clock, flushed: number, options: FlushOptions) {
    this.#files = files
    this.#progress = progress
    this.#clock = clock
    this.#options = options
    this.#log = new LogSyncer(this.#files, options, {
      beforeSync: (position, bytes) => this.#dropPages(position, bytes)
    })
    this.#flushed = flushed
    this.#lastFlushMs = clock.monotonicMs()
    this.#lastThoroughMs = this.#lastFlushMs
  }

  /** Syncs if it is time to. Returns after how many ms to come back unless woken. */
  step(): number {
    const flushed = this.#position(SLOT.flushed) // The owner may have synced by itself meanwhile.
    this.#flushed = flushed
    // Where nobody waits it would be left behind, and 2 GiB further back it would seem to be ahead.
    this.#progress.advanceTo(SLOT.flushWanted, flushed)
    const appended = this.#position(SLOT.appended) // Read later, so it is not the smaller of the two.
    if (this.#position(SLOT.flushWanted) > flushed) return this.run(appended)

    const { mode, intervalMs, leastPages, thoroughIntervalMs } = this.#options
    const nowMs = this.#clock.monotonicMs()
    if (appended === flushed) {
      this.#lastThoroughMs = nowMs
      this.#lastFlushMs = nowMs
      return mode === 'sync' ? UNAWAITED_INTERVAL_MS : intervalMs
    }
    if (mode === 'sync') {
      const dueMs = this.#lastFlushMs + UNAWAITED_INTERVAL_MS
      return nowMs >= dueMs ? this.run(appended) : dueMs - nowMs
    }
    if (nowMs >= this.#lastThoroughMs + thoroughIntervalMs) return this.run(appended)
    const dueMs = this.#lastFlushMs + intervalMs
    if (nowMs < dueMs) return dueMs - nowMs
    if (pageOf(appended) - pageOf(flushed) >= leastPages) return this.run(appended)
    this.#lastFlushMs = nowMs
    return intervalMs
  }

  hasWork(): boolean {
    return this.#position(SLOT.flushWanted) > this.#position(SLOT.flushed)
  }

  /** Makes everything below `until` durable. Returns how long to wait for the next step: nothing. */
  run(until: number): number {
    const flushed = this.#position(SLOT.flushed)
    if (flushed < until) syncLog(this.#log, this.#progress, flushed, until)
    this.#flushed = Math.max(flushed, until)
    this.#lastFlushMs = this.#clock.monotonicMs()
    this.#lastThoroughMs = this.#lastFlushMs
    return 0
  }

  close(): void {
    this.#log.close()
  }

  /**
   * Of the owner's mapping: a segment that it has let go of since then has no pages to drop. The system writes a large
   * page as a whole, so all of the last one is dropped, though the owner is about to write to the rest of it: a fault
   * there costs less than an interruption for each of its pages.
   */
  #dropPages(position: number, bytes: number): void {
    const { segmentBytes, dropPages } = this.#options
    const from = position % segmentBytes
    const address = this.#progress.address((position - from) / segmentBytes)
    const until = Math.ceil((from + bytes) / ZEROING_BYTES_MAX) * ZEROING_BYTES_MAX
    if (address !== 0) dropPages?.(address + from, Math.min(until, segmentBytes) - from)
  }

  #position(slot: number): number {
    return this.#progress.position(slot, this.#flushed)
  }
}

/** Makes `[flushed, until)` durable and says so. The owner calls it too, when it is alone in waiting. */
export function syncLog(log: LogSyncer, progress: Progress, flushed: number, until: number): void {
  const storedBeforeMs = progress.appendedAtMs // Whatever was stored before this is below `until`, which was read earlier.
  log.sync(flushed, until)
  progress.flushedAtMs = storedBeforeMs
  progress.advanceTo(SLOT.flushed, until)
  progress.wakeIfAsleep('dispatcher')
}

export interface SyncOptions {
  readonly beforeSync?: (position: number, bytes: number) => void
  readonly quickly?: boolean
}

/** Syncs ranges of the commit log through files of its own, so that no mapping of another thread must outlive the call. */
export class LogSyncer {
  readonly #files: Files
  readonly #directory: string
  readonly #segmentBytes: number
  readonly #beforeSync: (position: number, bytes: number) => void
  readonly #syncOptions: { quickly: boolean }
  /** Of the last segment synced; the log moves on, so older ones are closed. */
  #open: { base: number; file: OpenFile } | undefined

  /** `beforeSync` is told each range of a segment, from the start of a page. `quickly`: see `OpenFile.sync`. */
  constructor(
    files: Files,
    { directory, segmentBytes }: { directory: string; segmentBytes: number },
    { beforeSync = () => {}, quickly = false }: SyncOptions = {}
  ) {
    this.#files = files
    this.#directory = directory
    this.#segmentBytes = segmentBytes
    this.#beforeSync = beforeSync
    this.#syncOptions = { quickly }
  }

  /** @throws VarveError STORE_SYNC_FAILED; nothing may be written to the store afterwards. */
  sync(from: number, until: number): void {
    assert(from <= until, 'the flushed position is not ahead of the appended one')
    let at = from
    while (at < until) {
      const base = at - (at % this.#segmentBytes)
      const stop = Math.min(until, base + this.#segmentBytes)
      this.#begin(base, at - (at % PAGE_BYTES), stop) // Segments begin with a page.
      this.#fileOf(base).sync(at - base, stop - at, this.#syncOptions)
      at = stop
    }
  }

  close(): void {
    this.#open?.file.close()
    this.#open = undefined
  }

  #begin(base: number, from: number, until: number): void {
    for (let at = from; at < until; at += PIECE_BYTES) {
      const bytes = Math.min(PIECE_BYTES, until - at)
      this.#beforeSync(at, bytes)
      if (until - from > PIECE_BYTES) this.#fileOf(base).startWriting(at - base, bytes)
    }
  }

  #fileOf(base: number): OpenFile {
    if (this.#open?.base !== base) {
      this.close()
      this.#open = { base, file: this.#files.open(segmentPath(this.#directory, base), 'write') }
    }
    return this.#open.file
  }
}

const pageOf = (position: number): number => Math.floor(position / PAGE_BYTES)
