/** What opening makes of a directory that was not closed: torn tails, damage, lost files, foreign owners. */
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../src/base/index.ts'
import { openStore, type Store, type StoreOptions } from '../../src/index.ts'
import { RECORD_HEAD } from '../../src/layout/index.ts'
import type { Files } from '../../src/store/files.ts'
import { type GoldenCase, goldenStore } from '../golden/golden-store.ts'
import { type Call, FaultyFiles } from '../support/faulty-files.ts'
import { contentOf } from '../support/file-content.ts'
import { SettableClock } from '../support/settable-clock.ts'
import { losesEverything, losesNothing, SimulatedDisk } from '../support/simulated-disk.ts'
import {
  bodyOf,
  fill,
  freshDirectory,
  message,
  nameOf,
  namesIn,
  QUEUE,
  SEGMENT_BYTES,
  simulated
} from '../support/store-fixtures.ts'

const LOG = '/store/commitlog'
const SEGMENT_0 = `${LOG}/00000000000000000000`

/** How the process that had the store open came to its end. */
const ends = {
  kill: (disk: SimulatedDisk): SimulatedDisk => disk.kill(),
  'power cut': (disk: SimulatedDisk): SimulatedDisk => disk.crash(seededRandom(1), losesNothing)
}
const endNames = Object.keys(ends) as (keyof typeof ends)[]

describe.each(endNames)('opening a store after a %s', end => {
  test.each<{
    tail: string
    keeps: number
    quarantines: number | 'the record'
    change: (tail: Buffer, first: Buffer) => void
  }>([
    { tail: 'a whole record', keeps: 3, quarantines: 0, change: () => {} },
    { tail: 'half a record', keeps: 2, quarantines: 600, change: tail => tail.fill(0, 600) },
    { tail: 'a record without its head', keeps: 2, quarantines: 'the record', change: tail => tail.fill(0, 0, 100) },
    {
      tail: 'a record with one bit of its body flipped',
      keeps: 2,
      quarantines: 'the record',
      change: tail => flip(tail, 300)
    },
    { tail: 'zeros where the record should be', keeps: 2, quarantines: 0, change: tail => tail.fill(0) },
    {
      tail: 'a record that says it is longer than the segment',
      keeps: 2,
      quarantines: 'the record',
      change: tail => tail.writeInt32BE(0x7fffffff, 0)
    },
    {
      tail: 'a record that says it has no length',
      keeps: 2,
      quarantines: 'the record',
      change: tail => tail.writeInt32BE(0, 0)
    },
    {
      tail: 'a copy of the first record',
      keeps: 2,
      quarantines: 'the record',
      change: (tail, first) => void first.copy(tail)
    }
  ])(
    'whose log ends with $tail: keeps $keeps messages, the rest in quarantine, and goes on',
    async ({ keeps, quarantines, change }) => {
      const disk = new SimulatedDisk()
      const { physicalOffset, sizeBytes } = await abandoned(disk, store => {
        fill(store, 2)
        return store.append(message(bodyOf(2), { tag: 't' })) // Its last byte is not zero.
      })
      const found = ends[end](disk)
      let tail = Buffer.alloc(0)
      patchFile(found, SEGMENT_0, physicalOffset, sizeBytes, bytes => {
        change(bytes, Buffer.from(contentOf(found, SEGMENT_0).subarray(0, sizeBytes)))
        tail = Buffer.from(bytes)
      })

      await using store = await openStore(simulated(found))
      const { recovery } = store.info()
      expect(recovery).toMatchObject({ kind: 'crash', damaged: [], rebuilt: false })
      expect(await namesIn(store)).toEqual(['m0', 'm1', 'm2'].slice(0, keeps))
      const bytes = quarantines === 'the record' ? sizeBytes : quarantines
      expect(recovery.quarantinedBytes).toBe(bytes)
      if (bytes > 0)
        expect(Buffer.from(contentOf(found, recovery.quarantinePath as string))).toEqual(tail.subarray(0, bytes))
      expect(store.append(message(bodyOf(keeps)))).toMatchObject({ queueOffset: keeps })
      expect(await namesIn(store)).toEqual(['m0', 'm1', 'm2', 'm3'].slice(0, keeps + 1))
    }
  )

  test('whose log breaks off in an earlier segment: keeps all before, and every byte behind in quarantine', async () => {
    const disk = new SimulatedDisk()
    const places = await abandoned(disk, store =>
      Array.from({ length: 120 }, (_, i) => store.append(message(bodyOf(i))))
    )
    const broken = places.findIndex(({ physicalOffset }) => physicalOffset > 1.5 * SEGMENT_BYTES)
    const { physicalOffset } = places[broken]!
    const found = ends[end](disk)
    patchFile(found, `${LOG}/00000000000000065536`, physicalOffset - SEGMENT_BYTES, 4, bytes => bytes.fill(0))

    await using store = await openStore(simulated(found))
    expect(await namesIn(store)).toEqual(places.slice(0, broken).map((_, i) => `m${i}`))
    const kept = found.list('/store/varve/quarantine').map(name => textOfFile(found, `/store/varve/quarantine/${name}`))
    expect(kept).toHaveLength(3) // The rest of one segment, and two that are gone.
    for (let i = broken; i < 120; i++) expect(kept.some(text => text.includes(bodyOf(i)))).toBe(true)
    fill(store, 60, { from: broken })
    expect(await namesIn(store)).toEqual(Array.from({ length: broken + 60 }, (_, i) => `m${i}`))
  })

  test('reads nothing of what was never written behind the log', async () => {
    const disk = new SimulatedDisk()
    await abandoned(disk, store => fill(store, 2))
    const found = ends[end](disk)
    const watched = new FaultyFiles(found)
    await using store = await openStore(simulated(watched))
    expect(await namesIn(store)).toEqual(['m0', 'm1'])
    const beyond = watched.calls.filter(({ kind, path, at = 0 }) => kind === 'read' && path === SEGMENT_0 && at > 0)
    expect(beyond).toEqual([])
  })

  test('keeps all of a batch or nothing of it', async () => {
    const batch = Array.from({ length: 5 }, (_, i) => message(bodyOf(1 + i)))
    const disk = new SimulatedDisk()
    const { physicalOffset } = await abandoned(disk, store => {
      fill(store, 1)
      return store.appendBatch(batch)
    })
    const whole = ends[end](disk)
    const open = ends[end](disk)
    patchFile(open, SEGMENT_0, physicalOffset, 4, bytes => bytes.writeInt32BE(0)) // As before its last step.
    await using kept = await openStore(simulated(whole))
    expect(await namesIn(kept)).toEqual(['m0', 'm1', 'm2', 'm3', 'm4', 'm5'])
    await using cut = await openStore(simulated(open))
    expect(await namesIn(cut)).toEqual(['m0'])
  })

  test('keeps what was there before an earlier crash, over and over', async () => {
    let disk = new SimulatedDisk()
    for (let round = 0; round < 5; round++) {
      const store = await openStore(simulated(disk))
      expect(await namesIn(store)).toEqual(Array.from({ length: 30 * round }, (_, i) => `m${i}`))
      expect(await store.messagesByKey({ topic: 'orders', key: 'k7' })).toHaveLength(round === 0 ? 0 : 1)
      fill(store, 30, { from: 30 * round })
      disk = ends[end](disk)
    }
  })
})

describe('damage below the watermark', () => {
  const { at } = RECORD_HEAD
  const sabotages: { what: string; change: (record: Buffer) => void }[] = [
    { what: 'one bit of its body flipped', change: record => flip(record, 200) },
    { what: 'another magic', change: record => flip(record, at.magic) },
    { what: 'another size', change: record => flip(record, 3) },
    { what: 'a huge size', change: record => record.writeInt32BE(0x7fffffff, 0) },
    { what: 'a negative size', change: record => record.writeInt32BE(-1, 0) },
    { what: 'another position', change: record => flip(record, at.physicalOffset + 7) },
    { what: 'nothing but zeros', change: record => record.fill(0) },
    { what: 'nothing but ones', change: record => record.fill(255) }
  ]

  test.each(sabotages)('to a record with $what is told for that record alone', async ({ change }) => {
    for (const how of ['clean', 'crash', 'foreign', 'rebuild'] as const) {
      const disk = new SimulatedDisk()
      const clock = new SettableClock()
      const store = await openStore({ ...simulated(disk), clock })
      fill(store, 10)
      const { physicalOffset, sizeBytes } = store.append(message(bodyOf(10)))
      fill(store, 89, { from: 11 })
      if (how === 'crash') {
        // The watermark becomes durable with the flush after its interval.
        await store.flushed()
        clock.advance(60_000)
        fill(store, 1, { from: 100 })
        await store.flushed()
      } else {
        await store.close()
      }
      const found = how === 'crash' ? disk.crash(seededRandom(2), losesEverything) : disk.kill()
      if (how === 'foreign' || how === 'rebuild') found.removeDirectory('/store/varve')
      if (how === 'rebuild') found.removeDirectory('/store/consumequeue')
      patchFile(found, SEGMENT_0, physicalOffset, sizeBytes, change)

      await using opened = await openStore(simulated(found))
      const { recovery } = opened.info()
      expect(recovery.kind).toBe(how === 'rebuild' ? 'foreign' : how)
      expect(recovery.quarantinedBytes).toBe(0)
      // Who has to read the log from its start to bring the queues back finds the damage at once.
      if (how === 'rebuild') expect(recovery.damaged[0]).toMatchObject({ from: physicalOffset })
      const names: string[] = []
      const damaged: number[] = []
      for (let offset = 0; offset < opened.maxOffset(QUEUE); ) {
        const result = await opened.read({ ...QUEUE, offset })
        names.push(...result.messages.map(nameOf))
        damaged.push(
          ...result.damaged.map(({ code, details }) => (code === 'RECORD_DAMAGED' ? Number(details.queueOffset) : -1))
        )
        offset = result.nextOffset
      }
      const count = how === 'crash' ? 101 : 100
      expect(damaged).toEqual([10])
      expect(names).toEqual(Array.from({ length: count }, (_, i) => `m${i}`).filter(name => name !== 'm10'))
      expect(opened.append(message('next'))).toMatchObject({ queueOffset: count })
    }
  })
})

describe('derived files', () => {
  const sabotages: {
    what: string
    change: (disk: SimulatedDisk) => void
    indexIsSplitElsewhere?: boolean
    /** After a crash nothing says how many index files there were. */
    noticedOnlyOf?: 'closed'
  }[] = [
    { what: 'no queue files', change: disk => disk.removeDirectory('/store/consumequeue') },
    {
      what: 'the last file of a queue missing',
      change: disk => disk.remove(lastIn(disk, '/store/consumequeue/orders/0'))
    },
    {
      what: 'the first file of a queue missing',
      change: disk => disk.remove(fileIn(disk, '/store/consumequeue/orders/0', 0))
    },
    {
      what: 'a file in the middle of a queue missing',
      change: disk => disk.remove(fileIn(disk, '/store/consumequeue/orders/0', 3))
    },
    { what: 'the files of one queue missing', change: disk => disk.removeDirectory('/store/consumequeue/payments/3') },
    { what: 'a short queue file', change: disk => resize(disk, lastIn(disk, '/store/consumequeue/orders/0'), 100) },
    { what: 'an empty queue file', change: disk => resize(disk, lastIn(disk, '/store/consumequeue/orders/0'), 0) },
    { what: 'no index', change: disk => disk.removeDirectory('/store/index') },
    {
      what: 'the last index file missing',
      change: disk => disk.remove(lastIn(disk, '/store/index')),
      indexIsSplitElsewhere: true
    },
    {
      what: 'the first index file missing',
      change: disk => disk.remove(fileIn(disk, '/store/index', 0)),
      noticedOnlyOf: 'closed'
    },
    {
      what: 'an index file in the middle missing',
      change: disk => disk.remove(fileIn(disk, '/store/index', 2)),
      noticedOnlyOf: 'closed'
    },
    { what: 'no checkpoint', change: disk => disk.remove('/store/checkpoint') },
    { what: 'a checkpoint of garbage', change: disk => garble(disk, '/store/checkpoint') },
    { what: 'no state', change: disk => disk.remove('/store/varve/state') },
    { what: 'a state of garbage', change: disk => garble(disk, '/store/varve/state') },
    { what: 'no queue table', change: disk => disk.remove('/store/varve/queues') },
    { what: 'a queue table of garbage', change: disk => garble(disk, '/store/varve/queues') },
    { what: 'nothing of Varve', change: disk => disk.removeDirectory('/store/varve') },
    { what: 'nothing but the log', change: disk => onlyTheLog(disk) }
  ]

  async function written(disk: SimulatedDisk, how: 'closed' | 'killed'): Promise<SimulatedDisk> {
    const clock = new SettableClock()
    const store = await openStore({ ...simulated(disk), clock })
    for (let i = 0; i < 150; i++) {
      const queue = i % 5 === 0 ? { topic: 'payments', queueId: 3 } : QUEUE
      store.append(message(bodyOf(i), { ...queue, keys: [`k${i}`, 'all'], tag: `t${i % 3}` }))
      clock.advance(1)
    }
    if (how === 'closed') await store.close()
    return disk.kill()
  }

  async function reopened(disk: SimulatedDisk): Promise<Map<string, string>> {
    const clock = new SettableClock()
    clock.advance(1_000_000)
    await using store = await openStore({ ...simulated(disk), clock })
    expect(await namesIn(store)).toHaveLength(120)
    expect(await namesIn(store, { topic: 'payments', queueId: 3 })).toHaveLength(30)
    expect((await store.messagesByKey({ topic: 'orders', key: 'k7' })).map(nameOf)).toEqual(['m7'])
    for (const queue of [QUEUE, { topic: 'payments', queueId: 3 }]) {
      const newest = (await namesIn(store, queue)).reverse().slice(0, 64)
      expect((await store.messagesByKey({ topic: queue.topic, key: 'all' })).map(nameOf)).toEqual(newest)
    }
    expect(store.info().recovery).toMatchObject({ damaged: [], quarantinedBytes: 0 })
    await store.close()
    const files = new Map<string, string>()
    for (const path of pathsBelow(disk, '/store')) {
      if (path.includes('/consumequeue/')) files.set(path, hash(contentOf(disk, path)))
    }
    // Index files are named after the instant in which they were made.
    for (const [i, name] of disk.list('/store/index').entries())
      files.set(`index ${i}`, hash(contentOf(disk, `/store/index/${name}`)))
    return files
  }

  function forgetIndex(files: Map<string, string>): void {
    for (const path of files.keys()) if (path.startsWith('index')) files.delete(path)
  }

  describe.each(['closed', 'killed'] as const)('of a store that was %s', how => {
    test.each(sabotages.filter(({ noticedOnlyOf = how }) => noticedOnlyOf === how))(
      'are as after a rebuild from the log, with $what',
      async ({ change, indexIsSplitElsewhere = false }) => {
        const before = await written(new SimulatedDisk(), how)
        const fromLog = before.kill()
        onlyTheLog(fromLog)
        const found = before.kill()
        change(found)
        const [rebuilt, expected] = [await reopened(found), await reopened(fromLog)]
        if (indexIsSplitElsewhere) for (const files of [rebuilt, expected]) forgetIndex(files)
        expect(rebuilt).toEqual(expected)
      }
    )
  })
})

describe.each<GoldenCase>(['plain', 'checksum'])('a store that Apache RocketMQ wrote (%s)', name => {
  const { listing, files } = goldenStore(name)
  const options: Partial<StoreOptions> = {
    segmentBytes: listing.segmentBytes,
    queueFileEntries: listing.queueFileBytes / 20,
    indexSlots: listing.indexSlots,
    indexItems: listing.indexItems,
    recordChecksum: listing.recordChecksum,
    threads: 'none'
  }

  function unpacked(without: RegExp = /^$/): string {
    const directory = freshDirectory()
    for (const [path, bytes] of files) {
      if (without.test(path)) continue
      mkdirSync(dirname(join(directory, path)), { recursive: true })
      writeFileSync(join(directory, path), bytes)
    }
    return directory
  }

  async function expectListing(store: Store): Promise<void> {
    for (const { topic, queueId, firstOffset, maxOffset, physicalOffsets } of listing.queues) {
      const found: number[] = []
      expect([store.minOffset({ topic, queueId }), store.maxOffset({ topic, queueId })]).toEqual([
        firstOffset,
        maxOffset
      ])
      for (let offset = firstOffset; offset < maxOffset; ) {
        const { messages, nextOffset, damaged } = await store.read({ topic, queueId, offset })
        expect(damaged).toEqual([])
        found.push(...messages.map(({ physicalOffset }) => physicalOffset))
        offset = nextOffset
      }
      expect(found).toEqual(physicalOffsets)
    }
    for (const expected of listing.messages) {
      const message = await store.messageAt(expected.physicalOffset)
      expect(message).toMatchObject({
        topic: expected.topic,
        queueId: expected.queueId,
        queueOffset: expected.queueOffset,
        flag: expected.flag,
        sysFlag: expected.sysFlag,
        bornAtMs: expected.bornAtMs,
        storedAtMs: expected.storedAtMs,
        reconsumeTimes: expected.reconsumeTimes,
        tag: expected.tags
      })
      expect({ ...message.properties }).toMatchObject(expected.properties)
      expect(createHash('sha256').update(message.body).digest('hex')).toBe(expected.bodySha256)
      expect((await store.messageById(expected.messageId)).physicalOffset).toBe(expected.physicalOffset)
    }
    for (const { topic, key, physicalOffsets } of listing.keys) {
      const found = await store.messagesByKey({ topic, key })
      expect(found.map(({ physicalOffset }) => physicalOffset)).toEqual(
        [...physicalOffsets].sort((a, b) => b - a).slice(0, 64)
      )
    }
  }

  test.each([
    { how: 'as it was closed', without: /^$/ },
    { how: 'without queues', without: /^consumequeue/ },
    { how: 'without index', without: /^index/ },
    { how: 'without checkpoint', without: /^checkpoint/ },
    { how: 'with nothing but the log', without: /^(?!commitlog)/ }
  ])('opens $how, shows what its own listing says, and goes on', async ({ without }) => {
    const directory = unpacked(without)
    const next = listing.queues[0]!
    {
      await using store = await openStore({ directory, ...options })
      expect(store.info().recovery).toMatchObject({ kind: 'foreign', damaged: [], quarantinedBytes: 0 })
      await expectListing(store)
      expect(store.append(message('next', next))).toMatchObject({ queueOffset: next.maxOffset })
      const read = await store.read({ ...next, offset: next.maxOffset })
      expect(read.messages.map(nameOf)).toEqual(['next'])
    }
    await using store = await openStore({ directory, ...options })
    expect(store.info().recovery.kind).toBe('clean')
    expect(store.maxOffset(next)).toBe(next.maxOffset + 1)
  })

  test('opens as after a crash, when its mark of running is there', async () => {
    const directory = unpacked()
    writeFileSync(join(directory, 'abort'), '1')
    await using store = await openStore({ directory, ...options })
    expect(store.info().recovery).toMatchObject({ kind: 'foreign', damaged: [], quarantinedBytes: 0 })
    expect(store.info().recovery.scannedBytes).toBeGreaterThan(0)
    await expectListing(store)
  })
})

describe('a store that Apache RocketMQ left without closing it', () => {
  /** In a record from an IPv4 host. */
  const STORED_AT = 56
  const YEAR_2050_MS = BigInt(Date.UTC(2050, 0, 1))

  test.each([
    { when: 'when the checkpoint says that it had been on disk', hasRottenTime: false },
    { when: 'though the store time of a record before it has rotted into one to come', hasRottenTime: true }
  ])('loses nothing but a damaged record, $when', async ({ hasRottenTime }) => {
    const { listing, files } = goldenStore('plain')
    const directory = freshDirectory()
    const orders = listing.messages.filter(({ topic, bodyBytes }) => topic === 'orders' && bodyBytes > 0)
    const [rotten, damaged] = [orders[4]!, orders[5]!]
    for (const [path, bytes] of files) {
      mkdirSync(dirname(join(directory, path)), { recursive: true })
      const copy = Buffer.from(bytes)
      if (path.startsWith('commitlog') && Number(path.slice(-20)) === 0)
        copy.fill(0, damaged.physicalOffset, damaged.physicalOffset + 40)
      if (path.startsWith('commitlog') && Number(path.slice(-20)) === 0 && hasRottenTime)
        copy.writeBigInt64BE(YEAR_2050_MS, rotten.physicalOffset + STORED_AT)
      writeFileSync(join(directory, path), copy)
    }
    writeFileSync(join(directory, 'abort'), '1')
    const { segmentBytes, indexSlots, indexItems } = listing
    await using store = await openStore({
      directory,
      segmentBytes,
      indexSlots,
      indexItems,
      queueFileEntries: listing.queueFileBytes / 20,
      threads: 'none'
    })
    const { recovery } = store.info()
    expect(recovery).toMatchObject({ kind: 'foreign', quarantinedBytes: 0 })
    expect(recovery.damaged[0]).toMatchObject({
      from: damaged.physicalOffset,
      until: damaged.physicalOffset + damaged.sizeBytes
    })
    for (const { physicalOffset } of listing.messages.filter(other => other !== damaged))
      expect((await store.messageAt(physicalOffset)).physicalOffset).toBe(physicalOffset)
  })
})

describe('a crash during recovery', () => {
  const changing = new Set<Call['kind']>([
    'write',
    'setSize',
    'allocate',
    'rename',
    'remove',
    'removeDirectory',
    'makeDirectory',
    'sync',
    'syncAll',
    'syncDirectory',
    'syncFileSystem'
  ])

  test.each(endNames)('by %s, at every step of it, loses nothing and leaves nothing undone', async end => {
    const disk = new SimulatedDisk()
    const places = await abandoned(disk, store =>
      Array.from({ length: 60 }, (_, i) => store.append(message(bodyOf(i), { keys: `k${i}` })))
    )
    const torn = disk.kill()
    const { physicalOffset } = places[50]!
    patchFile(torn, `${LOG}/00000000000000065536`, physicalOffset - SEGMENT_BYTES, 1, bytes => bytes.fill(77))
    torn.settle()

    // Every point of the recovery from which another one may have to start.
    const points: SimulatedDisk[] = []
    const random = seededRandom(5)
    const watched = new FaultyFiles(torn, {
      before: ({ kind }) => {
        if (changing.has(kind)) points.push(end === 'kill' ? torn.kill() : torn.crash(random))
      }
    })
    const expected = places.slice(0, 50).map((_, i) => `m${i}`)
    await (await openStore(simulated(watched))).close()
    expect(points.length).toBeGreaterThan(20)
    for (const point of points) {
      await using store = await openStore(simulated(point))
      expect(await namesIn(store)).toEqual(expected)
      expect((await store.messagesByKey({ topic: 'orders', key: 'k49' })).map(nameOf)).toEqual(['m49'])
      const kept = point
        .list('/store/varve/quarantine')
        .map(name => textOfFile(point, `/store/varve/quarantine/${name}`))
      expect(kept.some(text => text.includes(bodyOf(55)))).toBe(true)
      expect(store.append(message('next'))).toMatchObject({ queueOffset: 50 })
    }
  })
})

/** Runs `work` on a store that is then left as it is, and never closed. */
async function abandoned<Result>(disk: SimulatedDisk, work: (store: Store) => Result): Promise<Result> {
  // However long this takes, no state is saved meanwhile: what comes of a record may depend on that.
  return work(await openStore({ ...simulated(disk), clock: new SettableClock() }))
}

const textOfFile = (files: Files, path: string): string => Buffer.from(contentOf(files, path)).toString()

const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

function patchFile(
  disk: SimulatedDisk,
  path: string,
  at: number,
  count: number,
  change: (bytes: Buffer) => void
): void {
  const file = disk.open(path, 'write')
  const bytes = Buffer.alloc(count)
  file.read(bytes, at)
  change(bytes)
  file.write(bytes, at)
  file.close()
}

function flip(bytes: Buffer, at: number): void {
  bytes[at] = bytes[at]! ^ 1
}

function resize(disk: SimulatedDisk, path: string, bytes: number): void {
  const file = disk.open(path, 'write')
  file.setSize(bytes)
  file.close()
}

function garble(disk: SimulatedDisk, path: string): void {
  const file = disk.open(path, 'write')
  file.write(seededRandom(9).bytes(file.sizeBytes()), 0)
  file.close()
}

function onlyTheLog(disk: SimulatedDisk): void {
  for (const name of disk.list('/store')) {
    if (name === 'commitlog') continue
    if (disk.find(`/store/${name}`)?.isDirectory) disk.removeDirectory(`/store/${name}`)
    else disk.remove(`/store/${name}`)
  }
}

const fileIn = (disk: SimulatedDisk, directory: string, index: number): string =>
  `${directory}/${disk.list(directory).at(index)}`
const lastIn = (disk: SimulatedDisk, directory: string): string => fileIn(disk, directory, -1)

function pathsBelow(disk: SimulatedDisk, directory: string): string[] {
  return disk.list(directory).flatMap(name => {
    const path = `${directory}/${name}`
    return disk.find(path)?.isDirectory ? pathsBelow(disk, path) : [path]
  })
}
