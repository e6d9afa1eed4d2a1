/**
 * Finding a record: where the log goes on behind a stretch that holds none.
 *
 * Most such stretches are the rest of a segment that was never written, up to 1 GiB of zeros, so bytes are searched by
 * the runtime and not one by one here: a GiB of zeros takes 0.1 s instead of 6 s.
 */
import {
  BLANK_MAGIC,
  getInt53,
  locate,
  RECORD_HEAD,
  RECORD_MAGIC_V1,
  RECORD_MAGIC_V2,
  RECORD_WHOLE,
  RecordPositions
} from '../layout/index.ts'

const { magic: MAGIC_AT, physicalOffset: POSITION_AT } = RECORD_HEAD.at
const MAGICS = [RECORD_MAGIC_V1, RECORD_MAGIC_V2, BLANK_MAGIC].map(bytesOf)

/**
 * The first position from `from` on where a whole record, or the blank that closes a segment, stands in its own place;
 * `until` if there is none. `base` is the position in the log of the first byte of the view; from `beginsBefore` on the
 * caller knows that nothing begins.
 */
export function findRecord(view: DataView, from: number, until: number, base: number, beginsBefore = until): number {
  const bytes = Buffer.from(view.buffer, view.byteOffset, view.byteLength)
  const last = Math.min(Math.min(until, view.byteLength) - RECORD_HEAD.sizeBytes, beginsBefore - 1)
  const searches = MAGICS.map(magic => new Search(bytes, magic, from + MAGIC_AT, last + MAGIC_AT))
  for (;;) {
    const nearest = searches.reduce((first, search) => (search.at < first.at ? search : first))
    if (nearest.at === Number.POSITIVE_INFINITY) return until
    const at = nearest.at - MAGIC_AT
    if (isInPlace(view, at, until, base)) return at
    nearest.next()
  }
}

function isInPlace(view: DataView, at: number, until: number, base: number): boolean {
  if (view.getInt32(at + MAGIC_AT) === BLANK_MAGIC) return view.getInt32(at) === view.byteLength - at
  return getInt53(view, at + POSITION_AT) === base + at && locate(view, at, until, positions) === RECORD_WHOLE
}
const positions = new RecordPositions()

/** Where a pattern stands next, up to `last`; infinite behind the last place. */
class Search {
  at = Number.POSITIVE_INFINITY
  readonly #bytes: Buffer
  readonly #pattern: Uint8Array
  readonly #last: number

  constructor(bytes: Buffer, pattern: Uint8Array, from: number, last: number) {
    this.#bytes = bytes.subarray(0, last + pattern.length)
    this.#pattern = pattern
    this.#last = last
    this.#seek(from)
  }

  next(): void {
    this.#seek(this.at + 1)
  }

  #seek(from: number): void {
    const found = from > this.#last ? -1 : this.#bytes.indexOf(this.#pattern, from)
    this.at = found === -1 ? Number.POSITIVE_INFINITY : found
  }
}

function bytesOf(magic: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setInt32(0, magic)
  return bytes
}
