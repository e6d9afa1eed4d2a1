import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { release } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { GiB, MiB, VarveError } from '../../src/base/index.ts'
import type { Files, MapperKind, OpenFile } from '../../src/store/files.ts'
import { prefaultHere } from '../../src/store/mapping.ts'
import { openRealFiles } from '../../src/store/real-files.ts'

const PAGE = 4096

/** It is bound to one version of Node: where its binary is not there, the table is one column shorter. */
const mmapIoIsBuilt = existsSync(
  fileURLToPath(
    new URL(
      `../../node_modules/mmap-io/build/binding/Release/node-v${process.versions.modules}-${process.platform}-${process.arch}/mmap_io.node`,
      import.meta.url
    )
  )
)
const mapping: readonly MapperKind[] = mmapIoIsBuilt ? ['mmap-io', 'native'] : ['native']
const mappers: readonly MapperKind[] = [...mapping, 'plain']

/** Beside the native bindings: the system's place for temporary files often is memory and no disk. */
const place = fileURLToPath(new URL('../../native-bindings/build/', import.meta.url))

function freshDirectory(): string {
  const directory = mkdtempSync(join(place, 'test-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

function fileOf(files: Files, bytes: number): OpenFile {
  const file = files.open(join(freshDirectory(), 'file'), 'create')
  onTestFinished(() => file.close())
  file.setSize(bytes)
  return file
}

function errorOf(call: () => unknown): VarveError | undefined {
  try {
    call()
  } catch (error) {
    if (error instanceof VarveError) return error
    throw error
  }
  return undefined
}

/**
 * A program that maps a segment twenty times in a thread with many live objects. In a process of its own, because the
 * test runner collects garbage too; from `dist`, because Node 20 runs no TypeScript.
 */
function mapsManyTimes(mapper: MapperKind, path: string): string {
  const realFiles = new URL('../../dist/src/store/real-files.js', import.meta.url).href
  return `
    import { constants, PerformanceObserver } from 'node:perf_hooks'
    import { openRealFiles } from ${JSON.stringify(realFiles)}
    const file = openRealFiles({ mapper: ${JSON.stringify(mapper)} }).open(${JSON.stringify(path)}, 'write')
    const live = Array.from({ length: 200_000 }, (_, index) => ({ index, next: { index } }))
    const turn = () => new Promise(resolve => setImmediate(resolve))
    gc()
    for (let count = 0; count < 10; count += 1) await turn()

    const collections = []
    const full = [constants.NODE_PERFORMANCE_GC_MAJOR, constants.NODE_PERFORMANCE_GC_INCREMENTAL]
    new PerformanceObserver(list => {
      collections.push(...list.getEntries().map(entry => entry.detail.kind).filter(kind => full.includes(kind)))
    }).observe({ entryTypes: ['gc'] })
    const external = () => process.memoryUsage().external
    const before = external()
    const mappings = []
    for (let count = 0; count < 20; count += 1) {
      mappings.push(file.map(${GiB}, 'write'))
      await turn()
    }
    const countedWhileMapped = external() - before
    for (const mapping of mappings) mapping.release()
    const countedAfterwards = external() - before
    for (let count = 0; count < 10; count += 1) await turn()
    live.at(-1).index = collections.length // Alive until here.
    console.log(JSON.stringify({ collections, countedWhileMapped, countedAfterwards }))
  `
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()
const bytesOf = (content: string): Uint8Array => new Uint8Array(Buffer.from(content))

describe.each(mappers)('files through %s', mapper => {
  const files = openRealFiles({ mapper })

  test('say which way it is, and why', () => {
    expect(files.mapper).toBe(mapper)
    expect(files.mapperReason).toBe('asked for by name')
  })

  test('list names sorted, and none of a directory that is not there', () => {
    const directory = freshDirectory()
    for (const name of ['b', 'a', '00000000000000000010']) writeFileSync(join(directory, name), '')
    expect(files.list(directory)).toEqual(['00000000000000000010', 'a', 'b'])
    expect(files.list(join(directory, 'missing'))).toEqual([])
    expect(errorOf(() => files.list(join(directory, 'a')))).toMatchObject({
      code: 'STORE_IO_FAILED',
      details: { operation: 'list', errno: 'ENOTDIR' }
    })
  })

  test('tell the facts of a file and a directory, and nothing of what is not there', () => {
    const directory = freshDirectory()
    const path = join(directory, 'file')
    writeFileSync(path, 'x'.repeat(10))
    expect(files.find(path)).toMatchObject({ isDirectory: false, sizeBytes: 10, inode: expect.any(Number) })
    expect(files.find(directory)).toMatchObject({ isDirectory: true })
    expect(files.find(join(directory, 'missing'))).toBeUndefined()
    truncateSync(path, MiB)
    expect(files.find(path)?.sizeBytes).toBe(MiB)
    expect(files.find(path)?.allocatedBytes).toBeLessThan(MiB)
  })

  test('make a directory with its parents, again without harm, and never over a file', () => {
    const directory = freshDirectory()
    const deep = join(directory, 'a', 'b', 'c')
    files.makeDirectory(deep)
    files.makeDirectory(relative(process.cwd(), deep))
    expect(files.find(deep)?.isDirectory).toBe(true)
    writeFileSync(join(directory, 'file'), '')
    expect(errorOf(() => files.makeDirectory(join(directory, 'file')))?.details).toMatchObject({ errno: 'EEXIST' })
  })

  test('make no directory where the system has none, and say so instead of asking for ever', () => {
    const failed = expect.objectContaining({
      code: 'STORE_IO_FAILED',
      details: expect.objectContaining({ operation: 'mkdir' })
    })
    if (existsSync('/proc/self')) expect(() => files.makeDirectory('/proc/varve/data')).toThrow(failed)
    const path = join(freshDirectory(), 'file')
    writeFileSync(path, '')
    expect(() => files.makeDirectory(join(path, 'below'))).toThrow(failed)
    expect(files.find(join(path, 'below'))).toBeUndefined()
  })

  test('rename over an older file, and remove what is there and what is not', () => {
    const directory = freshDirectory()
    const [from, to] = [join(directory, 'from'), join(directory, 'to')]
    writeFileSync(from, 'new')
    writeFileSync(to, 'old')
    files.rename(from, to)
    expect(readFileSync(to, 'utf8')).toBe('new')
    expect(existsSync(from)).toBe(false)
    files.remove(to)
    files.remove(to)
    expect(existsSync(to)).toBe(false)
    files.makeDirectory(join(directory, 'a', 'b'))
    files.removeDirectory(join(directory, 'a'))
    files.removeDirectory(join(directory, 'a'))
    expect(files.list(directory)).toEqual([])
    expect(errorOf(() => files.rename(from, to))?.details).toMatchObject({ operation: 'rename', errno: 'ENOENT' })
  })

  test('sync a directory, and say which one could not be', () => {
    const directory = freshDirectory()
    files.syncDirectory(directory)
    expect(errorOf(() => files.syncDirectory(join(directory, 'missing')))).toMatchObject({
      code: 'STORE_FILE_CHANGED',
      details: { operation: 'open', path: join(directory, 'missing'), errno: 'ENOENT' }
    })
  })

  test('sync the whole file system where the system can', () => {
    expect(files.syncFileSystem(freshDirectory())).toBe(mapper !== 'plain')
  })

  test('know the space of the disk', () => {
    const { totalBytes, availableBytes } = files.space(freshDirectory())
    expect(totalBytes).toBeGreaterThan(availableBytes)
    expect(availableBytes).toBeGreaterThan(0)
  })

  test('know how full the disk is as `df` does: what is kept for the superuser is not used', () => {
    const directory = freshDirectory()
    const said = execFileSync('df', ['-k', '-P', directory], { encoding: 'utf8' })
    const [used = Number.NaN, available = Number.NaN] = (said.match(/(\d+) +(\d+) +\d+%/) ?? []).slice(1).map(Number)
    const { totalBytes, availableBytes } = files.space(directory)
    expect((totalBytes - availableBytes) / totalBytes).toBeCloseTo(used / (used + available), 2)
  })

  test('tell one mount from another where the system does', () => {
    const directory = freshDirectory()
    const here = files.mountOf(directory)
    const [major = 0, minor = 0] = release().split('.').map(Number)
    if (major < 6 || (major === 6 && minor < 8)) return expect(here).toBeUndefined()
    expect(files.mountOf(dirname(directory))).toBe(here)
    expect(files.mountOf('/proc')).toBeGreaterThan(0)
    expect(files.mountOf('/proc')).not.toBe(here)
    expect(errorOf(() => files.mountOf(join(directory, 'missing')))?.details).toMatchObject({ errno: 'ENOENT' })
  })

  test('give the lock of a file to one holder at a time', () => {
    const path = join(freshDirectory(), 'lock')
    const lock = files.lock(path)
    expect(readFileSync('/proc/locks', 'utf8')).toContain(`:${files.find(path)?.inode} 0 0`)
    expect(errorOf(() => files.lock(path))).toMatchObject({
      code: 'STORE_LOCKED',
      details: { path, holderPid: process.pid }
    })
    lock.release()
    expect(() => lock.release()).toThrow('a lock is released once')
    files.lock(path).release()
    expect(readFileSync(path, 'utf8')).toBe('lock')
  })

  describe('and a file', () => {
    test('that is missing is made only if asked for', () => {
      const path = join(freshDirectory(), 'file')
      for (const mode of ['read', 'write'] as const) {
        expect(errorOf(() => files.open(path, mode))).toMatchObject({
          code: 'STORE_FILE_CHANGED',
          details: { operation: 'open', path, errno: 'ENOENT' }
        })
      }
      files.open(path, 'create').close()
      files.open(path, 'read').close()
      expect(files.find(path)?.sizeBytes).toBe(0)
    })

    test('keeps what it has when it is opened again', () => {
      const path = join(freshDirectory(), 'file')
      writeFileSync(path, 'kept')
      const file = files.open(path, 'create')
      expect(file.sizeBytes()).toBe(4)
      file.close()
    })

    test('reads what was written, up to its end', () => {
      const file = fileOf(files, 0)
      file.write(bytesOf('0123456789'), 5)
      const into = new Uint8Array(20)
      expect(file.read(into, 7)).toBe(8)
      expect(text(into.subarray(0, 8))).toBe('23456789')
      expect(file.read(into, 15)).toBe(0)
      expect(file.read(into, 1000)).toBe(0)
      expect(file.readResident(into, 7)).toBe(8)
      expect(file.sizeBytes()).toBe(15)
    })

    test.each([
      { keepSize: false, sizeBytes: 64 * PAGE },
      { keepSize: true, sizeBytes: PAGE }
    ])('is allocated; its size (kept: $keepSize) is then $sizeBytes', ({ keepSize, sizeBytes }) => {
      const file = fileOf(files, PAGE)
      file.allocate(0, 64 * PAGE, { keepSize })
      expect(file.sizeBytes()).toBe(sizeBytes)
      if (mapper !== 'plain') expect(files.find(file.path)?.allocatedBytes).toBeGreaterThanOrEqual(64 * PAGE)
      file.allocate(0, PAGE, { keepSize })
      expect(file.sizeBytes()).toBe(sizeBytes)
    })

    test('has zeros where a hole is punched, and its size stays', () => {
      const file = fileOf(files, 0)
      const into = new Uint8Array(8 * PAGE)
      for (const [at, bytes] of [
        [PAGE, 2 * PAGE],
        [5 * PAGE + 1, 3 * PAGE - 1]
      ] as const) {
        file.write(new Uint8Array(8 * PAGE).fill(1), 0)
        file.punchHole(at, bytes)
        expect(file.read(into, 0)).toBe(8 * PAGE)
        expect(into.every((byte, index) => byte === (index >= at && index < at + bytes ? 0 : 1))).toBe(true)
      }
      expect(file.sizeBytes()).toBe(8 * PAGE)
    })

    test('gives the blocks at its end back with a hole', () => {
      const file = fileOf(files, 0)
      file.write(new Uint8Array(MiB).fill(1), 0)
      file.syncAll()
      file.punchHole(PAGE, MiB - PAGE)
      expect(files.find(file.path)?.allocatedBytes).toBeLessThan(MiB / 2)
    })

    test('takes a range, nothing, or all of it to the disk', () => {
      const file = fileOf(files, 16 * PAGE)
      file.write(bytesOf('text'), 3 * PAGE + 7)
      file.startWriting(0, 16 * PAGE)
      file.sync(3 * PAGE + 7, 4)
      file.sync(0, 0)
      file.syncAll()
      file.readAhead(0, 16 * PAGE)
      const into = new Uint8Array(4)
      file.read(into, 3 * PAGE + 7)
      expect(text(into)).toBe('text')
    })

    test('that is read-only refuses to be written', () => {
      const { path } = fileOf(files, PAGE)
      const file = files.open(path, 'read')
      expect(errorOf(() => file.write(bytesOf('x'), 0))?.details).toMatchObject({ operation: 'write', errno: 'EBADF' })
      expect(errorOf(() => file.setSize(1))?.code).toBe('STORE_IO_FAILED')
      file.close()
    })

    test('on a full disk says so', () => {
      const file = files.open('/dev/full', 'write')
      expect(errorOf(() => file.write(bytesOf('x'), 0))).toMatchObject({
        code: 'STORE_DISK_FULL',
        details: { operation: 'write', path: '/dev/full', errno: 'ENOSPC' }
      })
      file.close()
    })

    test('that cannot be synced says so with the code that means loss', () => {
      const file = files.open('/dev/full', 'write')
      expect(errorOf(() => file.syncAll())).toMatchObject({
        code: 'STORE_SYNC_FAILED',
        details: { operation: 'fsync', path: '/dev/full', errno: 'EINVAL' }
      })
      expect(errorOf(() => file.sync(0, PAGE))).toMatchObject({
        code: 'STORE_SYNC_FAILED',
        details: { path: '/dev/full', errno: 'EINVAL' }
      })
      file.close()
    })

    test('is not used after it was closed', () => {
      const file = files.open(join(freshDirectory(), 'file'), 'create')
      file.close()
      expect(() => file.read(new Uint8Array(1), 0)).toThrow('a file is used while it is open')
      expect(() => file.close()).toThrow('a file is closed once')
    })
  })
})

describe.each(mapping)('a file mapped through %s', mapper => {
  const files = openRealFiles({ mapper })

  function mapped(bytes: number) {
    const file = fileOf(files, 0)
    file.allocate(0, bytes, { keepSize: false })
    return { file, mapping: file.map(bytes, 'write') }
  }

  test('shows what is written to the file, and the file shows what is written to it', () => {
    const { file, mapping } = mapped(4 * PAGE)
    file.write(bytesOf('through the file'), PAGE)
    expect(text(mapping.bytes.subarray(PAGE, PAGE + 16))).toBe('through the file')
    mapping.view.setUint32(2 * PAGE, 0x01020304)
    const into = new Uint8Array(4)
    file.read(into, 2 * PAGE)
    expect([...into]).toEqual([1, 2, 3, 4])
    file.sync(2 * PAGE, 4)
    mapping.release()
  })

  test('stays valid when the file is closed and removed, until it is released', () => {
    const path = join(freshDirectory(), 'file')
    const file = files.open(path, 'create')
    file.allocate(0, PAGE, { keepSize: false })
    const mapping = file.map(PAGE, 'write')
    const part = mapping.bytes.subarray(10, 20)
    file.close()
    files.remove(path)

    part[0] = 7
    expect(mapping.bytes[10]).toBe(7)
    expect(readFileSync('/proc/self/maps', 'utf8')).toContain(path)
    mapping.release()
    expect([mapping.bytes.length, part.length, part[0]]).toEqual([0, 0, undefined])
    expect(() => mapping.view.getInt8(0)).toThrow(TypeError)
    expect(readFileSync('/proc/self/maps', 'utf8')).not.toContain(path)
    expect(() => mapping.release()).toThrow('a mapping is released once')
  })

  test('gives its addresses back at once', () => {
    const { mapping } = mapped(PAGE)
    const line = `${mapping.address.toString(16)}-`
    const isTaken = () => readFileSync('/proc/self/maps', 'utf8').includes(line)
    expect(isTaken()).toBe(true)
    mapping.release()
    expect(isTaken()).toBe(false)
  })

  test('starts no garbage collection, and counts as no memory that one could free', () => {
    const { path } = fileOf(files, GiB)
    const child = spawnSync(
      process.execPath,
      ['--expose-gc', '--input-type=module', '-e', mapsManyTimes(mapper, path)],
      {
        encoding: 'utf8'
      }
    )
    expect(child.stderr).toBe('')
    const { collections, countedWhileMapped, countedAfterwards } = JSON.parse(child.stdout)
    expect(collections).toEqual([])
    expect(countedWhileMapped).toBeLessThan(MiB)
    expect(countedAfterwards).toBeLessThan(MiB)
  })

  test('can be mapped and released many times without a turn of the event loop', () => {
    const { file, mapping } = mapped(16 * PAGE)
    for (let round = 0; round < 1000; round++) {
      const again = file.map(16 * PAGE, 'write')
      again.bytes[round] = 1
      again.release()
    }
    expect(mapping.bytes.subarray(0, 1000).every(byte => byte === 1)).toBe(true)
    expect(readFileSync('/proc/self/maps', 'utf8').split(file.path).length - 1).toBe(1)
    mapping.release()
  })

  test('is pre-faulted by address until it is released', () => {
    const { mapping } = mapped(8192 * PAGE)
    expect(mapping.resident(0, 32 * PAGE)).toBe(false)
    expect(prefaultHere(mapping.address, 32 * PAGE)).toBe(true)
    expect(mapping.resident(0, 32 * PAGE)).toBe(true)
    expect(mapping.resident(0, 8192 * PAGE)).toBe(false)
    expect(mapping.resident(8192 * PAGE, 0)).toBe(true)
    expect(mapping.bytes.every(byte => byte === 0)).toBe(true)

    const { address } = mapping
    mapping.release()
    expect(prefaultHere(address, PAGE)).toBe(false)
    expect(() => mapping.resident(0, PAGE)).toThrow('while it is mapped')
  })

  test('is asked only about its own pages', () => {
    const { mapping } = mapped(PAGE)
    expect(() => mapping.resident(0, PAGE + 1)).toThrow('the range lies inside the mapping')
    expect(() => mapping.resident(-1, 1)).toThrow('the range lies inside the mapping')
    mapping.release()
  })

  test('that was shortened by somebody else is neither mapped nor pre-faulted', () => {
    const { file, mapping } = mapped(4 * PAGE)
    truncateSync(file.path, PAGE)
    expect(errorOf(() => file.map(4 * PAGE, 'write'))).toMatchObject({
      code: 'STORE_FILE_CHANGED',
      details: { operation: 'map', path: file.path, bytes: 4 * PAGE }
    })
    expect(readFileSync('/proc/self/maps', 'utf8').split(file.path).length - 1).toBe(1)
    expect(errorOf(() => prefaultHere(mapping.address, 4 * PAGE))?.code).toBe('STORE_FILE_CHANGED')
    mapping.release()
  })

  test('for writing needs a file that may be written', () => {
    const { path } = fileOf(files, PAGE)
    const file = files.open(path, 'read')
    expect(errorOf(() => file.map(PAGE, 'write'))).toMatchObject({
      code: 'STORE_READ_ONLY',
      details: { operation: 'map', path, errno: 'EACCES' }
    })
    const mapping = file.map(PAGE, 'read')
    expect(mapping.bytes[0]).toBe(0)
    mapping.release()
    file.close()
  })

  test('cannot be given away to another thread', () => {
    const { mapping } = mapped(PAGE)
    // Node 20 copies it instead, later versions refuse.
    try {
      structuredClone(mapping.bytes, { transfer: [mapping.bytes.buffer as ArrayBuffer] })
    } catch (error) {
      expect(error).toMatchObject({ name: 'DataCloneError' })
    }
    expect(mapping.bytes.length).toBe(PAGE)
    mapping.release()
  })

  test('is read without waiting only where it is in memory', () => {
    const file = fileOf(files, 0)
    file.write(new Uint8Array(64 * PAGE).fill(7), 0)
    file.syncAll()
    const into = new Uint8Array(64 * PAGE)
    // The system is asked to drop it from memory until it has: pages that another processor holds stay for a while. Whoever
    // then asks in vain has the system read ahead, so that a second question may be answered.
    for (let asked = 0; file.readResident(into, 0) !== undefined; asked++) {
      expect(asked).toBeLessThan(100)
      execFileSync('dd', [`if=${file.path}`, 'iflag=nocache', 'count=0'], { stdio: 'ignore' })
    }
    expect(file.read(into, 0)).toBe(64 * PAGE)
    expect(file.readResident(into, 0)).toBe(64 * PAGE)
  })

  test('on a file system that cannot allocate is refused by name', () => {
    const file = files.open('/proc/self/comm', 'write')
    expect(errorOf(() => file.allocate(0, PAGE, { keepSize: false }))).toMatchObject({
      code: 'STORE_FILESYSTEM_UNSUITABLE',
      details: { operation: 'allocate', errno: 'ENOTSUP' }
    })
    expect(file.readResident(new Uint8Array(4), 0)).toBe(4) // Nor can it tell what is in memory: it reads.
    expect(file.readResident(new Uint8Array(4), 0)).toBe(4)
    file.close()
  })

  test('larger than its file system is refused as a full disk', () => {
    const directory = mkdtempSync('/dev/shm/varve-')
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
    const file = files.open(join(directory, 'file'), 'create')
    const { totalBytes } = files.space(directory)
    expect(errorOf(() => file.allocate(0, totalBytes + MiB, { keepSize: false }))).toMatchObject({
      code: 'STORE_DISK_FULL',
      details: { operation: 'allocate', errno: 'ENOSPC' }
    })
    expect(errorOf(() => file.allocate(0, 2 ** 53 - MiB, { keepSize: false }))?.details).toMatchObject({
      operation: 'allocate'
    })
    file.close()
  })
})

describe('a plain file', () => {
  const files = openRealFiles({ mapper: 'plain' })

  test('is never mapped', () => {
    const file = fileOf(files, PAGE)
    expect(errorOf(() => file.map(PAGE, 'read'))).toMatchObject({
      code: 'NATIVE_UNAVAILABLE',
      details: { path: file.path }
    })
  })
})

test('by itself mmap-io is chosen where it is built, and else the native bindings, with the reason', () => {
  const files = openRealFiles()
  expect(files.mapper).toBe(mapping[0])
  expect(files.mapperReason).toMatch(
    mmapIoIsBuilt ? /^mmap-io and the native bindings are both built$/ : /^mmap-io does/
  )
})
