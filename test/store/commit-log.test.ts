/** The commit log: which way a record gets into the file, and that it makes no difference to what is there. */
import { describe, expect, test } from 'vitest'
import { GiB, KiB, MiB } from '../../src/base/index.ts'
import { openStore, type Store } from '../../src/index.ts'
import { prepareSegment } from '../../src/store/allocate.ts'
import { CommitLog } from '../../src/store/commit-log.ts'
import { LogSegments } from '../../src/store/log-segments.ts'
import { Progress, type Role, SLOT, UNWRITTEN_BYTES_MAX } from '../../src/store/progress.ts'
import { FaultyFiles } from '../support/faulty-files.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import {
  bodyOf,
  errorOf,
  fill,
  mappers,
  message,
  nameOf,
  namesIn,
  openSmall,
  QUEUE,
  simulated
} from '../support/store-fixtures.ts'

const LOG = /commitlog/

describe('a record', () => {
  test('is written by position when everything before it is on disk, and through the mapping otherwise', async () => {
    const files = new FaultyFiles(new SimulatedDisk())
    await using store = await openStore({ ...simulated(files), flush: 'sync' })
    for (let i = 0; i < 3; i++) {
      store.append(message(`alone ${i}`))
      expect(files.count('write', LOG)).toBe(i + 1)
      await store.flushed()
    }
    fill(store, 10)
    expect(files.count('write', LOG)).toBe(4)
  })

  test('goes through the mapping when it is large', async () => {
    const files = new FaultyFiles(new SimulatedDisk())
    await using store = await openStore({ ...simulated(files), segmentBytes: MiB, flush: 'sync' })
    store.append(message(new Uint8Array(64 * KiB)))
    expect(files.count('write', LOG)).toBe(0)
  })

  test('that cannot be written by position leaves nothing behind, and the next one takes its place', async () => {
    const files = new FaultyFiles(new SimulatedDisk())
    await using store = await openStore({ ...simulated(files), flush: 'sync' })
    fill(store, 1)
    await store.flushed()
    files.fail({ kind: 'write', errno: 'EIO', path: LOG })
    const { appendedUntil } = store.info()
    expect(await errorOf(() => store.append(message('refused')))).toMatchObject({ details: { errno: 'EIO' } })
    expect(store.info().appendedUntil).toBe(appendedUntil)
    fill(store, 1, { from: 1 })
    await store.flushed()
    expect(await namesIn(store)).toEqual(['m0', 'm1'])
  })

  test.each([
    ['of one message', (store: Store) => store.append(message('x'.repeat(12 * KiB))), 1],
    ['of a batch', (store: Store) => store.appendBatch([1, 2, 3].map(i => message(`${i}`.repeat(4 * KiB)))), 1],
    ['that would make a batch exist', (store: Store) => store.appendBatch([1, 2].map(i => message(bodyOf(i)))), 2]
  ])('whose write %s fails half-way leaves nothing behind', async (_, append, nth) => {
    const disk = new SimulatedDisk()
    const files = new FaultyFiles(disk)
    const store = await openStore({ ...simulated(files), flush: 'sync' })
    fill(store, 1)
    await store.flushed()
    const from = store.info().appendedUntil
    files.fail({ kind: 'write', errno: 'ENOSPC', path: LOG, partBytes: 100, nth })
    expect((await errorOf(() => append(store)))?.code).toBe('STORE_DISK_FULL')
    const left = new Uint8Array(16 * KiB)
    disk.open('/store/commitlog/00000000000000000000', 'read').read(left, from)
    expect(left.every(byte => byte === 0)).toBe(true)
    await store.close()
  })

  test('of a batch does not exist before the last write of it', async () => {
    const disk = new SimulatedDisk()
    const images: SimulatedDisk[] = []
    const files = new FaultyFiles(disk, {
      before: ({ kind, path }) => {
        if (kind === 'write' && LOG.test(path)) images.push(disk.kill())
      }
    })
    await using store = await openStore({ ...simulated(files), flush: 'sync' })
    fill(store, 1)
    await store.flushed()
    images.length = 0
    store.appendBatch(Array.from({ length: 40 }, (_, i) => message(`m${1 + i}`)))
    expect(images).toHaveLength(2)
    for (const image of images) {
      await using reopened = await openStore(simulated(image))
      expect(await namesIn(reopened)).toEqual(['m0'])
    }
    await store.flushed()
    const { messages } = await store.read({ ...QUEUE, offset: 0, countMax: 64 })
    expect(messages.map(nameOf)).toEqual(Array.from({ length: 41 }, (_, i) => `m${i}`))
  })
})

describe.each(mappers)('records that go both ways, with files mapped by %s', mapper => {
  test('are read back alike, across segments and a reopening', async () => {
    const expected: string[] = []
    let directory = ''
    {
      await using store = await openSmall({ mapper })
      directory = store.info().directory
      for (let round = 0; round < 40; round++) {
        // The first of each round finds everything on disk.
        for (let i = 0; i <= round % 5; i++) {
          store.append(message(bodyOf(expected.length)))
          expected.push(`m${expected.length}`)
        }
        expect((await namesIn(store)).length).toBe(expected.length)
        await store.flushed()
      }
      expect(await namesIn(store)).toEqual(expected)
    }
    await using reopened = await openSmall({ mapper, directory })
    expect(reopened.info().recovery.damaged).toEqual([])
    expect(await namesIn(reopened)).toEqual(expected)
  })
})

describe('room in the log', () => {
  const SEGMENT = 5
  const APPENDED = SEGMENT * GiB + 64 * KiB
  const DIRTY_BYTES_MAX = 256 * MiB

  /** A log that has come to 5 GiB, with the other parts of the store so far behind it. */
  function logBehind({ unflushed = 0, unwritten = 0 }) {
    const disk = new SimulatedDisk({ mapper: 'plain' })
    const options = { directory: '/store', segmentBytes: GiB }
    prepareSegment(disk, options, SEGMENT * GiB)
    const progress = new Progress()
    progress.publish(SLOT.appended, APPENDED)
    progress.publish(SLOT.pagesTaken, APPENDED)
    progress.publish(SLOT.flushed, APPENDED - unflushed)
    progress.publish(SLOT.queuesWritten, APPENDED - unwritten)
    progress.setCount(SLOT.segmentPrepared, SEGMENT)
    const segments = new LogSegments(disk, progress, '/store', { ...options, first: SEGMENT, last: SEGMENT })
    segments.openPrepared()
    const woken: Role[] = []
    const world = { progress, wake: (role: Role) => woken.push(role) }
    const log = new CommitLog(segments, world, APPENDED, { dirtyBytesMax: DIRTY_BYTES_MAX, recordBytesMax: MiB })
    return { log, progress, woken }
  }

  test.each([
    ['queues are not written', 'unwritten', UNWRITTEN_BYTES_MAX, SLOT.queuesWritten],
    ['nothing is on disk', 'unflushed', DIRTY_BYTES_MAX, SLOT.flushed]
  ])('ends where %s any more, and comes back when they are', async (_, part, most, slot) => {
    expect(logBehind({ [part]: most }).log.reserve(100)).toBe(APPENDED)

    const behind = { unflushed: 0, unwritten: 0, [part]: most + 1 }
    const { log, progress } = logBehind(behind)
    expect(log.hasRoom()).toBe(false)
    expect(await errorOf(() => log.reserve(100))).toMatchObject({
      code: 'STORE_BUSY',
      retryable: true,
      details: { unflushedBytes: behind.unflushed, undispatchedBytes: behind.unwritten }
    })
    expect(log.appended).toBe(APPENDED)

    progress.publish(slot, APPENDED)
    expect(log.hasRoom()).toBe(true)
    expect(log.reserve(100)).toBe(APPENDED)
  })

  test('is asked for in time: the flusher is woken when half of it is used', () => {
    const less = logBehind({ unflushed: DIRTY_BYTES_MAX / 2 })
    less.log.reserve(100)
    expect(less.woken).not.toContain('flusher')

    const { log, progress, woken } = logBehind({ unflushed: DIRTY_BYTES_MAX / 2 + 1 })
    log.reserve(100)
    expect(woken).toContain('flusher')
    expect(progress.position(SLOT.flushWanted, APPENDED)).toBe(APPENDED)
  })
})
