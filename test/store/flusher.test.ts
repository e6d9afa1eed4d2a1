import { describe, expect, test } from 'vitest'
import { GiB, KiB, MiB, systemClock } from '../../src/base/index.ts'
import type { DropPages, Files } from '../../src/store/files.ts'
import { Flusher } from '../../src/store/flush.ts'
import { segmentPath } from '../../src/store/paths.ts'
import { Progress, SLOT } from '../../src/store/progress.ts'
import { FaultyFiles } from '../support/faulty-files.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'

const SEGMENT_BYTES = 8 * MiB

function flusherOver(disk: Files, progress: Progress, dropPages?: DropPages | undefined): Flusher {
  disk.makeDirectory('/store/commitlog')
  disk.open(segmentPath('/store', 0), 'create').setSize(SEGMENT_BYTES)
  return new Flusher(disk, progress, systemClock, 0, {
    directory: '/store',
    segmentBytes: SEGMENT_BYTES,
    mode: 'sync',
    intervalMs: 500,
    leastPages: 4,
    thoroughIntervalMs: 10_000,
    dropPages
  })
}

describe('the flusher', () => {
  test('leaves alone what the owner has synced by itself since the position was read', () => {
    const progress = new Progress()
    const flusher = flusherOver(new SimulatedDisk(), progress)
    progress.publish(SLOT.appended, 300)
    progress.advanceTo(SLOT.flushed, 300)
    expect(() => flusher.run(100)).not.toThrow()
    expect(progress.position(SLOT.flushed, 0)).toBe(300)
  })

  test('never takes the flushed position back', () => {
    const progress = new Progress()
    const flusher = flusherOver(new SimulatedDisk(), progress)
    progress.publish(SLOT.appended, 300)
    flusher.run(300)
    flusher.run(200)
    expect(progress.position(SLOT.flushed, 0)).toBe(300)
  })

  test('flushes for nobody who waited long ago, however far the log has gone on', () => {
    const progress = new Progress()
    const files = new FaultyFiles(new SimulatedDisk())
    const flusher = flusherOver(files, progress)
    for (let end = 0; end < 5 * GiB; end += GiB / 2) {
      progress.publish(SLOT.appended, end)
      progress.publish(SLOT.flushed, end) // By the owner itself.
      flusher.step()
      expect(flusher.hasWork()).toBe(false)
    }
    progress.publish(SLOT.appended, 5 * GiB + 100)
    expect(flusher.step()).toBeGreaterThan(0)
    expect(files.calls.filter(({ kind }) => kind === 'sync')).toEqual([])
  })

  test('begins with much in pieces, and then waits for all of it', () => {
    const progress = new Progress()
    const files = new FaultyFiles(new SimulatedDisk())
    const flusher = flusherOver(files, progress)
    progress.publish(SLOT.appended, 5 * MiB)
    flusher.run(5 * MiB)
    const calls = files.calls.filter(({ kind }) => kind === 'startWriting' || kind === 'sync')
    expect(calls.map(({ kind, at, bytes }) => [kind, at, bytes])).toEqual([
      ['startWriting', 0, 2 * MiB],
      ['startWriting', 2 * MiB, 2 * MiB],
      ['startWriting', 4 * MiB, MiB],
      ['sync', 0, 5 * MiB]
    ])
  })

  test.each([
    { from: 100, until: 300, drops: { at: 0, bytes: 64 * KiB } },
    { from: 64 * KiB - 1, until: 64 * KiB + 1, drops: { at: 60 * KiB, bytes: 68 * KiB } },
    { from: SEGMENT_BYTES - 10, until: SEGMENT_BYTES, drops: { at: SEGMENT_BYTES - 4 * KiB, bytes: 4 * KiB } }
  ])('drops what it syncs of $from to $until up to the end of the large page', ({ from, until, drops }) => {
    const progress = new Progress()
    const dropped: { at: number; bytes: number }[] = []
    const address = 2 ** 40
    progress.setAddress(0, address)
    const drop: DropPages = (at, bytes) => dropped.push({ at: at - address, bytes }) > 0
    const flusher = flusherOver(new SimulatedDisk(), progress, drop)
    progress.publish(SLOT.appended, until)
    progress.advanceTo(SLOT.flushed, from)
    flusher.run(until)
    expect(dropped).toEqual([drops])
  })
})
