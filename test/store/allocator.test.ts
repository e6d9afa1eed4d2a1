import { describe, expect, test } from 'vitest'
import { MiB } from '../../src/base/index.ts'
import { Allocator } from '../../src/store/allocate.ts'
import { segmentPath } from '../../src/store/paths.ts'
import { Progress, SLOT } from '../../src/store/progress.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'

const SEGMENT_BYTES = 8 * MiB

function allocatorAt(appended: number): { allocator: Allocator; progress: Progress; disk: SimulatedDisk } {
  const disk = new SimulatedDisk()
  disk.makeDirectory('/store/commitlog')
  disk.open(segmentPath('/store', 0), 'create').allocate(0, SEGMENT_BYTES, { keepSize: false })
  const progress = new Progress()
  progress.publish(SLOT.appended, appended)
  progress.publish(SLOT.pagesTaken, Math.ceil(appended / 4096) * 4096)
  const options = { directory: '/store', segmentBytes: SEGMENT_BYTES, aheadBytes: 4 * MiB, prefault: () => true }
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
    expect(found).toEqual(written)
  })

  test('tells the writer how far it has taken pages, and that it is done with them', () => {
    const { allocator, progress } = allocatorAt(0)
    stepUntilIdle(allocator)
    expect(progress.position(SLOT.pagesTaken, 0)).toBeGreaterThanOrEqual(MiB)
    expect(progress.count(SLOT.pagesZeroing)).toBe(0)
  })
})
