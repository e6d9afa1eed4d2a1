import { describe, expect, test } from 'vitest'
import { MiB, PAGE_BYTES, seededRandom } from '../../src/base/index.ts'
import { INDEX_HEADER, indexFileBytes, indexKeyHashOfText, RecordPositions } from '../../src/layout/index.ts'
import { forEachKeyHash } from '../../src/store/key-index.ts'
import { indexFileName } from '../../src/store/key-index-names.ts'
import { recordsOf } from '../golden/golden-records.ts'
import { filesIn, type GoldenCase, goldenStore } from '../golden/golden-store.ts'
import { FaultyFiles } from '../support/faulty-files.ts'
import {
  BEGIN_MS,
  contents,
  DIRECTORY,
  expected,
  expectToFind,
  freshContents,
  mappers,
  newDisk,
  newestPath,
  openIndex,
  overwriteInt32,
  type Put,
  putAll,
  puts,
  query,
  shape
} from '../support/key-index-fixtures.ts'
import { losesEverything, type SimulatedDisk } from '../support/simulated-disk.ts'

describe.each<GoldenCase>(['plain', 'checksum'])('the index of the store %s, which Apache RocketMQ wrote', name => {
  const golden = goldenStore(name)
  const { listing } = golden
  const size = { slots: listing.indexSlots, items: listing.indexItems }
  const records = [...filesIn(golden, 'commitlog')].flatMap(([file, bytes]) => recordsOf(bytes, Number(file)))

  test.each(mappers)('comes out the same, byte for byte, when its records are put (%s)', mapper => {
    const disk = newDisk(mapper)
    const index = openIndex(disk, size)
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
    const index = openIndex(disk)
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
    const first = openIndex(disk)
    putAll(first, all.slice(0, stopAt))
    first.close()
    const second = openIndex(disk)
    putAll(second, all.slice(stopAt))
    second.close()
    expect(contents(disk)).toEqual(freshContents(all))
  })

  test('passes over what it has, however often the log is dispatched', () => {
    const disk = newDisk(mapper)
    const all = puts(12)
    const first = openIndex(disk)
    putAll(first, all)
    putAll(first, all)
    first.close()
    const second = openIndex(disk)
    putAll(second, all)
    putAll(second, [...all, ...all.slice(-1)])
    second.close()
    expect(contents(disk)).toEqual(freshContents(all))
  })

  test('of which nothing is flushed is still there after the process was killed', () => {
    const disk = newDisk(mapper)
    const index = openIndex(disk)
    const all = puts(30)
    putAll(index, all)
    index.publish()
    const found = disk.kill()
    const again = openIndex(found)
    expect(again.endPhysicalOffset).toBe(2900)
    putAll(again, all)
    again.close()
    expect(contents(found)).toEqual(freshContents(all))
  })

  test.each([0, 500, 1150, 2900, 9999])('cut at %i has the records below it and takes others instead', cutAt => {
    const disk = newDisk(mapper)
    const all = puts(30)
    const index = openIndex(disk)
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
    const index = openIndex(disk)
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
    const index = openIndex(disk, size)
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
    const index = openIndex(disk, { slots: 1500, items: 20 })
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
    const index = openIndex(disk, size)
    putAll(index, puts(1))
    index.close()
    const facts = disk.find(newestPath(disk))!
    expect(facts.sizeBytes).toBe(indexFileBytes(size.slots, size.items))
    expect(facts.allocatedBytes).toBeLessThan(5 * MiB)
  })

  test('flushed, survives a loss of power', () => {
    const disk = newDisk(mapper)
    const index = openIndex(disk)
    const all = puts(50)
    putAll(index, all)
    index.flush()
    const found = disk.crash(seededRandom(1), losesEverything)
    expectToFind(found, all)
    const again = openIndex(found)
    expect([again.rebuildTo(5000), again.rebuildFrom]).toEqual([5000, undefined])
    again.close()
    expectToFind(found, all)
  })

  test('whose flush failed says so for ever', () => {
    const files = new FaultyFiles(newDisk(mapper))
    const index = openIndex(files)
    putAll(index, puts(3))
    files.fail({ kind: 'sync', errno: 'EIO' })
    expect(() => index.flush()).toThrow(expect.objectContaining({ code: 'STORE_SYNC_FAILED' }))
    expect(() => index.flush()).toThrow(expect.objectContaining({ code: 'STORE_SYNC_FAILED' }))
    index.close()
  })

  test('tells the time of the last full file that is on disk', () => {
    const index = openIndex(newDisk(mapper))
    const all = Array.from({ length: 45 }, (_, i) => ({ keyHash: i, physicalOffset: i, storedAtMs: BEGIN_MS + i }))
    putAll(index, all)
    expect(index.fullFilesStoredAtMs).toBe(0)
    index.flush()
    expect(index.fullFilesStoredAtMs).toBe(BEGIN_MS + 37)
    index.close()
  })
})

test('an index whose first item is not where its header says is cut all the same', () => {
  const disk = newDisk()
  const index = openIndex(disk)
  putAll(
    index,
    [500, 600, 700].map(physicalOffset => ({ keyHash: 1, physicalOffset, storedAtMs: BEGIN_MS }))
  )
  overwriteInt32(disk, newestPath(disk), INDEX_HEADER.at.beginPhysicalOffset + 4, 100)
  index.close()
  const again = openIndex(disk)
  again.truncateTo(300)
  expect([again.endPhysicalOffset, disk.list(DIRECTORY)]).toEqual([0, []])
  again.close()
})

describe('opening an index', () => {
  function diskWithIndex(): { disk: SimulatedDisk; all: Put[] } {
    const disk = newDisk()
    const index = openIndex(disk)
    const all = puts(60)
    putAll(index, all)
    index.flush()
    index.close()
    return { disk, all }
  }

  test('with other settings than it was made with is refused, and changes nothing', () => {
    const { disk } = diskWithIndex()
    const before = contents(disk)
    expect(() => openIndex(disk, { slots: 8, items: 20 })).toThrow(
      expect.objectContaining({ code: 'STORE_LAYOUT_FOREIGN' })
    )
    expect(contents(disk)).toEqual(before)
  })

  test('that a crash left without size or header goes on', () => {
    const { disk, all } = diskWithIndex()
    disk.open(`${DIRECTORY}/99990101000000000`, 'create').close()
    const index = openIndex(disk)
    expect(index.endPhysicalOffset).toBe(5900)
    expect(disk.list(DIRECTORY)).not.toContain('99990101000000000')
    index.close()
    disk.open(`${DIRECTORY}/99990101000000000`, 'create').setSize(indexFileBytes(shape.slots, shape.items))
    const again = openIndex(disk)
    expect([again.endPhysicalOffset, again.rebuildFrom]).toEqual([5900, undefined])
    const more = { keyHash: 1, physicalOffset: 6000, storedAtMs: BEGIN_MS + 60_000 }
    putAll(again, [...all, more])
    again.close()
    expectToFind(disk, [...all, more])
  })

  test('whose end was cut off by a process that died while clearing it lengthens it again', () => {
    const disk = newDisk('plain')
    const size = { slots: 7, items: 2000 }
    const index = openIndex(disk, size)
    const all = puts(10)
    putAll(index, all)
    index.close()
    const file = disk.open(newestPath(disk), 'write')
    file.setSize(PAGE_BYTES)
    const again = openIndex(disk, size)
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
    const index = openIndex(disk)
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
    const index = openIndex(disk)
    putAll(index, all)
    index.close()
    expect(disk.list(DIRECTORY)).toContain('notes.txt')
    expectToFind(disk, all)
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
