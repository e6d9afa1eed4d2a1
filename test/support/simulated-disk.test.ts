import { describe, expect, test } from 'vitest'
import { PAGE_BYTES, seededRandom } from '../../src/base/index.ts'
import type { OpenFile } from '../../src/store/files.ts'
import { FaultyFiles } from './faulty-files.ts'
import { contentOf } from './file-content.ts'
import { losesEverything, losesNothing, SECTOR_BYTES, SimulatedDisk } from './simulated-disk.ts'

const random = () => seededRandom(1)
const filled = (value: number, bytes = PAGE_BYTES): Uint8Array => new Uint8Array(bytes).fill(value)

/** A disk with the durable directory /d and in it the durable file f of `pages` pages of ones. */
function diskWithFile(pages = 4): { disk: SimulatedDisk; file: OpenFile } {
  const disk = new SimulatedDisk()
  disk.makeDirectory('/d')
  const file = disk.open('/d/f', 'create')
  file.write(filled(1, pages * PAGE_BYTES), 0)
  disk.settle()
  return { disk, file }
}

const firstBytes = (disk: SimulatedDisk, path = '/d/f'): number[] =>
  [...contentOf(disk, path)].filter((_, at) => at % PAGE_BYTES === 0)

describe('after a loss of power', () => {
  test('synced bytes are there, unsynced ones as the policy says', () => {
    const { disk, file } = diskWithFile(2)
    file.write(filled(2, 2 * PAGE_BYTES), 0)
    file.sync(0, PAGE_BYTES)

    expect(firstBytes(disk.crash(random(), losesEverything))).toEqual([2, 1])
    expect(firstBytes(disk.crash(random(), losesNothing))).toEqual([2, 2])
    expect(firstBytes(disk)).toEqual([2, 2])
  })

  test('each unsynced page is old or new by chance', () => {
    const { disk, file } = diskWithFile(64)
    file.write(filled(2, 64 * PAGE_BYTES), 0)
    const found = firstBytes(disk.crash(random(), { ...losesEverything, pages: 0.5 }))
    expect(new Set(found)).toEqual(new Set([1, 2]))
  })

  test('a torn page has whole sectors of both', () => {
    const { disk, file } = diskWithFile(1)
    file.write(filled(2), 0)
    const found = contentOf(disk.crash(random(), { ...losesEverything, tornPages: 1 }), '/d/f')
    const sectors = Array.from({ length: PAGE_BYTES / SECTOR_BYTES }, (_, i) =>
      found.subarray(i * SECTOR_BYTES, (i + 1) * SECTOR_BYTES)
    )
    for (const sector of sectors) expect(new Set(sector).size).toBe(1)
    expect(new Set(found)).toEqual(new Set([1, 2]))
  })

  test('writes through a mapping are bytes like others', () => {
    const { disk, file } = diskWithFile(2)
    const mapping = file.map(2 * PAGE_BYTES, 'write')
    mapping.bytes[0] = 7
    mapping.view.setUint8(PAGE_BYTES, 8)
    expect(firstBytes(disk)).toEqual([7, 8])
    file.sync(PAGE_BYTES, 1)
    expect(firstBytes(disk.crash(random(), losesEverything))).toEqual([1, 8])
  })

  test('a size and what lies beyond the old one need syncAll', () => {
    const { disk, file } = diskWithFile(1)
    file.write(filled(2), PAGE_BYTES)
    file.sync(0, 2 * PAGE_BYTES)
    expect(firstBytes(disk.crash(random(), losesEverything))).toEqual([1])
    file.syncAll()
    expect(firstBytes(disk.crash(random(), losesEverything))).toEqual([1, 2])
  })

  test('a shorter size needs syncAll too, and the old bytes come back without it', () => {
    const { disk, file } = diskWithFile(2)
    file.setSize(PAGE_BYTES)
    expect(firstBytes(disk.crash(random(), losesEverything))).toEqual([1, 1])
    file.setSize(2 * PAGE_BYTES)
    expect(firstBytes(disk)).toEqual([1, 0])
    file.syncAll()
    expect(firstBytes(disk.crash(random(), losesEverything))).toEqual([1, 0])
  })

  test('a name needs syncDirectory of its directory, however synced the file is', () => {
    const { disk } = diskWithFile()
    const file = disk.open('/d/g', 'create')
    file.write(filled(3), 0)
    file.syncAll()
    expect(disk.crash(random(), losesEverything).list('/d')).toEqual(['f'])
    disk.syncDirectory('/d')
    expect(firstBytes(disk.crash(random(), losesEverything), '/d/g')).toEqual([3])
  })

  test('a directory that was made needs syncDirectory of its parent', () => {
    const { disk } = diskWithFile()
    disk.makeDirectory('/d/e')
    expect(disk.crash(random(), losesEverything).list('/d')).toEqual(['f'])
    disk.syncDirectory('/d')
    expect(disk.crash(random(), losesEverything).list('/d')).toEqual(['e', 'f'])
  })

  test('a removed file comes back without syncDirectory', () => {
    const { disk, file } = diskWithFile()
    file.close()
    disk.remove('/d/f')
    expect(disk.find('/d/f')).toBeUndefined()
    expect(firstBytes(disk.crash(random(), losesEverything))).toEqual([1, 1, 1, 1])
    disk.syncDirectory('/d')
    expect(disk.crash(random(), losesEverything).list('/d')).toEqual([])
  })

  test('a rename has happened or has not, and replaces its target whole', () => {
    const { disk } = diskWithFile(1)
    const file = disk.open('/d/new', 'create')
    file.write(filled(9), 0)
    file.syncAll()
    disk.syncDirectory('/d')
    disk.rename('/d/new', '/d/f')
    const outcomes = new Set<string>()
    for (let seed = 0; seed < 40; seed++) {
      const found = disk.crash(seededRandom(seed), { ...losesEverything, names: 0.5 })
      outcomes.add(
        found
          .list('/d')
          .map(name => `${name}=${firstBytes(found, `/d/${name}`)}`)
          .join(' ')
      )
    }
    expect(outcomes).toEqual(new Set(['f=9', 'f=1 new=9']))
  })

  test('a rename into another directory, once durable, leaves nothing behind', () => {
    const { disk } = diskWithFile()
    disk.makeDirectory('/d/e')
    disk.syncDirectory('/d')
    disk.open('/d/e/tmp', 'create').syncAll()
    disk.rename('/d/e/tmp', '/d/g')
    disk.syncDirectory('/d')
    for (let seed = 0; seed < 20; seed++) {
      const found = disk.crash(seededRandom(seed), { names: 0.5 })
      expect([found.list('/d'), found.list('/d/e')]).toEqual([['e', 'f', 'g'], []])
    }
  })

  test('locks are gone, the system says that it is another run, and the disk goes on from what is there', () => {
    const { disk } = diskWithFile(1)
    disk.lock('/d/lock')
    const found = disk.crash(random(), losesEverything)
    expect(contentOf(found, '/proc/sys/kernel/random/boot_id')).not.toEqual(
      contentOf(disk, '/proc/sys/kernel/random/boot_id')
    )
    found.lock('/d/lock').release()
    expect(found.crash(random(), losesEverything).list('/d')).toEqual(['f'])
    expect(firstBytes(found.crash(random(), losesEverything))).toEqual([1])
  })

  test('the same seed gives the same disk', () => {
    const { disk, file } = diskWithFile(32)
    file.write(filled(2, 32 * PAGE_BYTES), 0)
    const [one, two] = [disk.crash(seededRandom(5)), disk.crash(seededRandom(5))]
    expect(contentOf(one, '/d/f')).toEqual(contentOf(two, '/d/f'))
  })
})

describe('after the process was killed', () => {
  test('everything written is there and still unsynced', () => {
    const { disk, file } = diskWithFile(1)
    file.map(PAGE_BYTES, 'write').bytes[0] = 5
    disk.open('/d/g', 'create').write(filled(6), 0)
    const found = disk.kill()
    expect([firstBytes(found), firstBytes(found, '/d/g')]).toEqual([[5], [6]])
    expect(found.unsynced()).toEqual(['/d/f', '/d/g', 'name +g'])
    const later = found.crash(random(), losesEverything)
    expect([later.list('/d'), firstBytes(later)]).toEqual([['f'], [1]])
  })

  test('locks are gone, the run of the system is the same, and what the dead process writes is not seen', () => {
    const { disk, file } = diskWithFile(1)
    disk.lock('/d/lock')
    const found = disk.kill()
    file.write(filled(9), 0)
    expect(firstBytes(found)).toEqual([1])
    expect(contentOf(found, '/proc/sys/kernel/random/boot_id')).toEqual(
      contentOf(disk, '/proc/sys/kernel/random/boot_id')
    )
    expect(() => found.lock('/d/lock').release()).not.toThrow()
  })
})

describe('a failed sync', () => {
  test('loses the pages of its range, and a second one reports success', () => {
    const { disk, file } = diskWithFile(2)
    file.close()
    const files = new FaultyFiles(disk)
    const faulty = files.open('/d/f', 'write')
    faulty.write(filled(2, 2 * PAGE_BYTES), 0)
    files.fail({ kind: 'sync', errno: 'EIO' })
    expect(() => faulty.sync(0, PAGE_BYTES)).toThrow(
      expect.objectContaining({ code: 'STORE_SYNC_FAILED', details: expect.objectContaining({ errno: 'EIO' }) })
    )
    faulty.syncAll()
    expect(firstBytes(disk)).toEqual([2, 2])
    expect(firstBytes(disk.crash(random(), losesNothing))).toEqual([1, 2])
  })

  test('does not keep a page from the disk that is changed again', () => {
    const { disk, file } = diskWithFile(1)
    file.close()
    const files = new FaultyFiles(disk)
    const faulty = files.open('/d/f', 'write')
    faulty.write(filled(2), 0)
    files.fail({ kind: 'syncFileSystem', errno: 'EIO' })
    expect(() => files.syncFileSystem('/d')).toThrow('STORE_SYNC_FAILED')
    faulty.write(filled(3), 0)
    faulty.syncAll()
    expect(firstBytes(disk.crash(random(), losesEverything))).toEqual([3])
  })
})

describe('space', () => {
  test('a full disk refuses writing and allocating, and takes them again when there is room', () => {
    const disk = new SimulatedDisk({ capacityBytes: 4 * PAGE_BYTES })
    const [one, two] = [disk.open('/one', 'create'), disk.open('/two', 'create')]
    one.allocate(0, 3 * PAGE_BYTES, { keepSize: true })
    expect([one.sizeBytes(), disk.find('/one')?.allocatedBytes]).toEqual([0, 3 * PAGE_BYTES])
    expect(disk.space('/').availableBytes).toBe(PAGE_BYTES)
    expect(() => two.allocate(0, 2 * PAGE_BYTES, { keepSize: false })).toThrow('STORE_DISK_FULL')
    expect(() => two.write(filled(1, 2 * PAGE_BYTES), 0)).toThrow('STORE_DISK_FULL')
    expect(two.sizeBytes()).toBe(PAGE_BYTES)
    one.write(filled(1, 3 * PAGE_BYTES), 0)
    one.punchHole(PAGE_BYTES, PAGE_BYTES)
    two.write(filled(1), PAGE_BYTES)
    expect(firstBytes(disk, '/one')).toEqual([1, 0, 1])
  })

  test('a removed file gives its blocks back when nobody has it open or mapped', () => {
    const disk = new SimulatedDisk({ capacityBytes: 4 * PAGE_BYTES })
    const file = disk.open('/one', 'create')
    file.write(filled(1, 3 * PAGE_BYTES), 0)
    const mapping = file.map(PAGE_BYTES, 'read')
    file.close()
    disk.remove('/one')
    expect(disk.space('/').availableBytes).toBe(PAGE_BYTES)
    expect(mapping.bytes[0]).toBe(1)
    mapping.release()
    expect(disk.space('/').availableBytes).toBe(4 * PAGE_BYTES)
  })

  test('writing to a page without blocks through a mapping is told', () => {
    const disk = new SimulatedDisk({ capacityBytes: 4 * PAGE_BYTES })
    const file = disk.open('/sparse', 'create')
    file.setSize(8 * PAGE_BYTES)
    file.allocate(0, PAGE_BYTES, { keepSize: true })
    const mapping = file.map(8 * PAGE_BYTES, 'write')
    mapping.bytes[0] = 1
    expect(disk.sparseWrites()).toEqual([])
    mapping.bytes[5 * PAGE_BYTES] = 1
    expect(disk.sparseWrites()).toEqual(['/sparse:5'])
    disk.open('/rest', 'create').allocate(0, 2 * PAGE_BYTES, { keepSize: true })
    mapping.bytes[6 * PAGE_BYTES] = 1
    expect(() => file.syncAll()).toThrow('SIGBUS')
  })
})

describe('files of the simulated disk', () => {
  test('views of a mapping are empty after its release', () => {
    const { file } = diskWithFile(1)
    const mapping = file.map(PAGE_BYTES, 'write')
    const view = mapping.bytes.subarray(10, 20)
    mapping.release()
    expect([mapping.bytes.length, mapping.view.byteLength, view.length]).toEqual([0, 0, 0])
    const into = new Uint8Array(1)
    expect([file.read(into, 0), into[0]]).toEqual([1, 1])
  })

  test('what was evicted is not resident until it is read', () => {
    const { disk, file } = diskWithFile(1)
    disk.evict('/d/f')
    const mapping = file.map(PAGE_BYTES, 'read')
    expect([file.readResident(filled(0), 0), mapping.resident(0, 1)]).toEqual([undefined, false])
    file.read(filled(0), 0)
    expect([file.readResident(filled(0), 0), mapping.resident(0, 1)]).toEqual([PAGE_BYTES, true])
  })

  test('a lock is held once and leaves a lock file', () => {
    const { disk } = diskWithFile()
    const lock = disk.lock('/d/lock')
    expect(() => disk.lock('/d/../d/lock')).toThrow(expect.objectContaining({ code: 'STORE_LOCKED' }))
    lock.release()
    disk.lock('/d/lock').release()
    expect(Buffer.from(contentOf(disk, '/d/lock')).toString()).toBe('lock')
  })

  test('missing files and directories are errors that name what was tried', () => {
    const { disk } = diskWithFile()
    expect(() => disk.open('/d/none', 'read')).toThrow(
      expect.objectContaining({ details: { operation: 'open', path: '/d/none', errno: 'ENOENT' } })
    )
    expect(() => disk.open('/none/f', 'create')).toThrow('ENOENT')
    expect(() => disk.rename('/d/none', '/d/f')).toThrow('ENOENT')
    expect(() => disk.open('/d/f', 'read').write(filled(1), 0)).toThrow('EBADF')
    expect([disk.list('/none'), disk.find('/none')]).toEqual([[], undefined])
  })

  test('times and inodes change when a file is written or replaced', () => {
    const { disk, file } = diskWithFile(1)
    const first = disk.find('/d/f')!
    file.write(filled(2), 0)
    expect(disk.find('/d/f')!.modifiedMs).toBeGreaterThan(first.modifiedMs)
    const before = disk.find('/d')!
    disk.open('/d/g', 'create').close()
    disk.rename('/d/g', '/d/f')
    expect(disk.find('/d/f')!.inode).not.toBe(first.inode)
    expect(disk.find('/d')!.modifiedMs).toBeGreaterThan(before.modifiedMs)
  })

  test('calls are counted by kind', () => {
    const { disk, file } = diskWithFile(1)
    const syncs = disk.counts.sync
    file.sync(0, 1)
    file.sync(0, 1)
    expect([disk.counts.sync - syncs, disk.counts.syncAll]).toEqual([2, 0])
  })
})

describe('faulty files', () => {
  test('fail the n-th call of a kind for a path, once', () => {
    const files = new FaultyFiles(diskWithFile().disk)
    files.fail({ kind: 'open', errno: 'EMFILE', nth: 2, path: /f$/ })
    files.open('/d/f', 'read').close()
    files.open('/d/other', 'create').close()
    expect(() => files.open('/d/f', 'read')).toThrow(expect.objectContaining({ code: 'STORE_FILE_LIMIT' }))
    files.open('/d/f', 'read').close()
    expect(files.count('open', /f$/)).toBe(3)
  })

  test('fail for ever until healed, and do nothing meanwhile', () => {
    const { disk } = diskWithFile(1)
    const files = new FaultyFiles(disk)
    const file = files.open('/d/f', 'write')
    files.fail({ kind: 'write', errno: 'ENOSPC', forever: true })
    for (let i = 0; i < 3; i++) expect(() => file.write(filled(2), 0)).toThrow('STORE_DISK_FULL')
    expect(firstBytes(disk)).toEqual([1])
    files.heal()
    file.write(filled(2), 0)
    expect(firstBytes(disk)).toEqual([2])
  })

  test('show each call before it is made', () => {
    const seen: string[] = []
    const files = new FaultyFiles(diskWithFile(1).disk, { before: ({ kind, path }) => seen.push(`${kind} ${path}`) })
    const file = files.open('/d/f', 'write')
    file.sync(0, 512)
    expect(seen).toEqual(['open /d/f', 'sync /d/f'])
    expect(files.calls.at(-1)).toEqual({ kind: 'sync', path: '/d/f', at: 0, bytes: 512 })
  })
})
