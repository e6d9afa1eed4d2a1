/**
 * Commit log: the one writer. Each record is encoded once, straight into the segment, and then published.
 *
 * An append is three steps: `reserve` makes sure that there is room and says where, the caller (message-encoder.ts)
 * encodes and has it written, `publish` lets the other threads see it. A record's size is written last: until then whoever looks at the
 * place finds no record there, whenever the process dies.
 *
 * The first record after everything has been synced is encoded aside and written to the file by position, because the
 * sync has left the page for reading only: touching it through the mapping takes a fault, and makes all of the large
 * page dirty that it is a part of. So a lone writer, who waits for each record, never touches the mapping. The two show
 * the same bytes: they are the system's, in its one cache of the file. Where files are not mapped all records go so.
 *
 * Invariants:
 * - a record never crosses a segment; 8 bytes stay free behind it for the blank that closes the segment
 * - nothing below `appended` is written again, except when the owner abandons what it has not published
 * - `appended` is at most `dirtyBytesMax` ahead of `flushed` and UNWRITTEN_BYTES_MAX ahead of `queuesWritten`
 *
 * Not here: queue offsets (topics.ts), durability (flush.ts).
 */
import { assert, KiB, MiB, PAGE_BYTES, VarveError } from '../base/index.ts'
import { BLANK_RESERVE_BYTES, writeBlank } from '../layout/index.ts'
import { ZEROING_BYTES_MAX } from './allocate.ts'
import type { LogSegment, LogSegments } from './log-segments.ts'
import type { Window } from './message-encoder.ts'
import { NEAR_BYTES_MAX, type Progress, type Role, SLOT, UNWRITTEN_BYTES_MAX } from './progress.ts'
import { shortageOf } from './shortage.ts'

/** Limits are checked, and threads that fell asleep are woken, each time so much has been written. */
const CHECK_BYTES = 1 * MiB
const ZEROING_WAIT_MS = 1
const ZEROING_TRIES_MAX = 2_000
/** An append waits so long for the next segment before it says STORE_BUSY; allocating one takes a few milliseconds. */
const SEGMENT_WAIT_MS = 1_000
/** Larger records are not copied for the sake of one fault. */
const ASIDE_BYTES = 64 * KiB

export class CommitLog {
  /** The window to encode into: byte p of the log is `bytes[p - base]`. */
  bytes: Uint8Array
  view: DataView
  base: number

  readonly #segments: LogSegments
  readonly #progress: Progress
  readonly #wake: (role: Role) => void
  readonly #dirtyBytesMax: number
  /** Where records are encoded that are then written to the file by position. */
  readonly #aside: Window
  #writesByPosition = true
  #segment: LogSegment
  #appended: number
  #segmentEnd: number
  /** Where the next check is due, or where the segment ends. */
  #checkAt: number

  constructor(
    segments: LogSegments,
    world: { progress: Progress; wake: (role: Role) => void },
    appended: number,
    options: { dirtyBytesMax: number; recordBytesMax: number }
  ) {
    this.#segments = segments
    this.#progress = world.progress
    this.#wake = world.wake
    this.#dirtyBytesMax = Math.min(options.dirtyBytesMax, NEAR_BYTES_MAX / 2)
    this.#segment = segments.current()
    this.#appended = appended
    this.#segmentEnd = this.#segment.base + segments.segmentBytes
    this.#checkAt = appended
    const isMapped = this.#segment.mapping !== undefined
    const bytes = new Uint8Array(isMapped ? ASIDE_BYTES : options.recordBytesMax)
    this.#aside = { bytes, view: new DataView(bytes.buffer) }
    this.bytes = this.#aside.bytes
    this.view = this.#aside.view
    this.base = appended
  }

  get appended(): number {
    return this.#appended
  }

  /** The largest record or batch that fits into a segment at all. */
  get recordBytesMax(): number {
    return Math.min(
      this.#segments.segmentBytes - BLANK_RESERVE_BYTES,
      this.#segment.mapping === undefined ? this.#aside.bytes.length : Number.POSITIVE_INFINITY
    )
  }

  /**
   * Makes room for a record of at most `bytesMax` and returns its position. Nothing is visible before `publish`.
   * @throws VarveError STORE_BUSY, or what the system is short of: nothing has changed, the same call may succeed later
   */
  reserve(bytesMax: number): number {
    assert(bytesMax <= this.recordBytesMax, 'the record fits into a segment')
    if (this.#appended + bytesMax >= this.#checkAt) this.#check(bytesMax)
    this.#chooseWindow(bytesMax)
    return this.#appended
  }

  /**
   * Hands the `bytes` encoded at the reserved position to the segment, before anybody counts them: what is written by
   * position may fail here. Then nothing is left of `encodedBytes`, all that this append has written so far.
   */
  write(bytes: number, encodedBytes = bytes): void {
    if (!this.#writesByPosition) return
    try {
      this.#segment.file.write(this.bytes.subarray(0, bytes), this.#appended - this.#segment.base)
    } catch (error) {
      this.#clearWritten(encodedBytes)
      throw error
    }
  }

  /** The `bytes` written at the reserved position are whole. */
  publish(bytes: number): void {
    this.#appended += bytes
    this.#progress.publish(SLOT.appended, this.#appended)
  }

  /** Clears what was encoded at the reserved position: the caller gave up half-way. */
  abandon(bytes: number): void {
    const at = this.#appended - this.base
    this.bytes.fill(0, at, Math.min(at + bytes, this.bytes.length))
  }

  /** Whether `reserve` would succeed now, as far as flushing and dispatching are concerned. */
  hasRoom(): boolean {
    this.#segments.openPrepared()
    const isShort = shortageOf(this.#progress) !== undefined || this.#segments.refusal !== undefined
    return this.#lagError() === undefined && (!isShort || this.#segments.nextIsOpen)
  }

  /**
   * Page by page: as far as the write came there are pages, so that a full disk has room for this; where there is none
   * nothing was written.
   */
  #clearWritten(bytes: number): void {
    this.bytes.fill(0, 0, bytes)
    const { base, file } = this.#segment
    const until = this.#appended - base + bytes
    try {
      for (let at = this.#appended - base; at < until; ) {
        const end = Math.min(at + PAGE_BYTES - (at % PAGE_BYTES), until)
        file.write(this.bytes.subarray(0, end - at), at)
        at = end
      }
    } catch {
      // The caller hears of the write that failed first.
    }
  }

  #chooseWindow(bytesMax: number): void {
    const { mapping } = this.#segment
    const byPosition = mapping === undefined || (bytesMax <= this.#aside.bytes.length && this.#isFlushed())
    if (byPosition) this.#show(this.#aside, this.#appended)
    else if (this.#writesByPosition) this.#show(mapping, this.#segment.base)
    this.#writesByPosition = byPosition
  }

  #show({ bytes, view }: Window, base: number): void {
    this.bytes = bytes
    this.view = view
    this.base = base
  }

  /** Whether everything appended is on disk. */
  #isFlushed(): boolean {
    return this.#progress.position(SLOT.flushed, this.#appended) === this.#appended
  }

  #check(bytesMax: number): void {
    this.#segments.openPrepared()
    const lag = this.#lagError()
    if (lag !== undefined) throw lag
    if (this.#appended + bytesMax + BLANK_RESERVE_BYTES > this.#segmentEnd) this.#roll()
    const takenUntil = this.#takePages(this.#appended + bytesMax + BLANK_RESERVE_BYTES)
    this.#checkAt = Math.min(this.#appended + bytesMax + CHECK_BYTES, takenUntil - BLANK_RESERVE_BYTES)
    this.#wake('allocator')
  }

  /**
   * Makes sure that the allocator writes no zeros below `until` any more, and returns up to where that is so: usually
   * because it has done so long ago. When it is late, pages are taken without it.
   */
  #takePages(until: number): number {
    const progress = this.#progress
    for (let tries = 0; tries < ZEROING_TRIES_MAX; tries++) {
      const taken = progress.position(SLOT.pagesTaken, this.#appended)
      if (progress.count(SLOT.pagesZeroing) !== 0) {
        // Only the last pages taken can be those that are being zeroed.
        if (until <= taken - ZEROING_BYTES_MAX) return Math.min(taken - ZEROING_BYTES_MAX, this.#segmentEnd)
        progress.waitForChange(SLOT.pagesZeroing, 1, ZEROING_WAIT_MS)
        continue
      }
      if (until <= taken) return Math.min(taken, this.#segmentEnd)
      const wanted = Math.min(this.#segmentEnd, Math.ceil((until + CHECK_BYTES) / PAGE_BYTES) * PAGE_BYTES)
      if (progress.exchange(SLOT.pagesTaken, taken, wanted)) return wanted
    }
    // A disk that takes seconds for this, or an allocator that is gone, of which the owner hears as soon as it listens.
    throw new VarveError('STORE_BUSY', { waitingFor: 'the allocator' })
  }

  #lagError(): VarveError | undefined {
    const unflushed = this.#appended - this.#progress.position(SLOT.flushed, this.#appended)
    if (unflushed > this.#dirtyBytesMax / 2) {
      this.#progress.publish(SLOT.flushWanted, this.#appended)
      this.#wake('flusher')
    }
    const unwritten = this.#appended - this.#progress.positionBehind(SLOT.queuesWritten, this.#appended)
    if (unflushed <= this.#dirtyBytesMax && unwritten <= UNWRITTEN_BYTES_MAX) return undefined
    return new VarveError(shortageOf(this.#progress) ?? 'STORE_BUSY', {
      unflushedBytes: unflushed,
      undispatchedBytes: unwritten
    })
  }

  #roll(): void {
    if (!this.#segments.nextIsOpen) this.#awaitNextSegment()
    this.#segments.checkCurrent()
    this.#closeSegment()
    this.#segment = this.#segments.advance()
    this.#segmentEnd = this.#segment.base + this.#segments.segmentBytes
    this.#appended = this.#segment.base
    this.#writesByPosition = true // Another mapping is to be shown, when one is.
    this.#progress.publish(SLOT.appended, this.#appended)
    this.#segments.openPrepared()
  }

  /** The allocator is late, or the system is short of something. */
  #awaitNextSegment(): void {
    const wanted = this.#segment.ordinal + 1
    this.#wake('allocator')
    const prepared = this.#progress.count(SLOT.segmentPrepared)
    if (prepared < wanted && shortageOf(this.#progress) === undefined) {
      this.#progress.waitForChange(SLOT.segmentPrepared, prepared, SEGMENT_WAIT_MS)
    }
    this.#segments.openPrepared()
    if (this.#segments.nextIsOpen) return
    throw this.#segments.refusal ?? new VarveError(shortageOf(this.#progress) ?? 'STORE_BUSY', { segment: wanted })
  }

  #closeSegment(): void {
    const { mapping, base, file } = this.#segment
    const at = this.#appended - base
    const restBytes = this.#segmentEnd - this.#appended
    if (mapping !== undefined) {
      writeBlank(mapping.view, at, at + restBytes)
    } else {
      writeBlank(this.#aside.view, 0, restBytes)
      file.write(this.#aside.bytes.subarray(0, BLANK_RESERVE_BYTES), at)
    }
  }
}
