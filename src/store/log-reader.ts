/**
 * Log reader: a window on the commit log for whoever scans it (dispatcher, recovery, verification) in a thread of its own.
 *
 * Where files are mapped the window is a whole segment; where they are not it is a buffer that moves. Segment files are
 * opened here and nowhere shared, so a scan never depends on the life of another thread's mapping.
 */
import { assert, MiB } from '../base/index.ts'
import { RECORD_HEAD, RECORD_MAGIC_V1, RECORD_MAGIC_V2 } from '../layout/index.ts'
import type { Files, Mapping, OpenFile } from './files.ts'
import { lastDataIn } from './last-data.ts'
import { segmentPath } from './paths.ts'

const BUFFER_BYTES = 4 * MiB

export class LogReader {
  /** The bytes of `[base, until)`; a position p of the log is at `p - base`. */
  bytes: Uint8Array = new Uint8Array(0)
  view: DataView = new DataView(this.bytes.buffer)
  base = 0
  until = 0
  /** Whether the file ended before the window did. */
  isCutShort = false

  readonly #files: Files
  readonly #directory: string
  readonly #segmentBytes: number
  #segment = -1
  #file: OpenFile | undefined
  #mapping: Mapping | undefined

  constructor(files: Files, { directory, segmentBytes }: { directory: string; segmentBytes: number }) {
    this.#files = files
    this.#directory = directory
    this.#segmentBytes = segmentBytes
  }

  /**
   * Moves the window so that it begins at or before `position` and holds everything up to `limit` or the end of the
   * segment; without mappings only a part of that, but at least `bytesMin`.
   */
  cover(position: number, limit: number, bytesMin = 0): void {
    assert(position < limit, 'there is something to cover')
    const base = position - (position % this.#segmentBytes)
    if (base !== this.#segment) this.#openSegment(base)
    const until = Math.min(limit, base + this.#segmentBytes)
    if (this.#mapping !== undefined) {
      this.base = base
      this.until = Math.min(until, base + this.bytes.length)
      this.isCutShort = this.until < until
      return
    }
    const wanted = Math.min(until - position, Math.max(BUFFER_BYTES, bytesMin))
    if (this.bytes.length < wanted) {
      this.bytes = new Uint8Array(wanted)
      this.view = new DataView(this.bytes.buffer)
    }
    const read = this.#file?.read(this.bytes.subarray(0, wanted), position - base) ?? 0
    this.base = position
    this.until = position + read
    this.isCutShort = read < wanted
  }

  /** Of the segment that the window is in. */
  get path(): string {
    return segmentPath(this.#directory, this.#segment)
  }

  /** Where the last byte of `[position, limit)` that is not zero ends, in one segment; `position` if there is none. */
  dataEnd(position: number, limit: number): number {
    const base = position - (position % this.#segmentBytes)
    if (base !== this.#segment) this.#openSegment(base)
    return this.#file === undefined ? position : base + lastDataIn(this.#file, position - base, limit - base)
  }

  close(): void {
    this.#mapping?.release()
    this.#mapping = undefined
    this.#file?.close()
    this.#file = undefined
    this.#segment = -1
    this.bytes = new Uint8Array(0)
    this.view = new DataView(this.bytes.buffer)
    this.until = this.base
  }

  /**
   * How many bytes must be covered for the record at `position` to be whole, which goes on beyond the window; 0 if none
   * does. Only where files are not mapped does a window end before the segment or `limit`.
   */
  bytesBeyond(position: number, limit: number): number {
    if (this.until >= limit) return 0
    const room = this.until - position
    if (room < RECORD_HEAD.sizeBytes) return Math.min(limit - position, BUFFER_BYTES)
    const at = position - this.base
    const magic = this.view.getInt32(at + RECORD_HEAD.at.magic)
    if (magic !== RECORD_MAGIC_V1 && magic !== RECORD_MAGIC_V2) return 0
    const claimed = this.view.getInt32(at + RECORD_HEAD.at.totalBytes)
    return claimed > room && claimed <= limit - position ? claimed : 0
  }

  #openSegment(base: number): void {
    this.close()
    const file = this.#files.open(segmentPath(this.#directory, base), 'read')
    try {
      if (this.#files.mapper !== 'plain') {
        this.#mapping = file.map(Math.min(this.#segmentBytes, file.sizeBytes()), 'read')
        this.bytes = this.#mapping.bytes
        this.view = this.#mapping.view
      }
    } catch (error) {
      file.close()
      throw error
    }
    this.#file = file
    this.#segment = base
  }
}
