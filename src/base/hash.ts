/**
 * The only door to xxHash64 (`xxhash-wasm`): checksums by which rot of sealed files is found.
 *
 * The library copies its input into memory of its own that never shrinks, so bytes go in by pieces of `PIECE_BYTES`:
 * hashing a segment of 1 GiB must not keep another GiB.
 *
 * Not here: the CRC-32 of message bodies, which the format prescribes (layout).
 */
import xxhash from 'xxhash-wasm'
import { KiB } from './units.ts'

const PIECE_BYTES = 256 * KiB

export interface Hash {
  /** The hash (seed 0) as an unsigned 64-bit number. */
  xxh64(bytes: Uint8Array): bigint
  /** For bytes that come in parts: the result is the same as of all parts side by side. */
  startXxh64(): RunningHash
}

export interface RunningHash {
  update(bytes: Uint8Array): void
  /** Of everything so far; `update` may go on afterwards. */
  digest(): bigint
}

/** Compiles the library's code; costs a few ms and 128 KiB, so ask once per thread. */
export async function openHash(): Promise<Hash> {
  const { create64, h64Raw } = await xxhash()

  function startXxh64(): RunningHash {
    const state = create64()
    return {
      update(bytes) {
        for (let at = 0; at < bytes.length; at += PIECE_BYTES) state.update(bytes.subarray(at, at + PIECE_BYTES))
      },
      digest: () => state.digest()
    }
  }

  function xxh64(bytes: Uint8Array): bigint {
    if (bytes.length <= PIECE_BYTES) return h64Raw(bytes)
    const running = startXxh64()
    running.update(bytes)
    return running.digest()
  }

  return { xxh64, startXxh64 }
}
