import { spawnSync } from 'node:child_process'
import { closeSync, openSync, read, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { LogStream } from '../../src/cli/log-stream.ts'
import { freshDirectory } from '../support/store-fixtures.ts'

const readSome = promisify(read)
const leftOut = (count: number): string => `${count} left out`
const numbered = (count: number): string[] => Array.from({ length: count }, (_, i) => `line ${i}`)

describe('a log stream', () => {
  test('writes whole lines in their order', async () => {
    const path = join(freshDirectory(), 'log')
    const stream = new LogStream(openSync(path, 'w'), leftOut)
    for (const line of numbered(1000)) stream.write(line)
    await stream.flushed()
    for (const line of ['äöü', 'last']) stream.write(line)
    await stream.flushed()
    expect(readFileSync(path, 'utf8').split('\n')).toEqual([...numbered(1000), 'äöü', 'last', ''])
  })

  test('writes what waits at once when the process ends', () => {
    const path = join(freshDirectory(), 'log')
    const stream = new LogStream(openSync(path, 'w'), leftOut)
    stream.write('only line')
    stream.flushNow()
    stream.write('too late')
    expect(readFileSync(path, 'utf8')).toMatch(/^(only line\n)+$/)
  })

  test('to a reader that reads nothing never waits, keeps a bounded number of lines, and says how many are missing', async () => {
    const path = join(freshDirectory(), 'pipe')
    expect(spawnSync('mkfifo', [path]).status).toBe(0)
    // For reading and writing, else opening waits for the other end.
    const pipe = openSync(path, 'r+')
    const stream = new LogStream(pipe, leftOut)
    const line = 'x'.repeat(64 * 1024 - 1)
    for (let i = 0; i < 200; i++) stream.write(line)

    const flushed = stream.flushed()
    let text = ''
    const bytes = Buffer.alloc(1024 * 1024)
    const readUntil = async (isEnough: () => boolean): Promise<void> => {
      while (!isEnough()) text += bytes.toString('latin1', 0, (await readSome(pipe, { buffer: bytes })).bytesRead)
    }
    await readUntil(() => text.length >= 4 * 1024 * 1024)
    stream.write('last')
    await readUntil(() => text.includes('last'))
    await flushed
    closeSync(pipe)

    const lines = text.split('\n').slice(0, -1)
    expect(lines.slice(-2)).toEqual([expect.stringMatching(/^\d+ left out$/), 'last'])
    const told = Number.parseInt(lines.at(-2) as string, 10)
    expect(lines.length - 2 + told).toBe(200)
  })

  test('whose reader is gone goes on in silence', async () => {
    const path = join(freshDirectory(), 'log')
    const file = openSync(path, 'w')
    closeSync(file)
    const stream = new LogStream(openSync(path, 'r'), leftOut)
    stream.write('nobody reads this')
    await stream.flushed()
    stream.write('nor this')
    await stream.flushed()
    expect(readFileSync(path, 'utf8')).toBe('')
  })
})
