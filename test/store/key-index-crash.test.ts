import { describe, expect, test } from 'vitest'
import { type Random, seededRandom } from '../../src/base/index.ts'
import { INDEX_HEADER, INDEX_ITEM, indexItemAt, indexSlotAt, indexSlotOf } from '../../src/layout/index.ts'
import type { KeyIndex } from '../../src/store/key-index.ts'
import { FaultyFiles } from '../support/faulty-files.ts'
import { contentOf } from '../support/file-content.ts'
import {
  BEGIN_MS,
  contents,
  expected,
  expectToFind,
  freshContents,
  mappers,
  newDisk,
  newestPath,
  openIndex,
  overwrite,
  overwriteInt32,
  type Put,
  pagesApart,
  putAll,
  puts,
  query,
  shape,
  spreadPuts
} from '../support/key-index-fixtures.ts'
import { losesEverything, losesNothing, type SimulatedDisk } from '../support/simulated-disk.ts'

describe('a process killed in the middle of a put', () => {
  const all = puts(12).filter((put, i, list) => i < list.length - 1 || put.physicalOffset === 1100)
  const number = all.length
  const last = all.at(-1)!

  /** The index before and after the last put. */
  function beforeAndAfter(): { before: SimulatedDisk; after: Uint8Array } {
    const disk = newDisk()
    const index = openIndex(disk)
    putAll(index, all.slice(0, -1))
    const before = disk.kill()
    putAll(index, [last])
    return { before, after: contentOf(disk, newestPath(disk)) }
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
    const index = openIndex(before)
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
      const index = openIndex(files, size)
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
      const again = openIndex(found, size)
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
        const index = openIndex(disk, pagesApart)
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
      const index = openIndex(disk, pagesApart)
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
    const index = openIndex(disk)
    const all = Array.from({ length: 45 }, (_, i) => ({
      keyHash: i % 20,
      physicalOffset: 100 * i,
      storedAtMs: BEGIN_MS + i
    }))
    putAll(index, all)
    index.flush()
    index.close()
    overwriteInt32(disk, newestPath(disk), at, value)
    const again = openIndex(disk)
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
      const index = openIndex(disk, { slots: 7, items: 2000 })
      const all = puts(900)
      putAll(index, all)
      const found = disk.crash(seededRandom(seed), { names: 1, sizes: 1, pages: 0.5, tornPages: 0.2 })
      const again = openIndex(found, { slots: 7, items: 2000 })
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
