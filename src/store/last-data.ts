/** Last data: where the bytes of a file end that are not zero. A segment has its full size long before it is full. */
import { KiB, MiB } from '../base/index.ts'
import type { OpenFile } from './files.ts'

const BLOCK_BYTES = 1 * MiB

/**
 * Where the last byte that is not zero ends; `from` if there is none. Most of a segment behind the end of the log was
 * never written: reading up to 1 GiB of it would take a second, and as much memory for the cache.
 */
export function lastDataIn(file: OpenFile, from: number, until: number): number {
  const block = new Uint8Array(BLOCK_BYTES)
  for (const at of blocksWithData(file, from, until).reverse()) {
    const part = block.subarray(0, Math.min(BLOCK_BYTES, until - at))
    const read = file.read(part, at)
    if (isZero(block, 0, read)) continue
    let last = read
    while (block[last - 1] === 0) last--
    return at + last
  }
  return from
}

/** All of them before any is read: the system reads ahead, and what it then has in memory counts as data. */
function blocksWithData(file: OpenFile, from: number, until: number): number[] {
  const starts: number[] = []
  for (let at = file.nextData(from); at !== undefined && at < until; at = file.nextData(at + BLOCK_BYTES))
    starts.push(at)
  return starts
}

const ZEROS = Buffer.alloc(256 * KiB)

export function isZero(bytes: Uint8Array, from: number, until: number): boolean {
  for (let at = from; at < until; at += ZEROS.length) {
    const stop = Math.min(until, at + ZEROS.length)
    if (ZEROS.compare(bytes, at, stop, 0, stop - at) !== 0) return false
  }
  return true
}
