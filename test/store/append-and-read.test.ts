/** What `append` and the ways of reading promise, held against every way in which the engine can run. */
import { getEventListeners } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type MessageInput, openStore, type Store, type StoreOptions } from '../../src/index.ts'
import {
  decodeMessageId,
  encodeMessageId,
  encodeProperties,
  hostToBytes,
  locate,
  RECORD_WHOLE,
  RecordPositions,
  SYS_FLAG,
  verifyRecordChecksum
} from '../../src/layout/index.ts'
import { SettableClock, START_MS } from '../support/settable-clock.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import {
  bodyOf,
  errorOf,
  filesBelow,
  fill,
  freshDirectory,
  message,
  nameOf,
  namesIn,
  openSmall,
  QUEUE,
  readAll,
  SEGMENT_BYTES,
  simulated,
  textOf,
  ways
} from '../support/store-fixtures.ts'

/** Crosses two segment ends and several ends of queue files. */
const MANY = 100

/** What other threads could change. */
describe.each(ways)('a store with $way', ({ place }) => {
  const open = (more: Partial<StoreOptions> = {}): Promise<Store> => openStore({ ...place(), ...more })

  test('reads what it has just appended, message by message and across segment ends', async () => {
    await using store = await open()
    for (let i = 0; i < MANY; i++) {
      const { queueOffset } = store.append(message(bodyOf(i)))
      expect(queueOffset).toBe(i)
      expect(store.maxOffset(QUEUE)).toBe(i + 1)
      const { messages, nextOffset } = await store.read({ ...QUEUE, offset: i })
      expect(messages.map(nameOf)).toEqual([`m${i}`])
      expect(nextOffset).toBe(i + 1)
    }
    expect(store.info().segmentCount).toBe(3)
  })

  test('puts records side by side, none across a segment end, and finds each by its position', async () => {
    await using store = await open()
    const places = Array.from({ length: MANY }, (_, i) => store.append(message(bodyOf(i))))
    for (const [i, { physicalOffset, sizeBytes }] of places.entries()) {
      const segmentEnd = (Math.floor(physicalOffset / SEGMENT_BYTES) + 1) * SEGMENT_BYTES
      expect(physicalOffset + sizeBytes).toBeLessThanOrEqual(segmentEnd - 8)
      const after = places[i + 1]
      if (after !== undefined) expect([physicalOffset + sizeBytes, segmentEnd]).toContain(after.physicalOffset)
      const found = await store.messageAt(physicalOffset)
      expect(found).toMatchObject({ physicalOffset, sizeBytes, queueOffset: i })
      expect(nameOf(found)).toBe(`m${i}`)
    }
  })

  test('appends a batch side by side, in one segment, with consecutive offsets', async () => {
    await using store = await open()
    fill(store, 35)
    const batch = Array.from({ length: 20 }, (_, i) => message(bodyOf(35 + i), { tag: `t${i}` }))
    const { queueOffset, physicalOffset, sizeBytes } = store.appendBatch(batch)
    expect(queueOffset).toBe(35)
    expect(physicalOffset).toBe(SEGMENT_BYTES)
    const messages = (await readAll(store)).slice(35)
    expect(messages.map(nameOf)).toEqual(batch.map((_, i) => `m${35 + i}`))
    expect(messages.map(({ tag }) => tag)).toEqual(batch.map((_, i) => `t${i}`))
    expect(messages.reduce((sum, { sizeBytes: bytes }) => sum + bytes, 0)).toBe(sizeBytes)
  })

  test('hands out views that hold what reading decodes', async () => {
    await using store = await open()
    fill(store, MANY)
    let offset = 0
    while (offset < MANY) {
      const views = await store.readViews({ ...QUEUE, offset })
      const { messages } = await store.read({ ...QUEUE, offset })
      expect(views.bytes.map(bytes => bytes.length)).toEqual(messages.map(({ sizeBytes }) => sizeBytes))
      expect(views.count).toBe(views.bytes.length)
      expect(views.offset).toBe(offset)
      expect(views.nextOffset).toBe(offset + views.count)
      for (const [i, bytes] of views.bytes.entries()) expect(textOf(bytes)).toContain(`m${offset + i} `)
      offset = views.nextOffset
    }
  })

  test('finds messages by key, the newest first, within time bounds and up to a count', async () => {
    const clock = new SettableClock()
    await using store = await open({ clock })
    for (let i = 0; i < 60; i++) {
      store.append(message(bodyOf(i), { keys: [`only${i}`, `shared${i % 3}`] }))
      clock.advance(1000)
    }
    const find = async (key: string, more: object = {}): Promise<string[]> =>
      (await store.messagesByKey({ topic: 'orders', key, ...more })).map(nameOf)
    expect(await find('only37')).toEqual(['m37'])
    expect(await find('shared1', { countMax: 3 })).toEqual(['m58', 'm55', 'm52'])
    expect(await find('shared0')).toHaveLength(20)
    expect(await find('shared2', { fromMs: START_MS + 10_000, untilMs: START_MS + 17_000 })).toEqual([
      'm17',
      'm14',
      'm11'
    ])
    expect(await find('nobody')).toEqual([])
    expect((await store.messagesByKey({ topic: 'payments', key: 'only37' })).map(nameOf)).toEqual([])
  })

  test('forgets a deleted topic, and begins at 0 with the next of the name', async () => {
    await using store = await open()
    fill(store, 50)
    fill(store, 2, { queue: { topic: 'payments', queueId: 0 } })
    await store.deleteTopic('orders')
    expect(store.topics()).toEqual(['payments'])
    expect(store.maxOffset(QUEUE)).toBe(0)
    expect((await store.read({ ...QUEUE, offset: 0 })).messages).toEqual([])
    expect(store.append(message('again'))).toMatchObject({ queueOffset: 0 })
    expect(await namesIn(store)).toEqual(['again'])
    expect(await namesIn(store, { topic: 'payments', queueId: 0 })).toEqual(['m0', 'm1'])
    await store.deleteTopic('nobody')
  })

  test('lets a follower see each message once, from the offset it asked for', async () => {
    await using store = await open()
    fill(store, 60)
    const seen: string[] = []
    for await (const found of store.follow({ ...QUEUE, offset: 50 })) {
      seen.push(nameOf(found))
      // The tail is reached: what comes from now on has to wake the follower.
      if (seen.length === 10) setImmediate(() => fill(store, 3, { from: 60 }))
      if (seen.length === 13) break
    }
    expect(seen).toEqual(Array.from({ length: 13 }, (_, i) => `m${50 + i}`))
  })

  test('ends a follower that waits, by its signal and by closing', async () => {
    const store = await open()
    const abort = new AbortController()
    const aborted = store
      .follow({ ...QUEUE, offset: 0, signal: abort.signal })
      [Symbol.asyncIterator]()
      .next()
    const closed = store
      .follow({ ...QUEUE, offset: 0 })
      [Symbol.asyncIterator]()
      .next()
    await turn()
    abort.abort()
    expect((await aborted).done).toBe(true)
    await store.close()
    expect((await closed).done).toBe(true)
  })

  test('keeps everything over closing and opening again, without looking at the log', async () => {
    const options = place()
    {
      await using store = await openStore(options)
      fill(store, MANY)
      store.append(message('half', { sysFlag: SYS_FLAG.TRANSACTION_PREPARED }))
    }
    await using store = await openStore(options)
    expect(store.info().recovery).toMatchObject({
      kind: 'clean',
      scannedBytes: 0,
      quarantinedBytes: 0,
      damaged: [],
      rebuilt: false
    })
    expect(await namesIn(store)).toEqual(Array.from({ length: MANY }, (_, i) => `m${i}`))
    expect((await store.messagesByKey({ topic: 'orders', key: 'k42' })).map(nameOf)).toEqual(['m42'])
    expect(store.append(message('next')).queueOffset).toBe(MANY)
    expect((await namesIn(store)).at(-1)).toBe('next')
  })
})

/** What is decided in the calling thread alone. */
describe.each(ways.filter(({ threads }) => threads === 'none'))('a store with $way', ({ place }) => {
  const open = (more: Partial<StoreOptions> = {}): Promise<Store> => openStore({ ...place(), ...more })

  test('keeps the offsets of each queue dense, whatever goes to the others', async () => {
    await using store = await open()
    const queues = [
      { topic: 'orders', queueId: 0 },
      { topic: 'orders', queueId: 7 },
      { topic: 'payments', queueId: 0 }
    ]
    for (let i = 0; i < MANY; i++) {
      const { queueOffset } = store.append(message(bodyOf(i), queues[i % 3]))
      expect(queueOffset).toBe(Math.floor(i / 3))
    }
    for (const [i, queue] of queues.entries()) {
      const messages = await readAll(store, queue)
      expect(messages.map(nameOf)).toEqual(Array.from({ length: i === 0 ? 34 : 33 }, (_, n) => `m${3 * n + i}`))
      expect(messages.every(({ topic, queueId }) => topic === queue.topic && queueId === queue.queueId)).toBe(true)
    }
  })

  test('appends nothing of a batch whose last message is invalid', async () => {
    await using store = await open()
    fill(store, 3)
    const before = store.info()
    const batch = [message(bodyOf(3)), message(bodyOf(4)), message('bad', { properties: { name: 'a\u0002b' } })]
    expect(await errorOf(() => store.appendBatch(batch))).toMatchObject({ code: 'MESSAGE_PROPERTY_INVALID' })
    expect(store.info().appendedUntil).toBe(before.appendedUntil)
    expect(store.maxOffset(QUEUE)).toBe(3)
    expect((await errorOf(() => store.messageAt(before.appendedUntil)))?.code).toBe('RECORD_NOT_FOUND')
    expect(store.append(message(bodyOf(3)))).toMatchObject({ queueOffset: 3, physicalOffset: before.appendedUntil })
    expect(await namesIn(store)).toEqual(['m0', 'm1', 'm2', 'm3'])
  })

  test('appends a batch of many more behind one that was given up half-way', async () => {
    await using store = await open()
    const bodies = Array.from({ length: 70 }, (_, i) => `m${i} `.padEnd(20 + 7 * i, '.'))
    const given = [message('short'), message('shorter'), message('bad', { properties: { name: 'a\u0002b' } })]
    expect(await errorOf(() => store.appendBatch(given))).toMatchObject({ code: 'MESSAGE_PROPERTY_INVALID' })
    store.appendBatch(bodies.map(body => message(body)))
    const messages = await readAll(store, QUEUE)
    expect(messages.map(({ body }) => Buffer.from(body).toString())).toEqual(bodies)
  })

  test('gives back every field as it was handed in', async () => {
    const clock = new SettableClock()
    const storeHost = { address: '10.1.2.3', port: 10911 }
    await using store = await open({ clock, storeHost })
    const properties = { colour: 'grün', empty_looking: ' ', 属性: '値 😀' }
    const sent: MessageInput = {
      topic: 'orders',
      queueId: 65_535,
      body: new Uint8Array([0, 1, 2, 255]),
      tag: 'TagÄ',
      keys: ['k1', 'ключ'],
      properties,
      flag: -7,
      sysFlag: 1,
      bornAtMs: 1_234_567_890_123,
      bornHost: { address: '192.168.255.1', port: 65_535 },
      reconsumeTimes: 3,
      preparedTransactionOffset: 2 ** 40 + 1
    }
    store.append(sent)
    const [found] = await readAll(store, { topic: 'orders', queueId: 65_535 })
    expect(found).toMatchObject({
      topic: 'orders',
      queueId: 65_535,
      tag: 'TagÄ',
      keys: ['k1', 'ключ'],
      flag: -7,
      sysFlag: 1,
      bornAtMs: 1_234_567_890_123,
      bornHost: { address: '192.168.255.1', port: 65_535 },
      storedAtMs: START_MS,
      storeHost,
      reconsumeTimes: 3,
      preparedTransactionOffset: 2 ** 40 + 1
    })
    expect([...(found?.body ?? [])]).toEqual([0, 1, 2, 255])
    expect({ ...found?.properties }).toEqual({ ...properties, KEYS: 'k1 ключ', TAGS: 'TagÄ' })
  })

  test.each([
    { what: 'an empty body', body: '' },
    { what: 'an empty body of bytes', body: new Uint8Array(0) },
    { what: 'unicode', body: 'Grüße, 世界 😀' },
    { what: 'half a surrogate pair', body: 'a\ud800b', read: 'a\ufffdb' },
    { what: 'zeros', body: '\0'.repeat(1000) },
    { what: 'a body as large as a segment allows', body: new Uint8Array(SEGMENT_BYTES - 1000).fill(65) }
  ])('keeps $what', async ({ body, read = body }) => {
    await using store = await open()
    fill(store, 1)
    store.append(message(body))
    const [, found] = await readAll(store)
    expect(found && textOf(found.body)).toBe(typeof read === 'string' ? read : textOf(read))
  })

  test('keeps properties handed in as bytes, to the byte, and takes tag and keys beside them', async () => {
    await using store = await open()
    store.append(
      message('a', {
        properties: encodeProperties([
          ['one', '1'],
          ['TAGS', 'x']
        ])
      })
    )
    store.append(message('b', { properties: new TextEncoder().encode('one\u00011'), tag: 'y', keys: 'k' }))
    store.append(message('c', { properties: new Uint8Array(0) }))
    const [a, b, c] = await readAll(store)
    expect([{ ...a?.properties }, a?.tag]).toEqual([{ one: '1', TAGS: 'x' }, 'x'])
    expect([{ ...b?.properties }, b?.tag]).toEqual([{ one: '1', KEYS: 'k', TAGS: 'y' }, 'y'])
    expect({ ...c?.properties }).toEqual({})
  })

  test('keeps IPv6 hosts of either side, and finds the message by an id made of one', async () => {
    const storeHost = { address: 'fe80::1', port: 10911 }
    await using store = await open({ storeHost })
    store.append(message('six', { bornHost: { address: '2001:db8::5', port: 1 } }))
    const { physicalOffset } = store.append(message('mixed', { bornHost: { address: '10.0.0.1', port: 2 } }))
    const [six, mixed] = await readAll(store)
    expect(six).toMatchObject({ bornHost: { address: '2001:db8::5', port: 1 }, storeHost })
    expect(mixed).toMatchObject({ bornHost: { address: '10.0.0.1', port: 2 }, storeHost })
    const id = encodeMessageId(hostToBytes(storeHost), physicalOffset)
    expect(decodeMessageId(id).host).toEqual(storeHost)
    expect(nameOf(await store.messageById(id))).toBe('mixed')
  })

  test('keeps the host of each message, whichever came before', async () => {
    await using store = await open()
    const hosts = [
      { address: '10.0.0.1', port: 100 },
      { address: '10.0.0.1', port: 100 + 4096 },
      { address: '10.0.0.2', port: 100 },
      { address: '2001:db8::5', port: 100 },
      { address: '10.0.0.1', port: 100 }
    ]
    for (const [index, bornHost] of hosts.entries()) store.append(message(`m${index}`, { bornHost }))
    expect((await readAll(store)).map(({ bornHost }) => bornHost)).toEqual(hosts)
  })

  test('keeps topics as long as a retry topic may be, in the longer record', async () => {
    await using store = await open()
    const topic = `%RETRY%${'g'.repeat(248)}`
    fill(store, 40, { queue: { topic, queueId: 0 } })
    expect((await readAll(store, { topic, queueId: 0 })).map(nameOf)).toHaveLength(40)
    expect(store.topics()).toEqual([topic])
  })

  test.each([
    { transaction: 'prepared', sysFlag: SYS_FLAG.TRANSACTION_PREPARED, counted: false },
    { transaction: 'committed', sysFlag: SYS_FLAG.TRANSACTION_COMMIT, counted: true },
    { transaction: 'rolled back', sysFlag: SYS_FLAG.TRANSACTION_ROLLBACK, counted: false }
  ])('puts a $transaction message in a queue: $counted', async ({ sysFlag, counted }) => {
    await using store = await open()
    const { queueOffset, physicalOffset } = store.append(message('half', { sysFlag }))
    expect(queueOffset).toBe(0)
    expect(store.maxOffset(QUEUE)).toBe(counted ? 1 : 0)
    expect(await store.messageAt(physicalOffset)).toMatchObject({ sysFlag, queueOffset: 0 })
    store.append(message('after'))
    expect(await namesIn(store)).toEqual(counted ? ['half', 'after'] : ['after'])
  })

  test('adds a checksum over the whole record when asked to, in batches too', async () => {
    await using store = await open({ recordChecksum: true })
    store.append(message('one', { tag: 't' }))
    store.appendBatch([message('two'), message('three', { properties: encodeProperties([['a', 'b']]) })])
    const { bytes } = await store.readViews({ ...QUEUE, offset: 0 })
    const positions = new RecordPositions()
    expect(bytes).toHaveLength(3)
    for (const record of bytes) {
      const view = new DataView(record.buffer, record.byteOffset, record.length)
      expect(locate(view, 0, record.length, positions)).toBe(RECORD_WHOLE)
      expect(verifyRecordChecksum(record, positions)).toBe('right')
    }
  })

  test('stops reading at countMax, and after the record that reaches bytesMax', async () => {
    await using store = await open()
    fill(store, 10)
    const sizes = (await readAll(store)).map(({ sizeBytes }) => sizeBytes)
    const read = async (limits: object): Promise<number> =>
      (await store.readViews({ ...QUEUE, offset: 0, ...limits })).count
    expect(await read({ countMax: 3 })).toBe(3)
    expect(await read({ countMax: 0 })).toBe(0)
    expect(await read({ bytesMax: 1 })).toBe(1)
    expect(await read({ bytesMax: (sizes[0] as number) + 1 })).toBe(2)
    expect(await read({ bytesMax: 0 })).toBe(1)
  })

  test('begins at the minimum when asked for less, and finds nothing at or beyond the end', async () => {
    await using store = await open()
    fill(store, 2)
    expect((await store.read({ ...QUEUE, offset: -5, countMax: 1 })).messages.map(nameOf)).toEqual(['m0'])
    expect(await store.read({ ...QUEUE, offset: 2 })).toEqual({ messages: [], nextOffset: 2, damaged: [] })
    expect(await store.read({ ...QUEUE, offset: 99 })).toMatchObject({ messages: [], nextOffset: 2 })
  })

  test('knows nothing of queues that do not exist', async () => {
    await using store = await open()
    fill(store, 1)
    for (const queue of [
      { topic: 'nobody', queueId: 0 },
      { topic: 'orders', queueId: 1 }
    ]) {
      expect([store.minOffset(queue), store.maxOffset(queue)]).toEqual([0, 0])
      expect(await store.offsetAt({ ...queue, timeMs: 0 })).toBe(0)
      expect((await store.read({ ...queue, offset: 0 })).messages).toEqual([])
    }
    expect(store.queues('nobody')).toEqual([])
  })

  test('lists topics and queues in order', async () => {
    await using store = await open()
    for (const [topic, queueId] of [
      ['b', 3],
      ['a', 1],
      ['b', 0]
    ] as const) {
      store.append(message('x', { topic, queueId }))
    }
    expect(store.topics()).toEqual(['a', 'b'])
    expect(store.queues('b')).toEqual([0, 3])
    expect(store.info()).toMatchObject({ topicCount: 2, queueCount: 3 })
  })

  test('finds offsets by the time of storing', async () => {
    const clock = new SettableClock()
    await using store = await open({ clock })
    for (let i = 0; i < 60; i++) {
      store.append(message(bodyOf(i)))
      if (i % 2 === 1) clock.advance(1000)
    }
    const at = (timeMs: number, boundary?: 'lower' | 'upper'): Promise<number> =>
      store.offsetAt({ ...QUEUE, timeMs, ...(boundary === undefined ? {} : { boundary }) })
    expect(await at(START_MS - 1)).toBe(0)
    expect(await at(START_MS - 1, 'upper')).toBe(0)
    expect(await at(START_MS + 10_000)).toBe(20)
    expect(await at(START_MS + 10_000, 'upper')).toBe(21)
    expect(await at(START_MS + 10_001)).toBe(22)
    expect(await at(START_MS + 10_001, 'upper')).toBe(21)
    expect(await at(START_MS + 10 ** 9)).toBe(60)
    expect(await at(START_MS + 10 ** 9, 'upper')).toBe(59)
  })

  test('stores times that do not go back when the clock does', async () => {
    const clock = new SettableClock()
    await using store = await open({ clock })
    store.append(message('before'))
    clock.setWall(START_MS - 60_000)
    store.append(message('after'))
    expect((await readAll(store)).map(({ storedAtMs }) => storedAtMs)).toEqual([START_MS, START_MS])
  })

  test('does not mistake a key for another of the same hash', async () => {
    await using store = await open()
    // "Aa" and "BB" have the same hash in Java, and so have all words made of them.
    store.append(message('first', { keys: 'AaAa' }))
    store.append(message('second', { keys: 'BBBB' }))
    store.append(message('third', { keys: ['AaBB', 'other'] }))
    expect((await store.messagesByKey({ topic: 'orders', key: 'AaAa' })).map(nameOf)).toEqual(['first'])
    expect((await store.messagesByKey({ topic: 'orders', key: 'BBBB' })).map(nameOf)).toEqual(['second'])
    expect(await store.messagesByKey({ topic: 'orders', key: 'BBAa' })).toEqual([])
  })

  test('finds no record where none begins', async () => {
    await using store = await open()
    const { sizeBytes } = store.append(message('only'))
    for (const position of [-1, 1, sizeBytes, SEGMENT_BYTES, 2 ** 53, 0.5, Number.NaN]) {
      expect((await errorOf(() => store.messageAt(position)))?.code).toBe('RECORD_NOT_FOUND')
    }
    expect((await errorOf(() => store.messageById('xyz')))?.code).toBe('MESSAGE_ID_INVALID')
  })

  test('lets a follower wait for a queue that does not exist yet', async () => {
    await using store = await open()
    const messages = store.follow({ ...QUEUE, offset: 0 })[Symbol.asyncIterator]()
    const first = messages.next()
    await turn()
    store.append(message('first'))
    expect(nameOf((await first).value)).toBe('first')
  })
})

describe('deleting a topic', () => {
  test('removes its queue files, so that nobody finds its messages in the queues of the next of the name', async () => {
    const directory = freshDirectory()
    {
      await using store = await openSmall({ directory })
      fill(store, 50)
      fill(store, 50, { queue: { topic: 'orders2', queueId: 0 } })
      await store.deleteTopic('orders')
      expect(existsSync(join(directory, 'consumequeue', 'orders'))).toBe(false)
      fill(store, 3, { from: 100 })
    }
    await using store = await openSmall({ directory })
    expect(await namesIn(store)).toEqual(['m100', 'm101', 'm102'])
    expect(await readAll(store, { topic: 'orders2', queueId: 0 })).toHaveLength(50)
  })

  test('keeps its messages out of the queues although they are dispatched only afterwards', async () => {
    await using store = await openSmall({ flush: 'sync' }) // Nothing is dispatched before it is flushed.
    fill(store, 5)
    const deleted = store.deleteTopic('orders')
    fill(store, 3, { from: 100 })
    await deleted
    await store.flushed()
    expect(await namesIn(store)).toEqual(['m100', 'm101', 'm102'])
  })

  test('survives a crash right afterwards', async () => {
    const disk = new SimulatedDisk()
    await using store = await openStore(simulated(disk))
    fill(store, 50)
    await store.deleteTopic('orders')
    await using recovered = await openStore(simulated(disk.kill()))
    expect(recovered.info().recovery.kind).toBe('crash')
    expect(recovered.topics()).toEqual([])
  })

  test('goes on giving messages of the delay topic their due time, when that is the one', async () => {
    const topic = 'SCHEDULE_TOPIC_XXXX'
    const directory = freshDirectory()
    {
      await using store = await openSmall({ directory, clock: new SettableClock() })
      store.append(message('before', { topic, properties: { DELAY: '2' } }))
      await store.deleteTopic(topic)
      store.append(message('after', { topic, properties: { DELAY: '2' } }))
    }
    const [file] = filesBelow(directory, `consumequeue/${topic}`).values()
    expect(Number(file?.readBigInt64BE(12))).toBe(START_MS + 5_000)
  })
})

describe('reading', () => {
  test('answers with as many messages as asked for, across ends of queue files and what is not dispatched', async () => {
    await using store = await openSmall()
    fill(store, 37)
    await store.messagesByKey({ topic: 'orders', key: 'k0' }) // Has everything so far written to the queue files.
    fill(store, 5, { from: 37 })
    const { messages } = await store.read({ ...QUEUE, offset: 1, countMax: 40 })
    expect(messages.map(nameOf)).toEqual(Array.from({ length: 40 }, (_, i) => `m${1 + i}`))
  })
})

describe('following a queue', () => {
  test('leaves no listener on a signal that outlives many arrivals', async () => {
    await using store = await openSmall()
    const abort = new AbortController()
    const messages = store.follow({ ...QUEUE, offset: 0, signal: abort.signal })[Symbol.asyncIterator]()
    for (let i = 0; i < 20; i++) {
      const next = messages.next()
      await turn()
      store.append(message(`m${i}`))
      expect(nameOf((await next).value)).toBe(`m${i}`)
      expect(getEventListeners(abort.signal, 'abort')).toEqual([])
    }
  })

  test('makes no queue', async () => {
    await using store = await openSmall()
    const abort = new AbortController()
    const next = store
      .follow({ ...QUEUE, offset: 0, signal: abort.signal })
      [Symbol.asyncIterator]()
      .next()
    await turn()
    expect(store.info()).toMatchObject({ topicCount: 0, queueCount: 0 })
    abort.abort()
    expect((await next).done).toBe(true)
  })

  test('goes on when the topic is deleted and made again', async () => {
    await using store = await openSmall()
    fill(store, 2)
    const next = store
      .follow({ ...QUEUE, offset: 2 })
      [Symbol.asyncIterator]()
      .next()
    await turn()
    await store.deleteTopic('orders')
    fill(store, 3, { from: 10 })
    expect(nameOf((await next).value)).toBe('m12')
  })
})

/** Lets everything that can go on do so: a follower then waits for a message. */
const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

describe('info', () => {
  test('tells of messages when queues know them, and when their entries are in the files', async () => {
    const directory = freshDirectory()
    await using store = await openSmall({ directory, clock: new SettableClock() })
    const sizes = (): number[] => {
      const [file] = filesBelow(directory, 'consumequeue').values()
      return Array.from({ length: 3 }, (_, i) => file?.readInt32BE(20 * i + 8) ?? 0)
    }
    fill(store, 3)
    while (store.info().dispatchedUntil < store.info().appendedUntil) await turn()
    // The clock stands still: no entry has waited long enough to be written.
    expect([store.info().queuesWrittenUntil, sizes()]).toEqual([0, [0, 0, 0]])
    await store.messagesByKey({ topic: QUEUE.topic, key: 'none' })
    expect(store.info().queuesWrittenUntil).toBe(store.info().appendedUntil)
    expect(sizes().every(size => size > 0)).toBe(true)
  })
})
