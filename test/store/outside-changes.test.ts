/** Files of a store that somebody else shortens, replaces or removes while it is open: told by name, and never read as something else. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Store } from '../../src/index.ts'
import { segmentName } from '../../src/layout/index.ts'
import {
  bodyOf,
  errorOf,
  fill,
  freshDirectory,
  mappers,
  message,
  nameOf,
  namesIn,
  openSmall,
  QUEUE,
  SEGMENT_BYTES,
  SMALL
} from '../support/store-fixtures.ts'

/** Beside the store. */
const keptOf = (path: string): string => `${path.split(/.(commitlog|consumequeue)./)[0]}.kept`

/** What somebody does to a file, and what undoes it. */
const changes: { what: string; make: (path: string) => void; undo: (path: string) => void }[] = [
  {
    what: 'shortened',
    make(path) {
      copyFileSync(path, keptOf(path))
      truncateSync(path, Math.floor(statSync(path).size / 2))
    },
    undo: path => renameSync(keptOf(path), path)
  },
  { what: 'removed', make: path => renameSync(path, keptOf(path)), undo: path => renameSync(keptOf(path), path) },
  {
    what: 'replaced',
    make(path) {
      renameSync(path, keptOf(path))
      writeFileSync(path, new Uint8Array(statSync(keptOf(path)).size))
    },
    undo: path => renameSync(keptOf(path), path)
  }
]
const ways = mappers.flatMap(mapper => changes.map(change => ({ mapper, ...change })))

const segmentOf = (directory: string, ordinal: number): string =>
  join(directory, 'commitlog', segmentName(ordinal * SEGMENT_BYTES))
const namesUntil = (count: number): string[] => Array.from({ length: count }, (_, i) => `m${i}`)

describe.each(ways)(
  'the segment being written that is $what, in a store with $mapper files',
  ({ mapper, make, undo }) => {
    test('ends writing within a second, by the name of the file, and what was there stays readable', async () => {
      const directory = freshDirectory()
      const store = await openSmall({ directory, mapper, threads: 'workers' })
      fill(store, 60)
      await store.flushed()
      // The dispatcher has seen all of it: whoever touches what is cut off meets the end of the process instead.
      expect(await store.messagesByKey({ topic: 'orders', key: 'k59' })).toHaveLength(1)
      const path = segmentOf(directory, 1)
      make(path)
      const failure = await store.failed
      expect(failure).toMatchObject({ code: 'STORE_FILE_CHANGED', details: { path } })
      expect(await errorOf(() => store.append(message('no')))).toMatchObject({
        code: 'STORE_POISONED',
        details: { because: 'STORE_FILE_CHANGED', path }
      })
      expect((await errorOf(() => store.flushed(store.info().appendedUntil)))?.code).toMatch(/STORE_POISONED|done/)
      const { messages } = await store.read({ ...QUEUE, offset: 0, countMax: 30 })
      expect(messages.map(nameOf)).toEqual(namesUntil(30))
      await store.close()

      undo(path)
      await using again = await openSmall({ directory, mapper })
      expect(await namesIn(again)).toEqual(namesUntil(60))
    })
  }
)

describe.each(mappers)('at the end of a segment, in a store with %s files', mapper => {
  test('a replaced one is noticed before the next is begun, and nothing is lost once it is back', async () => {
    const directory = freshDirectory()
    await using store = await openSmall({ directory, mapper })
    fill(store, 10)
    const path = segmentOf(directory, 0)
    const replaced = changes.find(({ what }) => what === 'replaced')
    replaced?.make(path)
    let count = 10
    let refusal: unknown
    while (refusal === undefined && count < 100) {
      refusal = await errorOf(() => store.append(message(bodyOf(count))))
      if (refusal === undefined) count++
    }
    expect(refusal).toMatchObject({ code: 'STORE_FILE_CHANGED', details: { path } })
    expect(store.info().appendedUntil).toBeLessThanOrEqual(SEGMENT_BYTES)
    replaced?.undo(path)
    fill(store, 60, { from: count })
    expect(await namesIn(store)).toEqual(namesUntil(count + 60))
  })
})

describe.each(ways)('an older segment that is $what, in a store with $mapper files', ({ mapper, make, undo }) => {
  test.each(['read before', 'not yet read'])('%s: its messages are told to be damaged, all others stay', async when => {
    const directory = freshDirectory()
    {
      await using store = await openSmall({ directory, mapper })
      fill(store, 120)
    }
    await using store = await openSmall({ directory, mapper })
    if (when === 'read before') expect(await namesIn(store)).toHaveLength(120)
    const path = segmentOf(directory, 1)
    make(path)
    const found = await readEach(store, 120)
    for (const [i, name] of found.entries()) {
      if (name !== `m${i}`) expect(['STORE_FILE_CHANGED', 'RECORD_DAMAGED']).toContain(name)
    }
    const { length } = found.filter(name => name?.startsWith('m'))
    expect(length).toBeGreaterThan(75) // The two other segments, at least.
    if (when === 'not yet read') expect(length).toBeLessThan(120)
    fill(store, 60, { from: 120 })
    expect(nameOf((await store.read({ ...QUEUE, offset: 179 })).messages[0] ?? { body: new Uint8Array() })).toBe('m179')
    undo(path)
    await store.close() // It may still have the other file mapped.
    await using again = await openSmall({ directory, mapper })
    expect(await namesIn(again)).toEqual(namesUntil(180))
  })
})

describe.each(ways)('a queue file that is $what, in a store with $mapper files', ({ what, mapper, make }) => {
  test('is never read as other messages, and built again when the store is opened next', async () => {
    const directory = freshDirectory()
    const path = join(directory, 'consumequeue', 'orders', '0', segmentName(16 * 20))
    {
      await using store = await openSmall({ directory, mapper })
      fill(store, 60)
      expect(await namesIn(store)).toHaveLength(60)
    }
    {
      await using store = await openSmall({ directory, mapper })
      make(path)
      const found = await readEach(store, 60)
      for (const [i, name] of found.entries()) {
        if (name !== `m${i}`) expect(['STORE_FILE_CHANGED', 'RECORD_DAMAGED']).toContain(name)
      }
      expect(found.filter(name => name?.startsWith('m')).length).toBeGreaterThanOrEqual(60 - 16)
      expect(found.slice(16, 32)).not.toEqual(namesUntil(32).slice(16))
      fill(store, 20, { from: 60 })
    }
    rmSync(keptOf(path), { force: true })
    // After a clean close a file of the right size is trusted; `varve store verify` looks into it.
    if (what === 'replaced') rmSync(path)
    await using store = await openSmall({ directory, mapper })
    expect(await namesIn(store)).toEqual(namesUntil(80))
    expect(store.info().recovery.rebuilt).toBe(true)
  })
})

/** The name of each message, or the code of what stands in its place. */
async function readEach(store: Store, count: number): Promise<(string | undefined)[]> {
  const found: (string | undefined)[] = []
  for (let offset = 0; offset < count; offset++) {
    let name: string | undefined
    const error = await errorOf(async () => {
      const { messages, damaged } = await store.read({ ...QUEUE, offset, countMax: 1 })
      name = damaged[0]?.code ?? (messages[0] && nameOf(messages[0]))
    })
    found.push(error?.code ?? name)
  }
  return found
}

describe.each(mappers.filter(mapper => mapper !== 'plain'))('writing through %s', mapper => {
  test('to a segment that was shortened ends the process, which names the file; what was on disk before it is kept', async () => {
    const directory = freshDirectory()
    const entry = fileURLToPath(new URL('../../dist/src/index.js', import.meta.url))
    const options = { ...SMALL, directory, mapper, threads: 'none' }
    const path = segmentOf(directory, 1)
    const code = `
      import { copyFileSync, truncateSync } from 'node:fs'
      const { openStore } = await import(${JSON.stringify(entry)})
      const store = await openStore(${JSON.stringify(options)})
      const append = i => store.append({ topic: 'orders', queueId: 0, body: ('m' + i + ' ').padEnd(1500, '.') })
      for (let i = 0; i < 60; i++) append(i)
      await store.flushed()
      copyFileSync(${JSON.stringify(path)}, ${JSON.stringify(keptOf(path))})
      truncateSync(${JSON.stringify(path)}, 0)
      for (let i = 60; i < 90; i++) append(i)
      console.log('not reached')`
    const child = spawn(process.execPath, ['--input-type=module', '--eval', code])
    onTestFinished(() => void child.kill('SIGKILL'))
    let said = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', data => (said += data))
    const [, signal] = await once(child, 'close')
    expect(signal).toBe('SIGBUS')
    expect(said).toMatch(new RegExp(`SIGBUS at byte \\d+ of ${path}: the mapped file was shortened`))
    expect(said).not.toContain('not reached')

    expect((await errorOf(() => openSmall({ directory, mapper })))?.code).toBe('STORE_LAYOUT_FOREIGN')
    renameSync(keptOf(path), path)
    await using store = await openSmall({ directory, mapper })
    expect(await namesIn(store)).toEqual(namesUntil(60))
    expect(existsSync(keptOf(path))).toBe(false)
  })
})
