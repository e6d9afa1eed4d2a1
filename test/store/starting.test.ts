/** Starts that do not come to their end: what they leave for the next one. */
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../src/base/index.ts'
import { openStore } from '../../src/index.ts'
import { type Call, FaultyFiles } from '../support/faulty-files.ts'
import { losesEverything, SimulatedDisk } from '../support/simulated-disk.ts'
import { bodyOf, errorOf, fill, message, namesIn, simulated } from '../support/store-fixtures.ts'

const NAMES = Array.from({ length: 100 }, (_, i) => `m${i}`)
const syncKinds = ['sync', 'syncAll', 'syncDirectory', 'syncFileSystem'] as const

async function written(how: 'closed' | 'killed'): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk()
  const store = await openStore(simulated(disk))
  fill(store, 100)
  if (how === 'closed') await store.close()
  return disk.kill()
}

describe.each(['closed', 'killed'] as const)('a start that is killed, of a store that was %s,', how => {
  test('leaves the next one no more of the log to look at than it had itself, at whatever step', async () => {
    const disk = await written(how)
    const points: SimulatedDisk[] = []
    const alters = new Set<Call['kind']>([
      'write',
      'setSize',
      'rename',
      'remove',
      'makeDirectory',
      'open',
      ...syncKinds
    ])
    const watched = new FaultyFiles(disk, {
      before: ({ kind }) => {
        if (alters.has(kind)) points.push(disk.kill())
      }
    })
    const { recovery } = (await openStore(simulated(watched))).info()
    points.push(disk.kill())

    expect(points.length).toBeGreaterThan(10)
    for (const point of points) {
      await using store = await openStore(simulated(point))
      const again = store.info().recovery
      expect(['clean', 'crash']).toContain(again.kind)
      expect(again.scannedBytes).toBeLessThanOrEqual(recovery.scannedBytes)
      expect(await namesIn(store)).toEqual(NAMES)
    }
  })
})

describe.each(['crash', 'foreign'] as const)('a sync that fails while a store is opened (%s)', how => {
  test.each(syncKinds)('is not trusted by the next start, whichever %s it was', async kind => {
    for (let nth = 1; ; nth++) {
      const disk = await written('killed')
      if (how === 'foreign') disk.removeDirectory('/store/varve')
      const faulty = new FaultyFiles(disk)
      faulty.fail({ kind, nth, errno: 'EIO' })
      const error = await errorOf(async () => (await openStore(simulated(faulty))).info())
      if (error === undefined) {
        expect(nth).toBeGreaterThan(1)
        return
      }
      expect(error.code).toBe('STORE_SYNC_FAILED')

      const store = await openStore(simulated(disk))
      expect(await namesIn(store)).toEqual(NAMES)
      store.append(message(bodyOf(100)))
      await store.flushed()
      const found = disk.crash(seededRandom(nth), losesEverything)
      await using after = await openStore(simulated(found))
      expect(await namesIn(after)).toEqual([...NAMES, 'm100'])
      expect(after.info().recovery.damaged).toEqual([])
      expect(await after.messagesByKey({ topic: 'orders', key: 'k7' })).toHaveLength(1)
    }
  })
})

test('a sync of the queues that fails in an open store is final, and not trusted by the next start', async () => {
  const disk = new SimulatedDisk()
  const faulty = new FaultyFiles(disk)
  const store = await openStore(simulated(faulty))
  fill(store, 100)
  store.append(message('gone', { topic: 'gone' }))
  await store.flushed()
  faulty.fail({ kind: 'syncAll', errno: 'EIO', path: /consumequeue/ })
  expect(await errorOf(() => store.deleteTopic('gone'))).toMatchObject({ code: 'STORE_SYNC_FAILED' })
  expect(await errorOf(() => store.append(message('no')))).toMatchObject({ code: 'STORE_POISONED' })
  await store.close()

  const next = await openStore(simulated(disk))
  expect(await namesIn(next)).toEqual(NAMES)
  await next.close()
  const found = disk.crash(seededRandom(1), losesEverything)
  await using after = await openStore(simulated(found))
  expect(await namesIn(after)).toEqual(NAMES)
  expect(await after.messagesByKey({ topic: 'orders', key: 'k99' })).toHaveLength(1)
})
