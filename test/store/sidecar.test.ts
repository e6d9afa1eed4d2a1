import { describe, expect, test } from 'vitest'
import type { PhysicalOffset } from '../../src/base/index.ts'
import { seededRandom } from '../../src/base/index.ts'
import { SEAL, SIDECAR_HEAD, STATE_SLOT_BYTES } from '../../src/layout/index.ts'
import type { Files } from '../../src/store/files.ts'
import {
  currentRun,
  encodeQueueTable,
  ownerToken,
  parseQueueTable,
  type QueueTable,
  readDamage,
  readQueueTable,
  readSeals,
  readState,
  type Seal,
  Seals,
  StateFile,
  type StoreState,
  saveQueueTable,
  writeDamage
} from '../../src/store/sidecar.ts'
import { decodeBlock, encodeBlock } from '../../src/store/sidecar-files.ts'
import type { DamagedRange } from '../../src/store/store-api.ts'
import { FaultyFiles } from '../support/faulty-files.ts'
import { contentOf } from '../support/file-content.ts'
import { losesEverything, losesNothing, SECTOR_BYTES, SimulatedDisk } from '../support/simulated-disk.ts'

const ROOT = '/store'
const random = () => seededRandom(1)

function newDisk(): SimulatedDisk {
  const disk = new SimulatedDisk()
  disk.makeDirectory(ROOT)
  disk.settle()
  return disk
}

function state(seenUntil: number): StoreState {
  return {
    segmentBytes: 2 ** 30,
    queueFileEntries: 300_000,
    indexSlots: 5_000_000,
    indexItems: 20_000_000,
    durableUntil: 3 * 2 ** 40,
    seenUntil,
    indexEndPhysicalOffset: 17,
    run: '01234567-89ab-cdef-0123-456789abcdef mount 2147483700',
    clean: false,
    ownerToken: 'open 12:1700000000000.25',
    savedAtMs: 1_700_000_000_000
  }
}

function overwrite(files: Files, path: string, at: number, bytes: Uint8Array): void {
  const file = files.open(path, 'write')
  file.write(bytes, at)
  file.close()
}

function flip(files: Files, path: string, at: number): void {
  overwrite(files, path, at, Uint8Array.of(contentOf(files, path)[at]! ^ 1))
}

/** The file with another version number, its checksum right. */
function withVersion(block: Uint8Array, version: number): Uint8Array {
  const magic = new DataView(block.buffer, block.byteOffset).getInt32(0)
  const newer = Uint8Array.from(encodeBlock(magic, decodeBlock(magic, block)!))
  const view = new DataView(newer.buffer)
  view.setInt32(SIDECAR_HEAD.at.formatVersion, version)
  view.setInt32(SIDECAR_HEAD.at.checksum, crcOf(newer))
  return newer
}

function crcOf(block: Uint8Array): number {
  let crc = -1
  for (const [i, byte] of block.entries()) {
    if (i >= SIDECAR_HEAD.at.checksum && i < SIDECAR_HEAD.sizeBytes) continue
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return ~crc
}

describe('the state of a store', () => {
  test('that was never saved is not there', () => {
    const disk = newDisk()
    expect(readState(disk, ROOT)).toBeUndefined()
    new StateFile(disk, ROOT).close()
    expect(readState(disk, ROOT)).toBeUndefined()
  })

  test('is read as it was saved last', () => {
    const disk = newDisk()
    const file = new StateFile(disk, ROOT)
    for (let i = 1; i <= 5; i++) {
      const saved = { ...state(i), clean: i % 2 === 0, run: i === 3 ? '' : 'ä' }
      file.save(saved, { durable: i % 3 === 0 })
      expect(readState(disk, ROOT)).toEqual(saved)
      expect(readState(disk.kill(), ROOT)).toEqual(saved)
    }
    file.close()
  })

  test('saved durably survives a loss of power, also in the first save of all', () => {
    const disk = newDisk()
    const file = new StateFile(disk, ROOT)
    for (let i = 1; i <= 4; i++) {
      file.save(state(i), { durable: true })
      expect(readState(disk.crash(random(), losesEverything), ROOT)).toEqual(state(i))
    }
  })

  test('is never lost by saves that were not durable, however many and wherever the power is cut', () => {
    for (let seed = 0; seed < 200; seed++) {
      const chance = seededRandom(seed)
      let disk = newDisk()
      let durable = 0
      let saved = 0
      for (let life = 0; life < 3; life++) {
        const file = new StateFile(disk, ROOT)
        for (let i = chance.below(6); i >= 0; i--) {
          const isDurable = chance.chance(0.3)
          file.save(state(++saved), { durable: isDurable })
          if (isDurable) durable = saved
        }
        disk = chance.chance(0.3) ? disk.kill() : disk.crash(chance, { pages: 0.3, tornPages: 0.6, sectorBytes: 8 })
        const found = readState(disk, ROOT)?.seenUntil ?? 0
        expect(found, `seed ${seed}`).toBeGreaterThanOrEqual(durable)
        expect(found, `seed ${seed}`).toBeLessThanOrEqual(saved)
        if (found > 0) expect(readState(disk, ROOT)).toEqual(state(found))
      }
    }
  })

  test('with a slot torn in any of its sectors falls back to the other slot', () => {
    const disk = newDisk()
    const file = new StateFile(disk, ROOT)
    file.save(state(1), { durable: true })
    file.save(state(2), { durable: true })
    const slot = contentOf(disk, '/store/varve/state').findIndex(
      (byte, at) => at % STATE_SLOT_BYTES === 0 && byte !== 0
    )
    expect(slot).toBe(0)
    for (const at of [0, 5, 9, 13, 40, 100, 150]) {
      const torn = disk.kill()
      flip(torn, '/store/varve/state', at)
      flip(torn, '/store/varve/state', at)
      expect(readState(torn, ROOT)?.seenUntil).toBe(2)
      flip(torn, '/store/varve/state', at)
      expect(readState(torn, ROOT)?.seenUntil).toBe(1)
      flip(torn, '/store/varve/state', STATE_SLOT_BYTES + at)
      expect(readState(torn, ROOT)).toBeUndefined()
    }
  })

  test('of a newer format is an error, and nothing is written', () => {
    const disk = newDisk()
    const file = new StateFile(disk, ROOT)
    file.save(state(1), { durable: true })
    const block = contentOf(disk, '/store/varve/state').subarray(STATE_SLOT_BYTES)
    overwrite(disk, '/store/varve/state', 0, withVersion(block, 2))
    const before = contentOf(disk, '/store/varve/state')
    expect(() => readState(disk, ROOT)).toThrow(expect.objectContaining({ code: 'STORE_FORMAT_NEWER' }))
    expect(() => new StateFile(disk, ROOT)).toThrow(expect.objectContaining({ code: 'STORE_FORMAT_NEWER' }))
    expect(contentOf(disk, '/store/varve/state')).toEqual(before)
  })

  test('fits into one sector, so that even a disk without checksums cannot mix two', () => {
    const disk = newDisk()
    const file = new StateFile(disk, ROOT)
    file.save(state(1), { durable: true })
    const bytes = contentOf(disk, '/store/varve/state').subarray(STATE_SLOT_BYTES)
    expect(bytes.subarray(SECTOR_BYTES).every(byte => byte === 0)).toBe(true)
  })
})

describe('the token of the owner', () => {
  const touch = (disk: SimulatedDisk, path: string): void => disk.open(path, 'create').write(Uint8Array.of(1), 0)

  test('stays the same while only files below the root are written', () => {
    const disk = newDisk()
    touch(disk, `${ROOT}/abort`)
    new StateFile(disk, ROOT).save(state(1), { durable: true })
    const open = ownerToken(disk, ROOT)
    new StateFile(disk, ROOT).save(state(2), { durable: true })
    touch(disk, `${ROOT}/checkpoint`)
    expect(ownerToken(disk, ROOT)).toBe(open)
    expect(ownerToken(disk.kill(), ROOT)).toBe(open)
    disk.remove(`${ROOT}/abort`)
    const closed = ownerToken(disk, ROOT)
    new StateFile(disk, ROOT).save(state(3), { durable: true })
    expect(ownerToken(disk, ROOT)).toBe(closed)
    expect(closed).not.toBe(open)
  })

  test.each<{ who: string; does: (disk: SimulatedDisk) => void }>([
    {
      who: 'Apache RocketMQ ran and ended well',
      does: disk => {
        touch(disk, `${ROOT}/abort`)
        disk.remove(`${ROOT}/abort`)
      }
    },
    { who: 'Apache RocketMQ ran and crashed', does: disk => touch(disk, `${ROOT}/abort`) },
    { who: 'somebody took the lock', does: disk => touch(disk, `${ROOT}/lock`) }
  ])('changes when $who after a clean close', ({ does }) => {
    const disk = newDisk()
    touch(disk, `${ROOT}/lock`)
    touch(disk, `${ROOT}/checkpoint`)
    const before = ownerToken(disk, ROOT)
    does(disk)
    expect(ownerToken(disk, ROOT)).not.toBe(before)
  })

  test('changes when Apache RocketMQ made `abort` anew after a crash of ours', () => {
    const disk = newDisk()
    touch(disk, `${ROOT}/abort`)
    const before = ownerToken(disk, ROOT)
    touch(disk, `${ROOT}/abort.tmp`)
    disk.rename(`${ROOT}/abort.tmp`, `${ROOT}/abort`)
    expect(ownerToken(disk, ROOT)).not.toBe(before)
  })
})

describe('the run of the system', () => {
  test('is another after each loss of power, whether the system was started anew or only its disk was away', () => {
    const disk = newDisk()
    expect(currentRun(disk, ROOT)).toMatch(/^[-0-9a-f]{36} mount \d+$/)
    expect(currentRun(disk.kill(), ROOT)).toBe(currentRun(disk, ROOT))
    const runs = [disk]
    for (let i = 0; i < 6; i++) {
      runs.at(-1)?.makeDirectory(`${ROOT}/${i}`)
      runs.push((runs.at(-1) as SimulatedDisk).crash(random()))
    }
    const names = runs.map(found => currentRun(found, ROOT))
    expect(new Set(names).size).toBe(names.length)
    const bootIds = new Set(names.map(name => name.split(' ')[0]))
    expect(bootIds.size).toBeGreaterThan(1)
    expect(bootIds.size).toBeLessThan(names.length)
  })

  test('goes without mounts where the system does not tell them apart', () => {
    const disk = newDisk()
    disk.mountOf = () => undefined
    expect(currentRun(disk, ROOT)).toMatch(/^[-0-9a-f]{36}$/)
  })
})

describe('the table of queues', () => {
  const table: QueueTable = {
    untilPhysicalOffset: 5 * 2 ** 40,
    index: { fileCount: 3, firstBegin: 2 ** 33, firstEnd: 2 ** 40, end: 4 * 2 ** 40 },
    queues: [
      { topic: 'orders', queueId: 0, firstOffset: 1, maxOffset: 2, maxPhysicalEnd: 300 },
      { topic: 'orders', queueId: 7, firstOffset: 0, maxOffset: 2 ** 40, maxPhysicalEnd: 2 ** 41 },
      { topic: '%RETRY%größe', queueId: 0, firstOffset: 0, maxOffset: 0, maxPhysicalEnd: 0 }
    ]
  }

  test('is read as it was saved, also without any queue', () => {
    const disk = newDisk()
    expect(readQueueTable(disk, ROOT)).toBeUndefined()
    for (const saved of [table, { ...table, queues: [] }]) {
      saveQueueTable(disk, ROOT, encodeQueueTable(saved))
      expect(readQueueTable(disk, ROOT)).toEqual(saved)
      expect(readQueueTable(disk.crash(random(), losesEverything), ROOT)).toEqual(saved)
    }
  })

  test('is the old one or the new one wherever the power is cut while it is replaced', () => {
    const disk = newDisk()
    saveQueueTable(disk, ROOT, encodeQueueTable(table))
    const next = { ...table, untilPhysicalOffset: 1 }
    const found: number[] = []
    const files = new FaultyFiles(disk, {
      before: () => {
        for (let seed = 0; seed < 5; seed++) {
          const crashed = disk.crash(seededRandom(seed), { tornPages: 0.3 })
          found.push(readQueueTable(crashed, ROOT)!.untilPhysicalOffset)
        }
      }
    })
    saveQueueTable(files, ROOT, encodeQueueTable(next))
    expect(new Set(found)).toEqual(new Set([table.untilPhysicalOffset, 1]))
    expect(readQueueTable(disk.crash(random(), losesEverything), ROOT)).toEqual(next)
  })

  test('speaks only of what is on disk: queues are synced before it is written', () => {
    for (const hasSyncFs of [true, false]) {
      const disk = newDisk()
      disk.makeDirectory(`${ROOT}/consumequeue/orders/0`)
      const queue = disk.open(`${ROOT}/consumequeue/orders/0/0`, 'create')
      queue.write(Uint8Array.of(1), 0)
      const files: Files = hasSyncFs ? disk : withoutSyncFileSystem(disk)
      saveQueueTable(files, ROOT, encodeQueueTable(table))
      const found = disk.crash(random(), losesEverything)
      expect(contentOf(found, `${ROOT}/consumequeue/orders/0/0`)).toEqual(Uint8Array.of(1))
    }
  })

  test('speaks only of what is on disk where it is told which queues have changed, and syncs no others', () => {
    const disk = newDisk()
    const pathOf = (queueId: number): string => `${ROOT}/consumequeue/orders/${queueId}/0`
    for (const queueId of [0, 1, 2]) {
      disk.makeDirectory(`${ROOT}/consumequeue/orders/${queueId}`)
      disk.open(pathOf(queueId), 'create').write(Uint8Array.of(1), 0)
    }
    disk.makeDirectory(`${ROOT}/index`)
    disk.open(`${ROOT}/index/1`, 'create').write(Uint8Array.of(1), 0)
    const gone = `${ROOT}/consumequeue/deleted/0/0`
    const files = new FaultyFiles(disk)
    saveQueueTable(files, ROOT, encodeQueueTable(table), [pathOf(0), gone, pathOf(2)])
    const found = disk.crash(random(), losesEverything)
    for (const path of [pathOf(0), pathOf(2), `${ROOT}/index/1`])
      expect(contentOf(found, path)).toEqual(Uint8Array.of(1))
    expect(files.calls.filter(({ path }) => path === pathOf(1))).toEqual([])
    expect(files.count('syncFileSystem')).toBe(0)
    expect(readQueueTable(found, ROOT)).toEqual(table)
  })

  test.each(['syncFileSystem', 'syncAll'] as const)('is not written when %s of the queues fails', kind => {
    const disk = newDisk()
    const path = `${ROOT}/consumequeue/orders/0/0`
    disk.makeDirectory(`${ROOT}/consumequeue/orders/0`)
    disk.open(path, 'create').write(Uint8Array.of(1), 0)
    const files = new FaultyFiles(disk)
    files.fail({ kind, errno: 'EIO' })
    const changed = kind === 'syncAll' ? [path] : undefined
    expect(() => saveQueueTable(files, ROOT, encodeQueueTable(table), changed)).toThrow('STORE_SYNC_FAILED')
    expect(readQueueTable(files, ROOT)).toBeUndefined()
  })

  test('counts as missing if any bit of it is wrong or its end is missing', () => {
    const encoded = encodeQueueTable(table)
    expect(parseQueueTable(encoded)).toEqual(table)
    for (let at = 0; at < encoded.length; at++) {
      const damaged = Uint8Array.from(encoded)
      damaged[at]! ^= 4
      expect(parseQueueTable(damaged)).toBeUndefined()
      expect(parseQueueTable(encoded.subarray(0, at))).toBeUndefined()
    }
  })

  test('of a newer format is an error', () => {
    expect(() => parseQueueTable(withVersion(encodeQueueTable(table), 9))).toThrow('STORE_FORMAT_NEWER')
  })

  test('with 80,000 queues comes back whole, by one read', () => {
    const queues = Array.from({ length: 80_000 }, (_, i) => ({
      topic: `topic-${Math.floor(i / 8)}`,
      queueId: i % 8,
      firstOffset: i,
      maxOffset: i * 2,
      maxPhysicalEnd: i * 3
    }))
    const disk = newDisk()
    saveQueueTable(disk, ROOT, encodeQueueTable({ ...table, queues }))
    const reads = disk.counts.read
    expect(readQueueTable(disk, ROOT)?.queues).toEqual(queues)
    expect(disk.counts.read - reads).toBe(1)
  })
})

describe('seals', () => {
  const seal = (i: number): Seal => ({ base: i * 2 ** 30, usedBytes: 2 ** 30 - i, hash: 2n ** 64n - 1n - BigInt(i) })
  const all = [0, 1, 2, 3].map(seal)
  const PATH = '/store/varve/seals'

  test('are durable when they are added, and found by their segment', () => {
    const disk = newDisk()
    const seals = new Seals(disk, ROOT)
    for (const [i, one] of all.entries()) {
      seals.add(one)
      const found = readSeals(disk.crash(random(), losesEverything), ROOT)
      expect([...found.values()]).toEqual(all.slice(0, i + 1))
    }
    seals.add({ ...all[1]!, hash: 5n })
    expect(seals.entries.get(all[1]!.base)?.hash).toBe(5n)
    seals.close()
    expect(readSeals(disk, ROOT).get(all[1]!.base)?.hash).toBe(5n)
  })

  test('go on after a last entry that is torn', () => {
    const disk = newDisk()
    const seals = new Seals(disk, ROOT)
    for (const one of all.slice(0, 2)) seals.add(one)
    seals.close()
    disk.open(PATH, 'write').setSize(2 * SEAL.sizeBytes - 10)
    const again = new Seals(disk, ROOT)
    expect([...again.entries.values()]).toEqual(all.slice(0, 1))
    again.add(all[3]!)
    again.close()
    expect([...readSeals(disk, ROOT).values()]).toEqual([all[0], all[3]])
  })

  test('pass over an entry that is damaged or was never written, and no other', () => {
    const disk = newDisk()
    const seals = new Seals(disk, ROOT)
    for (const one of all) seals.add(one)
    seals.close()
    flip(disk, PATH, SEAL.sizeBytes + 9)
    expect([...readSeals(disk, ROOT).keys()]).toEqual([all[0], all[2], all[3]].map(one => one!.base))
    overwrite(disk, PATH, SEAL.sizeBytes, new Uint8Array(SEAL.sizeBytes))
    expect([...readSeals(disk, ROOT).keys()]).toEqual([all[0], all[2], all[3]].map(one => one!.base))
  })

  test('of segments that are gone are forgotten, durably', () => {
    const disk = newDisk()
    const seals = new Seals(disk, ROOT)
    for (const one of all) seals.add(one)
    seals.keep({ from: all[1]!.base, until: all[3]!.base })
    expect([...readSeals(disk.crash(random(), losesEverything), ROOT).values()]).toEqual(all.slice(1, 3))
    seals.add(seal(9))
    seals.close()
    expect([...readSeals(disk.crash(random(), losesEverything), ROOT).values()]).toEqual([...all.slice(1, 3), seal(9)])
  })
})

describe('known damage', () => {
  const ranges = [
    { from: 0, until: 100, reason: 'no valid record' },
    { from: 2 ** 40, until: 2 ** 40 + 1, reason: 'lines\nand "quotes"' }
  ] as DamagedRange[]

  test('is read as it was written, durably', () => {
    const disk = newDisk()
    expect(readDamage(disk, ROOT)).toEqual([])
    writeDamage(disk, ROOT, ranges)
    expect(readDamage(disk.crash(random(), losesEverything), ROOT)).toEqual(ranges)
    writeDamage(disk, ROOT, [])
    expect(readDamage(disk.crash(random(), losesNothing), ROOT)).toEqual([])
  })

  test('passes over a line that somebody changed', () => {
    const disk = newDisk()
    writeDamage(disk, ROOT, [...ranges, { from: 7 as PhysicalOffset, until: 8 as PhysicalOffset, reason: 'x' }])
    flip(disk, '/store/varve/damage', 20)
    expect(readDamage(disk, ROOT).map(range => range.from)).toEqual([2 ** 40, 7])
  })
})

/** As on a system without that call. */
function withoutSyncFileSystem(disk: SimulatedDisk): Files {
  return new Proxy(disk, {
    get: (target, name) => {
      if (name === 'syncFileSystem') return () => false
      const value = Reflect.get(target, name, target) as unknown
      return typeof value === 'function' ? value.bind(target) : value
    }
  })
}
