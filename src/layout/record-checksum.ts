/**
 * The two checksums of a record: over the body, always; over the whole record, if asked for, as its last property.
 *
 * The second is 20 bytes, `__CRC32#` 0x01, ten digits, 0x02, counted in the lengths of properties and record. The
 * digits are the decimal checksum with the last digit first, zeros behind. It covers every byte before it.
 *
 * Both keep 31 bits of a CRC-32.
 */
import { crc32 } from 'node:zlib'
import { assert } from '../base/index.ts'
import { NAME_END, PROPERTY_END } from './properties.ts'
import { RECORD_HEAD, type RecordPositions } from './record.ts'
import { encodeText } from './text.ts'

export const RECORD_CHECKSUM_PROPERTY = '__CRC32#'
export const RECORD_CHECKSUM_BYTES = 20

const NAME = encodeText(RECORD_CHECKSUM_PROPERTY)
const DIGIT_COUNT = 10
const BODY_CHECKSUM_AT = RECORD_HEAD.at.bodyChecksum

export function checksum31(bytes: Uint8Array): number {
  return crc32(bytes) & 0x7fffffff
}

/** CRC-32 of `bytes[from, until)`. */
export type Crc32 = (bytes: Uint8Array, from: number, until: number) => number

const byZlib: Crc32 = (bytes, from, until) => crc32(bytes.subarray(from, until))

/** Whether the body is what its checksum says. An empty body has nothing to check, as in Java. */
export function bodyIsIntact(
  bytes: Uint8Array,
  view: DataView,
  { at, bodyAt, bodyBytes }: RecordPositions,
  crc32Of: Crc32 = byZlib
): boolean {
  if (bodyBytes === 0) return true
  return (crc32Of(bytes, bodyAt, bodyAt + bodyBytes) & 0x7fffffff) === view.getInt32(at + BODY_CHECKSUM_AT)
}

/**
 * Writes the checksum into the last 20 bytes of the record. Everything before them is final: also queue offset,
 * physical offset and store time.
 */
export function writeRecordChecksum(bytes: Uint8Array, at: number, totalBytes: number): void {
  const end = at + totalBytes
  const from = end - RECORD_CHECKSUM_BYTES
  assert(from > at, 'the record has room for its checksum')
  bytes.set(NAME, from)
  bytes[from + NAME.length] = NAME_END
  let rest = checksum31(bytes.subarray(at, from))
  for (let digit = from + NAME.length + 1; digit < end - 1; digit++) {
    bytes[digit] = 0x30 + (rest % 10)
    rest = Math.floor(rest / 10)
  }
  bytes[end - 1] = PROPERTY_END
}

export type RecordChecksum = 'absent' | 'right' | 'wrong'

/** Looks at the last 20 bytes of the properties alone: there is no other place where a store writes the checksum. */
export function verifyRecordChecksum(bytes: Uint8Array, positions: RecordPositions): RecordChecksum {
  const { at, totalBytes, propertiesBytes } = positions
  if (propertiesBytes < RECORD_CHECKSUM_BYTES) return 'absent'
  const end = at + totalBytes
  const from = end - RECORD_CHECKSUM_BYTES
  for (let index = 0; index < NAME.length; index++) {
    if (bytes[from + index] !== NAME[index]) return 'absent'
  }
  if (bytes[from + NAME.length] !== NAME_END || bytes[end - 1] !== PROPERTY_END) return 'wrong'

  let written = 0
  for (let index = DIGIT_COUNT - 1; index >= 0; index--) {
    const digit = (bytes[from + NAME.length + 1 + index] as number) - 0x30 // Inside the record, checked above.
    if (digit < 0 || digit > 9) return 'wrong'
    written = written * 10 + digit
  }
  return written === checksum31(bytes.subarray(at, from)) ? 'right' : 'wrong'
}
