/** Deleted topics: their messages stay in the log, and no rebuild may bring them back, nor take what came later. */
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../src/base/index.ts'
import { openStore, type Store, type StoreOptions } from '../../src/index.ts'
import { readDeletedTopics } from '../../src/store/sidecar.ts'
import { FaultyFiles } from '../support/faulty-files.ts'
import { losesEverything, SimulatedDisk } from '../support/simulated-disk.ts'
import { fill, message, namesIn, QUEUE, SEGMENT_BYTES, simulated } from '../support/store-fixtures.ts'

const OTHER = { topic: 'payments', queueId: 0 }

/** `orders` was deleted after 30 messages and has 5 new ones; `gone` was deleted for good; `payments` never was. */
async function withDeleted(files: SimulatedDisk | FaultyFiles, options: Partial<StoreOptions> = {}): Promise<Store> {
  const store = await openStore({ ...simulated(files), ...options })
  fill(store, 30)
  fill(store, 10, { queue: { topic: 'gone', queueId: 2 } })
  fill(store, 10, { queue: OTHER })
  await store.deleteTopic('orders')
  await store.deleteTopic('gone')
  fill(store, 5, { from: 100 })
  return store
}

async function expectDeleted(disk: SimulatedDisk): Promise<Store> {
  const store = await openStore(simulated(disk))
  expect(store.topics()).toEqual(['orders', 'payments'])
  expect(await namesIn(store)).toEqual(['m100', 'm101', 'm102', 'm103', 'm104'])
  expect(await namesIn(store, OTHER)).toHaveLength(10)
  return store
}

describe('topics that were deleted', () => {
  test.each<{ what: string; change: (disk: SimulatedDisk) => void }>([
    { what: 'the table of queues is missing', change: disk => disk.remove('/store/varve/queues') },
    { what: 'the queues are missing', change: disk => disk.removeDirectory('/store/consumequeue') },
    { what: 'the state is missing', change: disk => disk.remove('/store/varve/state') }
  ])('stay deleted when $what after a clean close', async ({ change }) => {
    const disk = new SimulatedDisk()
    await (await withDeleted(disk)).close()
    const found = disk.kill()
    change(found)
    await (await expectDeleted(found)).close()
    await (await expectDeleted(found)).close()
  })

  test.each(['kill', 'power cut'])('stay deleted over a %s and the loss of their queues', async end => {
    const disk = new SimulatedDisk()
    const store = await withDeleted(disk)
    await store.flushed()
    const found = end === 'kill' ? disk.kill() : disk.crash(seededRandom(1), losesEverything)
    found.removeDirectory('/store/consumequeue')
    await using opened = await expectDeleted(found)
    expect(opened.info().recovery.rebuilt).toBe(true)
  })

  test('cost the next start no rebuild, when the process ends before the table of queues is saved', async () => {
    const disk = new SimulatedDisk()
    const found: SimulatedDisk[] = []
    const files = new FaultyFiles(disk, {
      before: ({ kind, path }) => {
        if (kind === 'rename' && path.includes('/varve/queues')) found.push(disk.kill())
      }
    })
    const store = await openStore(simulated(files))
    fill(store, 30)
    fill(store, 10, { queue: OTHER })
    await store.snapshot('/copy') // Everything is dispatched.
    await store.close()
    const again = await openStore(simulated(files))
    found.length = 0
    await again.deleteTopic('orders')
    expect(found).toHaveLength(1)
    await using opened = await openStore(simulated(found[0]!))
    expect(opened.topics()).toEqual(['payments'])
    expect(opened.info().recovery).toMatchObject({ kind: 'crash', rebuilt: false, damaged: [] })
  })

  test('stay deleted in a snapshot, whatever becomes of its queues', async () => {
    const disk = new SimulatedDisk()
    const store = await withDeleted(disk)
    await store.snapshot('/copy')
    disk.removeDirectory('/copy/consumequeue')
    await using copy = await openStore({ ...simulated(disk), directory: '/copy' })
    expect(copy.topics()).toEqual(['orders', 'payments'])
    expect(await namesIn(copy)).toHaveLength(5)
  })

  test('are forgotten once the log has nothing of them', async () => {
    const disk = new SimulatedDisk()
    const retention = { totalBytesMax: SEGMENT_BYTES, intervalMs: 0, diskUsedRatioMax: 1, diskUsedRatioForced: 1 }
    const store = await withDeleted(disk, { retention })
    fill(store, 200, { queue: OTHER, from: 10 })
    await store.flushed()
    await store.messagesByKey({ topic: 'payments', key: 'k0' }) // Everything is dispatched.
    expect((await store.clean()).length).toBeGreaterThan(0)
    await store.deleteTopic('nobody')
    expect(readDeletedTopics(disk, '/store').map(({ topic }) => topic)).toEqual(['nobody'])
  })

  test('do not take messages of a log that was cut by others and went on', async () => {
    const disk = new SimulatedDisk()
    await (await withDeleted(disk)).close()
    // As Apache RocketMQ might, after a loss of power: it keeps less of the log than was there.
    disk.removeDirectory('/store/commitlog')
    {
      await using store = await openStore(simulated(disk))
      fill(store, 20, { queue: { topic: 'gone', queueId: 2 } })
    }
    disk.removeDirectory('/store/consumequeue')
    await using store = await openStore(simulated(disk))
    expect(await namesIn(store, { topic: 'gone', queueId: 2 })).toHaveLength(20)
  })

  test('are not marked before what they had is on disk', async () => {
    const disk = new SimulatedDisk()
    const marked: number[] = []
    let store: Store | undefined
    const files = new FaultyFiles(disk, {
      before: ({ kind, path }) => {
        if (kind === 'rename' && path.includes('/varve/deleted')) marked.push(store!.info().flushedUntil)
      }
    })
    store = await openStore(simulated(files))
    store.append(message('last', QUEUE))
    const { appendedUntil } = store.info()
    await store.deleteTopic('orders')
    expect(marked).toEqual([appendedUntil])
  })
})
