/** What every reader does with a message, Varve or peer: it looks at the first 4 bytes of the body, and at its length. */
import type { Work } from '../../src/load/index.ts'

/** Where the body of a record with two IPv4 hosts begins, and where its length stands (docs/format.md). */
const BODY_LENGTH_AT = 84
const BODY_AT = 88

export function startSum() {
  let count = 0
  let sum = 0
  const add = (bytes: Uint8Array, at: number, length: number) => {
    count++
    const first = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24) // A body has 4 bytes here.
    sum = (Math.imul(sum, 31) + first + length) | 0
  }
  return {
    addBody: (body: Uint8Array) => add(body, 0, body.length),
    /** A whole record as it lies in the file. */
    addRecord: (record: Uint8Array) => {
      const length =
        (record[BODY_LENGTH_AT]! << 24) |
        (record[BODY_LENGTH_AT + 1]! << 16) |
        (record[BODY_LENGTH_AT + 2]! << 8) |
        record[BODY_LENGTH_AT + 3]! // Inside the head.
      add(record, BODY_AT, length)
    },
    end: (): Work => ({ count, hash: sum })
  }
}
