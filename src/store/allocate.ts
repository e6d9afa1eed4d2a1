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
 * - a page is made present by writing zeros to the file, which gives the system large pages to work with and costs a
 *   third of touching each by itself; and that must never meet the writer. Pages belong to whoever has moved
 *   `pagesTaken` over them: the allocator while `pagesZeroing` says so, the writer ever after
 *
 * Not here: mapping (the owner maps what is prepared), the thread (workers/allocator.ts).
 */
import { MiB, PAGE_BYTES, VarveError } from '../base/index.ts'
import type { Files, OpenFile, Prefault } from './files.ts'
import { commitLogDirectory, nextSegmentPath, segmentPath, sidecarDirectory } from './paths.ts'
import { type Progress, SLOT } from './progress.ts'

/** Pages are made present in steps of this size. */
export const PREFAULT_STEP_BYTES = 2 * MiB
/** A store that is open but not written to should take no memory for what it might be. */
const AHEAD_BYTES_MIN = 2 * MiB
const DISK_FULL_RETRY_MS = 100
export const DISK_FULL_FOR_SEGMENTS = 1

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
  /** Up to here pages were made present, or taken by the writer before that could be done. */
  #presentUntil: number
  readonly #zeros = new Uint8Array(PREFAULT_STEP_BYTES)
  /** Of the segment that pages were last made present in. */
  #open: { base: number; file: OpenFile } | undefined

  constructor(files: Files, progress: Progress, appended: number, options: AllocatorOptions) {
    this.#files = files
    this.#progress = progress
    this.#options = options
    this.#appendedAtOpen = appended
    this.#appended = appended
    this.#presentUntil = appended
  }

  /** Does one piece of work. Returns after how many ms to come back unless woken: 0 while there is more to do. */
  step(): number {
    this.#appended = this.#progress.position(SLOT.appended, this.#appended)
    const segment = Math.floor(this.#appended / this.#options.segmentBytes)
    // What is about to be written comes first: a missing page stalls the owner now, a missing segment only later.
    if (this.#pagesMissing(segment, this.#aheadBytes() / 2)) return this.#makePagesPresent(segment)
    if (this.#progress.count(SLOT.segmentPrepared) <= segment) return this.#prepare(segment + 1)
    if (this.#pagesMissing(segment, this.#aheadBytes())) return this.#makePagesPresent(segment)
    return Number.POSITIVE_INFINITY
  }

  close(): void {
    this.#open?.file.close()
    this.#open = undefined
  }

  hasWork(): boolean {
    this.#appended = this.#progress.position(SLOT.appended, this.#appended)
    const segment = Math.floor(this.#appended / this.#options.segmentBytes)
    return this.#progress.count(SLOT.segmentPrepared) <= segment || this.#pagesMissing(segment, this.#aheadBytes() / 2)
  }

  /** As far ahead as has been written since the store was opened, up to the limit. */
  #aheadBytes(): number {
    return Math.min(this.#options.aheadBytes, Math.max(AHEAD_BYTES_MIN, this.#appended - this.#appendedAtOpen))
  }

  #pagesMissing(segment: number, aheadBytes: number): boolean {
    return this.#presentUntil < this.#presentLimit(segment, aheadBytes)
  }

  /** Pages can be present up to the end of what the owner has mapped. */
  #presentLimit(segment: number, aheadBytes: number): number {
    if (this.#options.prefault === undefined) return 0
    const mapped = this.#progress.count(SLOT.segmentMapped)
    if (mapped < segment) return 0
    const limit = Math.min(this.#appended + aheadBytes, (mapped + 1) * this.#options.segmentBytes)
    return limit - (limit % PAGE_BYTES)
  }

  /** Takes the next pages from the writer, writes zeros to them, gives them back, and puts them into its page tables. */
  #makePagesPresent(segment: number): number {
    const { segmentBytes, prefault } = this.#options
    if (prefault === undefined) return Number.POSITIVE_INFINITY
    const progress = this.#progress
    // Said before pages are taken: a writer that sees them taken, and then this at 0, knows that they are done.
    progress.setCount(SLOT.pagesZeroing, 1)
    const from = progress.position(SLOT.pagesTaken, this.#appended)
    const base = from - (from % segmentBytes)
    const limit = this.#presentLimit(segment, this.#aheadBytes())
    const until = Math.min(from + PREFAULT_STEP_BYTES, base + segmentBytes, limit)
    const isTaken = until > from && progress.exchange(SLOT.pagesTaken, from, until)
    try {
      if (isTaken) this.#fileOf(base).write(this.#zeros.subarray(0, until - from), from - base)
    } finally {
      progress.setCount(SLOT.pagesZeroing, 0)
      progress.notify(SLOT.pagesZeroing)
    }
    if (isTaken) {
      // False when the owner has just unmapped it: then nobody will write there either.
      prefault(progress.address(base / segmentBytes) + (from - base), until - from)
    }
    this.#presentUntil = Math.max(until, from)
    return 0
  }

  #fileOf(base: number): OpenFile {
    if (this.#open?.base !== base) {
      this.close()
      this.#open = { base, file: this.#files.open(segmentPath(this.#options.directory, base), 'write') }
    }
    return this.#open.file
  }

  #prepare(segment: number): number {
    try {
      prepareSegment(this.#files, this.#options, segment * this.#options.segmentBytes)
    } catch (error) {
      if (!(error instanceof VarveError) || error.code !== 'STORE_DISK_FULL') throw error
      this.#progress.setBits(SLOT.diskFull, DISK_FULL_FOR_SEGMENTS)
      return DISK_FULL_RETRY_MS
    }
    this.#progress.clearBits(SLOT.diskFull, DISK_FULL_FOR_SEGMENTS)
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
