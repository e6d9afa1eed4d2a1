import { ftruncateSync, readFileSync, writeSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { describe, expect, onTestFinished, test } from 'vitest'
import { RECORD_PLAN } from '../../native-bindings/index.ts'
import { binaryPath, codeOf, fileOf, inChild, loading, mappingCount, native, PAGE } from './fixtures.ts'

const GiB = 2 ** 30

describe('a mapping', () => {
  test('shows the file, and what is written to it is in the file', () => {
    const { file, path } = fileOf(3 * PAGE)
    writeSync(file, 'from the file', PAGE)
    const buffer = native.map(file, 3 * PAGE, true, path)
    const bytes = new Uint8Array(buffer)

    expect(Buffer.from(buffer, PAGE, 13).toString()).toBe('from the file')
    bytes.set([1, 2, 3], 2 * PAGE)
    expect([...readFileSync(path).subarray(2 * PAGE, 2 * PAGE + 3)]).toEqual([1, 2, 3])
    native.unmap(buffer)
  })

  test('leaves every view empty and the memory free once it is unmapped', () => {
    const { file, path } = fileOf(PAGE)
    const buffer = native.map(file, PAGE, true, path)
    const views = [new Uint8Array(buffer), new Uint8Array(buffer, 10, 5), Buffer.from(buffer)]
    const address = native.addressOf(views[0]!) // Just put there.
    expect(mappingCount(path)).toBe(1)

    native.unmap(buffer)
    expect(views.map(view => view.length)).toEqual([0, 0, 0])
    expect(views.map(view => view[0])).toEqual([undefined, undefined, undefined])
    expect(mappingCount(path)).toBe(0)
    expect(native.prefault(address, PAGE)).toBe(false)
    expect(codeOf(() => native.syncRange(address, PAGE))).toBe('ERR_VARVE_UNMAPPED')
  })

  test('is unmapped once: a second time, or another buffer, is refused', () => {
    const { file, path } = fileOf(PAGE)
    const buffer = native.map(file, PAGE, true, path)
    native.unmap(buffer)
    expect(codeOf(() => native.unmap(buffer))).toBe('ERR_VARVE_UNMAPPED')
    expect(codeOf(() => native.unmap(new ArrayBuffer(PAGE)))).toBe('ERR_VARVE_UNMAPPED')
  })

  test('is not widened: only one of mmap-io is', () => {
    const { file, path } = fileOf(3 * PAGE)
    const buffer = native.map(file, PAGE, true, path)
    expect(codeOf(() => native.widen(buffer, file, 3 * PAGE, true, path))).toBe('ERR_VARVE_ARGUMENT')
    expect(buffer.byteLength).toBe(PAGE)
    native.unmap(buffer)
  })

  test('never reaches beyond the end of its file', () => {
    const { file, path } = fileOf(PAGE)
    expect(codeOf(() => native.map(file, PAGE + 1, false, path))).toBe('ERR_VARVE_FILE_SHORT')
    expect(mappingCount(path)).toBe(0)
  })

  test('can be read-only, and is then not pre-faulted for writing', () => {
    const { file, path } = fileOf(PAGE)
    const buffer = native.map(file, PAGE, false, path)
    expect(codeOf(() => native.prefault(native.addressOf(new Uint8Array(buffer)), PAGE))).toBe('EACCES')
    native.unmap(buffer)
  })

  const sizes = `
    const path = process.argv[1]
    const file = fs.openSync(path, 'w+')
    fs.ftruncateSync(file, ${GiB})
    const external = () => process.memoryUsage().external
    const before = external()
    const buffer = native.map(file, ${GiB}, true, path)
    const mapped = external() - before
    native.unmap(buffer)
    console.log(mapped, external() - before, buffer.byteLength)
  `
  test.each([
    {
      env: {},
      says: 'does not count as memory that garbage collection could free',
      countedMin: 0,
      countedMax: 2 ** 20
    },
    {
      env: { VARVE_NATIVE_ACCOUNTED: '1' },
      says: 'counts where N-API makes the buffer, until it is unmapped',
      countedMin: GiB,
      countedMax: GiB + 2 ** 20
    }
  ])('$says', ({ env, countedMin, countedMax }) => {
    const { path } = fileOf(0)
    const { stdout, stderr } = inChild(`process.argv.push(${JSON.stringify(path)});${sizes}`, { env })
    expect(stderr).toBe('')
    const [mapped, left, length] = stdout.split(' ').map(Number)
    expect(mapped).toBeGreaterThanOrEqual(countedMin)
    expect(mapped).toBeLessThan(countedMax)
    expect(left).toBeLessThan(2 ** 20)
    expect(length).toBe(0)
  })

  test.each([{ env: {} }, { env: { VARVE_NATIVE_ACCOUNTED: '1' } }])(
    'that is forgotten is unmapped by garbage collection ($env)',
    ({ env }) => {
      const { path } = fileOf(PAGE)
      const code = `
        const path = ${JSON.stringify(path)}
        const isMapped = () => fs.readFileSync('/proc/self/maps', 'utf8').includes(path)
        const file = fs.openSync(path, 'r+')
        ;(() => { native.map(file, ${PAGE}, true, path) })()
        console.log(isMapped())
        let turns = 0
        const turn = () => {
          if (!isMapped()) return console.log('unmapped')
          if ((turns += 1) > 1000) return console.log('still mapped')
          gc()
          setImmediate(turn)
        }
        turn()
      `
      expect(inChild(code, { env, flags: ['--expose-gc'] }).stdout).toBe('true\nunmapped\n')
    }
  )

  test('ends with the thread that made it', async () => {
    const { path } = fileOf(PAGE)
    const code = `
      const { parentPort } = require('node:worker_threads')
      const file = fs.openSync(${JSON.stringify(path)}, 'r+')
      const buffer = native.map(file, ${PAGE}, true, ${JSON.stringify(path)})
      const address = native.addressOf(new Uint8Array(buffer))
      parentPort.postMessage(address)
      parentPort.on('message', () => process.exit(buffer.byteLength))
    `
    const worker = new Worker(loading + code, { eval: true })
    const address = await new Promise<number>(resolve => worker.once('message', resolve))
    expect(mappingCount(path)).toBe(1)
    expect(native.prefault(address, PAGE)).toBe(true)

    worker.postMessage('end')
    await new Promise(resolve => worker.once('exit', resolve))
    expect(mappingCount(path)).toBe(0)
    expect(native.prefault(address, PAGE)).toBe(false)
  })
})

describe('a range named by its address', () => {
  function mapped(bytes: number) {
    const { file, path } = fileOf(bytes)
    const buffer = native.map(file, bytes, true, path)
    onTestFinished(() => native.unmap(buffer))
    return { file, address: native.addressOf(new Uint8Array(buffer)) }
  }

  test.each([
    { at: -1, bytes: 1, why: 'begins before it' },
    { at: 3 * PAGE, bytes: 1, why: 'begins after it' },
    { at: 2 * PAGE, bytes: PAGE + 1, why: 'ends after it' },
    { at: 0, bytes: 2 ** 53 - 2 ** 47, why: 'is longer than memory' }
  ])('must lie inside one mapping: one that $why is refused', ({ at, bytes }) => {
    const { address } = mapped(3 * PAGE)
    expect(native.prefault(address + at, bytes)).toBe(false)
    expect(native.readAhead(address + at, bytes)).toBe(false)
    expect(codeOf(() => native.syncRange(address + at, bytes))).toBe('ERR_VARVE_UNMAPPED')
    expect(codeOf(() => native.resident(address + at, bytes))).toBe('ERR_VARVE_UNMAPPED')
  })

  test.each([
    { at: 0, bytes: 3 * PAGE },
    { at: 2 * PAGE, bytes: PAGE },
    { at: 3 * PAGE - 1, bytes: 1 }
  ])('of $bytes bytes at $at of three pages is accepted', ({ at, bytes }) => {
    const { address } = mapped(3 * PAGE)
    expect(native.prefault(address + at, bytes)).toBe(true)
    expect(native.resident(address + at, bytes)).toBe(true)
    expect(native.readAhead(address + at, bytes)).toBe(true)
    expect(codeOf(() => native.syncRange(address + at, bytes))).toBeUndefined()
  })

  test('is resident only if all of its pages are', () => {
    const { file, address } = mapped(64 * PAGE)
    expect(native.resident(address, 64 * PAGE)).toBe(false)
    writeSync(file, new Uint8Array(63 * PAGE), 0, 63 * PAGE, 0)
    expect(native.resident(address, 63 * PAGE)).toBe(true)
    expect(native.resident(address, 63 * PAGE + 1)).toBe(false)
  })

  test('whose file was shortened is not pre-faulted, and the process lives on', () => {
    const { file, address } = mapped(3 * PAGE)
    ftruncateSync(file, PAGE)
    expect(codeOf(() => native.prefault(address, 3 * PAGE))).toBe('EFAULT')
  })

  test('can be pre-faulted by one thread while another writes to it and unmaps it', async () => {
    const bytes = 256 * PAGE
    const { file, path } = fileOf(bytes)
    const address = new Float64Array(new SharedArrayBuffer(8))
    const counts = new Int32Array(new SharedArrayBuffer(8)) // Pre-faults done, then 1 to end.
    const code = `
      const { workerData: { address, counts } } = require('node:worker_threads')
      while (Atomics.load(counts, 1) === 0) {
        if (address[0] !== 0) native.prefault(address[0], ${bytes})
        Atomics.add(counts, 0, 1)
      }
    `
    const worker = new Worker(loading + code, { eval: true, workerData: { address, counts } })
    const failed = new Promise((_, reject) => worker.once('error', reject))
    const ended = new Promise(resolve => worker.once('exit', resolve))
    await new Promise(resolve => worker.once('online', resolve))

    for (let round = 0; round < 200; round++) {
      const buffer = native.map(file, bytes, true, path)
      const view = new Uint8Array(buffer)
      const done = Atomics.load(counts, 0)
      address[0] = native.addressOf(view)
      while (Atomics.load(counts, 0) === done) view.fill(round)
      view.fill(round + 1)
      native.unmap(buffer)
    }
    Atomics.store(counts, 1, 1)
    await Promise.race([ended, failed])

    expect(readFileSync(path).every(byte => byte === 200)).toBe(true)
    expect(mappingCount(path)).toBe(0)
  })
})

describe('an argument', () => {
  const { map, unmap, widen, prefault, addressOf, allocate, readNoWait, crc32, crc32Many, intactRecords, lockFile } =
    native as unknown as Record<string, (...values: unknown[]) => unknown> // So that wrong types can be handed in.
  const one = new Uint8Array(1)
  const places = new Float64Array(1)
  const sizes = new Int32Array(1)
  const planWith = (numbers: Partial<Record<(typeof RECORD_PLAN)[number], number>>) =>
    Float64Array.from(RECORD_PLAN, name => numbers[name] ?? (name === 'bodyBytesAt' ? 84 : 0))

  test('that is right is taken, wherever a record is said to lie', () => {
    const plan = planWith({ until: 1 })
    for (const place of [0, -1, 1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60]) {
      for (const size of [0, 1, 2, -1, 2 ** 31 - 1, -(2 ** 31)]) {
        expect(intactRecords?.(one, Float64Array.of(place), Int32Array.of(size), plan)).toBe(0)
      }
    }
  })

  test.each<[string, (() => unknown) | undefined]>([
    ['too few', () => map?.(1, 2)],
    ['a file that is a text', () => map?.('1', 1, true, 'x')],
    ['a file below 0', () => map?.(-1, 1, true, 'x')],
    ['a file above 31 bits', () => map?.(2 ** 31, 1, true, 'x')],
    ['a length of 0', () => map?.(1, 0, true, 'x')],
    ['a length that is no integer', () => map?.(1, 1.5, true, 'x')],
    ['a length that is no number', () => map?.(1, Number.NaN, true, 'x')],
    ['a length of more than a typed array holds', () => map?.(1, 2 ** 32 + 1, true, 'x')],
    ['a number for a boolean', () => map?.(1, 1, 1, 'x')],
    ['a path with a zero', () => map?.(1, 1, true, 'a\0b')],
    ['an array for a buffer', () => unmap?.(one)],
    ['a heap buffer to widen', () => widen?.(new ArrayBuffer(100), 1, 1, true, 'x')],
    ['an empty buffer to widen', () => widen?.(new ArrayBuffer(0), 1, 1, true, 'x')],
    ['a buffer where bytes are wanted', () => addressOf?.(new ArrayBuffer(1))],
    ['bytes of another kind', () => addressOf?.(new Uint16Array(1))],
    ['an address below 0', () => prefault?.(-1, 1)],
    ['a range that ends above 2^53', () => prefault?.(2 ** 53 - 1, 1)],
    ['an infinite range', () => prefault?.(0, Number.POSITIVE_INFINITY)],
    ['a range that is a bigint', () => prefault?.(0n, 1n)],
    ['an empty range', () => allocate?.(1, 0, 0, true)],
    ['a position below 0', () => readNoWait?.(1, one, -1)],
    ['a path that is a number', () => lockFile?.(5)],
    ['a checksum that ends outside', () => crc32?.(one, 0, 2)],
    ['a checksum that ends before it begins', () => crc32?.(one, 1, 0)],
    ['more checksums than ranges', () => crc32Many?.(one, new Float64Array(2), 2, new Uint32Array(2))],
    ['more checksums than results', () => crc32Many?.(one, new Float64Array(4), 2, new Uint32Array(1))],
    ['one range outside', () => crc32Many?.(one, Float64Array.of(0, 1, 0, 2), 2, new Uint32Array(2))],
    ['one range that is no number', () => crc32Many?.(one, Float64Array.of(Number.NaN, 1), 1, new Uint32Array(1))],
    ['a plan that is too short', () => intactRecords?.(one, places, sizes, new Float64Array(RECORD_PLAN.length - 1))],
    ['a plan of more records than places', () => intactRecords?.(one, places, sizes, planWith({ until: 2 }))],
    ['a plan that ends before it begins', () => intactRecords?.(one, places, sizes, planWith({ from: 1, until: 0 }))],
    ['a plan with a field behind the body', () => intactRecords?.(one, places, sizes, planWith({ queueIdAt: 85 }))],
    [
      'a plan with a wide field that reaches it',
      () => intactRecords?.(one, places, sizes, planWith({ queueOffsetAt: 81 }))
    ],
    ['a plan without a head', () => intactRecords?.(one, places, sizes, planWith({ bodyBytesAt: 3 }))],
    ['a plan whose topic lies outside', () => intactRecords?.(one, places, sizes, planWith({ topicUntil: 2 }))],
    ['a plan with a number that is none', () => intactRecords?.(one, places, sizes, planWith({ base: Number.NaN }))],
    ['places of another kind', () => intactRecords?.(one, sizes, sizes, planWith({}))],
    ['sizes of another kind', () => intactRecords?.(one, places, places, planWith({}))]
  ])('that is wrong is refused: %s', (_, call) => {
    expect(codeOf(() => call?.())).toBe('ERR_VARVE_ARGUMENT')
  })
})

test('the binary says which sources it was made from', () => {
  expect(readFileSync(binaryPath).includes((native as unknown as { sources: string }).sources)).toBe(true)
})
