/** What messages carry, the same for every side of a comparison: bytes that differ and do not compress. */
import { createHash } from 'node:crypto'

/** A power of two, and more than are ever in flight: a peer may read a body after the call that hands it over. */
const BODY_COUNT = 1024
/** So many first messages of a run are read back and hashed. */
export const HASHED_COUNT = 1000

/** Bodies that differ and do not compress; message i has body `i & (length - 1)`. Made once: making them is no one's work. */
export function bodies(bodyBytes: number): Uint8Array[] {
  let state = 0x9e3779b9
  return Array.from({ length: BODY_COUNT }, (_, index) => {
    const body = Buffer.alloc(bodyBytes)
    for (let at = 0; at + 4 <= bodyBytes; at += 4) {
      state = (Math.imul(state, 1664525) + 1013904223) | 0
      body.writeInt32LE(state, at)
    }
    body.writeUInt32LE(index, 0)
    return body
  })
}

export function hashOf(read: Iterable<Uint8Array>): string {
  const hash = createHash('sha256')
  for (const body of read) hash.update(body)
  return hash.digest('hex').slice(0, 16)
}
