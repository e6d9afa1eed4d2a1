/**
 * Log walk: visits every record of a stretch of the commit log, in order, stopping and going on where it is told to.
 *
 * What is no record in its place is passed over and reported. Bodies are not checked against their checksums here:
 * whoever reads them does that, and recovery has done it for what a crash could have torn.
 */
import { type PhysicalOffset, VarveError } from '../base/index.ts'
import { locate, RECORD_BLANK, RECORD_BROKEN, RECORD_WHOLE, RecordPositions } from '../layout/index.ts'
import { findRecord } from './find-record.ts'
import type { LogReader } from './log-reader.ts'
import type { DamagedRange } from './store-api.ts'

const CUT_SHORT = 'a segment ends before what has been written to it'

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
      if (this.#reader.isCutShort) {
        throw new VarveError('STORE_FILE_CHANGED', { path: this.#reader.path, problem: CUT_SHORT, at: covered, until })
      }
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
        const limit = Math.min(until, segmentEnd)
        const wanted = this.#reader.bytesBeyond(this.at, limit)
        if (wanted > bytesMin) bytesMin = wanted
        // Behind damage a record of any length may follow: all of the rest is looked at.
        else if (covered < limit && bytesMin < limit - this.at) bytesMin = limit - this.at
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
