/**
 * Log segments: the files of the commit log as the owner of the store sees them.
 *
 * The segment being written, and the one after it, are mapped for writing; older ones are mapped when somebody reads
 * them and let go, the least recently read first. Where files are not mapped, everything is read and written by
 * position.
 *
 * Invariants:
 * - segments follow each other without a gap, from `firstSegment` to `lastSegment`
 * - a segment is mapped for writing only when all its blocks are allocated
 * - views handed out of a mapping become empty when it is released; they never show other bytes
 *
 * Not here: what is written (commit-log.ts), making segments (allocate.ts), when they are deleted (retention.ts).
 */
import { assert, type PhysicalOffset, VarveError } from '../base/index.ts'
import { parseSegmentName } from '../layout/index.ts'
import type { FileFacts, Files, Mapping, OpenFile } from './files.ts'
import { commitLogDirectory, segmentPath } from './paths.ts'
import { type Progress, SLOT } from './progress.ts'
import { isShortage } from './shortage.ts'
import type { SegmentFacts } from './store-api.ts'

/** Mappings of old segments kept for readers. Each is address space, not memory. */
const READ_SEGMENTS_MAX = 64

export interface LogSegment {
  readonly ordinal: number
  readonly base: number
  readonly file: OpenFile
  /** Undefined where files are not mapped. */
  readonly mapping: Mapping | undefined
  readonly writable: boolean
  /** Of the file that is open: another one under its name is not the log's. */
  readonly inode: number
}

export class LogSegments {
  readonly #files: Files
  readonly #progress: Progress
  readonly #directory: string
  readonly segmentBytes: number
  /** By ordinal; in order of use among those for reading. */
  readonly #open = new Map<number, LogSegment>()
  #first: number
  /** The segment being written. */
  #last: number
  /** The furthest that is mapped for writing: `#last`, or the one after it. */
  #mapped: number
  #refusal: VarveError | undefined

  constructor(
    files: Files,
    progress: Progress,
    directory: string,
    range: { segmentBytes: number; first: number; last: number }
  ) {
    this.#files = files
    this.#progress = progress
    this.#directory = directory
    this.segmentBytes = range.segmentBytes
    this.#first = range.first
    this.#last = range.last
    this.#mapped = range.last - 1
  }

  get firstPosition(): number {
    return this.#first * this.segmentBytes
  }

  get count(): number {
    return this.#last - this.#first + 1
  }

  get lastOrdinal(): number {
    return this.#last
  }

  /** Opens what the allocator has prepared, so that its pages can be made present before they are needed. Cheap if nothing is new. */
  openPrepared(): void {
    const prepared = this.#progress.count(SLOT.segmentPrepared)
    if (this.#mapped >= prepared || this.#mapped > this.#last) return
    const segment = this.#openNext()
    if (segment === undefined) return
    this.#progress.setAddress(segment.ordinal, segment.mapping?.address ?? 0)
    this.#progress.setCount(SLOT.segmentMapped, segment.ordinal)
    this.#mapped = segment.ordinal
  }

  /** Why the segment after the current one could not be opened, if the system was short of something. */
  get refusal(): VarveError | undefined {
    return this.#refusal
  }

  /** The segment being written. */
  current(): LogSegment {
    const segment = this.#open.get(this.#last)
    assert(segment?.writable === true, 'the segment being written is open')
    return segment
  }

  /** Whether the segment after the current one is open, so that `advance` may be called. */
  get nextIsOpen(): boolean {
    return this.#mapped > this.#last
  }

  /** Makes the next segment the current one. */
  advance(): LogSegment {
    assert(this.nextIsOpen, 'the next segment has been opened')
    this.#last++
    this.#closeUnread()
    return this.current()
  }

  /** The open segment that holds `position`. @throws VarveError RECORD_NOT_FOUND outside the log */
  at(position: number): LogSegment {
    const ordinal = Math.floor(position / this.segmentBytes)
    const known = this.#open.get(ordinal)
    if (known !== undefined) {
      if (!known.writable && this.#open.size > READ_SEGMENTS_MAX / 2) {
        this.#open.delete(ordinal)
        this.#open.set(ordinal, known)
      }
      return known
    }
    if (ordinal < this.#first || ordinal > this.#last)
      throw new VarveError('RECORD_NOT_FOUND', { physicalOffset: position })
    this.#closeUnread()
    return this.#openSegment(ordinal, false)
  }

  /** What can be deleted: every segment but the one being written, oldest first. */
  deletable(): SegmentFacts[] {
    const facts: SegmentFacts[] = []
    for (let ordinal = this.#first; ordinal < this.#last; ordinal++) {
      const base = ordinal * this.segmentBytes
      const path = segmentPath(this.#directory, base)
      const found = this.#files.find(path)
      if (found === undefined) throw new VarveError('STORE_FILE_CHANGED', { path, problem: 'the segment is gone' })
      facts.push({
        base: base as PhysicalOffset,
        until: (base + this.segmentBytes) as PhysicalOffset,
        path,
        modifiedMs: found.modifiedMs
      })
    }
    return facts
  }

  /** Takes the oldest segment out of the log; views of it become empty. Its file is the caller's to remove. */
  dropFirst(): void {
    assert(this.#first < this.#last, 'the segment being written stays')
    this.#close(this.#first)
    this.#first++
  }

  /** Checks that nobody has shortened or replaced the segment being written. */
  checkCurrent(): void {
    const { file, inode } = this.current()
    const found = this.#findWhole(file.path)
    if (found.inode !== inode) {
      throw new VarveError('STORE_FILE_CHANGED', { path: file.path, problem: 'another file has its name' })
    }
  }

  close(): void {
    for (const ordinal of [...this.#open.keys()]) this.#close(ordinal)
  }

  /** Undefined while the system refuses it: nobody needs it before the current one is full. */
  #openNext(): LogSegment | undefined {
    this.#refusal = undefined
    try {
      return this.#openSegment(this.#mapped + 1, true)
    } catch (error) {
      if (!isShortage(error) || this.#mapped < this.#last) throw error
      this.#refusal = error
      return undefined
    }
  }

  #openSegment(ordinal: number, writable: boolean): LogSegment {
    const base = ordinal * this.segmentBytes
    const path = segmentPath(this.#directory, base)
    const { sizeBytes, inode } = this.#findWhole(path)
    const file = this.#files.open(path, writable ? 'write' : 'read')
    try {
      const mapping = this.#files.mapper === 'plain' ? undefined : file.map(sizeBytes, writable ? 'write' : 'read')
      const segment: LogSegment = { ordinal, base, file, mapping, writable, inode }
      this.#open.set(ordinal, segment)
      return segment
    } catch (error) {
      file.close()
      throw error
    }
  }

  /** @throws VarveError STORE_FILE_CHANGED if the segment is gone or has another size */
  #findWhole(path: string): FileFacts {
    const found = this.#files.find(path)
    if (found?.sizeBytes === this.segmentBytes) return found
    throw new VarveError('STORE_FILE_CHANGED', {
      path,
      sizeBytes: found?.sizeBytes ?? 0,
      expectedBytes: this.segmentBytes
    })
  }

  #closeUnread(): void {
    for (const ordinal of this.#open.keys()) {
      if (this.#open.size <= READ_SEGMENTS_MAX) return
      if (ordinal < this.#last) this.#close(ordinal)
    }
  }

  #close(ordinal: number): void {
    const segment = this.#open.get(ordinal)
    if (segment === undefined) return
    this.#open.delete(ordinal)
    segment.mapping?.release()
    segment.file.close()
  }
}

/** Bases of the segments in a commit log, in order. @throws VarveError STORE_LAYOUT_FOREIGN on anything that Apache RocketMQ would refuse as well */
export function listSegments(files: Files, directory: string, segmentBytes: number): number[] {
  const parent = commitLogDirectory(directory)
  const bases: number[] = []
  for (const name of files.list(parent)) {
    const base = parseSegmentName(name)
    const facts = files.find(segmentPathOf(parent, name))
    if (facts === undefined || facts.isDirectory) continue
    if (base === undefined || base % segmentBytes !== 0) {
      throw new VarveError('STORE_LAYOUT_FOREIGN', { path: segmentPathOf(parent, name), segmentBytes })
    }
    bases.push(base)
  }
  return bases
}

const segmentPathOf = (parent: string, name: string): string => `${parent}/${name}`
