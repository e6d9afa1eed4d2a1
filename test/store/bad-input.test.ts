/** What the store refuses, with which code and details; and that a refusal neither loses nor changes anything. */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { crc32 } from 'node:zlib'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { MessageInput, Store, StoreOptions } from '../../src/index.ts'
import { SIDECAR_HEAD, SIDECAR_VERSION, STATE_SLOT_BYTES } from '../../src/layout/index.ts'
import { openRealFiles } from '../../src/store/real-files.ts'
import { FaultyFiles } from '../support/faulty-files.ts'
import {
  bodyOf,
  errorOf,
  filesBelow,
  fill,
  freshDirectory,
  message,
  namesIn,
  openSmall,
  QUEUE,
  SEGMENT_BYTES,
  SMALL
} from '../support/store-fixtures.ts'

const HUGE = 'x'.repeat(33_000)

describe('a message that cannot be stored', () => {
  const cases: { what: string; bad: Partial<MessageInput>; code: string; details: object }[] = [
    {
      what: 'a body of bytes beyond the limit',
      bad: { body: new Uint8Array(2001) },
      code: 'MESSAGE_BODY_TOO_LARGE',
      details: { bytes: 2001, bytesMax: 2000 }
    },
    {
      what: 'a text beyond the limit in bytes, not in letters',
      bad: { body: 'é'.repeat(1001) },
      code: 'MESSAGE_BODY_TOO_LARGE',
      details: { bytes: 2002, bytesMax: 2000 }
    },
    {
      what: 'properties beyond 32,767 bytes',
      bad: { properties: { a: HUGE } },
      code: 'MESSAGE_PROPERTIES_TOO_LARGE',
      details: { propertiesBytesMax: 32_767 }
    },
    {
      what: 'properties that only their encoding makes too large',
      bad: { properties: { a: 'é'.repeat(17_000) } },
      code: 'MESSAGE_PROPERTIES_TOO_LARGE',
      details: { propertiesBytesMax: 32_767 }
    },
    {
      what: 'encoded properties beyond 32,767 bytes',
      bad: { properties: new Uint8Array(32_768) },
      code: 'MESSAGE_PROPERTIES_TOO_LARGE',
      details: { propertiesBytes: 32_768, propertiesBytesMax: 32_767 }
    },
    {
      what: 'keys that are too long together',
      bad: { keys: [HUGE, 'k'] },
      code: 'MESSAGE_PROPERTIES_TOO_LARGE',
      details: { propertiesBytesMax: 32_767 }
    },
    {
      what: 'a separator in a value',
      bad: { properties: { a: 'b\u0001c' } },
      code: 'MESSAGE_PROPERTY_INVALID',
      details: { property: 'a' }
    },
    {
      what: 'a separator in a name',
      bad: { properties: { 'a\u0002': 'b' } },
      code: 'MESSAGE_PROPERTY_INVALID',
      details: {}
    },
    {
      what: 'a separator in the tag',
      bad: { tag: 'a\u0002' },
      code: 'MESSAGE_PROPERTY_INVALID',
      details: { property: 'TAGS' }
    },
    {
      what: 'a separator in a key',
      bad: { keys: ['fine', 'a\u0001'] },
      code: 'MESSAGE_PROPERTY_INVALID',
      details: { property: 'KEYS' }
    },
    {
      what: 'a property without a name',
      bad: { properties: { '': 'b' } },
      code: 'MESSAGE_PROPERTY_INVALID',
      details: {}
    },
    {
      what: 'a property without a value',
      bad: { properties: { a: '' } },
      code: 'MESSAGE_PROPERTY_INVALID',
      details: { property: 'a' }
    },
    { what: 'a path as topic', bad: { topic: '../x' }, code: 'TOPIC_NAME_INVALID', details: { topic: '../x' } },
    { what: 'a dot as topic', bad: { topic: '.' }, code: 'TOPIC_NAME_INVALID', details: { topic: '.' } },
    { what: 'a topic without a name', bad: { topic: '' }, code: 'TOPIC_NAME_INVALID', details: { length: 0 } },
    {
      what: 'a topic of 128 characters',
      bad: { topic: 't'.repeat(128) },
      code: 'TOPIC_NAME_INVALID',
      details: { length: 128, lengthMax: 127 }
    },
    {
      what: 'a retry topic of 256 characters',
      bad: { topic: `%RETRY%${'t'.repeat(249)}` },
      code: 'TOPIC_NAME_INVALID',
      details: { length: 256, lengthMax: 255 }
    },
    {
      what: 'a topic outside of the alphabet',
      bad: { topic: 'bestellungen-ö' },
      code: 'TOPIC_NAME_INVALID',
      details: {}
    },
    { what: 'a topic with a zero', bad: { topic: 'a\0b' }, code: 'TOPIC_NAME_INVALID', details: {} },
    {
      what: 'queue -1',
      bad: { queueId: -1 },
      code: 'QUEUE_ID_INVALID',
      details: { queueId: '-1', queueIdMax: 65_535 }
    },
    { what: 'queue 1.5', bad: { queueId: 1.5 }, code: 'QUEUE_ID_INVALID', details: { queueId: '1.5' } },
    { what: 'queue NaN', bad: { queueId: Number.NaN }, code: 'QUEUE_ID_INVALID', details: { queueId: 'NaN' } },
    { what: 'a huge queue number', bad: { queueId: 65_536 }, code: 'QUEUE_ID_INVALID', details: { queueId: '65536' } },
    { what: 'a flag beyond 32 bits', bad: { flag: 2 ** 31 }, code: 'MESSAGE_INVALID', details: { field: 'flag' } },
    {
      what: 'a fraction as system flag',
      bad: { sysFlag: 0.5 },
      code: 'MESSAGE_INVALID',
      details: { field: 'sysFlag' }
    },
    {
      what: 'a time that is no number',
      bad: { bornAtMs: Number.NaN },
      code: 'MESSAGE_INVALID',
      details: { field: 'bornAtMs' }
    },
    {
      what: 'a name as host',
      bad: { bornHost: { address: 'localhost', port: 1 } },
      code: 'MESSAGE_INVALID',
      details: { field: 'address', value: 'localhost' }
    },
    {
      what: 'a port beyond 65,535',
      bad: { bornHost: { address: '10.0.0.1', port: 65_536 } },
      code: 'MESSAGE_INVALID',
      details: { field: 'port' }
    },
    {
      what: 'a fraction as count',
      bad: { reconsumeTimes: 0.1 },
      code: 'MESSAGE_INVALID',
      details: { field: 'reconsumeTimes' }
    }
  ]

  test.each(cases)('is refused: $what', async ({ bad, code, details }) => {
    const directory = freshDirectory()
    await using store = await openSmall({ directory, messageBytesMax: 2000 })
    fill(store, 3)
    await store.flushed()
    const before = factsOf(store, directory)
    expect(await errorOf(() => store.append(message('bad', bad)))).toMatchObject({ code, details })
    const { topic = QUEUE.topic, queueId = QUEUE.queueId } = bad
    const batch = [message('fine', { topic, queueId }), message('bad', bad)]
    expect(await errorOf(() => store.appendBatch(batch))).toMatchObject({ code })
    expect(factsOf(store, directory)).toEqual(before)
    fill(store, 1, { from: 3 })
    expect(await namesIn(store)).toEqual(['m0', 'm1', 'm2', 'm3'])
  })

  test.each([
    { what: 'nothing', batch: [] },
    { what: 'two topics', batch: [message('a'), message('b', { topic: 'other' })] },
    { what: 'two queues', batch: [message('a'), message('b', { queueId: 1 })] },
    { what: 'a part of a transaction', batch: [message('a'), message('b', { sysFlag: 4 })] },
    { what: 'more than a segment holds', batch: Array.from({ length: 41 }, (_, i) => message(bodyOf(i, 38))) }
  ])('is refused: a batch of $what', async ({ batch }) => {
    const directory = freshDirectory()
    await using store = await openSmall({ directory })
    fill(store, 3)
    const before = factsOf(store, directory)
    expect(await errorOf(() => store.appendBatch(batch))).toMatchObject({ code: 'BATCH_INVALID' })
    expect(factsOf(store, directory)).toEqual(before)
  })

  test('is refused when there are as many queues as the store was opened for', async () => {
    await using store = await openSmall({ queueCountMax: 2 })
    for (const queueId of [0, 1]) store.append(message('a', { queueId }))
    expect(await errorOf(() => store.append(message('a', { queueId: 2 })))).toMatchObject({
      code: 'STORE_TOO_MANY_QUEUES',
      details: { queueCountMax: 2 }
    })
    expect(store.append(message('b', { queueId: 1 })).queueOffset).toBe(1)
  })

  /** Everything that a refused message could have changed. */
  function factsOf(store: Store, directory: string): object {
    const { appendedUntil, topicCount, queueCount } = store.info()
    const log = [...filesBelow(directory, 'commitlog').values()].map(bytes => bytes.toString('base64'))
    const queues = readdirSync(join(directory, 'consumequeue'))
    return {
      appendedUntil,
      topicCount,
      queueCount,
      maxOffset: store.maxOffset(QUEUE),
      topics: store.topics(),
      log,
      queues
    }
  }
})

describe('a call that makes no sense', () => {
  test.each([-1, 1.5, Number.NaN, 2 ** 60])('waits for no position %d to be on disk', async until => {
    await using store = await openSmall()
    fill(store, 1)
    const error = await errorOf(() => store.flushed(until))
    expect(error?.code ?? 'done').toBe(until <= store.info().appendedUntil ? 'done' : 'RECORD_NOT_FOUND')
  })

  test.each([0.5, Number.NaN, Number.POSITIVE_INFINITY])('reads nothing at offset %d', async offset => {
    await using store = await openSmall()
    fill(store, 3)
    expect((await errorOf(() => store.read({ ...QUEUE, offset })))?.code).toBe('OPTION_INVALID')
  })

  test.each(['countMax', 'bytesMax'])('reads nothing with NaN as %s', async option => {
    await using store = await openSmall()
    fill(store, 3)
    expect(await errorOf(() => store.read({ ...QUEUE, offset: 0, [option]: Number.NaN }))).toMatchObject({
      code: 'OPTION_INVALID',
      details: { option }
    })
  })

  test('finds nothing by key in a store without an index, and says why', async () => {
    await using store = await openSmall({ index: false })
    fill(store, 3)
    expect((await errorOf(() => store.messagesByKey({ topic: 'orders', key: 'k0' })))?.code).toBe('OPTION_INVALID')
  })
})

describe('a closed store', () => {
  test.each<{ call: string; make: (store: Store) => unknown }>([
    { call: 'append', make: store => store.append(message('a')) },
    { call: 'appendBatch', make: store => store.appendBatch([message('a')]) },
    { call: 'writable', make: store => store.writable() },
    { call: 'read', make: store => store.read({ ...QUEUE, offset: 0 }) },
    { call: 'readViews', make: store => store.readViews({ ...QUEUE, offset: 0 }) },
    { call: 'readViewsResident', make: store => store.readViewsResident({ ...QUEUE, offset: 0 }) },
    { call: 'minOffset', make: store => store.minOffset(QUEUE) },
    { call: 'maxOffset', make: store => store.maxOffset(QUEUE) },
    { call: 'offsetAt', make: store => store.offsetAt({ ...QUEUE, timeMs: 0 }) },
    { call: 'messageAt', make: store => store.messageAt(0) },
    { call: 'messagesByKey', make: store => store.messagesByKey({ topic: 'orders', key: 'k0' }) },
    { call: 'deleteTopic', make: store => store.deleteTopic('orders') },
    { call: 'clean', make: store => store.clean() },
    { call: 'snapshot', make: store => store.snapshot(join(freshDirectory(), 'copy')) }
  ])('refuses $call', async ({ make }) => {
    const store = await openSmall()
    fill(store, 2)
    await store.close()
    expect((await errorOf(() => make(store)))?.code).toBe('STORE_CLOSED')
    expect(store.info().state).toBe('closed')
  })

  test('closes once, however often it is told to', async () => {
    const store = await openSmall()
    const [first, second] = [store.close(), store.close()]
    expect(second).toBe(first)
    await first
    await store[Symbol.asyncDispose]()
  })

  test('leaves empty views behind, which do not crash', async () => {
    const store = await openSmall()
    fill(store, 60)
    const { bytes } = await store.readViews({ ...QUEUE, offset: 0 })
    const { messages } = await store.read({ ...QUEUE, offset: 0, countMax: 1 })
    await store.close()
    expect(bytes.map(view => view.length)).toEqual(bytes.map(() => 0))
    expect(messages[0]?.body.length).toBeGreaterThan(100)
  })
})

describe('opening', () => {
  test.each<[keyof StoreOptions, unknown]>([
    ['segmentBytes', 65_535],
    ['segmentBytes', 65_537],
    ['segmentBytes', 2 ** 31],
    ['queueFileEntries', 0],
    ['indexSlots', 0],
    ['indexItems', 1.5],
    ['flushIntervalMs', 0],
    ['flushLeastPages', -1],
    ['flush', 'sometimes'],
    ['messageBytesMax', -1],
    ['queueIdMax', -1],
    ['queueCountMax', 0],
    ['dirtyBytesMax', 0],
    ['undispatchedCountMax', 1],
    ['directory', ''],
    ['retention', { hours: [24] }],
    ['retention', { ageMs: -1 }],
    ['retention', { totalBytesMax: -1 }],
    ['retention', { totalBytesMax: Number.NaN }],
    ['retention', { diskUsedRatioMax: 1.1 }],
    ['storeHost', { address: 'localhost', port: 1 }],
    ['mapper', 'magic'],
    ['threads', 'many']
  ])('refuses %s %j, and makes nothing', async (option, value) => {
    const directory = join(freshDirectory(), 'new')
    const error = await errorOf(() => openSmall({ directory, [option]: value }))
    expect(error?.code).toBe('OPTION_INVALID')
    expect(error?.details.option).toContain(option)
    expect(existsSync(directory)).toBe(false)
  })

  test('finds no store where none is, and makes none when told not to', async () => {
    const directory = join(freshDirectory(), 'new')
    expect(await errorOf(() => openSmall({ directory, create: false }))).toMatchObject({
      code: 'STORE_NOT_FOUND',
      details: { directory }
    })
    expect(existsSync(directory)).toBe(false)
  })

  test('makes a directory with all its parents', async () => {
    const directory = join(freshDirectory(), 'a', 'b', 'c')
    await using store = await openSmall({ directory })
    expect(store.info().recovery.kind).toBe('new')
  })

  test.each(['directory', 'parent of the directory'])('refuses a file as %s', async what => {
    const file = join(freshDirectory(), 'file')
    writeFileSync(file, 'precious')
    const directory = what === 'directory' ? file : join(file, 'store')
    expect((await errorOf(() => openSmall({ directory })))?.code).toMatch(/^STORE_(NOT_FOUND|IO_FAILED)$/)
    expect(readFileSync(file, 'utf8')).toBe('precious')
  })

  test.each([
    { what: 'a foreign name in the commit log', path: 'commitlog/readme.txt', bytes: 10 },
    { what: 'a segment of another size', path: 'commitlog/00000000000000000000', bytes: 4096 },
    { what: 'a segment that begins elsewhere', path: 'commitlog/00000000000000000100', bytes: SEGMENT_BYTES }
  ])('refuses $what, and changes nothing', async ({ path, bytes }) => {
    const directory = freshDirectory()
    mkdirSync(join(directory, 'commitlog'))
    writeFileSync(join(directory, path), 'a'.repeat(bytes))
    expect((await errorOf(() => openSmall({ directory })))?.code).toBe('STORE_LAYOUT_FOREIGN')
    expect(readFileSync(join(directory, path), 'utf8')).toBe('a'.repeat(bytes))
  })

  test('refuses a log with a segment missing in the middle, and changes nothing', async () => {
    const directory = freshDirectory()
    mkdirSync(join(directory, 'commitlog'))
    for (const name of ['00000000000000000000', '00000000000000131072'])
      writeFileSync(join(directory, 'commitlog', name), Buffer.alloc(SEGMENT_BYTES))
    expect(await errorOf(() => openSmall({ directory }))).toMatchObject({
      code: 'STORE_LAYOUT_FOREIGN',
      details: { expected: SEGMENT_BYTES }
    })
    expect(readdirSync(join(directory, 'commitlog'))).toHaveLength(2)
  })

  test.each([
    { option: 'segmentBytes', wanted: 2 * SEGMENT_BYTES },
    { option: 'queueFileEntries', wanted: 32 },
    { option: 'indexSlots', wanted: 32 },
    { option: 'indexItems', wanted: 128 }
  ])('refuses another $option than the store was made with', async ({ option, wanted }) => {
    const directory = freshDirectory()
    await (await openSmall({ directory })).close()
    expect(await errorOf(() => openSmall({ directory, [option]: wanted }))).toMatchObject({
      code: 'STORE_LAYOUT_FOREIGN',
      details: { option, wanted }
    })
  })

  test('takes the sizes that the store was made with when none are asked for', async () => {
    const directory = freshDirectory()
    {
      await using store = await openSmall({ directory })
      fill(store, 60)
    }
    const { openStore } = await import('../../src/index.ts')
    await using store = await openStore({ directory, threads: 'none' })
    expect(await namesIn(store)).toHaveLength(60)
  })

  test('refuses a store of a newer format, and changes nothing', async () => {
    const directory = freshDirectory()
    await (await openSmall({ directory })).close()
    const path = join(directory, 'varve', 'state')
    writeFileSync(path, ofNewerFormat(readFileSync(path)))
    const before = filesBelow(directory, '.')
    expect((await errorOf(() => openSmall({ directory })))?.code).toBe('STORE_FORMAT_NEWER')
    expect(filesBelow(directory, '.')).toEqual(before)
  })

  test('says that a directory cannot be written to', async () => {
    const directory = freshDirectory()
    await (await openSmall({ directory })).close()
    const files = new FaultyFiles(openRealFiles({ mapper: 'native' }))
    for (const kind of ['makeDirectory', 'write', 'setSize', 'lock'] as const)
      files.fail({ kind, errno: 'EROFS', forever: true })
    expect((await errorOf(() => openSmall({ directory, files })))?.code).toBe('STORE_READ_ONLY')
  })

  test('refuses a second opener in the same process, naming it, until the first has closed', async () => {
    const directory = freshDirectory()
    const first = await openSmall({ directory })
    fill(first, 3)
    expect(await errorOf(() => openSmall({ directory }))).toMatchObject({
      code: 'STORE_LOCKED',
      details: { holderPid: process.pid }
    })
    expect(await namesIn(first)).toEqual(['m0', 'm1', 'm2'])
    await first.close()
    await using second = await openSmall({ directory })
    expect(await namesIn(second)).toEqual(['m0', 'm1', 'm2'])
  })

  test('lets go of the lock when opening fails', async () => {
    const directory = freshDirectory()
    mkdirSync(join(directory, 'commitlog'))
    writeFileSync(join(directory, 'commitlog', 'readme.txt'), '')
    for (let i = 0; i < 2; i++)
      expect((await errorOf(() => openSmall({ directory })))?.code).toBe('STORE_LAYOUT_FOREIGN')
  })

  test('refuses a second opener in another process, naming the first', async () => {
    const directory = freshDirectory()
    const entry = fileURLToPath(new URL('../../dist/src/index.js', import.meta.url))
    const holder = spawn(process.execPath, [
      '--input-type=module',
      '--eval',
      `const { openStore } = await import(${JSON.stringify(entry)})
       await openStore(${JSON.stringify({ ...SMALL, directory, threads: 'none' })})
       process.stdout.write('open')
       process.stdin.resume()`
    ])
    onTestFinished(() => void holder.kill('SIGKILL'))
    await new Promise(resolve => holder.stdout.once('data', resolve))
    expect(await errorOf(() => openSmall({ directory }))).toMatchObject({
      code: 'STORE_LOCKED',
      details: { holderPid: holder.pid }
    })
    holder.kill('SIGKILL')
    await new Promise(resolve => holder.once('exit', resolve))
    await using store = await openSmall({ directory })
    expect(store.info().recovery.kind).toBe('crash')
  })
})

/** Both slots rewritten with the version after ours, and checksums that fit. */
function ofNewerFormat(state: Buffer): Buffer {
  const { formatVersion, payloadBytes, checksum } = SIDECAR_HEAD.at
  for (const slot of [state.subarray(0, STATE_SLOT_BYTES), state.subarray(STATE_SLOT_BYTES)]) {
    const payload = slot.subarray(SIDECAR_HEAD.sizeBytes, SIDECAR_HEAD.sizeBytes + slot.readInt32BE(payloadBytes))
    slot.writeInt32BE(SIDECAR_VERSION + 1, formatVersion)
    slot.writeInt32BE(crc32(payload, crc32(slot.subarray(0, checksum))) | 0, checksum)
  }
  return state
}
