/**
 * Log scan: finds where the commit log ends after a crash, and what in it is damaged.
 *
 * Segments are scanned independently, so that several threads can do it; `joinScans` puts the results together. A
 * record counts only if it is whole, stands in its own place and its body matches its checksum.
 *
 * Invariants:
 * - nothing is changed here; what a scan concludes is carried out in recovery.ts
 * - a stretch without a valid record is damage if something surely good follows it, else the torn tail of the log
 */
import { MiB, type PhysicalOffset } from '../base/index.ts'
import {
  bornHostBytesOf,
  getInt53,
  HOST_BYTES_V6,
  locate,
  RECORD_BLANK,
  RECORD_HEAD,
  RECORD_MAGIC_V1,
  RECORD_MAGIC_V2,
  RECORD_MIDDLE,
  RECORD_WHOLE,
  RecordPositions,
  verifyRecordChecksum
} from '../layout/index.ts'
import { checksums } from './checksum.ts'
import type { Files } from './files.ts'
import { findRecord } from './find-record.ts'
import { isZero } from './last-data.ts'
import { LogReader } from './log-reader.ts'
import { segmentPath } from './paths.ts'
import type { DamagedRange } from './store-api.ts'

/** Records whose checksums are computed together. */
const BATCH = 1024
const SECTOR_BYTES = 512
/** Read at once when looking for the next record, where files are not mapped: one longer than half of it may be missed. */
const SEARCH_BYTES = 16 * MiB
const BODY_CHECKSUM_AT = RECORD_HEAD.at.bodyChecksum

export interface ScanRequest {
  readonly directory: string
  readonly segmentBytes: number
  /** A record or the start of a segment. */
  readonly from: number
  /** Not beyond the end of the segment of `from`. */
  readonly until: number
  /** Records stored up to then were surely flushed, so what breaks the log before them is damage. */
  readonly goodStoredAtMs: number
  /** Records below this were surely flushed. */
  readonly goodUntil: number
}

export interface SegmentScan {
  readonly from: number
  /** Where the last valid record of the segment ends, or its blank begins. */
  readonly end: number
  /** Whether the blank stands at `end`: the log goes on in the next segment. */
  readonly closed: boolean
  readonly recordCount: number
  readonly lastRecordAt: number | undefined
  readonly lastStoredAtMs: number
  readonly damaged: readonly DamagedRange[]
  readonly scannedBytes: number
}

export function scanSegment(files: Files, request: ScanRequest): SegmentScan {
  const reader = new LogReader(files, request)
  try {
    return new Scan(reader, request).run()
  } finally {
    reader.close()
  }
}

export interface LogEnd {
  /** Where the next record goes. */
  readonly end: number
  readonly lastStoredAtMs: number
  readonly lastRecordAt: number | undefined
  readonly damaged: readonly DamagedRange[]
  readonly scannedBytes: number
}

/** Joins scans of neighbouring segments: the log ends in the first that is not closed, unless later ones are surely good. */
export function joinScans(
  scans: readonly SegmentScan[],
  segmentBytes: number,
  isGood: (scan: SegmentScan) => boolean
): LogEnd {
  const damaged: DamagedRange[] = []
  let end = scans[0]?.from ?? 0
  let lastStoredAtMs = 0
  let lastRecordAt: number | undefined
  let scannedBytes = 0
  for (const [i, scan] of scans.entries()) {
    damaged.push(...scan.damaged)
    scannedBytes += scan.scannedBytes
    lastStoredAtMs = Math.max(lastStoredAtMs, scan.lastStoredAtMs)
    lastRecordAt = scan.lastRecordAt ?? lastRecordAt
    end = scan.end
    if (scan.closed) {
      end = scan.end - (scan.end % segmentBytes) + segmentBytes
      continue
    }
    const next = scans.slice(i + 1).find(later => later.recordCount > 0 && isGood(later))
    if (next === undefined) break
    const segmentEnd = scan.from - (scan.from % segmentBytes) + segmentBytes
    damaged.push({
      from: scan.end as PhysicalOffset,
      until: segmentEnd as PhysicalOffset,
      reason: 'the end of the segment is lost'
    })
  }
  return { end, lastStoredAtMs, lastRecordAt, damaged, scannedBytes }
}

class Scan {
  readonly #reader: LogReader
  readonly #request: ScanRequest
  readonly #positions = new RecordPositions()
  readonly #starts = new Float64Array(BATCH)
  readonly #storedAt = new Float64Array(BATCH)
  readonly #ranges = new Float64Array(2 * BATCH)
  readonly #expected = new Int32Array(BATCH)
  readonly #found = new Uint32Array(BATCH)
  /** Records collected, checksums still to be compared. */
  #pending = 0
  #recordCount = 0
  #lastRecordAt: number | undefined
  #lastStoredAtMs = 0
  /** Of records stored no later than what was surely flushed. */
  #lastGoodStoredAtMs = 0
  /** Records in a row, up to here, that were stored later than that. */
  #laterInARow = 0
  #damaged: DamagedRange[] = []

  constructor(reader: LogReader, request: ScanRequest) {
    this.#reader = reader
    this.#request = request
  }

  run(): SegmentScan {
    const { from, until } = this.#request
    let at = from
    let closed = false
    for (;;) {
      const stop = this.#validUntil(at)
      at = stop.at
      if (stop.closed || at >= until) {
        closed = stop.closed
        break
      }
      const next = this.#surelyGoodAfter(at)
      if (next === undefined) break
      this.#damaged.push({ from: at as PhysicalOffset, until: next as PhysicalOffset, reason: 'no valid record' })
      at = next
    }
    return {
      from,
      end: at,
      closed,
      recordCount: this.#recordCount,
      lastRecordAt: this.#lastRecordAt,
      lastStoredAtMs: this.#lastStoredAtMs,
      damaged: this.#damaged,
      scannedBytes: at - from
    }
  }

  /** Follows valid records from `from` until there is none. */
  #validUntil(from: number): { at: number; closed: boolean } {
    const { until } = this.#request
    const positions = this.#positions
    let at = from
    let bytesMin = 0
    while (at < until) {
      this.#reader.cover(at, until, bytesMin)
      const { view, bytes, base, until: covered } = this.#reader
      if (covered <= at) break
      let shape: number = RECORD_WHOLE
      const started = at
      while (at < covered) {
        shape = locate(view, at - base, covered - base, positions)
        if (shape !== RECORD_WHOLE || positions.physicalOffset !== at || isTorn(bytes, base, positions)) break
        this.#collect(view, at, positions)
        at += positions.totalBytes
        if (this.#pending === BATCH) {
          const bad = this.#compare(bytes)
          if (bad !== undefined) return { at: bad, closed: false }
        }
      }
      const bad = this.#compare(bytes)
      if (bad !== undefined) return { at: bad, closed: false }
      if (at >= until) break
      if (shape === RECORD_BLANK) return { at, closed: true }
      const wanted = this.#reader.bytesBeyond(at, until)
      if (wanted === 0 || (at === started && wanted <= bytesMin)) return { at, closed: false }
      bytesMin = wanted
    }
    return { at, closed: false }
  }

  #collect(view: DataView, at: number, positions: RecordPositions): void {
    const i = this.#pending++
    this.#starts[i] = at
    this.#storedAt[i] = positions.storedAtMs
    this.#ranges[2 * i] = positions.bodyAt
    this.#ranges[2 * i + 1] = positions.bodyAt + positions.bodyBytes
    // An empty body has no checksum to compare: the checksum of nothing is 0.
    this.#expected[i] = positions.bodyBytes === 0 ? 0 : view.getInt32(positions.at + BODY_CHECKSUM_AT)
  }

  /** Compares the checksums of what was collected; returns where the first bad record begins. */
  #compare(bytes: Uint8Array): number | undefined {
    const count = this.#pending
    this.#pending = 0
    checksums(bytes, this.#ranges, count, this.#found)
    for (let i = 0; i < count; i++) {
      if (((this.#found[i] as number) & 0x7fffffff) !== this.#expected[i]) return this.#starts[i] as number // Below count.
      this.#recordCount++
      this.#lastRecordAt = this.#starts[i] as number
      this.#noteTime(this.#storedAt[i] as number)
    }
    return undefined
  }

  /** No checksum covers it. Times do not go back: one after which earlier ones follow has rotted, and proves nothing. */
  #noteTime(storedAtMs: number): void {
    this.#lastStoredAtMs = Math.max(this.#lastStoredAtMs, storedAtMs)
    if (storedAtMs > this.#request.goodStoredAtMs) {
      this.#laterInARow++
      return
    }
    this.#laterInARow = 0
    this.#lastGoodStoredAtMs = Math.max(this.#lastGoodStoredAtMs, storedAtMs)
  }

  /** The next record after the break at `at` that was surely on disk before the crash; then the break is damage. */
  #surelyGoodAfter(at: number): number | undefined {
    const { until, goodUntil, goodStoredAtMs } = this.#request
    // Nothing from here on can be surely good: what is left of the segment, mostly never written, need not be searched.
    const noneByTime = goodStoredAtMs === 0 || this.#laterInARow > 1
    if (noneByTime && at + 1 >= goodUntil) return undefined
    const dataEnd = this.#reader.dataEnd(at, until)
    let from = at + 1
    while (from < dataEnd) {
      this.#reader.cover(from, until, SEARCH_BYTES)
      const { view, bytes, base, until: covered } = this.#reader
      const found = findRecord(view, from - base, covered - base, base, dataEnd - base)
      if (found >= covered - base) {
        if (covered >= dataEnd) return undefined
        from = Math.max(from + 1, covered - SEARCH_BYTES / 2)
        continue
      }
      const shape = locate(view, found, covered - base, this.#positions)
      const position = base + found
      if (shape === RECORD_BLANK && position < goodUntil) return position
      if (shape === RECORD_WHOLE) {
        const { storedAtMs } = this.#positions
        const good = position < goodUntil || (storedAtMs <= goodStoredAtMs && storedAtMs >= this.#lastGoodStoredAtMs)
        this.#collect(view, position, this.#positions)
        const intact = this.#isIntact(bytes)
        if (good && intact) return position
        if (!good && intact) return undefined // A leftover of an earlier end of the log, or the torn tail.
      }
      from = position + 1
    }
    return undefined
  }

  #isIntact(bytes: Uint8Array): boolean {
    this.#pending = 0
    checksums(bytes, this.#ranges, 1, this.#found)
    return ((this.#found[0] as number) & 0x7fffffff) === this.#expected[0]
  }
}

/**
 * Whether a disk sector of the record's tail was never written. The checksum covers the body only; properties behind it
 * may lie in a sector that did not reach the disk and reads as zeros, which no property does.
 */
function isTorn(bytes: Uint8Array, base: number, positions: RecordPositions): boolean {
  const { propertiesAt, propertiesBytes } = positions
  if (propertiesBytes === 0) return false
  const end = propertiesAt + propertiesBytes
  let at = propertiesAt
  while (at < end) {
    const sectorEnd = Math.min(end, at + SECTOR_BYTES - ((base + at) % SECTOR_BYTES))
    if (bytes[at] === 0 && bytes[sectorEnd - 1] === 0 && isZero(bytes, at, sectorEnd)) return true
    at = sectorEnd
  }
  return verifyRecordChecksum(bytes, positions) === 'wrong'
}

/** Store time of the record that a segment begins with; undefined if none stands there. */
export function firstStoredAt(files: Files, directory: string, base: number): number | undefined {
  const file = files.open(segmentPath(directory, base), 'read')
  try {
    const bytes = new Uint8Array(RECORD_HEAD.sizeBytes + HOST_BYTES_V6 + RECORD_MIDDLE.sizeBytes)
    if (file.read(bytes, 0) < bytes.length) return undefined
    const view = new DataView(bytes.buffer)
    const magic = view.getInt32(RECORD_HEAD.at.magic)
    if (magic !== RECORD_MAGIC_V1 && magic !== RECORD_MAGIC_V2) return undefined
    const storedAtMs = getInt53(view, RECORD_HEAD.sizeBytes + bornHostBytesOf(view.getInt32(RECORD_HEAD.at.sysFlag)))
    return storedAtMs === 0 ? undefined : storedAtMs
  } finally {
    file.close()
  }
}
