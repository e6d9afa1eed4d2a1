/** What `select` chooses: limits, filters, places outside of the queue, damage and cold data; and that it copies what lies in the log. */
import { describe, expect, test } from 'vitest'
import { openStore, type Selection, type SelectRequest, type Store } from '../../src/index.ts'
import { decodeProperties, javaHash, locate, RECORD_WHOLE, RecordPositions } from '../../src/layout/index.ts'
import { queueDirectory, segmentPath } from '../../src/store/paths.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import {
  bodyOf,
  fill,
  message,
  openSmall,
  QUEUE,
  readAll,
  SEGMENT_BYTES,
  simulated,
  ways
} from '../support/store-fixtures.ts'

const UNLIMITED: SelectRequest = {
  ...QUEUE,
  offset: 0,
  countMax: 1000,
  bytesMax: Number.MAX_SAFE_INTEGER,
  scanMax: 1000,
  diskDistanceBytes: Number.MAX_SAFE_INTEGER,
  diskCountMax: 0,
  diskBytesMax: 0,
  filter: undefined
}

const select = (store: Store, more: Partial<SelectRequest> = {}): Selection => {
  const selection = store.select({ ...UNLIMITED, ...more })
  if (selection === undefined) throw new Error('the selection is cold')
  return selection
}

/** Queue offsets of the records in a copy of the selection. */
function offsetsIn(selection: Selection): number[] {
  const bytes = new Uint8Array(selection.bytes + 7)
  expect(selection.copyTo(bytes, 7)).toBe(bytes.length)
  const view = new DataView(bytes.buffer)
  const positions = new RecordPositions()
  const offsets: number[] = []
  for (let at = 7; at < bytes.length; at += positions.totalBytes) {
    expect(locate(view, at, bytes.length, positions)).toBe(RECORD_WHOLE)
    offsets.push(positions.queueOffset)
  }
  expect(offsets.length).toBe(selection.count)
  return offsets
}

const range = (from: number, until: number): number[] => Array.from({ length: until - from }, (_, i) => from + i)

const tagged = (...tags: string[]) => ({
  acceptsTag: (hash: number): boolean => tags.some(tag => javaHash(tag) === hash)
})

/** Messages with tags a, b, c, a, b, c, … among those of another queue, so that runs are broken. */
function fillTagged(store: Store, count: number): void {
  for (let i = 0; i < count; i++) {
    store.append(message(bodyOf(i), { tag: 'abc'[i % 3] as string }))
    if (i % 5 === 0) store.append(message('other', { queueId: 1 }))
  }
}

describe.each(ways)('selecting from a store with $way', ({ place }) => {
  test('copies the records as they lie in the log, across segment ends and between those of other queues', async () => {
    await using store = await openStore(place())
    fillTagged(store, 100)
    const selection = select(store)
    expect(selection).toMatchObject({ status: 'found', count: 100, nextOffset: 100, minOffset: 0, maxOffset: 100 })
    const bytes = new Uint8Array(selection.bytes)
    selection.copyTo(bytes, 0)
    const records = await Promise.all(
      (await readAll(store)).map(({ physicalOffset }) => store.recordAt(physicalOffset))
    )
    expect(Buffer.from(bytes).equals(Buffer.concat(records))).toBe(true)
  })

  test('chooses by tag, whether or not the entries are in their file yet', async () => {
    await using store = await openStore(place())
    fillTagged(store, 60)
    const wanted = range(0, 60).filter(i => i % 3 !== 1)
    expect(offsetsIn(select(store, { filter: tagged('a', 'c') }))).toEqual(wanted)
    // Index and queues are written for a search.
    await store.messagesByKey({ topic: QUEUE.topic, key: 'none' })
    store.append(message('in the gap', { tag: 'c' }))
    store.append(message('in the gap', { tag: 'b' }))
    const selection = select(store, { filter: tagged('a', 'c') })
    expect(offsetsIn(selection)).toEqual([...wanted, 60])
    expect(selection.nextOffset).toBe(62)
  })
})

describe('a selection', () => {
  test.each<{ at: string; offset: number; count?: number; status: string; next: number }>([
    { at: 'a queue without messages', offset: 0, count: 0, status: 'queue-unknown', next: 0 },
    { at: 'an offset below 0', offset: -5, status: 'below-min', next: 0 },
    { at: 'the last message', offset: 9, status: 'found', next: 10 },
    { at: 'the end', offset: 10, status: 'at-end', next: 10 },
    { at: 'an offset beyond the end', offset: 11, status: 'beyond-end', next: 10 }
  ])('at $at is $status', async ({ offset, count = 10, status, next }) => {
    await using store = await openSmall()
    fill(store, count)
    expect(select(store, { offset })).toMatchObject({ status, nextOffset: next, maxOffset: count })
  })

  test('below what retention has left begins at the minimum, which may be the end', async () => {
    await using store = await openSmall({ retention: { totalBytesMax: SEGMENT_BYTES, intervalMs: 0 } })
    fill(store, 100)
    fill(store, 100, { queue: { ...QUEUE, queueId: 1 } })
    await store.flushed()
    await store.messagesByKey({ topic: QUEUE.topic, key: 'none' }) // Everything is dispatched.
    await store.clean()
    expect(select(store, { offset: 50 })).toMatchObject({ status: 'below-min', nextOffset: 100, minOffset: 100 })
    expect(select(store, { offset: 100 })).toMatchObject({ status: 'at-end', nextOffset: 100 })
  })

  test('sees with synchronous flush only what is on disk', async () => {
    await using store = await openSmall({ flush: 'sync' })
    fill(store, 3)
    expect(select(store)).toMatchObject({ status: 'queue-empty', nextOffset: 0, maxOffset: 0 })
    await store.flushed()
    expect(select(store)).toMatchObject({ status: 'found', nextOffset: 3, maxOffset: 3 })
  })

  const size = 1600
  test.each<{ limit: string; limits: Partial<SelectRequest>; expected: number }>([
    { limit: 'a count', limits: { countMax: 4 }, expected: 4 },
    { limit: 'no count at all', limits: { countMax: 0 }, expected: 1 },
    { limit: 'bytes for two and a half', limits: { bytesMax: size * 2.5 }, expected: 2 },
    { limit: 'exactly the bytes of three', limits: { bytesMax: size * 3 }, expected: 3 },
    { limit: 'fewer bytes than one has', limits: { bytesMax: 1 }, expected: 1 },
    { limit: 'few messages looked at', limits: { scanMax: 6 }, expected: 6 },
    { limit: 'a count on disk', limits: { diskDistanceBytes: 0, diskCountMax: 3, diskBytesMax: 1e9 }, expected: 3 },
    { limit: 'bytes on disk', limits: { diskDistanceBytes: 0, diskCountMax: 9, diskBytesMax: 2 * size }, expected: 2 },
    {
      limit: 'limits on disk that end where memory begins',
      limits: { diskDistanceBytes: 18 * size, diskCountMax: 4, diskBytesMax: 1e9 },
      expected: 20
    }
  ])('ends with $limit', async ({ limits, expected }) => {
    await using store = await openSmall()
    const head = store.append(message('', { queueId: 1 })).sizeBytes
    for (let i = 0; i < 20; i++) store.append(message('.'.repeat(size - head)))
    const selection = select(store, limits)
    expect(selection.count).toBe(expected)
    expect(selection.nextOffset).toBe(expected)
  })

  test('goes past refused messages, but not past the number that may be looked at', async () => {
    await using store = await openSmall()
    fillTagged(store, 60)
    const none = select(store, { filter: tagged('x'), scanMax: 7 })
    expect(none).toMatchObject({ status: 'none-accepted', count: 0, bytes: 0, nextOffset: 7 })
    const some = select(store, { filter: tagged('b'), countMax: 3, offset: 1 })
    expect(offsetsIn(some)).toEqual([1, 4, 7])
    expect(some.nextOffset).toBe(8)
  })

  test('asks the record itself where the filter wants that', async () => {
    await using store = await openSmall()
    for (let i = 0; i < 10; i++) store.append(message('m', { tag: 'a', properties: { n: String(i) } }))
    const acceptsRecord = (bytes: Uint8Array, from: number, until: number): boolean =>
      ['2', '5', '8'].includes(decodeProperties(bytes, from, until).n ?? '')
    expect(offsetsIn(select(store, { filter: { acceptsTag: () => true, acceptsRecord } }))).toEqual([2, 5, 8])
    expect(select(store, { filter: { acceptsTag: () => true, acceptsRecord }, offset: 9 }).status).toBe('none-accepted')
    expect(select(store, { filter: { acceptsTag: () => false, acceptsRecord } }).status).toBe('none-accepted')
  })

  test('passes over a damaged record, reports it and goes on behind it', async () => {
    const disk = new SimulatedDisk()
    await using store = await openStore(simulated(disk))
    const places = range(0, 6).map(i => store.append(message(`m${i}`.repeat(50))))
    const file = disk.open(segmentPath('/store', 0), 'write')
    file.write(Buffer.from('#'), (places[2]?.physicalOffset ?? 0) + 100)
    file.close()
    const selection = select(store)
    expect(offsetsIn(selection)).toEqual([0, 1, 3, 4, 5])
    expect(selection.nextOffset).toBe(6)
    expect(selection.damaged.map(({ code, details }) => [code, details.queueOffset])).toEqual([['RECORD_DAMAGED', 2]])
    expect(select(store, { offset: 2, countMax: 1 })).toMatchObject({ status: 'records-gone', nextOffset: 3, count: 0 })
    expect(select(store, { offset: 3 }).damaged).toEqual([])
  })

  test('in a queue that lost a file goes on with the next file', async () => {
    const disk = new SimulatedDisk()
    await openStore(simulated(disk)).then(store => {
      fill(store, 100)
      return store.close()
    })
    await using store = await openStore(simulated(disk))
    expect(store.minOffset(QUEUE)).toBe(0)
    const directory = queueDirectory('/store', QUEUE.topic, QUEUE.queueId)
    disk.remove(`${directory}/${disk.list(directory)[4]}`)
    const gone = select(store, { offset: 70, countMax: 4 })
    expect(gone).toMatchObject({ status: 'entries-gone', nextOffset: 80 })
    expect(gone.damaged.map(({ code }) => code)).toEqual(['STORE_FILE_CHANGED'])
    expect(select(store, { offset: 80 })).toMatchObject({ status: 'found', nextOffset: 100 })
  })

  test('that is cold is fetched; until then the thread is not held up', async () => {
    const disk = new SimulatedDisk()
    await openStore(simulated(disk)).then(store => {
      fill(store, 60)
      return store.close()
    })
    await using store = await openStore(simulated(disk))
    expect(store.minOffset(QUEUE)).toBe(0)
    disk.evict(segmentPath('/store', 0))
    const request = { ...UNLIMITED, offset: 3, countMax: 4 }
    const reads = disk.counts.read
    expect(store.select(request)).toBeUndefined()
    expect(disk.counts.read).toBe(reads)
    const fetched = store.selectFetching(request)
    // Another selection meanwhile does not disturb it.
    expect(select(store, { offset: 50 }).count).toBe(10)
    expect(offsetsIn(await fetched)).toEqual([3, 4, 5, 6])
  })

  test('whose end is cold is what comes before', async () => {
    const disk = new SimulatedDisk()
    await openStore(simulated(disk)).then(store => {
      fill(store, 90)
      return store.close()
    })
    await using store = await openStore(simulated(disk))
    const first = await readAll(store)
    const cut = first.findIndex(({ physicalOffset }) => physicalOffset >= 64 * 1024)
    disk.evict(segmentPath('/store', 64 * 1024))
    const even = { acceptsTag: () => true, acceptsRecord: () => true }
    // In one stretch with what is cold nothing is taken; the reader is told to fetch.
    expect(store.select({ ...UNLIMITED, offset: cut - 2, countMax: 4, filter: even })).toBeUndefined()
    const before = select(store, { offset: cut - 2, countMax: 2 })
    expect(offsetsIn(before)).toEqual([cut - 2, cut - 1])
  })
})
