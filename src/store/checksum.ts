/** CRC-32 of many ranges at once: through the native bindings where they are built, else through zlib, the same numbers. */
import { crc32 } from 'node:zlib'
import { nativeChecksums } from './mapping.ts'

/** `ranges` holds pairs (from, until) in `bytes`; the first `count` checksums go to `into`. */
export type Checksums = (bytes: Uint8Array, ranges: Float64Array, count: number, into: Uint32Array) => void

export const checksums: Checksums = nativeChecksums() ?? checksumsByZlib

function checksumsByZlib(bytes: Uint8Array, ranges: Float64Array, count: number, into: Uint32Array): void {
  for (let i = 0; i < count; i++) into[i] = crc32(bytes.subarray(ranges[2 * i], ranges[2 * i + 1]))
}
