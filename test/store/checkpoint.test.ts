import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../src/base/index.ts'
import { CHECKPOINT_FILE_BYTES } from '../../src/layout/index.ts'
import { type Checkpoint, CheckpointFile, readCheckpoint } from '../../src/store/checkpoint.ts'
import { type GoldenCase, goldenStore } from '../golden/golden-store.ts'
import { FaultyFiles } from '../support/faulty-files.ts'
import { losesEverything, SimulatedDisk } from '../support/simulated-disk.ts'

const ROOT = '/store'
const zeros: Checkpoint = {
  logStoredAtMs: 0,
  queuesStoredAtMs: 0,
  indexStoredAtMs: 0,
  masterFlushedOffset: 0,
  confirmPhysicalOffset: 0,
  queuesPhysicalOffset: 0
}
const some: Checkpoint = {
  logStoredAtMs: 1_700_000_000_001,
  queuesStoredAtMs: 1_700_000_000_002,
  indexStoredAtMs: 1_700_000_000_003,
  masterFlushedOffset: 4,
  confirmPhysicalOffset: 5 * 2 ** 33,
  queuesPhysicalOffset: 6
}

function newDisk(): SimulatedDisk {
  const disk = new SimulatedDisk()
  disk.makeDirectory(ROOT)
  disk.settle()
  return disk
}

describe('the checkpoint', () => {
  test('that is missing reads as zeros', () => {
    expect(readCheckpoint(newDisk(), ROOT)).toEqual(zeros)
  })

  test.each<GoldenCase>(['plain', 'checksum'])('of the store %s has the same bytes when we write it', name => {
    const golden = goldenStore(name).files.get('checkpoint')!
    const disk = newDisk()
    disk.open(`${ROOT}/checkpoint`, 'create').write(golden, 0)
    const checkpoint = readCheckpoint(disk, ROOT)
    expect(checkpoint.logStoredAtMs).toBeGreaterThan(1_700_000_000_000)
    disk.remove(`${ROOT}/checkpoint`)
    const file = new CheckpointFile(disk, ROOT)
    file.write(checkpoint, { durable: true })
    file.close()
    const bytes = new Uint8Array(golden.length)
    disk.open(`${ROOT}/checkpoint`, 'read').read(bytes, 0)
    expect(Buffer.compare(bytes, golden)).toBe(0)
  })

  test('has one page from the start, durable under its name', () => {
    const disk = newDisk()
    new CheckpointFile(disk, ROOT).close()
    const found = disk.crash(seededRandom(1), losesEverything)
    expect(found.find(`${ROOT}/checkpoint`)?.sizeBytes).toBe(CHECKPOINT_FILE_BYTES)
  })

  test('keeps what was written durably, and after a kill also the rest', () => {
    const disk = newDisk()
    const file = new CheckpointFile(disk, ROOT)
    file.write(some, { durable: true })
    file.write({ ...some, logStoredAtMs: 9 }, { durable: false })
    expect(readCheckpoint(disk.crash(seededRandom(1), losesEverything), ROOT)).toEqual(some)
    expect(readCheckpoint(disk.kill(), ROOT)).toEqual({ ...some, logStoredAtMs: 9 })
  })

  test('reads as old or new after any crash in between', () => {
    const disk = newDisk()
    const file = new CheckpointFile(disk, ROOT)
    file.write(some, { durable: true })
    const next = { ...zeros, logStoredAtMs: 7, queuesPhysicalOffset: 8 }
    file.write(next, { durable: false })
    const found = Array.from({ length: 40 }, (_, seed) =>
      readCheckpoint(disk.crash(seededRandom(seed), { tornPages: 0.5 }), ROOT)
    )
    expect(found).toContainEqual(some)
    expect(found).toContainEqual(next)
    for (const checkpoint of found) expect([some, next]).toContainEqual(checkpoint)
  })

  test('passes over numbers that cannot be, and the end of a short file', () => {
    const disk = newDisk()
    const bytes = new Uint8Array(12)
    bytes.fill(0xff, 0, 8)
    disk.open(`${ROOT}/checkpoint`, 'create').write(bytes, 0)
    expect(readCheckpoint(disk, ROOT)).toEqual(zeros)
    new CheckpointFile(disk, ROOT).close()
    expect(disk.find(`${ROOT}/checkpoint`)?.sizeBytes).toBe(CHECKPOINT_FILE_BYTES)
  })

  test('says when it could not be made durable', () => {
    const files = new FaultyFiles(newDisk())
    const file = new CheckpointFile(files, ROOT)
    files.fail({ kind: 'sync', errno: 'EIO' })
    expect(() => file.write(some, { durable: true })).toThrow(expect.objectContaining({ code: 'STORE_SYNC_FAILED' }))
  })
})
