/** What is on disk when: waiting for it, sharing syncs, failing for good, and what stands in the way of appending. */
import { describe, expect, test } from 'vitest'
import { MiB, PAGE_BYTES, seededRandom, systemClock, VarveError } from '../../src/base/index.ts'
import { openStore, type Store, type StoreOptions } from '../../src/index.ts'
import { Flusher } from '../../src/store/flush.ts'
import { FlushWaiters } from '../../src/store/flush-waiters.ts'
import { inlineThreads } from '../../src/store/inline-threads.ts'
import { openStoreWith } from '../../src/store/open-store.ts'
import { segmentPath } from '../../src/store/paths.ts'
import { Progress, SLOT } from '../../src/store/progress.ts'
import type { StoreThreads } from '../../src/store/threads.ts'
import { FaultyFiles } from '../support/faulty-files.ts'
import { SettableClock } from '../support/settable-clock.ts'
import { losesEverything, SimulatedDisk } from '../support/simulated-disk.ts'
import {
  bodyOf,
  errorOf,
  fill,
  freshDirectory,
  message,
  namesIn,
  openSmall,
  QUEUE,
  readAll,
  SEGMENT_BYTES,
  simulated,
  ways
} from '../support/store-fixtures.ts'

const LOG = /commitlog/

describe.each(ways)('waiting for the disk with $way', ({ place }) => {
  test('ends when everything below is on disk, in whatever order the waiters came', async () => {
    await using store = await openStore(place())
    const ends = Array.from({ length: 100 }, (_, i) => {
      const { physicalOffset, sizeBytes } = store.append(message(bodyOf(i)))
      return physicalOffset + sizeBytes
    })
    const flushedAt = (until: number): Promise<boolean> =>
      store.flushed(until).then(() => store.info().flushedUntil >= until)
    const order = seededRandom(7).shuffled(ends)
    expect(await Promise.all(order.map(flushedAt))).toEqual(order.map(() => true))
    await store.flushed()
    expect(store.info().flushedUntil).toBe(store.info().appendedUntil)
  })

  test('shows readers nothing that is not on disk, with synchronous flush, and everything once it is', async () => {
    await using store = await openStore({ ...place(), flush: 'sync' })
    fill(store, 50)
    await store.flushed()
    expect(await namesIn(store)).toHaveLength(50)
    const { physicalOffset } = store.append(message('late', { keys: 'late' }))
    // In the same turn nobody can have synced it, except a thread whose interval has just passed.
    if (store.info().flushedUntil <= physicalOffset) {
      const error = await errorOf(() => store.messageAt(physicalOffset))
      expect(error === undefined || error.code === 'RECORD_NOT_FOUND').toBe(true)
    }
    await store.flushed()
    expect(store.maxOffset(QUEUE)).toBe(51)
    expect((await store.messageAt(physicalOffset)).queueOffset).toBe(50)
    expect(await store.messagesByKey({ topic: 'orders', key: 'late' })).toHaveLength(1)
  })

  test('wakes a follower once its message is on disk', async () => {
    await using store = await openStore({ ...place(), flush: 'sync' })
    const messages = store.follow({ ...QUEUE, offset: 0 })[Symbol.asyncIterator]()
    for (let i = 0; i < 3; i++) {
      const next = messages.next()
      await new Promise(resolve => setImmediate(resolve))
      store.append(message(bodyOf(i)))
      await store.flushed()
      expect((await next).value.queueOffset).toBe(i)
    }
  })
})

describe('a writer that waits and at once writes again', () => {
  test('leaves turns of the event loop to others', async () => {
    // With a clock that stands still no sync is slow, so all of them are the owner's own, in its thread.
    const clock = new SettableClock()
    await using store = await openStore({ directory: freshDirectory(), threads: 'workers', flush: 'sync', clock })
    let turns = 0
    let isOver = false
    const takeTurns = (): void => {
      turns++
      if (!isOver) setImmediate(takeTurns)
    }
    setImmediate(takeTurns)
    const count = 2000
    for (let i = 0; i < count; i++) {
      const { physicalOffset, sizeBytes } = store.append(message(bodyOf(i)))
      await store.flushed(physicalOffset + sizeBytes)
    }
    isOver = true
    expect(turns).toBeGreaterThan(count / 32)
  })
})

describe('with synchronous flush in one thread', () => {
  test('nothing can be seen before it is flushed, by any way of reading', async () => {
    await using store = await openSmall({ flush: 'sync' })
    fill(store, 3)
    await store.flushed()
    fill(store, 60, { from: 3 })
    const { flushedUntil } = store.info()
    expect(store.maxOffset(QUEUE)).toBe(3)
    expect(await namesIn(store)).toEqual(['m0', 'm1', 'm2'])
    expect(store.readViewsResident({ ...QUEUE, offset: 0 })?.count).toBe(3)
    expect((await errorOf(() => store.messageAt(flushedUntil)))?.code).toBe('RECORD_NOT_FOUND')
    expect(await store.messagesByKey({ topic: 'orders', key: 'k3' })).toEqual([])
    expect(await store.offsetAt({ ...QUEUE, timeMs: Number.MAX_SAFE_INTEGER })).toBe(3)
    await store.flushed()
    expect(await namesIn(store)).toHaveLength(63)
  })

  test('one sync of each segment answers all who wait', async () => {
    const files = new FaultyFiles(new SimulatedDisk())
    await using store = await openStore({ ...simulated(files), flush: 'sync' })
    const before = files.count('sync', LOG)
    const waiting = Array.from({ length: 60 }, (_, i) => {
      store.append(message(bodyOf(i)))
      return store.flushed()
    })
    await Promise.all(waiting)
    expect(store.info().segmentCount).toBe(2)
    expect(files.count('sync', LOG) - before).toBe(2)
  })

  test('a sync covers what was appended since the last, and no more', async () => {
    const files = new FaultyFiles(new SimulatedDisk())
    await using store = await openStore({ ...simulated(files), flush: 'sync' })
    const first = store.append(message('a'))
    await store.flushed()
    const second = store.append(message('b'))
    await store.flushed()
    await store.flushed()
    const syncs = files.calls.filter(({ kind, path }) => kind === 'sync' && LOG.test(path))
    expect(syncs.map(({ at, bytes }) => [at, bytes])).toEqual([
      [first.physicalOffset, first.sizeBytes],
      [second.physicalOffset, second.sizeBytes]
    ])
  })

  test('what was waited for is there after the power was cut, whatever else the disk has lost', async () => {
    const disk = new SimulatedDisk()
    const store = await openStore({ ...simulated(disk), flush: 'sync' })
    fill(store, 90)
    await store.flushed()
    fill(store, 30, { from: 90 })
    const crashed = disk.crash(seededRandom(1), losesEverything)
    await using recovered = await openStore({ ...simulated(crashed), flush: 'sync' })
    expect(await namesIn(recovered)).toEqual(Array.from({ length: 90 }, (_, i) => `m${i}`))
    await store.close()
  })

  test('is durable below directories that had to be made', async () => {
    const disk = new SimulatedDisk()
    const place = { ...simulated(disk), directory: '/a/b/store', flush: 'sync' } as const
    const store = await openStore(place)
    fill(store, 5)
    await store.flushed()
    const crashed = disk.crash(seededRandom(1), losesEverything)
    await using recovered = await openStore({ ...place, files: crashed })
    expect(await namesIn(recovered)).toHaveLength(5)
    await store.close()
  })
})

describe('a failed sync', () => {
  async function failing(
    options: Partial<StoreOptions> = {}
  ): Promise<{ disk: SimulatedDisk; files: FaultyFiles; store: Store }> {
    const disk = new SimulatedDisk()
    const files = new FaultyFiles(disk)
    const store = await openStore({ ...simulated(files), flush: 'sync', ...options })
    fill(store, 5)
    await store.flushed()
    files.fail({ kind: 'sync', errno: 'EIO', path: LOG })
    return { disk, files, store }
  }

  test('is told to every waiter, with its cause', async () => {
    const { store } = await failing()
    fill(store, 3, { from: 5 })
    const errors = await Promise.all(
      [undefined, undefined, store.info().appendedUntil].map(until => errorOf(() => store.flushed(until)))
    )
    for (const error of errors) {
      expect(error).toMatchObject({ code: 'STORE_POISONED', details: { because: 'STORE_SYNC_FAILED', errno: 'EIO' } })
      expect(error?.cause).toMatchObject({ code: 'STORE_SYNC_FAILED' })
    }
    expect(await store.failed).toMatchObject({ code: 'STORE_SYNC_FAILED' })
    await store.close()
  })

  test('ends writing for good, although the next sync would succeed', async () => {
    const { files, store } = await failing()
    fill(store, 3, { from: 5 })
    await errorOf(() => store.flushed())
    const syncs = files.count('sync', LOG)
    for (const write of [
      () => store.append(message('a')),
      () => store.appendBatch([message('a')]),
      () => store.flushed(),
      () => store.writable(),
      () => store.deleteTopic('orders'),
      () => store.clean(),
      () => store.snapshot('/copy')
    ]) {
      expect((await errorOf(write))?.code).toBe('STORE_POISONED')
    }
    expect(files.count('sync', LOG)).toBe(syncs)
    expect(store.info()).toMatchObject({ state: 'poisoned', poisonedBy: { code: 'STORE_SYNC_FAILED' } })
    expect(await namesIn(store)).toEqual(['m0', 'm1', 'm2', 'm3', 'm4'])
    await store.close()
    expect(store.info().state).toBe('closed')
  })

  test('wakes followers with what has happened', async () => {
    const { store } = await failing()
    const next = store
      .follow({ ...QUEUE, offset: 5 })
      [Symbol.asyncIterator]()
      .next()
    await new Promise(resolve => setImmediate(resolve))
    fill(store, 1, { from: 5 })
    await errorOf(() => store.flushed())
    expect((await errorOf(() => next))?.code).toBe('STORE_POISONED')
    await store.close()
  })

  test.each(['kill', 'crash'] as const)('loses nothing that was on disk, over a %s', async end => {
    const { disk, store } = await failing()
    fill(store, 3, { from: 5 })
    await errorOf(() => store.flushed())
    await store.close()
    const found = end === 'kill' ? disk.kill() : disk.crash(seededRandom(3), losesEverything)
    await using recovered = await openStore(simulated(found))
    expect(recovered.info().recovery.kind).toBe('crash')
    const names = await namesIn(recovered)
    expect(names.slice(0, 5)).toEqual(['m0', 'm1', 'm2', 'm3', 'm4'])
    // What the failed sync was about may be there or not, but without gaps, and then it is durable.
    expect(names).toEqual(Array.from({ length: names.length }, (_, i) => `m${i}`))
    await using again = await openStore(simulated(found.crash(seededRandom(4), losesEverything)))
    expect(await namesIn(again)).toEqual(names)
  })
})

describe('asynchronous flush', () => {
  function flusher(options: object = {}): {
    clock: SettableClock
    disk: FaultyFiles
    progress: Progress
    flusher: Flusher
    append: (bytes: number) => void
  } {
    const clock = new SettableClock()
    const disk = new FaultyFiles(new SimulatedDisk())
    disk.makeDirectory('/store/commitlog')
    const file = disk.open(segmentPath('/store', 0), 'create')
    file.setSize(SEGMENT_BYTES)
    file.close()
    const progress = new Progress()
    let appended = 0
    return {
      clock,
      disk,
      progress,
      flusher: new Flusher(disk, progress, clock, 0, {
        directory: '/store',
        segmentBytes: SEGMENT_BYTES,
        mode: 'async',
        intervalMs: 500,
        leastPages: 4,
        thoroughIntervalMs: 10_000,
        ...options
      }),
      append: bytes => {
        appended += bytes
        progress.publish(SLOT.appended, appended)
      }
    }
  }

  test('waits for the interval, then for enough pages', () => {
    const { clock, disk, flusher: part, append } = flusher()
    append(4 * PAGE_BYTES)
    expect(part.step()).toBe(500)
    clock.advance(499)
    expect(part.step()).toBe(1)
    expect(disk.count('sync')).toBe(0)
    clock.advance(1)
    expect(part.step()).toBe(0)
    expect(disk.count('sync')).toBe(1)
  })

  test('lets little wait for the thorough interval', () => {
    const { clock, disk, flusher: part, append } = flusher()
    append(4 * PAGE_BYTES - 1)
    for (let ms = 0; ms < 10_000; ms += 500) {
      part.step()
      expect(disk.count('sync')).toBe(0)
      clock.advance(500)
    }
    part.step()
    expect(disk.count('sync')).toBe(1)
  })

  test('counts its intervals from when there was something to write', () => {
    const { clock, disk, flusher: part, append } = flusher()
    clock.advance(60_000)
    expect(part.step()).toBe(500)
    append(PAGE_BYTES)
    part.step()
    expect(disk.count('sync')).toBe(0)
  })

  test('syncs at once when somebody waits', () => {
    const { disk, progress, flusher: part, append } = flusher()
    append(100)
    progress.advanceTo(SLOT.flushWanted, 100)
    expect(part.hasWork()).toBe(true)
    expect(part.step()).toBe(0)
    expect(disk.count('sync')).toBe(1)
    expect(progress.position(SLOT.flushed, 0)).toBe(100)
    expect(part.hasWork()).toBe(false)
  })

  test('does not move the watermark when the sync fails', () => {
    const { disk, progress, flusher: part, append } = flusher()
    append(100)
    progress.advanceTo(SLOT.flushWanted, 100)
    disk.fail({ kind: 'sync', errno: 'EIO' })
    expect(() => part.step()).toThrow(expect.objectContaining({ code: 'STORE_SYNC_FAILED' }))
    expect(progress.position(SLOT.flushed, 0)).toBe(0)
  })

  test('with synchronous flush what nobody waits for is on disk soon after', () => {
    const { clock, disk, flusher: part, append } = flusher({ mode: 'sync' })
    append(100)
    expect(part.step()).toBe(10)
    clock.advance(10)
    expect(part.step()).toBe(0)
    expect(disk.count('sync')).toBe(1)
  })
})

describe('flush waiters', () => {
  const answered = async (promises: Promise<void>[]): Promise<boolean[]> => {
    const done = promises.map(() => false)
    for (const [i, promise] of promises.entries())
      promise.then(
        () => (done[i] = true),
        () => (done[i] = true)
      )
    await new Promise(resolve => setImmediate(resolve))
    return done
  }

  test('of one round are answered together, when the watermark passes the furthest of them', async () => {
    const waiters = new FlushWaiters()
    const promises = [30, 10, 40, 20].map(until => waiters.add(until))
    expect([waiters.count, waiters.first, waiters.until]).toEqual([4, 40, 40])
    waiters.answerBelow(39)
    expect(await answered(promises)).toEqual([false, false, false, false])
    waiters.answerBelow(40)
    expect(await answered(promises)).toEqual([true, true, true, true])
    expect([waiters.count, waiters.first, waiters.until]).toEqual([0, Number.POSITIVE_INFINITY, 0])
  })

  test('that come when a sync has been asked for are in the next round, unless that sync is enough for them', async () => {
    const waiters = new FlushWaiters()
    const promises = [20, 40].map(until => waiters.add(until))
    waiters.closeRound()
    promises.push(...[60, 30, 50, 40, 41].map(until => waiters.add(until)))
    expect([waiters.count, waiters.first, waiters.until]).toEqual([7, 40, 60])
    waiters.answerBelow(40)
    expect(await answered(promises)).toEqual([true, true, false, true, false, true, false])
    expect([waiters.count, waiters.first]).toEqual([3, 60])
    waiters.answerBelow(60)
    expect(await answered(promises)).toEqual(promises.map(() => true))
    expect([waiters.count, waiters.until]).toEqual([0, 0])
  })

  test('are all rejected once, with the same error', async () => {
    const waiters = new FlushWaiters()
    const error = new VarveError('STORE_CLOSED')
    const first = waiters.add(10)
    waiters.answerBelow(10)
    waiters.closeRound()
    const rest = [waiters.add(20)]
    waiters.closeRound()
    rest.push(waiters.add(30))
    waiters.failAll(error)
    await first
    expect(await Promise.allSettled(rest)).toEqual(rest.map(() => ({ status: 'rejected', reason: error })))
    expect(waiters.count).toBe(0)
  })

  test('by the thousands keep their order', async () => {
    const waiters = new FlushWaiters()
    const random = seededRandom(11)
    let answers = 0
    let flushed = 0
    let last = 0
    for (let i = 0; i < 10_000; i++) {
      const until = flushed + random.between(1, 50)
      last = Math.max(last, until)
      waiters.add(until).then(() => answers++)
      flushed += random.below(3)
      if (random.chance(0.1)) waiters.closeRound()
      if (random.chance(0.3)) waiters.answerBelow(flushed)
    }
    waiters.answerBelow(last)
    await new Promise(resolve => setImmediate(resolve))
    expect(answers).toBe(10_000)
  })
})

describe('appending faster than the disk', () => {
  test.each([
    { what: 'on disk', asleep: 'flusher', refusal: { unflushedBytes: expect.any(Number) } },
    { what: 'in its queue', asleep: 'dispatcher', refusal: { undispatchedMessages: 1024 } }
  ] as const)('is refused when too much is not $what, and goes on once it is', async ({ asleep, refusal }) => {
    const disk = new SimulatedDisk()
    const options = { ...simulated(disk), segmentBytes: MiB, dirtyBytesMax: MiB, undispatchedCountMax: 1024 }
    const inline = inlineThreads(disk, systemClock)
    let sleeping = true
    const threads: StoreThreads = {
      ...inline,
      wake: role => {
        if (!sleeping || role !== asleep) inline.wake(role)
      }
    }
    await using store = await openStoreWith(options, { files: disk, threads })
    let count = 0
    let busy: VarveError | undefined
    for (; count < 3000; count++) {
      busy = await errorOf(() => store.append(message(`m${count} `.padEnd(900))))
      if (busy !== undefined) break
    }
    expect(busy).toMatchObject({ code: 'STORE_BUSY', retryable: true, details: refusal })
    expect(store.info()).toMatchObject({ state: 'open' })
    expect(store.maxOffset(QUEUE)).toBe(count)
    const writable = store.writable()
    sleeping = false
    await writable
    fill(store, 10, { from: count })
    expect(await namesIn(store)).toEqual(Array.from({ length: count + 10 }, (_, i) => `m${i}`))
  })

  test('is refused when the disk is full, changes nothing, and goes on by itself when there is room', async () => {
    const disk = new SimulatedDisk({ capacityBytes: 8 * SEGMENT_BYTES })
    await using store = await openStore({ ...simulated(disk), retention: { diskUsedRatioFull: 1 } })
    const ballast = disk.open('/ballast', 'create')
    ballast.allocate(0, 5 * SEGMENT_BYTES, { keepSize: false })
    let count = 0
    let full: VarveError | undefined
    while (full === undefined) {
      full = await errorOf(() => store.append(message(bodyOf(count))))
      if (full === undefined) count++
    }
    expect(full.code).toBe('STORE_DISK_FULL')
    expect(full.retryable).toBe(true)
    const { appendedUntil } = store.info()
    expect((await errorOf(() => store.append(message(bodyOf(count)))))?.code).toBe('STORE_DISK_FULL')
    expect(store.info()).toMatchObject({ appendedUntil, state: 'open' })
    expect(await readAll(store)).toHaveLength(count)

    const writable = store.writable()
    ballast.setSize(0)
    await writable
    fill(store, 60, { from: count })
    expect(await namesIn(store)).toEqual(Array.from({ length: count + 60 }, (_, i) => `m${i}`))
    ballast.close()
  })

  test('loses nothing when the queue files find no room, and says so before too much has come together', async () => {
    const disk = new SimulatedDisk()
    const files = new FaultyFiles(disk)
    await using store = await openStore({ ...simulated(files), undispatchedCountMax: 1024 })
    files.fail({ kind: 'write', errno: 'ENOSPC', path: /consumequeue/, forever: true })
    let count = 0
    let full: VarveError | undefined
    while (full === undefined && count < 5000) {
      full = await errorOf(() => store.append(message(`m${count} `)))
      if (full === undefined) count++
    }
    expect([full?.code, count]).toEqual(['STORE_DISK_FULL', 1024])
    expect(await namesIn(store)).toHaveLength(1024)
    files.heal()
    await store.writable()
    fill(store, 100, { from: count, perSegment: 400 })
    expect(await namesIn(store)).toEqual(Array.from({ length: count + 100 }, (_, i) => `m${i}`))
  })
})
