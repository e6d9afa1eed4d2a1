import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../src/base/index.ts'
import { INDEX_ITEM, indexItemAt } from '../../src/layout/index.ts'
import { openKeyIndexReader } from '../../src/store/key-index.ts'
import {
  always,
  BEGIN_MS,
  contents,
  DIRECTORY,
  newDisk,
  newestPath,
  openIndex,
  overwrite,
  overwriteInt32,
  type Put,
  putAll,
  query,
  shape
} from '../support/key-index-fixtures.ts'
import type { SimulatedDisk } from '../support/simulated-disk.ts'

describe('a query', () => {
  const base = BEGIN_MS
  const at = (seconds: number): number => base + 1000 * seconds

  function diskWith(all: readonly Put[]): SimulatedDisk {
    const disk = newDisk()
    const index = openIndex(disk)
    putAll(index, all)
    index.close()
    return disk
  }

  const everySecond = Array.from({ length: 40 }, (_, i) => ({
    keyHash: i % 2,
    physicalOffset: i,
    storedAtMs: at(i) + ((i * 370) % 1000)
  }))

  test.each([
    { fromMs: at(10), untilMs: at(14) },
    { fromMs: at(0), untilMs: at(3) },
    { fromMs: at(36), untilMs: at(99) },
    { fromMs: at(50), untilMs: at(99) },
    { fromMs: at(17), untilMs: at(21) + 500 },
    { fromMs: at(12) + 400, untilMs: at(12) + 450 },
    { fromMs: at(2) + 700, untilMs: at(30) }
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
    const index = openIndex(disk)
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
