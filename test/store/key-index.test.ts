import { describe, expect, test } from 'vitest'
import { type Clock, MiB, PAGE_BYTES, type Random, seededRandom } from '../../src/base/index.ts'
import {
  INDEX_HEADER,
  INDEX_ITEM,
  indexFileBytes,
  indexItemAt,
  indexKeyHashOfText,
  indexSlotAt,
  indexSlotOf,
  RecordPositions
} from '../../src/layout/index.ts'
import type { Files, MapperKind } from '../../src/store/files.ts'
import {
  forEachKeyHash,
  type KeyIndex,
  type KeyIndexQuery,
  openKeyIndex,
  openKeyIndexReader
} from '../../src/store/key-index.ts'
import { indexFileName } from '../../src/store/key-index-names.ts'
import { recordsOf } from '../golden/golden-records.ts'
import { filesIn, type GoldenCase, goldenStore } from '../golden/golden-store.ts'
import { FaultyFiles } from '../support/faulty-files.ts'
import { losesEverything, losesNothing, SimulatedDisk } from '../support/simulated-disk.ts'

const DIRECTORY = '/store/index'
const shape = { slots: 7, items: 20 }
const clock: Clock = { nowMs: () => new Date(2026, 0, 2, 3, 4, 5, 6).getTime(), monotonicMs: () => 0 }
const BEGIN_MS = 1_700_000_000_000
const always = { countMax: 64, fromMs: 0, untilMs: Number.MAX_SAFE_INTEGER }
const mappers: MapperKind[] = ['native', 'plain']

interface Put {
  readonly keyHash: number
  readonly physicalOffset: number
  readonly storedAtMs: number
}

/** Header and slots end within the second page, the items within the fourth: what is synced apart can be lost apart. */
const pagesApart = { slots: 1200, items: 400 }

/** Records of one or two keys each, one second apart; keys repeat, and share the slots of `shape`. */
function puts(recordCount: number, random: Random = seededRandom(1)): Put[] {
  return Array.from({ length: recordCount }, (_, i) => {
    const at = { physicalOffset: 100 * i, storedAtMs: BEGIN_MS + 1000 * i }
    const first = random.below(12)
    return random.chance(0.3)
      ? [
          { ...at, keyHash: first },
          { ...at, keyHash: first + 7 } // In the same slot.
        ]
      : [{ ...at, keyHash: first }]
  }).flat()
}

function newDisk(mapper: MapperKind = 'native', capacityBytes?: number): SimulatedDisk {
  const disk = new SimulatedDisk({ mapper, ...(capacityBytes === undefined ? {} : { capacityBytes }) })
  disk.makeDirectory('/store')
  disk.settle()
  return disk
}

const open = (files: Files, size = shape): KeyIndex => openKeyIndex({ files, directory: DIRECTORY, ...size, clock })

function putAll(index: KeyIndex, all: readonly Put[]): void {
  for (const { keyHash, physicalOffset, storedAtMs } of all) index.put(keyHash, physicalOffset, storedAtMs)
}

function query(files: Files, wanted: Partial<KeyIndexQuery> & { keyHash: number }, size = shape): number[] {
  const reader = openKeyIndexReader({ files, directory: DIRECTORY, ...size })
  try {
    return reader.query({ ...always, ...wanted })
  } finally {
    reader.close()
  }
}

const expected = (all: readonly Put[], keyHash: number): number[] =>
  all
    .filter(put => put.keyHash === keyHash)
    .map(put => put.physicalOffset)
    .sort((a, b) => b - a)

function expectToFind(files: Files, all: readonly Put[]): void {
  for (let keyHash = 0; keyHash < 20; keyHash++) expect(query(files, { keyHash })).toEqual(expected(all, keyHash))
}

/** Keys of which some repeat, in slots of all pages; some records have none. */
function spreadPuts(recordCount: number, from: number, random: Random): Put[] {
  return Array.from({ length: recordCount }, (_, i) => {
    const at = { physicalOffset: from + 100 * i, storedAtMs: BEGIN_MS + from + 1000 * i }
    return Array.from({ length: random.below(3) }, () => ({ ...at, keyHash: random.below(500) * 769 }))
  })
    .flat()
    .filter((put, i, all) => !all.slice(Math.max(0, i - 1), i).some(other => isSame(other, put)))
}

const isSame = (one: Put, other: Put): boolean =>
  one.keyHash === other.keyHash && one.physicalOffset === other.physicalOffset

function bytesOf(files: Files, path: string): Uint8Array {
  const file = files.open(path, 'read')
  const bytes = new Uint8Array(file.sizeBytes())
  file.read(bytes, 0)
  file.close()
  return bytes
}

const contents = (files: Files): Buffer[] =>
  files.list(DIRECTORY).map(name => Buffer.from(bytesOf(files, `${DIRECTORY}/${name}`)))

const newestPath = (files: Files): string => `${DIRECTORY}/${files.list(DIRECTORY).at(-1)}`

function overwrite(files: Files, path: string, at: number, bytes: Uint8Array): void {
  const file = files.open(path, 'write')
  file.write(bytes, at)
  file.close()
}

function overwriteInt32(files: Files, path: string, at: number, value: number): void {
  const bytes = new DataView(new ArrayBuffer(4))
  bytes.setInt32(0, value)
  overwrite(files, path, at, new Uint8Array(bytes.buffer))
}

/** What the same puts make on an empty disk. */
function freshContents(all: readonly Put[], size = shape): Buffer[] {
  const disk = newDisk()
  const index = open(disk, size)
  putAll(index, all)
  index.close()
  return contents(disk)
}

describe.each<GoldenCase>(['plain', 'checksum'])('the index of the store %s, which Apache RocketMQ wrote', name => {
  const golden = goldenStore(name)
  const { listing } = golden
  const size = { slots: listing.indexSlots, items: listing.indexItems }
  const records = [...filesIn(golden, 'commitlog')].flatMap(([file, bytes]) => recordsOf(bytes, Number(file)))

  test.each(mappers)('comes out the same, byte for byte, when its records are put (%s)', mapper => {
    const disk = newDisk(mapper)
    const index = open(disk, size)
    for (const { bytes, positions, physicalOffset } of records) {
      if ((positions.sysFlag & 0xc) !== 0xc) forEachKeyHash(bytes, positions, index, physicalOffset)
    }
    index.close()
    const apache = [...filesIn(golden, 'index').values()]
    expect(apache.length).toBeGreaterThan(1)
    expect(contents(disk)).toEqual(apache.map(bytes => Buffer.from(bytes)))
    expect(disk.sparseWrites()).toEqual([])
  })

  test('answers queries as Apache did', () => {
    const disk = newDisk()
    disk.makeDirectory(DIRECTORY)
    for (const [file, bytes] of filesIn(golden, 'index')) disk.open(`${DIRECTORY}/${file}`, 'create').write(bytes, 0)
    expect(listing.keys.length).toBeGreaterThan(1)
    for (const { topic, key, physicalOffsets } of listing.keys) {
      const found = query(disk, { keyHash: indexKeyHashOfText(topic, key) }, size)
      expect(found).toEqual([...physicalOffsets].sort((a, b) => b - a))
    }
  })
})

describe('keys of a record', () => {
  const hashesOf = (properties: string): number[] => {
    const bytes = Buffer.from(`T${properties}`)
    const record = Object.assign(new RecordPositions(), {
      topicBytes: 1,
      propertiesAt: 1,
      propertiesBytes: bytes.length - 1
    })
    const hashes: number[] = []
    forEachKeyHash(bytes, record, { put: hash => hashes.push(hash) }, 0)
    return hashes
  }

  test.each<{ properties: string; keys: string[] }>([
    { properties: '', keys: [] },
    { properties: 'DELAY\x011\x02', keys: [] },
    { properties: 'TAGS\x01a\x02', keys: ['T#a'] },
    { properties: 'TAGS\x01t\x02KEYS\x01a\x02', keys: ['a', 'T#t'] },
    { properties: 'KEYS\x01a b\x02UNIQ_KEY\x01u\x02', keys: ['u', 'a', 'b'] },
    { properties: 'KEYS\x01 a  b \x02', keys: ['a', 'b'] },
    { properties: 'KEYS\x01a\x02KEYS\x01b\x02', keys: ['b'] },
    { properties: 'KEYS\x01a\x02KEYS\x01\x02', keys: ['a'] },
    { properties: 'KEYS\x01größe 鍵 🔑', keys: ['größe', '鍵', '🔑'] }
  ])('of properties $properties are $keys', ({ properties, keys }) => {
    expect(hashesOf(properties)).toEqual(keys.map(key => indexKeyHashOfText('T', key)))
  })
})

describe.each(mappers)('an index (%s)', mapper => {
  test('finds what was put, newest first, over several files', () => {
    const disk = newDisk(mapper)
    const index = open(disk)
    const all = puts(100)
    putAll(index, all)
    index.publish()
    expect(disk.list(DIRECTORY).length).toBe(Math.ceil(all.length / (shape.items - 1)))
    expectToFind(disk, all)
    expect(index.endPhysicalOffset).toBe(9900)
    index.close()
    expectToFind(disk, all)
    expect(disk.sparseWrites()).toEqual([])
  })

  test('goes on where it was closed', () => {
    const disk = newDisk(mapper)
    const all = puts(60)
    const stopAt = all.findIndex(put => put.physicalOffset === 3000)
    const first = open(disk)
    putAll(first, all.slice(0, stopAt))
    first.close()
    const second = open(disk)
    putAll(second, all.slice(stopAt))
    second.close()
    expect(contents(disk)).toEqual(freshContents(all))
  })

  test('passes over what it has, however often the log is dispatched', () => {
    const disk = newDisk(mapper)
    const all = puts(12)
    const first = open(disk)
    putAll(first, all)
    putAll(first, all)
    first.close()
    const second = open(disk)
    putAll(second, all)
    putAll(second, [...all, ...all.slice(-1)])
    second.close()
    expect(contents(disk)).toEqual(freshContents(all))
  })

  test('of which nothing is flushed is still there after the process was killed', () => {
    const disk = newDisk(mapper)
    const index = open(disk)
    const all = puts(30)
    putAll(index, all)
    index.publish()
    const found = disk.kill()
    const again = open(found)
    expect(again.endPhysicalOffset).toBe(2900)
    putAll(again, all)
    again.close()
    expect(contents(found)).toEqual(freshContents(all))
  })

  test.each([0, 500, 1150, 2900, 9999])('cut at %i has the records below it and takes others instead', cutAt => {
    const disk = newDisk(mapper)
    const all = puts(30)
    const index = open(disk)
    putAll(index, all)
    index.truncateTo(cutAt)
    const kept = all.filter(put => put.physicalOffset < cutAt)
    expect(index.endPhysicalOffset).toBe(kept.at(-1)?.physicalOffset ?? 0)
    index.publish()
    expectToFind(disk, kept)
    const others = puts(30, seededRandom(2)).filter(put => put.physicalOffset >= cutAt)
    putAll(index, others)
    index.close()
    if (others.length > 0) expect(contents(disk)).toEqual(freshContents([...kept, ...others]))
  })

  test('deletes the files that have only older records, never the newest', () => {
    const disk = newDisk(mapper)
    const index = open(disk)
    const all = puts(100)
    putAll(index, all)
    const count = disk.list(DIRECTORY).length
    expect(index.deleteBelow(5000)).toBeGreaterThan(1)
    index.publish()
    for (let keyHash = 0; keyHash < 20; keyHash++) {
      const found = query(disk, { keyHash })
      const wanted = expected(all, keyHash)
      expect(found).toEqual(wanted.slice(0, found.length))
      expect(found.length).toBeGreaterThanOrEqual(wanted.filter(offset => offset >= 5000).length)
    }
    index.deleteBelow(1e9)
    expect([disk.list(DIRECTORY).length, count > 2]).toEqual([1, true])
    index.flush()
    index.close()
    expect(disk.crash(seededRandom(1), losesEverything).list(DIRECTORY).length).toBe(1)
  })

  test('on a full disk refuses to put, unharmed, and goes on when there is room', () => {
    const disk = newDisk(mapper, 10 * MiB)
    const size = { slots: 1000, items: 450_000 }
    const index = open(disk, size)
    const ballast = disk.open('/ballast', 'create')
    ballast.allocate(0, 5 * MiB, { keepSize: true })
    const putOne = (i: number) => index.put(i, i, BEGIN_MS + i)
    let done = 0
    const putOn = () => {
      for (; done < 300_000; done++) putOne(done)
    }
    expect(putOn).toThrow(expect.objectContaining({ code: 'STORE_DISK_FULL' }))
    expect(() => putOne(done)).toThrow(expect.objectContaining({ code: 'STORE_DISK_FULL' }))
    expect(done).toBeGreaterThan(200_000)
    index.publish()
    expect([0, done - 1, done].map(keyHash => query(disk, { keyHash }, size))).toEqual([[0], [done - 1], []])
    ballast.close()
    disk.remove('/ballast')
    putOn()
    index.publish()
    expect([0, 299_999].map(keyHash => query(disk, { keyHash }, size))).toEqual([[0], [299_999]])
    expect(disk.sparseWrites()).toEqual([])
    index.close()
  })

  test('that cannot make its file for want of room makes it when there is some', () => {
    const disk = newDisk(mapper, 2 * PAGE_BYTES)
    const ballast = disk.open('/ballast', 'create')
    ballast.allocate(0, PAGE_BYTES, { keepSize: true })
    const index = open(disk, { slots: 1500, items: 20 })
    expect(() => putAll(index, puts(1))).toThrow(expect.objectContaining({ code: 'STORE_DISK_FULL' }))
    expect(disk.list(DIRECTORY)).toEqual([])
    ballast.punchHole(0, PAGE_BYTES)
    ballast.close()
    disk.remove('/ballast')
    putAll(index, puts(1))
    index.close()
    expect(disk.list(DIRECTORY).length).toBe(1)
  })

  test('takes blocks in steps: an empty file of full size has little more than its slots', () => {
    const disk = newDisk(mapper)
    const size = { slots: 10_000, items: 2_000_000 }
    const index = open(disk, size)
    putAll(index, puts(1))
    index.close()
    const facts = disk.find(newestPath(disk))!
    expect(facts.sizeBytes).toBe(indexFileBytes(size.slots, size.items))
    expect(facts.allocatedBytes).toBeLessThan(5 * MiB)
  })

  test('flushed, survives a loss of power', () => {
    const disk = newDisk(mapper)
    const index = open(disk)
    const all = puts(50)
    putAll(index, all)
    index.flush()
    const found = disk.crash(seededRandom(1), losesEverything)
    expectToFind(found, all)
    const again = open(found)
    expect([again.rebuildTo(5000), again.rebuildFrom]).toEqual([5000, undefined])
    again.close()
    expectToFind(found, all)
  })

  test('whose flush failed says so for ever', () => {
    const files = new FaultyFiles(newDisk(mapper))
    const index = open(files)
    putAll(index, puts(3))
    files.fail({ kind: 'sync', errno: 'EIO' })
    expect(() => index.flush()).toThrow(expect.objectContaining({ code: 'STORE_SYNC_FAILED' }))
    expect(() => index.flush()).toThrow(expect.objectContaining({ code: 'STORE_SYNC_FAILED' }))
    index.close()
  })

  test('tells the time of the last full file that is on disk', () => {
    const index = open(newDisk(mapper))
    const all = Array.from({ length: 45 }, (_, i) => ({ keyHash: i, physicalOffset: i, storedAtMs: BEGIN_MS + i }))
    putAll(index, all)
    expect(index.fullFilesStoredAtMs).toBe(0)
    index.flush()
    expect(index.fullFilesStoredAtMs).toBe(BEGIN_MS + 37)
    index.close()
  })
})

describe('a process killed in the middle of a put', () => {
  const all = puts(12).filter((put, i, list) => i < list.length - 1 || put.physicalOffset === 1100)
  const number = all.length
  const last = all.at(-1)!

  /** The index before and after the last put. */
  function beforeAndAfter(): { before: SimulatedDisk; after: Uint8Array } {
    const disk = newDisk()
    const index = open(disk)
    putAll(index, all.slice(0, -1))
    const before = disk.kill()
    putAll(index, [last])
    return { before, after: bytesOf(disk, newestPath(disk)) }
  }

  const itemAt = indexItemAt(number, shape.slots)
  const slotAt = indexSlotAt(indexSlotOf(last.keyHash, shape.slots))
  const steps = [
    { name: 'half an item', at: itemAt, bytes: 8 },
    { name: 'the item', at: itemAt, bytes: INDEX_ITEM.sizeBytes },
    { name: 'the slot', at: slotAt, bytes: 4 },
    { name: 'the end in the header', at: 0, bytes: INDEX_HEADER.at.usedSlotCount }
  ]

  test.each(steps.map((step, i) => ({ ...step, i })))('after $name was written: puts it again', ({ i }) => {
    const { before, after } = beforeAndAfter()
    for (const { at, bytes } of steps.slice(0, i + 1)) {
      overwrite(before, newestPath(before), at, after.subarray(at, at + bytes))
    }
    const index = open(before)
    expect(index.endPhysicalOffset).toBeLessThanOrEqual(last.physicalOffset)
    const from = index.endPhysicalOffset
    putAll(
      index,
      all.filter(put => put.physicalOffset >= from)
    )
    index.close()
    expect(contents(before)).toEqual(freshContents(all))
  })

  test('at any write of a publish (plain): every record is found after it was dispatched again', () => {
    const size = { slots: 3000, items: 20 }
    const many = Array.from({ length: 30 }, (_, i) => ({
      keyHash: (i * 769) % 9000,
      physicalOffset: 100 * Math.floor(i / 2),
      storedAtMs: BEGIN_MS + i
    }))
    let failed = 0
    for (let nth = 1; nth < 12; nth++) {
      const disk = newDisk('plain')
      const files = new FaultyFiles(disk)
      const index = open(files, size)
      putAll(index, many.slice(0, 8))
      index.publish()
      putAll(index, many.slice(8, 16))
      files.fail({ kind: 'write', errno: 'EIO', nth, forever: true })
      try {
        index.publish()
      } catch {
        failed++
      }
      const found = disk.kill()
      const again = open(found, size)
      const from = again.endPhysicalOffset
      expect(from).toBeGreaterThanOrEqual(300)
      putAll(
        again,
        many.filter(put => put.physicalOffset >= from)
      )
      again.close()
      for (const { keyHash } of many) expect(query(found, { keyHash }, size)).toEqual(expected(many, keyHash))
    }
    expect(failed).toBe(3)
  })
})

describe('after a loss of power', () => {
  const policies = [losesEverything, losesNothing, {}, { tornPages: 0.5 }]

  /** Puts with flushes here and there. Returns up to where the last of them reached. */
  function putAndFlush(index: KeyIndex, all: readonly Put[], from: number, random: Random): number {
    let durableUntil = from
    for (const [i, put] of all.entries()) {
      putAll(index, [put])
      if (all[i + 1]?.physicalOffset === put.physicalOffset) continue
      if (random.chance(0.01)) {
        index.flush()
        durableUntil = put.physicalOffset + 100
      } else if (random.chance(0.03)) index.publish()
    }
    index.publish()
    return durableUntil
  }

  test.each(mappers)('an index rebuilt to what was flushed is as if nothing had happened (%s)', mapper => {
    let lost = 0
    for (let seed = 1; seed <= 60; seed++) {
      const random = seededRandom(seed)
      let disk = newDisk(mapper)
      let log: Put[] = []
      let durableUntil = 0
      for (let life = 0; life < 3; life++) {
        const index = open(disk, pagesApart)
        const from = index.rebuildTo(durableUntil)
        expect(from, `seed ${seed}`).toBe(durableUntil)
        // What was above is lost from the log as well, and others take its place.
        const kept = log.filter(put => put.physicalOffset < durableUntil)
        lost += log.length - kept.length
        const added = spreadPuts(50 + random.below(300), durableUntil, random)
        log = [...kept, ...added]
        durableUntil = putAndFlush(index, added, durableUntil, random)
        disk = disk.crash(random, random.pick(policies))
      }
      const index = open(disk, pagesApart)
      const from = index.rebuildTo(durableUntil)
      const last = { keyHash: 3, physicalOffset: 1e6, storedAtMs: BEGIN_MS + 1e9 }
      log.push(last)
      putAll(
        index,
        log.filter(put => put.physicalOffset >= from)
      )
      index.close()
      expect(contents(disk), `seed ${seed}`).toEqual(freshContents(log, pagesApart))
    }
    expect(lost).toBeGreaterThan(1000)
  })

  test.each([
    { damage: 'a first item that cannot be', at: indexItemAt(1, shape.slots) + INDEX_ITEM.at.previousItem, value: 5 },
    { damage: 'a header that does not fit the items', at: INDEX_HEADER.at.beginPhysicalOffset + 4, value: 3801 }
  ])('a file with $damage is dropped and put again', ({ at, value }) => {
    const disk = newDisk()
    const index = open(disk)
    const all = Array.from({ length: 45 }, (_, i) => ({
      keyHash: i % 20,
      physicalOffset: 100 * i,
      storedAtMs: BEGIN_MS + i
    }))
    putAll(index, all)
    index.flush()
    index.close()
    overwriteInt32(disk, newestPath(disk), at, value)
    const again = open(disk)
    const from = again.rebuildTo(4500)
    expect(from).toBe(3700)
    putAll(
      again,
      all.filter(put => put.physicalOffset >= from)
    )
    again.close()
    expectToFind(disk, all)
  })

  test('an index that nobody flushed is believed as far as its items fit together', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const disk = newDisk()
      const index = open(disk, { slots: 7, items: 2000 })
      const all = puts(900)
      putAll(index, all)
      const found = disk.crash(seededRandom(seed), { names: 1, sizes: 1, pages: 0.5, tornPages: 0.2 })
      const again = open(found, { slots: 7, items: 2000 })
      const from = again.rebuildTo(Number.POSITIVE_INFINITY)
      putAll(
        again,
        all.filter(put => put.physicalOffset >= from)
      )
      again.close()
      for (let keyHash = 0; keyHash < 20; keyHash++) {
        const found64 = query(found, { keyHash }, { slots: 7, items: 2000 })
        expect(found64, `seed ${seed}`).toEqual(expected(all, keyHash).slice(0, 64))
      }
    }
  })
})

test('an index whose first item is not where its header says is cut all the same', () => {
  const disk = newDisk()
  const index = open(disk)
  putAll(
    index,
    [500, 600, 700].map(physicalOffset => ({ keyHash: 1, physicalOffset, storedAtMs: BEGIN_MS }))
  )
  overwriteInt32(disk, newestPath(disk), INDEX_HEADER.at.beginPhysicalOffset + 4, 100)
  index.close()
  const again = open(disk)
  again.truncateTo(300)
  expect([again.endPhysicalOffset, disk.list(DIRECTORY)]).toEqual([0, []])
  again.close()
})

describe('opening an index', () => {
  function diskWithIndex(): { disk: SimulatedDisk; all: Put[] } {
    const disk = newDisk()
    const index = open(disk)
    const all = puts(60)
    putAll(index, all)
    index.flush()
    index.close()
    return { disk, all }
  }

  test('with other settings than it was made with is refused, and changes nothing', () => {
    const { disk } = diskWithIndex()
    const before = contents(disk)
    expect(() => open(disk, { slots: 8, items: 20 })).toThrow(expect.objectContaining({ code: 'STORE_LAYOUT_FOREIGN' }))
    expect(contents(disk)).toEqual(before)
  })

  test('that a crash left without size or header goes on', () => {
    const { disk, all } = diskWithIndex()
    disk.open(`${DIRECTORY}/99990101000000000`, 'create').close()
    const index = open(disk)
    expect(index.endPhysicalOffset).toBe(5900)
    expect(disk.list(DIRECTORY)).not.toContain('99990101000000000')
    index.close()
    disk.open(`${DIRECTORY}/99990101000000000`, 'create').setSize(indexFileBytes(shape.slots, shape.items))
    const again = open(disk)
    expect([again.endPhysicalOffset, again.rebuildFrom]).toEqual([5900, undefined])
    const more = { keyHash: 1, physicalOffset: 6000, storedAtMs: BEGIN_MS + 60_000 }
    putAll(again, [...all, more])
    again.close()
    expectToFind(disk, [...all, more])
  })

  test('whose end was cut off by a process that died while clearing it lengthens it again', () => {
    const disk = newDisk('plain')
    const size = { slots: 7, items: 2000 }
    const index = open(disk, size)
    const all = puts(10)
    putAll(index, all)
    index.close()
    const file = disk.open(newestPath(disk), 'write')
    file.setSize(PAGE_BYTES)
    const again = open(disk, size)
    expect(file.sizeBytes()).toBe(indexFileBytes(size.slots, size.items))
    expect(again.endPhysicalOffset).toBe(900)
    again.close()
  })

  test.each([
    { field: 'nextItem', value: 21 },
    { field: 'nextItem', value: -1 },
    { field: 'endPhysicalOffset', value: -5 },
    { field: 'usedSlotCount', value: 8 }
  ] as const)('with $value as $field of a file drops it and all newer, and says from where to put again', broken => {
    const { disk, all } = diskWithIndex()
    const path = `${DIRECTORY}/${disk.list(DIRECTORY)[1]}`
    overwriteInt32(disk, path, INDEX_HEADER.at[broken.field], broken.value)
    const index = open(disk)
    expect(disk.list(DIRECTORY).length).toBe(1)
    const from = index.rebuildFrom!
    expect(from).toBe(all[18]!.physicalOffset)
    putAll(
      index,
      all.filter(put => put.physicalOffset >= from)
    )
    index.close()
    expectToFind(disk, all)
  })

  test('leaves names alone that are not its own', () => {
    const { disk, all } = diskWithIndex()
    disk.open(`${DIRECTORY}/notes.txt`, 'create').write(new Uint8Array(3), 0)
    const index = open(disk)
    putAll(index, all)
    index.close()
    expect(disk.list(DIRECTORY)).toContain('notes.txt')
    expectToFind(disk, all)
  })
})

describe('a query', () => {
  const base = BEGIN_MS
  const at = (seconds: number): number => base + 1000 * seconds

  function diskWith(all: readonly Put[]): SimulatedDisk {
    const disk = newDisk()
    const index = open(disk)
    putAll(index, all)
    index.close()
    return disk
  }

  const everySecond = Array.from({ length: 40 }, (_, i) => ({
    keyHash: i % 2,
    physicalOffset: i,
    storedAtMs: at(i) + 500
  }))

  test.each([
    { fromMs: at(10), untilMs: at(14) },
    { fromMs: at(0), untilMs: at(3) },
    { fromMs: at(36), untilMs: at(99) },
    { fromMs: at(50), untilMs: at(99) },
    { fromMs: at(17), untilMs: at(21) + 500 }
  ])('finds all records from $fromMs until $untilMs, and others at most a second outside', ({ fromMs, untilMs }) => {
    const found = query(diskWith(everySecond), { keyHash: 0, fromMs, untilMs })
    const within = (slackMs: number) =>
      everySecond
        .filter(put => put.storedAtMs >= fromMs - slackMs && put.storedAtMs <= untilMs + slackMs)
        .filter(put => put.keyHash === 0)
        .map(put => put.physicalOffset)
    expect(found).toEqual(expect.arrayContaining(within(0)))
    expect(within(1000)).toEqual(expect.arrayContaining(found))
  })

  test('answers at most countMax, and goes on below an earlier answer', () => {
    const disk = diskWith(everySecond)
    const first = query(disk, { keyHash: 1, countMax: 3 })
    expect(first).toEqual([39, 37, 35])
    expect(query(disk, { keyHash: 1, countMax: 3, belowPhysicalOffset: 35 })).toEqual([33, 31, 29])
  })

  test('tells nothing of an index that is not there', () => {
    expect(query(newDisk(), { keyHash: 1 })).toEqual([])
  })

  test('sees what is put after the reader was opened, also in new files, and survives deleted ones', () => {
    const disk = newDisk()
    const index = open(disk)
    const reader = openKeyIndexReader({ files: disk, directory: DIRECTORY, ...shape })
    putAll(index, everySecond.slice(0, 3))
    expect(reader.query({ ...always, keyHash: 0 })).toEqual([2, 0])
    putAll(index, everySecond.slice(3))
    expect(reader.query({ ...always, keyHash: 0, countMax: 2 })).toEqual([38, 36])
    index.deleteBelow(30)
    expect(reader.query({ ...always, keyHash: 0 }).at(-1)).toBe(20)
    reader.close()
    index.close()
  })

  test('that must not wait for the disk answers undefined where it would have to', () => {
    const disk = diskWith(everySecond)
    const reader = openKeyIndexReader({ files: disk, directory: DIRECTORY, ...shape })
    expect(reader.queryResident({ ...always, keyHash: 0, countMax: 1 })).toEqual([38])
    disk.evict(`${DIRECTORY}/${disk.list(DIRECTORY)[0]}`)
    expect(reader.queryResident({ ...always, keyHash: 0 })).toBeUndefined()
    expect(reader.query({ ...always, keyHash: 0 })?.length).toBe(20)
    expect(reader.queryResident({ ...always, keyHash: 0 })?.length).toBe(20)
    reader.close()
  })

  test.each([
    { damage: 'an item that leads to itself', at: (item: number) => item + INDEX_ITEM.at.previousItem, value: 5 },
    { damage: 'an item that leads to a newer one', at: (item: number) => item + INDEX_ITEM.at.previousItem, value: 9 },
    {
      damage: 'an item that leads out of the file',
      at: (item: number) => item + INDEX_ITEM.at.previousItem,
      value: 1e9
    },
    { damage: 'an item before the beginning', at: (item: number) => item + INDEX_ITEM.at.afterBeginSeconds, value: -1 },
    { damage: 'an item of no position', at: (item: number) => item + INDEX_ITEM.at.physicalOffset, value: -1 }
  ])('ends at $damage, with what was found before', ({ at: positionOf, value }) => {
    const disk = diskWith(Array.from({ length: 10 }, (_, i) => ({ keyHash: 1, physicalOffset: i, storedAtMs: at(i) })))
    overwriteInt32(disk, newestPath(disk), positionOf(indexItemAt(5, shape.slots)), value)
    const found = query(disk, { keyHash: 1 })
    expect(found.slice(0, 5)).toEqual([9, 8, 7, 6, 5])
    expect(found.slice(5).every(physicalOffset => physicalOffset === 4)).toBe(true)
  })

  test('always ends, whatever stands in the files', () => {
    const random = seededRandom(7)
    const disk = diskWith(everySecond)
    const good = contents(disk)
    const names = disk.list(DIRECTORY)
    let answered = 0
    for (let round = 0; round < 300; round++) {
      for (const [i, name] of names.entries()) {
        const bytes = Uint8Array.from(good[i]!)
        for (let flip = 0; flip < 1 + random.below(30); flip++) bytes[random.below(bytes.length)] = random.below(256)
        overwrite(disk, `${DIRECTORY}/${name}`, 0, bytes)
      }
      for (const keyHash of [0, 1]) {
        const found = query(disk, { keyHash })
        answered += found.length
        expect(found.length).toBeLessThanOrEqual(40)
        expect(found.every(offset => Number.isSafeInteger(offset) && offset >= 0)).toBe(true)
      }
    }
    expect(answered).toBeGreaterThan(1000)
  })
})

describe('the name of an index file', () => {
  const nowMs = new Date(2026, 10, 3, 4, 5, 6, 78).getTime()

  test.each([
    { before: undefined, name: '20261103040506078' },
    { before: '20261103040506077', name: '20261103040506078' },
    { before: '20261103040506078', name: '20261103040506079' },
    { before: '20270101000000000', name: '20270101000000001' },
    { before: '20261231235959999', name: '20261231235960000' }
  ])('after $before is $name', ({ before, name }) => {
    expect(indexFileName(nowMs, before)).toBe(name)
  })
})
