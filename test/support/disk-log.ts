/**
 * The log of a disk, as test/crash/logged-disk.cc writes it, and what a loss of power leaves of it.
 *
 * The disk has a cache that it loses: a write that a later flush covers is there; of the others each is there, absent, or
 * there in some of its sectors, whatever came before or after it. Two that overlap keep their order. A flush covers what
 * stands before it in the log.
 *
 * Not here: building an image from that and mounting it (test/crash/block-log.ts).
 */
import { assert, type Random } from '../../src/base/index.ts'
import { SECTOR_BYTES } from './simulated-contents.ts'

export interface DiskWrite {
  readonly kind: 'write'
  /** On the disk. */
  readonly at: number
  readonly bytes: Uint8Array
}

/** A mark is what somebody had told before whatever follows it reached the disk. */
export type DiskRecord = DiskWrite | { readonly kind: 'flush' } | { readonly kind: 'mark'; readonly text: string }

/** What becomes of a write that no flush covers: the chances that it is there at all, and that only parts of it are. */
export interface CachePolicy {
  readonly kept: number
  readonly torn: number
}

/** Numbers little-endian: kind, count of bytes, position on the disk. */
const HEAD_BYTES = 16
const WRITE = 1
const FLUSH = 2
const MARK = 3

export function readDiskLog(log: Uint8Array): DiskRecord[] {
  const view = new DataView(log.buffer, log.byteOffset, log.byteLength)
  const records: DiskRecord[] = []
  for (let at = 0; at < log.byteLength; ) {
    assert(at + HEAD_BYTES <= log.byteLength, 'a record of the log has a whole head')
    const kind = view.getUint32(at, true)
    const from = at + HEAD_BYTES
    const until = from + view.getUint32(at + 4, true)
    assert(until <= log.byteLength, 'a record of the log is there as a whole')
    const bytes = log.subarray(from, until)
    if (kind === WRITE) records.push({ kind: 'write', at: Number(view.getBigUint64(at + 8, true)), bytes })
    else if (kind === FLUSH) records.push({ kind: 'flush' })
    else if (kind === MARK) records.push({ kind: 'mark', text: Buffer.from(bytes).toString('latin1') })
    else throw new Error(`the log of the disk has a record of kind ${kind}`)
    at = until
  }
  return records
}

/** What is there of writes that no flush covers. */
export function survivorsOf(pending: readonly DiskWrite[], random: Random, { kept, torn }: CachePolicy): DiskWrite[] {
  return pending.flatMap(write => {
    if (!random.chance(kept)) return []
    return random.chance(torn) ? sectorsOf(write).filter(() => random.chance(0.5)) : [write]
  })
}

function sectorsOf({ at, bytes }: DiskWrite): DiskWrite[] {
  assert(at % SECTOR_BYTES === 0 && bytes.byteLength % SECTOR_BYTES === 0, 'a disk is written in whole sectors')
  return Array.from({ length: bytes.byteLength / SECTOR_BYTES }, (_, i) => {
    const from = i * SECTOR_BYTES
    return { kind: 'write', at: at + from, bytes: bytes.subarray(from, from + SECTOR_BYTES) }
  })
}
