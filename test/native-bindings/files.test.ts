import { fstatSync, openSync, readFileSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, expect, test } from 'vitest'
import { codeOf, fileOf, forget, native, PAGE } from './fixtures.ts'

const allocatedBytes = (file: number): number => fstatSync(file).blocks * 512

describe('allocating', () => {
  test.each([
    { keepSize: false, sizeBytes: 64 * PAGE },
    { keepSize: true, sizeBytes: PAGE }
  ])('gives real blocks, and the size (kept: $keepSize) is $sizeBytes', ({ keepSize, sizeBytes }) => {
    const { file } = fileOf(PAGE)
    native.allocate(file, 0, 64 * PAGE, keepSize)
    expect(allocatedBytes(file)).toBeGreaterThanOrEqual(64 * PAGE)
    expect(fstatSync(file).size).toBe(sizeBytes)
  })

  test('is undone by a hole, which reads as zeros and leaves its neighbours', () => {
    const { file, path } = fileOf(0)
    writeSync(file, new Uint8Array(64 * PAGE).fill(1))
    native.syncData(file)
    const before = allocatedBytes(file)
    native.punchHole(file, PAGE, 62 * PAGE)

    expect(before - allocatedBytes(file)).toBeGreaterThanOrEqual(62 * PAGE - PAGE)
    const bytes = readFileSync(path)
    expect(bytes.length).toBe(64 * PAGE)
    expect(bytes.subarray(0, PAGE).every(byte => byte === 1)).toBe(true)
    expect(bytes.subarray(PAGE, 63 * PAGE).every(byte => byte === 0)).toBe(true)
    expect(bytes.subarray(63 * PAGE).every(byte => byte === 1)).toBe(true)
  })

  test('names the errno when it fails', () => {
    const file = openSync('/proc/self/comm', 'r+')
    expect(codeOf(() => native.allocate(file, 0, 1, false))).toBe('ENOTSUP')
    expect(codeOf(() => native.allocate(2 ** 31 - 1, 0, 1, false))).toBe('EBADF')
  })
})

describe('making durable', () => {
  test('takes a range, a file, a directory or the whole file system', () => {
    const { file, path } = fileOf(3 * PAGE)
    writeSync(file, 'durable', PAGE + 5)
    expect(codeOf(() => native.startWriting(file, PAGE, 100))).toBeUndefined()
    expect(codeOf(() => native.syncFileBytes(file, PAGE + 5, 7))).toBeUndefined()
    expect(codeOf(() => native.syncFileBytes(file, 0, 100 * PAGE))).toBeUndefined() // Beyond the end, too.
    expect(codeOf(() => native.syncData(file))).toBeUndefined()
    expect(codeOf(() => native.syncDirectory(dirname(path)))).toBeUndefined()
    expect(codeOf(() => native.syncFileSystem(file))).toBeUndefined()
  })

  test('names the errno when it fails', () => {
    const { path } = fileOf(1)
    const bad = 2 ** 31 - 1
    expect(codeOf(() => native.syncFileBytes(bad, 0, 1))).toBe('EBADF')
    expect(codeOf(() => native.syncData(bad))).toBe('EBADF')
    expect(codeOf(() => native.syncFileSystem(bad))).toBe('EBADF')
    expect(codeOf(() => native.startWriting(bad, 0, 1))).toBe('EBADF')
    expect(codeOf(() => native.syncDirectory(path))).toBe('ENOTDIR')
    expect(codeOf(() => native.syncDirectory(`${path}-missing`))).toBe('ENOENT')
  })
})

describe('finding data', () => {
  test('passes over holes and over blocks that were never written, however they were allocated', () => {
    const { file } = fileOf(0)
    native.allocate(file, 0, 1024 * PAGE, false)
    expect(native.nextData(file, 0)).toBeUndefined()
    writeSync(file, 'data', 512 * PAGE + 5)
    const found = native.nextData(file, 0)!
    expect(found).toBeGreaterThan(256 * PAGE) // File systems count in blocks of their own.
    expect(found).toBeLessThanOrEqual(512 * PAGE + 5)
    expect(native.nextData(file, 512 * PAGE + 7)).toBe(512 * PAGE + 7)
    expect(native.nextData(file, 1024 * PAGE)).toBeUndefined()
    native.punchHole(file, 0, 1024 * PAGE)
    expect(native.nextData(file, 0)).toBeUndefined()
  })

  test('sees what was written through a mapping and is not on disk yet', () => {
    const { file, path } = fileOf(0)
    native.allocate(file, 0, 1024 * PAGE, false)
    const buffer = native.map(file, 1024 * PAGE, true, path)
    new Uint8Array(buffer)[700 * PAGE] = 1
    expect(native.nextData(file, 700 * PAGE)).toBe(700 * PAGE)
    expect(native.nextData(file, 0)).toBeLessThanOrEqual(700 * PAGE)
    native.unmap(buffer)
  })

  test('names the errno when it fails', () => {
    expect(codeOf(() => native.nextData(2 ** 31 - 1, 0))).toBe('EBADF')
  })
})

describe('reading without waiting', () => {
  test('answers what is in memory, and undefined if any of it is not', () => {
    const { file, path } = fileOf(0)
    writeSync(file, new Uint8Array(64 * PAGE).fill(7))
    const into = new Uint8Array(64 * PAGE)
    expect(native.readNoWait(file, into, 0)).toBe(64 * PAGE)
    expect(into.every(byte => byte === 7)).toBe(true)

    forget(path)
    expect(native.readNoWait(file, into, 0)).toBeUndefined()
    expect(readFileSync(path).length).toBe(64 * PAGE)
    expect(native.readNoWait(file, into, 0)).toBe(64 * PAGE)
  })

  test('ends at the end of the file', () => {
    const { file } = fileOf(0)
    writeSync(file, 'text')
    const into = new Uint8Array(10)
    expect(native.readNoWait(file, into, 1)).toBe(3)
    expect(native.readNoWait(file, into, 4)).toBe(0)
    expect(native.readNoWait(file, into.subarray(0, 0), 0)).toBe(0)
  })

  test('says so where the file system cannot tell', () => {
    const file = openSync('/proc/self/comm', 'r')
    expect(codeOf(() => native.readNoWait(file, new Uint8Array(1), 0))).toBe('ENOTSUP')
  })

  test('succeeds soon after a read-ahead was asked for', () => {
    const { file } = fileOf(PAGE)
    expect(codeOf(() => native.fileReadAhead(file, 0, PAGE))).toBeUndefined()
    expect(codeOf(() => native.fileReadAhead(2 ** 31 - 1, 0, PAGE))).toBe('EBADF')
  })
})
