/** Limits of the system that a store may run into while it is open: open files, mappings, memory. None of them loses anything. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { KiB, MiB, type VarveError } from '../../src/base/index.ts'
import { openStore, type Store } from '../../src/index.ts'
import { type Fault, FaultyFiles } from '../support/faulty-files.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { bodyOf, errorOf, fill, freshDirectory, message, namesIn, simulated } from '../support/store-fixtures.ts'

const OPEN_FILES: Fault = { kind: 'open', errno: 'EMFILE' }
const SYSTEM_FILES: Fault = { kind: 'open', errno: 'ENFILE' }
const MAPPINGS: Fault = { kind: 'map', errno: 'ENOMEM' }
const HINTS = { STORE_FILE_LIMIT: 'ulimit -n', STORE_MAP_LIMIT: 'vm.max_map_count' }

const namesUntil = (count: number): string[] => Array.from({ length: count }, (_, i) => `m${i}`)

describe.each([
  { what: 'open files of the process', fault: OPEN_FILES, code: 'STORE_FILE_LIMIT' },
  { what: 'open files of the system', fault: SYSTEM_FILES, code: 'STORE_FILE_LIMIT' },
  { what: 'mappings', fault: MAPPINGS, code: 'STORE_MAP_LIMIT' }
] as const)('a store that finds the limit of $what reached', ({ fault, code }) => {
  test.each(['async', 'sync'] as const)(
    'refuses with %s flush what it cannot take, and goes on by itself',
    async flush => {
      const disk = new SimulatedDisk()
      const files = new FaultyFiles(disk)
      await using store = await openStore({ ...simulated(files), flush })
      fill(store, 10)
      await store.flushed()
      files.fail({ ...fault, forever: true })
      let count = 10
      let refusal: VarveError | undefined
      while (refusal === undefined && count < 1000) {
        refusal = await errorOf(() => store.append(message(bodyOf(count), { keys: `k${count}` })))
        if (refusal === undefined) count++
      }
      expect(refusal).toMatchObject({ code, retryable: true, hint: expect.stringContaining(HINTS[code]) })
      // The segment at hand took what fits into it, although the next could not be had.
      expect(count).toBeGreaterThan(30)
      const { appendedUntil } = store.info()
      expect((await errorOf(() => store.append(message(bodyOf(count)))))?.code).toBe(code)
      expect(store.info()).toMatchObject({ appendedUntil, state: 'open' })

      const writable = store.writable()
      files.heal()
      await writable
      fill(store, 100, { from: count })
      await store.flushed()
      expect(await namesIn(store)).toEqual(namesUntil(count + 100))
      expect(await store.messagesByKey({ topic: 'orders', key: `k${count}` })).toHaveLength(1)
      expect(store.info().state).toBe('open')
      await store.close()

      await using again = await openStore(simulated(disk))
      expect(again.info().recovery.kind).toBe('clean')
      expect(await namesIn(again)).toEqual(namesUntil(count + 100))
    }
  )
})

describe.each([
  { what: 'open files', fault: OPEN_FILES, code: 'STORE_FILE_LIMIT' },
  { what: 'mappings', fault: MAPPINGS, code: 'STORE_MAP_LIMIT' }
])('the limit of $what', ({ fault, code }) => {
  test('loses nothing, whichever call it is that meets it', async () => {
    for (let nth = 1; ; nth++) {
      const disk = new SimulatedDisk()
      const files = new FaultyFiles(disk)
      files.fail({ ...fault, nth })
      const met = await live(files, code)
      const { calls } = files
      if (calls.filter(({ kind }) => kind === fault.kind).length < nth) {
        expect(nth).toBeGreaterThan(5)
        return
      }
      await using store = await openStore(simulated(disk))
      if (met.opened) expect(await namesIn(store)).toEqual(namesUntil(met.count))
      expect(store.info().recovery.damaged).toEqual([])
      expect(await store.messagesByKey({ topic: 'orders', key: 'k7' })).toHaveLength(met.count > 7 ? 1 : 0)
    }
  })
})

/** The life of a store, in which one call is refused: what is refused is tried again, once. */
async function live(files: FaultyFiles, code: string): Promise<{ opened: boolean; count: number }> {
  const again = async <T>(call: () => T | Promise<T>): Promise<T> => {
    try {
      return await call()
    } catch (error) {
      expect(error).toMatchObject({ code })
      return call()
    }
  }
  let count = 0
  let store: Store | undefined
  const first = await errorOf(async () => {
    store = await openStore(simulated(files))
  })
  if (first !== undefined) expect(first.code).toBe(code)
  if (store === undefined) return { opened: false, count }
  const opened: Store = store
  const some = async (howMany: number): Promise<void> => {
    for (const until = count + howMany; count < until; count++) {
      await again(() => opened.append(message(bodyOf(count), { keys: `k${count}` })))
    }
  }
  await some(70)
  opened.append(message('of another', { topic: 'gone' }))
  await again(() => opened.flushed())
  expect(await again(() => namesIn(opened))).toEqual(namesUntil(70))
  await again(() => opened.deleteTopic('gone'))
  await again(() => opened.messagesByKey({ topic: 'orders', key: 'k69' }))
  await some(70)
  await opened.flushed()
  await again(() => opened.clean())
  const closed = await errorOf(() => opened.close())
  if (closed !== undefined) expect(closed.code).toBe(code)
  return { opened: true, count }
}

/** In a process of its own, with threads, at a limit that the system itself enforces. */
describe('a process at its limit', () => {
  const BODY_BYTES = 512 * KiB

  test.each([
    { what: 'open files', code: 'STORE_FILE_LIMIT', resource: 'nofile', limit: () => 3 },
    {
      what: 'address space',
      code: 'STORE_MAP_LIMIT',
      resource: 'as',
      limit: (pid: number) => addressBytes(pid) + 40 * MiB
    }
  ])('of $what refuses appends by name, and goes on when the limit is raised', async ({ code, resource, limit }) => {
    const directory = freshDirectory()
    const child = holder(directory)
    const pid = child.pid as number // It has been spawned.
    expect(await answer(child)).toEqual({ open: 'workers' })
    const before = limitOf(pid, resource)
    setLimit(pid, resource, limit(pid))
    child.send('until refused')
    const refused = (await answer(child)) as { code: string; retryable: boolean; count: number; state: string }
    expect(refused).toMatchObject({ code, retryable: true, state: 'open' })
    setLimit(pid, resource, before)
    child.send('on')
    expect(await answer(child)).toEqual({ count: refused.count + 150, read: refused.count + 150, state: 'open' })
    await once(child, 'exit')

    await using store = await openStore({ directory, threads: 'none', messageBytesMax: MiB })
    expect(store.info().recovery.kind).toBe('clean')
    expect(store.maxOffset({ topic: 'orders', queueId: 0 })).toBe(refused.count + 150)
  })

  function holder(directory: string): ChildProcess {
    const entry = fileURLToPath(new URL('../../dist/src/index.js', import.meta.url))
    const options = { directory, segmentBytes: 64 * MiB, messageBytesMax: MiB, threads: 'workers' }
    const code = `
      const { openStore } = await import(${JSON.stringify(entry)})
      const store = await openStore(${JSON.stringify(options)})
      const body = new Uint8Array(${BODY_BYTES})
      let count = 0
      const append = () => { store.append({ topic: 'orders', queueId: 0, body }); count++ }
      const next = () => new Promise(resolve => process.once('message', resolve))
      process.send({ open: store.info().threads })
      await next()
      let refusal
      while (refusal === undefined) {
        try { append() } catch (error) { if (error.code === 'STORE_BUSY') await store.writable(); else refusal = error }
      }
      process.send({ code: refusal.code, retryable: refusal.retryable, count, state: store.info().state })
      await next()
      for (let until = count + 150; count < until;) {
        try { append() } catch (error) { if (!error.retryable) throw error; await store.writable() }
      }
      await store.flushed()
      let read = 0
      while (read < count) read = (await store.readViews({ topic: 'orders', queueId: 0, offset: read })).nextOffset
      const { state } = store.info()
      await store.close()
      process.send({ count, read, state })
      process.disconnect()`
    const child = spawn(process.execPath, ['--input-type=module', '--eval', code], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc']
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    return child
  }

  async function answer(child: ChildProcess): Promise<unknown> {
    const ended = new AbortController()
    child.once('exit', code => ended.abort(new Error(`the process has ended with ${code}`)))
    const [said] = await once(child, 'message', { signal: ended.signal })
    return said
  }

  function limitOf(pid: number, resource: string): string {
    const options = ['--pid', String(pid), `--${resource}`, '--raw', '--noheadings', '-o', 'SOFT']
    return execFileSync('prlimit', options).toString().trim()
  }

  function setLimit(pid: number, resource: string, limit: number | string): void {
    execFileSync('prlimit', ['--pid', String(pid), `--${resource}=${limit}:`])
  }

  function addressBytes(pid: number): number {
    const kib = /^VmSize:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return Number(kib) * KiB
  }
})
