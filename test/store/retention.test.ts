/** Which segments go and which stay, what becomes of readers, queues and index then; and copies made while writing goes on. */
import { existsSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { hourMs, seededRandom } from '../../src/base/index.ts'
import { openStore, type RetentionOptions, type SegmentFacts, type Store } from '../../src/index.ts'
import { FaultyFiles } from '../support/faulty-files.ts'
import { SettableClock, START_MS } from '../support/settable-clock.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import {
  bodyOf,
  errorOf,
  filesBelow,
  fill,
  freshDirectory,
  mappers,
  message,
  nameOf,
  namesIn,
  openSmall,
  QUEUE,
  readAll,
  SEGMENT_BYTES,
  SMALL,
  simulated,
  ways
} from '../support/store-fixtures.ts'

const NEVER: RetentionOptions = {
  ageMs: Number.MAX_SAFE_INTEGER,
  diskUsedRatioMax: 1,
  diskUsedRatioForced: 1,
  diskUsedRatioFull: 1
}
const basesOf = (gone: readonly SegmentFacts[]): number[] => gone.map(({ base }) => base / SEGMENT_BYTES)

describe.each(ways)('deleting old segments with $way', ({ place }) => {
  test('moves the minimum of each queue, and takes their entries and keys along', async () => {
    const options = { ...place(), retention: { ...NEVER, totalBytesMax: 2 * SEGMENT_BYTES, intervalMs: 0 } }
    const other = { topic: 'payments', queueId: 1 }
    {
      await using store = await openStore(options)
      const places = Array.from({ length: 300 }, (_, i) =>
        store.append(message(bodyOf(i), { ...(i % 3 === 0 ? other : QUEUE), keys: `k${i}` }))
      )
      await store.flushed()
      await store.messagesByKey({ topic: 'orders', key: 'k1' }) // Everything is dispatched.
      const gone = await store.clean()
      expect(gone.length).toBeGreaterThan(3)
      expect(basesOf(gone)).toEqual(gone.map((_, i) => i))
      const { minPhysicalOffset, appendedUntil } = store.info()
      expect(minPhysicalOffset).toBe(gone.at(-1)?.until)
      expect(appendedUntil - minPhysicalOffset).toBeLessThanOrEqual(2 * SEGMENT_BYTES + SEGMENT_BYTES)

      const kept = places.flatMap(({ physicalOffset }, i) => (physicalOffset >= minPhysicalOffset ? [i] : []))
      for (const queue of [QUEUE, other]) {
        const expected = kept.filter(i => (i % 3 === 0) === (queue === other))
        const messages = await readAll(store, queue)
        expect(messages.map(nameOf)).toEqual(expected.map(i => `m${i}`))
        expect(store.minOffset(queue)).toBe(messages[0]?.queueOffset)
        expect((await store.read({ ...queue, offset: 0, countMax: 1 })).messages.map(nameOf)).toEqual([
          `m${expected[0]}`
        ])
        expect(await store.offsetAt({ ...queue, timeMs: 0 })).toBe(store.minOffset(queue))
      }
      expect((await errorOf(() => store.messageAt(0)))?.code).toBe('RECORD_NOT_FOUND')
      expect(await store.messagesByKey({ topic: 'orders', key: 'k1' })).toEqual([])
      expect(await store.messagesByKey({ topic: 'orders', key: `k${kept.find(i => i % 3 !== 0)}` })).toHaveLength(1)
      fill(store, 5, { from: 300 })
      expect((await namesIn(store)).at(-1)).toBe('m304')
    }
    await using store = await openStore(options)
    expect(store.minOffset(QUEUE)).toBeGreaterThan(0)
    expect((await namesIn(store)).at(-1)).toBe('m304')
  })

  test('leaves empty views behind, which do not crash, and messages that stay whole', async () => {
    await using store = await openStore({ ...place(), retention: { ...NEVER, totalBytesMax: 0, intervalMs: 0 } })
    fill(store, 100)
    const { bytes } = await store.readViews({ ...QUEUE, offset: 0, countMax: 5 })
    const messages = await readAll(store)
    await store.flushed()
    await store.messagesByKey({ topic: 'orders', key: 'k0' })
    expect((await store.clean()).length).toBe(2)
    if (store.info().mapper !== 'plain') expect(bytes.map(view => view.length)).toEqual([0, 0, 0, 0, 0])
    expect(messages.map(nameOf)).toEqual(messages.map((_, i) => `m${i}`))
  })
})

describe('which segments go', () => {
  const DAY_MS = 24 * hourMs

  /** Five full segments, last written 5, 4, 3, 2 and 1 days ago, and the one being written. */
  async function aged(
    retention: RetentionOptions,
    disk = new SimulatedDisk()
  ): Promise<{ store: Store; clock: SettableClock; disk: SimulatedDisk }> {
    const directory = freshDirectory()
    const clock = new SettableClock()
    const store = await openSmall({ directory, clock, retention: { ...NEVER, intervalMs: 0, ...retention } })
    fill(store, 5 * 40 + 10)
    await store.flushed()
    await store.messagesByKey({ topic: 'orders', key: 'k0' })
    const names = readdirSync(join(directory, 'commitlog'))
    for (const [i, name] of names.entries()) {
      const seconds = (START_MS - (5 - i) * DAY_MS) / 1000
      utimesSync(join(directory, 'commitlog', name), seconds, seconds)
    }
    return { store, clock, disk }
  }

  const hourOf = (ms: number): number => new Date(ms).getHours()

  test.each<{ rule: string; retention: RetentionOptions; goes: number[] }>([
    { rule: 'by age, at the hour', retention: { ageMs: 3 * DAY_MS, hours: [hourOf(START_MS)] }, goes: [0, 1, 2] },
    { rule: 'by age, always', retention: { ageMs: 3 * DAY_MS, hours: 'always' }, goes: [0, 1, 2] },
    {
      rule: 'not by age, at another hour',
      retention: { ageMs: 3 * DAY_MS, hours: [(hourOf(START_MS) + 1) % 24] },
      goes: []
    },
    { rule: 'not the one being written, however old', retention: { ageMs: 0, hours: 'always' }, goes: [0, 1, 2, 3, 4] },
    {
      rule: 'by total size, at any hour and age',
      retention: { totalBytesMax: 3 * SEGMENT_BYTES, hours: [] },
      goes: [0, 1, 2]
    },
    {
      rule: 'down to the one that its owner keeps',
      retention: { ageMs: 0, hours: 'always', mayDelete: ({ base }) => base !== 2 * SEGMENT_BYTES },
      goes: [0, 1]
    },
    {
      rule: 'by age at any hour, when the disk is rather full',
      retention: { ageMs: 3 * DAY_MS, hours: [], diskUsedRatioMax: 1e-9 },
      goes: [0, 1, 2]
    },
    {
      rule: 'whatever their age, when the disk is nearly full',
      retention: { hours: [], diskUsedRatioForced: 1e-9 },
      goes: [0, 1, 2, 3, 4]
    },
    {
      rule: 'none that its owner keeps, even then',
      retention: { hours: [], diskUsedRatioForced: 1e-9, mayDelete: () => false },
      goes: []
    }
  ])('go $rule', async ({ retention, goes }) => {
    const { store } = await aged(retention)
    expect(basesOf(await store.clean())).toEqual(goes)
    expect(store.info().segmentCount).toBe(6 - goes.length)
    expect((await namesIn(store)).at(-1)).toBe('m209')
    await store.close()
  })

  test('go by age at any hour when asked to', async () => {
    const { store } = await aged({ ageMs: 3 * DAY_MS, hours: [] })
    expect(await store.clean()).toEqual([])
    expect(basesOf(await store.clean({ ignoreHours: true }))).toEqual([0, 1, 2])
    await store.close()
  })

  test('stay while they are not on disk', async () => {
    await using store = await openSmall({ retention: { ...NEVER, totalBytesMax: 0, intervalMs: 0 } })
    fill(store, 100)
    expect(await store.clean()).toEqual([])
    await store.flushed()
    await store.messagesByKey({ topic: 'orders', key: 'k0' })
    expect(basesOf(await store.clean())).toEqual([0, 1])
  })

  test('give their blocks back at once, although a reader holds views of them', async () => {
    const disk = new SimulatedDisk()
    await using store = await openStore({
      ...simulated(disk),
      retention: { ...NEVER, totalBytesMax: 0, intervalMs: 0 }
    })
    fill(store, 100)
    await store.readViews({ ...QUEUE, offset: 0 })
    await store.flushed()
    await store.messagesByKey({ topic: 'orders', key: 'k0' })
    const before = disk.space('/').availableBytes
    await store.clean()
    expect(disk.space('/').availableBytes - before).toBeGreaterThanOrEqual(2 * SEGMENT_BYTES)
  })

  test('let appends stop when the disk is too full, and go on by themselves', async () => {
    const disk = new SimulatedDisk({ capacityBytes: 40 * SEGMENT_BYTES })
    await using store = await openStore({
      ...simulated(disk),
      retention: { ...NEVER, diskUsedRatioFull: 0.5, intervalMs: 0, mayDelete: () => false }
    })
    const ballast = disk.open('/ballast', 'create')
    ballast.allocate(0, 20 * SEGMENT_BYTES, { keepSize: false })
    fill(store, 10)
    await store.clean()
    expect((await errorOf(() => store.append(message('a'))))?.code).toBe('STORE_DISK_FULL')
    const writable = store.writable()
    ballast.setSize(0)
    ballast.close()
    await writable
    fill(store, 10, { from: 10 })
    expect(await namesIn(store)).toHaveLength(20)
  })

  test.each(['kill', 'power cut'])(
    'are gone or there, and nothing else is lost, over a %s in the midst of it',
    async end => {
      const random = seededRandom(1)
      const disk = new SimulatedDisk()
      const points: SimulatedDisk[] = []
      let watching = false
      const files = new FaultyFiles(disk, {
        before: ({ kind, path }) => {
          if (watching && kind !== 'find' && !path.includes('/proc'))
            points.push(end === 'kill' ? disk.kill() : disk.crash(random))
        }
      })
      const options = { retention: { ...NEVER, totalBytesMax: 2 * SEGMENT_BYTES, intervalMs: 0 } }
      const before = await openStore({ ...simulated(files), ...options })
      fill(before, 200)
      await before.close() // From here on a table says which files the queues have.
      const store = await openStore({ ...simulated(files), ...options })
      watching = true
      expect((await store.clean()).length).toBeGreaterThan(2)
      watching = false
      expect(points.length).toBeGreaterThan(5)
      const kept = (await namesIn(store)).length
      for (const point of points) {
        await using found = await openStore({ ...simulated(point), ...options })
        // What retention deletes is not taken for a loss.
        expect(found.info().recovery.rebuilt).toBe(false)
        const names = await namesIn(found)
        expect(names.length).toBeGreaterThanOrEqual(kept)
        expect(names).toEqual(Array.from({ length: names.length }, (_, i) => `m${200 - names.length + i}`))
        expect(found.append(message('next'))).toMatchObject({ queueOffset: 200 })
        expect(found.info().recovery.damaged).toEqual([])
      }
    }
  )
})

describe.each(mappers.flatMap(mapper => (['none', 'workers'] as const).map(threads => ({ mapper, threads }))))(
  'a snapshot with $mapper files, threads: $threads',
  ({ mapper, threads }) => {
    test('holds all that was appended before, whatever is appended meanwhile, and opens as closed cleanly', async () => {
      const directory = freshDirectory()
      const copy = join(freshDirectory(), 'copy')
      await using store = await openStore({ ...SMALL, directory, mapper, threads })
      fill(store, 100)
      const snapshot = store.snapshot(copy)
      fill(store, 100, { from: 100 })
      const { untilPhysicalOffset, bytes } = await snapshot
      fill(store, 50, { from: 200 })
      expect(bytes).toBeGreaterThan(untilPhysicalOffset / 2)

      await using opened = await openSmall({ directory: copy, mapper })
      expect(opened.info().recovery).toMatchObject({ damaged: [], quarantinedBytes: 0 })
      expect(opened.info().appendedUntil).toBe(untilPhysicalOffset)
      const names = await namesIn(opened)
      expect(names.length).toBeGreaterThanOrEqual(100)
      expect(names).toEqual(names.map((_, i) => `m${i}`))
      expect((await opened.messagesByKey({ topic: 'orders', key: 'k42' })).map(nameOf)).toEqual(['m42'])
      expect(opened.append(message('next'))).toMatchObject({ queueOffset: names.length })
      expect(await namesIn(store)).toHaveLength(250)
    })
  }
)

describe('a snapshot', () => {
  test('goes nowhere where something is already', async () => {
    const directory = freshDirectory()
    writeFileSync(join(directory, 'precious'), 'a')
    await using store = await openSmall()
    fill(store, 3)
    expect((await errorOf(() => store.snapshot(directory)))?.code).toBe('OPTION_INVALID')
    expect(filesBelow(directory, '.').size).toBe(1)
  })

  test('of an empty store is an empty store', async () => {
    const copy = join(freshDirectory(), 'copy')
    await using store = await openSmall()
    expect(await store.snapshot(copy)).toMatchObject({ untilPhysicalOffset: 0 })
    await using opened = await openSmall({ directory: copy })
    expect(opened.topics()).toEqual([])
    expect(opened.append(message('first'))).toMatchObject({ queueOffset: 0, physicalOffset: 0 })
  })

  test('of a store that has lost its oldest segments begins where that begins', async () => {
    const copy = join(freshDirectory(), 'copy')
    await using store = await openSmall({ retention: { ...NEVER, totalBytesMax: 0, intervalMs: 0 } })
    fill(store, 100)
    await store.flushed()
    await store.messagesByKey({ topic: 'orders', key: 'k0' })
    await store.clean()
    await store.snapshot(copy)
    await using opened = await openSmall({ directory: copy })
    expect(opened.minOffset(QUEUE)).toBe(store.minOffset(QUEUE))
    expect(await namesIn(opened)).toEqual(await namesIn(store))
  })

  test('leaves nothing of the topics that were deleted', async () => {
    const copy = join(freshDirectory(), 'copy')
    await using store = await openSmall()
    fill(store, 3)
    fill(store, 3, { queue: { topic: 'payments', queueId: 0 } })
    await store.deleteTopic('orders')
    await store.snapshot(copy)
    await using opened = await openSmall({ directory: copy })
    expect(opened.topics()).toEqual(['payments'])
    expect(existsSync(join(copy, 'consumequeue', 'orders'))).toBe(false)
  })

  test('keeps segments from being deleted while it is made', async () => {
    const copy = join(freshDirectory(), 'copy')
    await using store = await openSmall({ retention: { ...NEVER, totalBytesMax: 0, intervalMs: 0 } })
    fill(store, 100)
    await store.flushed()
    await store.messagesByKey({ topic: 'orders', key: 'k0' })
    const snapshot = store.snapshot(copy)
    expect(await store.clean()).toEqual([])
    await snapshot
    expect(basesOf(await store.clean())).toEqual([0, 1])
    await using opened = await openSmall({ directory: copy })
    expect(await namesIn(opened)).toHaveLength(100)
  })
})
