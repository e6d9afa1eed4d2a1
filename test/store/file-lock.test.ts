import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { takeLock } from '../../src/store/file-lock.ts'
import { nativeIfBuilt } from '../../src/store/mapping.ts'

function freshPath(): string {
  const directory = mkdtempSync(join(tmpdir(), 'varve-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  mkdirSync(join(directory, 'varve'))
  return join(directory, 'lock')
}

const holderPath = (path: string): string => join(dirname(path), 'varve', 'lock.holder')

/** What this process writes down about itself, but for some fields. */
function identityBut(changes: object): string {
  const path = freshPath()
  const lock = takeLock(path, undefined)
  const own = JSON.parse(readFileSync(holderPath(path), 'utf8')) as object
  lock.release()
  return JSON.stringify({ ...own, ...changes })
}

/** The pid of a process that has ended. */
const deadPid = (): number => spawnSync(process.execPath, ['-e', '']).pid

const lockedByUs = (path: string) =>
  expect.objectContaining({ code: 'STORE_LOCKED', details: { path, holderPid: process.pid } })

describe('a lock without native code', () => {
  test('is refused while its holder lives, and free once it is released', () => {
    const path = freshPath()
    const lock = takeLock(path, undefined)
    expect(() => takeLock(path, undefined)).toThrow(lockedByUs(path))
    lock.release()
    expect(existsSync(holderPath(path))).toBe(false)
    takeLock(path, undefined).release()
  })

  test.each<{ left: string; text: () => string }>([
    { left: 'a process that has ended', text: () => identityBut({ pid: deadPid() }) },
    { left: 'an earlier process of a pid that lives', text: () => identityBut({ startedAt: '1' }) },
    { left: 'a process of that pid before the system was started', text: () => identityBut({ boot: 'earlier' }) },
    { left: 'a system that went down before it was written', text: () => '' },
    { left: 'who knows whom', text: () => '{"pid":-1,"startedAt":"","boot":""}' }
  ])('is taken over from $left', ({ text }) => {
    const path = freshPath()
    writeFileSync(holderPath(path), text())
    const lock = takeLock(path, undefined)
    expect(JSON.parse(readFileSync(holderPath(path), 'utf8'))).toMatchObject({ pid: process.pid })
    lock.release()
  })

  test('and one with it see each other', () => {
    const path = freshPath()
    const native = nativeIfBuilt()
    expect(native).toBeDefined()

    const plain = takeLock(path, undefined)
    expect(() => takeLock(path, native)).toThrow(lockedByUs(path))
    plain.release()

    const record = takeLock(path, native)
    expect(() => takeLock(path, undefined)).toThrow(lockedByUs(path))
    expect(existsSync(holderPath(path))).toBe(false)
    expect(() => takeLock(path, native)).toThrow(lockedByUs(path)) // The refusal did not drop the lock.
    record.release()
    takeLock(path, undefined).release()
  })

  test('leaves nothing behind', () => {
    const path = freshPath()
    takeLock(path, undefined).release()
    for (const name of ['', `.${process.pid}`, `.${process.pid}.dead`]) {
      expect(existsSync(holderPath(path) + name)).toBe(false)
    }
  })

  test('names the errno where it cannot be written down', () => {
    const path = join(freshPath(), 'lock')
    expect(() => takeLock(path, undefined)).toThrow(
      expect.objectContaining({ code: 'STORE_IO_FAILED', details: { operation: 'lock', path, errno: 'ENOENT' } })
    )
  })
})
