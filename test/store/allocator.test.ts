import { describe, expect, test } from 'vitest'
import { MiB } from '../../src/base/index.ts'
import { Allocator, ZEROING_BYTES_MAX } from '../../src/store/allocate.ts'
import { segmentPath } from '../../src/store/paths.ts'
import { Progress, SLOT } from '../../src/store/progress.ts'
import { FaultyFiles } from '../support/faulty-files.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'

const SEGMENT_BYTES = 8 * MiB

interface Scene {
  readonly allocator: Allocator
  readonly progress: Progress
  readonly disk: FaultyFiles
}

function allocatorAt(appended: number, { flushed = appended, aheadBytes = 4 * MiB } = {}): Scene {
  const disk = new FaultyFiles(new SimulatedDisk())
  disk.makeDirectory('/store/commitlog')
  disk.open(segmentPath('/store', 0), 'create').allocate(0, SEGMENT_BYTES, { keepSize: false })
  const progress = new Progress()
  progress.publish(SLOT.appended, appended)
  progress.publish(SLOT.flushed, flushed)
  progress.publish(SLOT.pagesTaken, Math.ceil(appended / 4096) * 4096)
  const options = { directory: '/store', segmentBytes: SEGMENT_BYTES, aheadBytes, prefault: () => true }
  return { allocator: new Allocator(disk, progress, appended, options), progress, disk }
}

/** Steps until there is nothing more to do; a part that never comes to rest would take a processor for itself. */
function stepUntilIdle(allocator: Allocator): void {
  let steps = 0
  while (allocator.step() === 0) expect(++steps).toBeLessThan(20)
  expect(allocator.hasWork()).toBe(false)
}

describe('the allocator', () => {
  test.each([0, 1, 115, 4095, 4096, 4097, 3 * MiB + 7])('comes to rest when %i bytes are appended', appended => {
    const { allocator } = allocatorAt(appended)
    stepUntilIdle(allocator)
  })

  test('writes zeros to no page that the writer has taken', () => {
    const { allocator, progress, disk } = allocatorAt(100)
    const written = new Uint8Array(MiB).fill(7)
    const file = disk.open(segmentPath('/store', 0), 'write')
    expect(progress.exchange(SLOT.pagesTaken, 4096, 4096 + MiB)).toBe(true)
    file.write(written, 4096)
    stepUntilIdle(allocator)
    const found = new Uint8Array(MiB)
    file.read(found, 4096)
    expect(Buffer.compare(found, written)).toBe(0) // Of a MiB, `toEqual` takes seconds.
  })

  test('tells the writer how far it has taken pages, and that it is done with them', () => {
    const { allocator, progress } = allocatorAt(0)
    stepUntilIdle(allocator)
    expect(progress.position(SLOT.pagesTaken, 0)).toBeGreaterThanOrEqual(MiB)
    expect(progress.count(SLOT.pagesZeroing)).toBe(0)
  })

  test('writes zeros in pieces that a later write through a mapping makes dirty as a whole, and no larger ones', () => {
    const { allocator, disk } = allocatorAt(100)
    stepUntilIdle(allocator)
    const pieces = disk.calls.filter(({ kind }) => kind === 'write').map(({ at = 0, bytes = 0 }) => ({ at, bytes }))
    expect(pieces.length).toBeGreaterThan(1)
    for (const { at, bytes } of pieces) {
      expect(Math.floor(at / ZEROING_BYTES_MAX)).toBe(Math.floor((at + bytes - 1) / ZEROING_BYTES_MAX))
    }
  })

  test('syncs its zeros while whoever writes waits for each record', () => {
    const { allocator, disk } = allocatorAt(3 * MiB)
    stepUntilIdle(allocator)
    const ranges = (wanted: string): number[] =>
      disk.calls.filter(({ kind }) => kind === wanted).flatMap(({ bytes = 0 }) => bytes)
    const sum = (numbers: readonly number[]): number => numbers.reduce((total, bytes) => total + bytes, 0)
    expect(sum(ranges('write'))).toBeGreaterThan(0)
    expect(sum(ranges('sync'))).toBe(sum(ranges('write')))
  })

  test('leaves zeros to be written over while nobody waits', () => {
    const { allocator, disk } = allocatorAt(3 * MiB, { flushed: 2 * MiB })
    stepUntilIdle(allocator)
    expect(disk.count('write')).toBeGreaterThan(0)
    expect(disk.count('sync')).toBe(0)
  })

  test('keeps clear of a writer that has caught up with it', () => {
    const { allocator, progress, disk } = allocatorAt(3 * MiB, { flushed: 0 })
    progress.publish(SLOT.pagesTaken, 3 * MiB + 4096)
    stepUntilIdle(allocator)
    const first = disk.calls.find(({ kind }) => kind === 'write')
    expect(first?.at).toBe(4 * MiB)
  })
})
