import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../src/base/index.ts'
import { type DiskWrite, readDiskLog, survivorsOf } from './disk-log.ts'
import { SECTOR_BYTES } from './simulated-disk.ts'

const random = () => seededRandom(1)
const write = (at: number, sectors: number): DiskWrite => ({
  kind: 'write',
  at,
  bytes: new Uint8Array(sectors * SECTOR_BYTES).fill(1 + at / SECTOR_BYTES)
})
const writes = Array.from({ length: 100 }, (_, i) => write(i * 8 * SECTOR_BYTES, 8))

/** As logged-disk.cc writes it. */
function record(kind: number, at: number, bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(16)
  head.writeUInt32LE(kind, 0)
  head.writeUInt32LE(bytes.byteLength, 4)
  head.writeBigUInt64LE(BigInt(at), 8)
  return Buffer.concat([head, bytes])
}

describe('the log of a disk', () => {
  test('is read as what happened, in its order', () => {
    const { bytes } = write(0, 1)
    const log = Buffer.concat([
      record(1, 2 ** 33, bytes),
      record(3, 0, Buffer.from('flushed 7\n')),
      record(2, 0, Buffer.alloc(0))
    ])

    expect(readDiskLog(log)).toEqual([
      { kind: 'write', at: 2 ** 33, bytes: Buffer.from(bytes) },
      { kind: 'mark', text: 'flushed 7\n' },
      { kind: 'flush' }
    ])
  })

  test.each([
    { what: 'half a head', log: record(2, 0, Buffer.alloc(0)).subarray(0, 8) },
    { what: 'fewer bytes than a record says', log: record(1, 0, Buffer.alloc(512)).subarray(0, 500) },
    { what: 'a kind that nobody knows', log: record(9, 0, Buffer.alloc(0)) }
  ])('is refused with $what', ({ log }) => {
    expect(() => readDiskLog(log)).toThrow()
  })
})

describe('of writes that no flush covers', () => {
  test.each([
    { kept: 0, torn: 0, are: 'none' },
    { kept: 1, torn: 0, are: 'all' }
  ])('$are are there when $kept of them are kept', ({ kept, torn }) => {
    expect(survivorsOf(writes, random(), { kept, torn })).toEqual(kept === 0 ? [] : writes)
  })

  test('some are there when some are kept, whole and in their order', () => {
    const survivors = survivorsOf(writes, random(), { kept: 0.5, torn: 0 })

    expect(survivors.length).toBeGreaterThan(20)
    expect(survivors.length).toBeLessThan(80)
    expect(survivors).toEqual(writes.filter(one => survivors.includes(one)))
  })

  test('a torn one is there in some of its sectors, each where it belongs', () => {
    const first = 3 * SECTOR_BYTES
    const numbered = Uint8Array.from({ length: 8 * SECTOR_BYTES }, (_, at) => 3 + Math.floor(at / SECTOR_BYTES))
    const torn = survivorsOf([{ kind: 'write', at: first, bytes: numbered }], random(), { kept: 1, torn: 1 })

    expect(torn.length).toBeGreaterThan(0)
    expect(torn.length).toBeLessThan(8)
    expect(new Set(torn.map(({ at }) => at)).size).toBe(torn.length)
    for (const { at, bytes } of torn) expect(bytes).toEqual(new Uint8Array(SECTOR_BYTES).fill(at / SECTOR_BYTES))
  })
})
