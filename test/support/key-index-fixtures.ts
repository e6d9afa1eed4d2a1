/** What the tests of the key index share: records to put, an index on a simulated disk, and what should be found. */
import { expect } from 'vitest'
import { type Clock, type Random, seededRandom } from '../../src/base/index.ts'
import type { Files, MapperKind } from '../../src/store/files.ts'
import { type KeyIndex, type KeyIndexQuery, openKeyIndex, openKeyIndexReader } from '../../src/store/key-index.ts'
import { contentOf } from './file-content.ts'
import { SimulatedDisk } from './simulated-disk.ts'

export const DIRECTORY = '/store/index'
export const shape = { slots: 7, items: 20 }
export const clock: Clock = { nowMs: () => new Date(2026, 0, 2, 3, 4, 5, 6).getTime(), monotonicMs: () => 0 }
export const BEGIN_MS = 1_700_000_000_000
export const always = { countMax: 64, fromMs: 0, untilMs: Number.MAX_SAFE_INTEGER }
export const mappers: MapperKind[] = ['native', 'plain']

export interface Put {
  readonly keyHash: number
  readonly physicalOffset: number
  readonly storedAtMs: number
}

/** Header and slots end within the second page, the items within the fourth: what is synced apart can be lost apart. */
export const pagesApart = { slots: 1200, items: 400 }

/** Records of one or two keys each, one second apart; keys repeat, and share the slots of `shape`. */
export function puts(recordCount: number, random: Random = seededRandom(1)): Put[] {
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

export function newDisk(mapper: MapperKind = 'native', capacityBytes?: number): SimulatedDisk {
  const disk = new SimulatedDisk({ mapper, ...(capacityBytes === undefined ? {} : { capacityBytes }) })
  disk.makeDirectory('/store')
  disk.settle()
  return disk
}

export const openIndex = (files: Files, size = shape): KeyIndex =>
  openKeyIndex({ files, directory: DIRECTORY, ...size, clock })

export function putAll(index: KeyIndex, all: readonly Put[]): void {
  for (const { keyHash, physicalOffset, storedAtMs } of all) index.put(keyHash, physicalOffset, storedAtMs)
}

export function query(files: Files, wanted: Partial<KeyIndexQuery> & { keyHash: number }, size = shape): number[] {
  const reader = openKeyIndexReader({ files, directory: DIRECTORY, ...size })
  try {
    return reader.query({ ...always, ...wanted })
  } finally {
    reader.close()
  }
}

export const expected = (all: readonly Put[], keyHash: number): number[] =>
  all
    .filter(put => put.keyHash === keyHash)
    .map(put => put.physicalOffset)
    .sort((a, b) => b - a)

export function expectToFind(files: Files, all: readonly Put[]): void {
  for (let keyHash = 0; keyHash < 20; keyHash++) expect(query(files, { keyHash })).toEqual(expected(all, keyHash))
}

/** Keys of which some repeat, in slots of all pages; some records have none. */
export function spreadPuts(recordCount: number, from: number, random: Random): Put[] {
  return Array.from({ length: recordCount }, (_, i) => {
    const at = { physicalOffset: from + 100 * i, storedAtMs: BEGIN_MS + from + 1000 * i }
    return Array.from({ length: random.below(3) }, () => ({ ...at, keyHash: random.below(500) * 769 }))
  })
    .flat()
    .filter((put, i, all) => !all.slice(Math.max(0, i - 1), i).some(other => isSame(other, put)))
}

export const isSame = (one: Put, other: Put): boolean =>
  one.keyHash === other.keyHash && one.physicalOffset === other.physicalOffset

export const contents = (files: Files): Buffer[] =>
  files.list(DIRECTORY).map(name => Buffer.from(contentOf(files, `${DIRECTORY}/${name}`)))

export const newestPath = (files: Files): string => `${DIRECTORY}/${files.list(DIRECTORY).at(-1)}`

export function overwrite(files: Files, path: string, at: number, bytes: Uint8Array): void {
  const file = files.open(path, 'write')
  file.write(bytes, at)
  file.close()
}

export function overwriteInt32(files: Files, path: string, at: number, value: number): void {
  const bytes = new DataView(new ArrayBuffer(4))
  bytes.setInt32(0, value)
  overwrite(files, path, at, new Uint8Array(bytes.buffer))
}

/** What the same puts make on an empty disk. */
export function freshContents(all: readonly Put[], size = shape): Buffer[] {
  const disk = newDisk()
  const index = openIndex(disk, size)
  putAll(index, all)
  index.close()
  return contents(disk)
}
