/**
 * Allocation: segments of the commit log exist, with real blocks and present pages, before the appending thread needs
 * them, so that an append waits neither for the disk nor for a page fault.
 *
 * Invariants:
 * - a segment appears under its name only when it has its full size, all its blocks, and is durable: a full disk is an
 *   error here, never a SIGBUS later
 * - the segment after the one being written is prepared; never more, so that a store takes no more disk than it needs
 * - pages are made present at most `aheadBytes` before the appending position: what is further ahead would be written
 *   to disk as zeros by the system in the meantime
 * - a page is made present by writing zeros to the file, which costs a third of touching each by itself; and that must
 *   never meet the writer. Pages belong to whoever has moved `pagesTaken` over them: the allocator while `pagesZeroing`
 *   says so, the writer ever after
 * - while somebody waits for each record, the zeros are synced too: the block that a record then goes to is known to the
 *   file system as written, and syncing the record takes no change of metadata (from 240 us down to 95 us)
 *
 * Not here: mapping (the owner maps what is prepared), the thread (workers/allocator.ts).
 */
import { KiB, MiB, PAGE_BYTES } from '../base/index.ts'
import type { Files, OpenFile, Prefault } from './files.ts'
import { commitLogDirectory, nextSegmentPath, segmentPath, sidecarDirectory } from './paths.ts'
import { type Progress, SLOT } from './progress.ts'
import { clearShortage, isShortage, noteShortage } from './shortage.ts'

/**
 * Zeros are written in pieces of this size, and at its multiples. The system keeps what is written at once together as
 * one large page: cheap to make, but the first byte that a mapping then changes makes all of it dirty, to be written as
 * a whole by the next sync. A writer that comes too near waits for one piece.
 */
export const ZEROING_BYTES_MAX = 64 * KiB
/** Pieces are made one after another in steps of this size, and synced together. */
const STEP_BYTES = 1 * MiB
/** A writer that has caught up makes its pages present itself, so far ahead that it will not meet the allocator again. */
const CLEAR_OF_WRITER_BYTES = 1 * MiB
/** With less than this on its way to the disk, whoever writes waits for it. */
const AWAITED_BYTES_MAX = 64 * KiB
/** A store that is open but not written to should take no memory for what it might be. */
const AHEAD_BYTES_MIN = 2 * MiB
const SHORTAGE_RETRY_MS = 100

export interface AllocatorOptions {
  readonly directory: string
  readonly segmentBytes: number
  /** How far ahead of the appending position pages are made present. */
  readonly aheadBytes: number
  /** Undefined where files are not mapped. */
  readonly prefault: Prefault | undefined
}

export class Allocator {
  readonly #files: Files
  readonly #progress: Progress
  readonly #options: AllocatorOptions
  readonly #appendedAtOpen: number
  #appended: number
  /** Whether whoever writes waits for each record, as of the last look. */
  #isAwaited = true
  /** Whether the last step was refused what it needed. */
  #isShort = false
  readonly #zeros = new Uint8Array(ZEROING_BYTES_MAX)
  /** Of the segment that pages were last made present in. */
  #open: { base: number; file: OpenFile } | undefined

  constructor(files: Files, progress: Progress, appended: number, options: AllocatorOptions) {
    this.#files = files
    this.#progress = progress
    this.#options = options
    this.#appendedAtOpen = appended
    this.#appended = appended
  }

  /** Does one piece of work. Returns after how many ms to come back unless woken: 0 while there is more to do. */
  step(): number {
    this.#look()
    try {
      const waitMs = this.#work()
      if (this.#isShort) clearShortage(this.#progress, 'allocator')
      this.#isShort = false
      return waitMs
    } catch (error) {
      if (!isShortage(error)) throw error
      noteShortage(this.#progress, 'allocator', error)
      this.#isShort = true
      return SHORTAGE_RETRY_MS
    }
  }

  #work(): number {
    // What is about to be written comes first: a missing page stalls the owner now, a missing segment only later.
    if (this.#pagesMissing(this.#aheadBytes() / 2)) return this.#makePagesPresent()
    if (this.#progress.count(SLOT.segmentPrepared) <= this.#segment) return this.#prepare(this.#segment + 1)
    if (this.#pagesMissing(this.#aheadBytes())) return this.#makePagesPresent()
    return Number.POSITIVE_INFINITY
  }

  close(): void {
    this.#open?.file.close()
    this.#open = undefined
  }

  hasWork(): boolean {
    this.#look()
    return this.#progress.count(SLOT.segmentPrepared) <= this.#segment || this.#pagesMissing(this.#aheadBytes())
  }

  #look(): void {
    const flushed = this.#progress.position(SLOT.flushed, this.#appended) // Read first: it is not the larger of the two.
    this.#appended = this.#progress.position(SLOT.appended, this.#appended)
    this.#isAwaited = this.#appended - flushed <= AWAITED_BYTES_MAX
  }

  get #segment(): number {
    return Math.floor(this.#appended / this.#options.segmentBytes)
  }

  /** As far ahead as has been written since the store was opened, up to the limit. */
  #aheadBytes(): number {
    return Math.min(this.#options.aheadBytes, Math.max(AHEAD_BYTES_MIN, this.#appended - this.#appendedAtOpen))
  }

  /** A whole step of them, or the last ones of a segment. */
  #pagesMissing(aheadBytes: number): boolean {
    const from = this.#nextPages()
    const until = this.#presentLimit(aheadBytes)
    return from + STEP_BYTES <= until || (from < until && until % this.#options.segmentBytes === 0)
  }

  /** The first pages that nobody has taken and that the writer does not reach in a moment. */
  #nextPages(): number {
    const taken = this.#progress.position(SLOT.pagesTaken, this.#appended)
    if (this.#isAwaited) return taken
    const clear = this.#appended + CLEAR_OF_WRITER_BYTES
    return Math.max(taken, clear - (clear % PAGE_BYTES))
  }

  /** Pages can be present up to the end of what the owner has mapped. */
  #presentLimit(aheadBytes: number): number {
    if (this.#options.prefault === undefined) return 0
    const mapped = this.#progress.count(SLOT.segmentMapped)
    if (mapped < this.#segment) return 0
    const limit = Math.min(this.#appended + aheadBytes, (mapped + 1) * this.#options.segmentBytes)
    return limit - (limit % PAGE_BYTES)
  }

  #makePagesPresent(): number {
    const { segmentBytes } = this.#options
    const from = this.#nextPages()
    const base = from - (from % segmentBytes)
    const until = Math.min(from + STEP_BYTES, base + segmentBytes, this.#presentLimit(this.#aheadBytes()))
    let at = from
    while (at < until) {
      const pieceEnd = Math.min(at - (at % ZEROING_BYTES_MAX) + ZEROING_BYTES_MAX, until)
      if (!this.#writeZeros(base, at, pieceEnd)) break
      // Pages that have been synced are not for writing until a fault says so; the writer then goes without its mapping.
      if (!this.#isAwaited)
        this.#options.prefault?.(this.#progress.address(base / segmentBytes) + (at - base), pieceEnd - at)
      at = pieceEnd
    }
    if (this.#isAwaited && at > from) this.#fileOf(base).sync(from - base, at - from)
    return 0
  }

  /** Takes pages, writes zeros to them and gives them to the writer. False if the writer has taken them meanwhile. */
  #writeZeros(base: number, from: number, until: number): boolean {
    const progress = this.#progress
    // Said before pages are taken: a writer that sees them taken, and then this at 0, knows that they are done.
    progress.setCount(SLOT.pagesZeroing, 1)
    try {
      const taken = progress.position(SLOT.pagesTaken, this.#appended)
      if (taken > from || !progress.exchange(SLOT.pagesTaken, taken, until)) return false
      this.#fileOf(base).write(this.#zeros.subarray(0, until - from), from - base)
      return true
    } finally {
      progress.setCount(SLOT.pagesZeroing, 0)
      progress.notify(SLOT.pagesZeroing)
    }
  }

  #fileOf(base: number): OpenFile {
    if (this.#open?.base !== base) {
      this.close()
      this.#open = { base, file: this.#files.open(segmentPath(this.#options.directory, base), 'write') }
    }
    return this.#open.file
  }

  #prepare(segment: number): number {
    prepareSegment(this.#files, this.#options, segment * this.#options.segmentBytes)
    this.#progress.setCount(SLOT.segmentPrepared, segment)
    this.#progress.notify(SLOT.segmentPrepared)
    return 0
  }
}

/**
 * Makes the segment that begins at `base`, durable under its name. One that exists keeps its bytes and gets the blocks
 * that it lacks: Apache RocketMQ makes its segments sparse.
 */
export function prepareSegment(
  files: Files,
  { directory, segmentBytes }: { directory: string; segmentBytes: number },
  base: number
): void {
  const path = segmentPath(directory, base)
  if (files.find(path) !== undefined) {
    const existing = files.open(path, 'write')
    try {
      existing.allocate(0, segmentBytes, { keepSize: false })
      existing.syncAll()
    } finally {
      existing.close()
    }
    files.syncDirectory(commitLogDirectory(directory)) // Whoever gave it its name may not have come to this.
    return
  }
  const temporary = nextSegmentPath(directory)
  files.makeDirectory(sidecarDirectory(directory))
  files.makeDirectory(commitLogDirectory(directory))
  files.remove(temporary)
  const file = files.open(temporary, 'create')
  try {
    file.allocate(0, segmentBytes, { keepSize: false })
    file.syncAll()
  } catch (error) {
    files.remove(temporary) // The blocks that were got before the disk was full are of use to others.
    throw error
  } finally {
    file.close()
  }
  files.rename(temporary, path)
  files.syncDirectory(commitLogDirectory(directory))
}
