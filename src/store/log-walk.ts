/**
 * Log walk: visits every record of a stretch of the commit log, in order, stopping and going on where it is told to.
 *
 * What is no record in its place is passed over and reported. Bodies are not checked against their checksums here:
 * whoever reads them does that, and recovery has done it for what a crash could have torn.
 */
import type { PhysicalOffset } from '../base/index.ts'
import {
  BLANK_MAGIC,
  locate,
  RECORD_BLANK,
  RECORD_BROKEN,
  RECORD_HEAD,
  RECORD_MAGIC_V1,
  RECORD_MAGIC_V2,
  RECORD_WHOLE,
  RecordPositions
} from '../layout/index.ts'
import type { LogReader } from './log-reader.ts'
import type { DamagedRange } from './store-api.ts'

/** Called for each record; `positions` are in `bytes` and valid during the call. If it throws, the record is visited again. */
export type Visit = (bytes: Uint8Array, positions: RecordPositions) => void

export class LogWalk {
  /** Where the walk has come to: the start of a record, or of what follows the last one. */
  at: number

  readonly #reader: LogReader
  readonly #segmentBytes: number
  readonly #visit: Visit
  readonly #onDamage: (range: DamagedRange) => void
  readonly #positions = new RecordPositions()

  constructor(
    reader: LogReader,
    from: number,
    handlers: { segmentBytes: number; visit: Visit; onDamage: (range: DamagedRange) => void }
  ) {
    this.#reader = reader
    this.at = from
    this.#segmentBytes = handlers.segmentBytes
    this.#visit = handlers.visit
    this.#onDamage = handlers.onDamage
  }

  /** Walks until `until`, where a record ends, or until it has passed `enough`. */
  run(until: number, enough: number): void {
    const positions = this.#positions
    let bytesMin = 0
    while (this.at < until && this.at < enough) {
      const segmentEnd = this.at - (this.at % this.#segmentBytes) + this.#segmentBytes
      this.#reader.cover(this.at, until, bytesMin)
      const { bytes, view, base, until: covered } = this.#reader
      let shape: number = RECORD_WHOLE
      while (this.at < covered && this.at < enough) {
        shape = locate(view, this.at - base, covered - base, positions)
        if (shape === RECORD_WHOLE && positions.physicalOffset !== this.at) shape = RECORD_BROKEN
        if (shape !== RECORD_WHOLE) break
        this.#visit(bytes, positions)
        this.at += positions.totalBytes
        bytesMin = 0
      }
      if (shape === RECORD_BLANK) this.at = segmentEnd
      else if (shape !== RECORD_WHOLE) {
        const rest = Math.min(until, segmentEnd) - this.at
        // Where files are not mapped the record may only go on beyond the buffer: look again with all of the rest.
        if (covered < Math.min(until, segmentEnd) && bytesMin === 0) bytesMin = rest
        else this.#passDamage(view, base, covered)
      }
    }
  }

  #passDamage(view: DataView, base: number, until: number): void {
    const from = this.at
    this.at = base + findRecord(view, from - base + 1, until - base, base)
    this.#onDamage({ from: from as PhysicalOffset, until: this.at as PhysicalOffset, reason: 'no valid record' })
  }
}

/**
 * The first position from `from` on where a whole record, or the blank that closes a segment, stands in its own place;
 * `until` if there is none. `base` is the position in the log of the first byte of the view.
 */
export function findRecord(view: DataView, from: number, until: number, base: number): number {
  const { magic, physicalOffset } = RECORD_HEAD.at
  const positions = new RecordPositions()
  const last = Math.min(until, view.byteLength) - RECORD_HEAD.sizeBytes
  for (let at = from; at <= last; at++) {
    const found = view.getInt32(at + magic)
    if (found !== RECORD_MAGIC_V1 && found !== RECORD_MAGIC_V2) {
      if (found === BLANK_MAGIC && view.getInt32(at) === view.byteLength - at) return at
      continue
    }
    if (view.getInt32(at + physicalOffset) * 2 ** 32 + view.getUint32(at + physicalOffset + 4) !== base + at) continue
    if (locate(view, at, until, positions) === RECORD_WHOLE) return at
  }
  return until
}
