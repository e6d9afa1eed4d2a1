/** The records of the golden commit logs, found by the layout alone. */
import {
  BLANK_RESERVE_BYTES,
  locate,
  RECORD_BLANK,
  RECORD_WHOLE,
  RecordPositions,
  readText
} from '../../src/layout/index.ts'
import { viewOf } from './golden-store.ts'

export interface GoldenRecord {
  /** Of the whole segment. */
  readonly bytes: Uint8Array
  readonly physicalOffset: number
  readonly positions: RecordPositions
}

/** Walks a segment to its end. Throws unless every byte belongs to a record or to the blank, or is zero. */
export function recordsOf(bytes: Uint8Array, base: number): GoldenRecord[] {
  const view = viewOf(bytes)
  const found: GoldenRecord[] = []
  let at = 0
  for (;;) {
    const positions = new RecordPositions()
    const shape = locate(view, at, bytes.length, positions)
    if (shape === RECORD_BLANK) {
      if (positions.totalBytes !== bytes.length - at) throw new Error(`the blank at ${at} does not reach the end`)
      at += BLANK_RESERVE_BYTES
    }
    if (shape !== RECORD_WHOLE) break
    found.push({ bytes, physicalOffset: base + at, positions })
    at += positions.totalBytes
  }
  const strayAt = bytes.findIndex((byte, index) => index >= at && byte !== 0)
  if (strayAt !== -1) throw new Error(`byte ${strayAt} of segment ${base} belongs to nothing`)
  return found
}

export function topicOf({ bytes, positions: { topicAt, topicBytes } }: GoldenRecord): string {
  return readText(bytes, topicAt, topicAt + topicBytes)
}
