/** Records longer than what is read at once where files are not mapped: whoever follows the log must see all of them. */
import { expect, test } from 'vitest'
import { MiB } from '../../src/base/index.ts'
import { openStore, type StoreOptions } from '../../src/index.ts'
import { findLogEnd, readDirectoryFacts, verifyStore } from '../../src/store/index.ts'
import { FaultyFiles } from '../support/faulty-files.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { message, QUEUE, SMALL } from '../support/store-fixtures.ts'

const SEGMENT_BYTES = 64 * MiB
const BODY_BYTES = [100, 5 * MiB, 20 * MiB, 100, 20 * MiB, 9 * MiB, 100, 30 * MiB, 100]

const optionsOn = (files: FaultyFiles): StoreOptions => ({
  ...SMALL,
  segmentBytes: SEGMENT_BYTES,
  messageBytesMax: 32 * MiB,
  directory: '/store',
  threads: 'none',
  files
})

/** A store that was killed, whose last messages only the log knows. */
async function killed(): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk({ mapper: 'plain' })
  const store = await openStore(optionsOn(new FaultyFiles(disk)))
  for (const [i, bytes] of BODY_BYTES.entries()) store.append(message(new Uint8Array(bytes).fill(i + 1)))
  return disk.kill()
}

const bytesRead = (files: FaultyFiles): number =>
  files.calls
    .filter(({ kind, path }) => kind === 'read' && path.includes('/commitlog/'))
    .reduce((sum, { bytes = 0 }) => sum + bytes, 0)

test('are all there after a crash, in their queue, and right', async () => {
  const disk = await killed()
  disk.removeDirectory('/store/varve') // So that all of the log is looked at, and all of it put into the queue again.
  disk.removeDirectory('/store/consumequeue')
  const files = new FaultyFiles(disk)
  {
    await using store = await openStore(optionsOn(files))
    expect(store.info().recovery).toMatchObject({ damaged: [], quarantinedBytes: 0 })
    expect(store.maxOffset(QUEUE)).toBe(BODY_BYTES.length)
    for (const [offset, bytes] of BODY_BYTES.entries()) {
      const { messages } = await store.read({ ...QUEUE, offset, countMax: 1 })
      expect([messages[0]!.body.length, messages[0]!.body[0]]).toEqual([bytes, offset + 1])
    }
  }
  const facts = readDirectoryFacts(disk, '/store')
  expect(findLogEnd(disk, { ...facts, condition: 'crashed', goodUntil: 0 })).toBe(facts.state!.seenUntil)
  const report = await verifyStore(disk, { directory: '/store' })
  expect([report.damage, report.recordCount, report.entryCount]).toEqual([[], BODY_BYTES.length, BODY_BYTES.length])
})

test('cost whoever follows the log little more than reading it once', async () => {
  const disk = await killed()
  const files = new FaultyFiles(disk)
  const report = await verifyStore(files, { directory: '/store' })
  expect(report.recordCount).toBe(BODY_BYTES.length)
  const logBytes = BODY_BYTES.reduce((sum, bytes) => sum + bytes, 0)
  // Each record that a window cuts is read again; what stands behind the log is looked at twice, in two segments.
  expect(bytesRead(files)).toBeLessThan(2 * logBytes)
})
