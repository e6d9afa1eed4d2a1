import { closeSync, openSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { describe, expect, test } from 'vitest'
import { codeOf, freshDirectory, inChild, loading, native } from './fixtures.ts'

function take(path: string): number {
  const { file } = native.lockFile(path)
  expect(file).toBeDefined()
  return file! // Just expected.
}

const askInChild = (path: string): unknown =>
  JSON.parse(inChild(`console.log(JSON.stringify(native.lockFile(${JSON.stringify(path)})))`).stdout)

describe('the lock of a file', () => {
  test('is refused to a second process, naming the first, until it is given back', () => {
    const path = join(freshDirectory(), 'lock')
    const file = take(path)
    expect(askInChild(path)).toEqual({ holderPid: process.pid })

    native.unlockFile(file)
    expect(askInChild(path)).toEqual({ file: expect.any(Number) })
    native.unlockFile(take(path)) // The child's end gave it back.
  })

  test('is refused to the same process, which keeps it', () => {
    const path = join(freshDirectory(), 'lock')
    const file = take(path)
    expect(native.lockFile(path)).toEqual({ holderPid: process.pid })
    expect(askInChild(path)).toEqual({ holderPid: process.pid })
    native.unlockFile(file)
  })

  test("is what Java's FileChannel.lock(0, 1) takes: an exclusive POSIX lock of the first byte", () => {
    const path = join(freshDirectory(), 'lock')
    const file = take(path)
    const { ino } = statSync(path)
    const line = readFileSync('/proc/locks', 'utf8')
      .split('\n')
      .find(text => text.includes(`:${ino} `))
    expect(line?.split(/\s+/).slice(1)).toEqual([
      'POSIX',
      'ADVISORY',
      'WRITE',
      String(process.pid),
      expect.any(String),
      '0',
      '0'
    ])
    native.unlockFile(file)
  })

  test('is given back by the thread that took it, or by its end', async () => {
    const path = join(freshDirectory(), 'lock')
    const code = `
      const { parentPort } = require('node:worker_threads')
      parentPort.postMessage(native.lockFile(${JSON.stringify(path)}).file)
      parentPort.once('message', () => {})
    `
    const worker = new Worker(loading + code, { eval: true })
    const file = await new Promise<number>(resolve => worker.once('message', resolve))
    expect(native.lockFile(path)).toEqual({ holderPid: process.pid })
    expect(codeOf(() => native.unlockFile(file))).toBe('ERR_VARVE_NOT_LOCKED')

    worker.postMessage('end')
    await new Promise(resolve => worker.once('exit', resolve))
    native.unlockFile(take(path))
  })

  test('is given back once', () => {
    const path = join(freshDirectory(), 'lock')
    const file = take(path)
    native.unlockFile(file)
    expect(codeOf(() => native.unlockFile(file))).toBe('ERR_VARVE_NOT_LOCKED')
  })

  test('names the errno where the file cannot be opened', () => {
    const directory = freshDirectory()
    expect(codeOf(() => native.lockFile(directory))).toBe('EISDIR')
    expect(codeOf(() => native.lockFile(join(directory, 'missing', 'lock')))).toBe('ENOENT')
  })

  test('leaves no descriptor open after a refusal', () => {
    const path = join(freshDirectory(), 'lock')
    const file = take(path)
    native.lockFile(path)
    const next = openSync(path, 'r') // Drops the lock when closed, which no longer matters here.
    expect(next).toBe(file + 1)
    closeSync(next)
    native.unlockFile(file)
  })
})
