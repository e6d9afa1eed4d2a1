/** What is found of messages by key, by position and by time, and what is said of queues that do not exist. */
import { describe, expect, test } from 'vitest'
import type { KeyRequest } from '../../src/broker/index.ts'
import type { Store } from '../../src/index.ts'
import { decodeRecord, locate, RECORD_WHOLE, RecordPositions } from '../../src/layout/index.ts'
import { type DataPath, type Drafting, draft, openDataPath, TOPIC } from '../support/data-path.ts'
import { START_MS } from '../support/settable-clock.ts'
import { bodyOf, errorOf, SEGMENT_BYTES, textOf } from '../support/store-fixtures.ts'

const QUEUE = { topic: TOPIC, queueId: 0 }
const NOWHERE = { topic: 'nowhere', queueId: 0 }

const send = ({ sending }: DataPath, body: string, more: Drafting = {}): number =>
  sending.send(draft(body, more))?.positions[0] as number // There is room, and one message.

const byKey = ({ queries }: DataPath, more: Partial<KeyRequest> = {}) =>
  queries.findByKey({
    topic: TOPIC,
    key: 'k',
    countMax: 32,
    fromMs: 0,
    untilMs: Number.MAX_SAFE_INTEGER,
    isUnique: false,
    ...more
  })

const bodiesOf = (records: readonly Uint8Array[] = []): string[] =>
  records.map(record => {
    const positions = new RecordPositions()
    const view = new DataView(record.buffer, record.byteOffset, record.length)
    expect(locate(view, 0, record.length, positions)).toBe(RECORD_WHOLE)
    return textOf(decodeRecord(record, view, positions).body)
  })

describe('a query by key', () => {
  test('finds each of the keys and the UNIQ_KEY, newest first, in its topic alone', async () => {
    await using path = await openDataPath()
    send(path, 'one', { properties: { KEYS: 'k x', UNIQ_KEY: 'U1' } })
    send(path, 'two', { properties: { KEYS: 'y k' } })
    send(path, 'other', { topic: 'other', properties: { KEYS: 'k' } })
    expect(bodiesOf((await byKey(path))?.records)).toEqual(['two', 'one'])
    expect(bodiesOf((await byKey(path, { key: 'U1', isUnique: true }))?.records)).toEqual(['one'])
    expect(await byKey(path, { key: 'k x' })).toBeUndefined()
  })

  test('answers how far and how late the index was', async () => {
    await using path = await openDataPath()
    send(path, 'one', { properties: { KEYS: 'k' } })
    path.clock.advance(5000)
    send(path, 'two', { properties: { KEYS: 'k' } })
    expect(await byKey(path)).toMatchObject({
      indexedAtMs: START_MS + 5000,
      indexedUntil: path.store.info().appendedUntil
    })
  })

  test('looks within the times alone', async () => {
    await using path = await openDataPath()
    for (const body of ['one', 'two', 'three']) {
      send(path, body, { properties: { KEYS: 'k' } })
      path.clock.advance(10_000)
    }
    const between = { fromMs: START_MS + 5000, untilMs: START_MS + 15_000 }
    expect(bodiesOf((await byKey(path, between))?.records)).toEqual(['two'])
  })

  test.each([
    { what: 'as many as asked for', more: { countMax: 5 }, count: 5 },
    { what: '64', more: { countMax: 1000 }, count: 64 },
    { what: '32 of a UNIQ_KEY, whatever is asked for', more: { countMax: 1, isUnique: true }, count: 32 }
  ])('finds at most $what', async ({ more, count }) => {
    await using path = await openDataPath()
    for (let i = 0; i < 80; i++) send(path, `m${i}`, { properties: { KEYS: 'k' } })
    expect((await byKey(path, more))?.records).toHaveLength(count)
  })

  test('does not fail for what retention takes meanwhile', async () => {
    const taken = new Set<number>()
    const around = (store: Store): Store =>
      new Proxy(store, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name)
          if (name === 'recordAt') return (at: number) => target.recordAt(taken.has(at) ? at + 2 ** 40 : at)
          return typeof value === 'function' ? value.bind(target) : value
        }
      })
    await using path = await openDataPath({ around })
    taken.add(send(path, 'one', { properties: { KEYS: 'k' } }))
    expect(await byKey(path)).toBeUndefined()
    send(path, 'two', { properties: { KEYS: 'k' } })
    expect(bodiesOf((await byKey(path))?.records)).toEqual(['two'])
  })
})

describe('a query by position', () => {
  test('gives the record as it lies in the log', async () => {
    await using path = await openDataPath()
    send(path, 'before')
    const position = send(path, 'this')
    expect(bodiesOf([await path.queries.byPosition(position)])).toEqual(['this'])
  })

  test.each([
    { where: 'behind the end', shift: 100_000 },
    { where: 'in the midst of a record', shift: 9 }
  ])('$where finds nothing', async ({ shift }) => {
    await using path = await openDataPath()
    const position = send(path, 'this')
    const error = await errorOf(() => path.queries.byPosition(position + shift))
    expect(['RECORD_NOT_FOUND', 'RECORD_DAMAGED']).toContain(error?.code)
  })
})

describe('limits and times of a queue', () => {
  const retention = { totalBytesMax: 2 * SEGMENT_BYTES, intervalMs: 0 }

  test('are 0, -1 and -1 for one that does not exist', async () => {
    await using path = await openDataPath()
    const { queries } = path
    expect([queries.maxOffset(NOWHERE), queries.minOffset(NOWHERE)]).toEqual([0, -1])
    expect(await queries.earliestStoredAtMs(NOWHERE)).toBe(-1)
    expect(await queries.latestStoredAtMs(NOWHERE)).toBe(-1)
    expect(await queries.oldestStoredAtMs()).toBe(-1)
    expect(queries.isFirstInMemory(NOWHERE)).toBe(false)
  })

  test('are those of what retention has left', async () => {
    await using path = await openDataPath({ store: { retention } })
    const { queries, clock, store } = path
    for (let i = 0; i < 200; i++) {
      send(path, bodyOf(i))
      clock.advance(1000)
    }
    await store.flushed()
    await store.messagesByKey({ topic: TOPIC, key: 'none' }) // Everything is dispatched.
    await store.clean()
    const min = queries.minOffset(QUEUE)
    expect(min).toBeGreaterThan(0)
    expect(queries.maxOffset(QUEUE)).toBe(200)
    expect(await queries.earliestStoredAtMs(QUEUE)).toBe(START_MS + min * 1000)
    expect(await queries.latestStoredAtMs(QUEUE)).toBe(START_MS + 199_000)
    expect(await queries.oldestStoredAtMs()).toBe(START_MS + min * 1000)
    expect(await queries.storedAtMs(QUEUE, min - 1)).toBe(-1)
    expect(await queries.storedAtMs(QUEUE, 200)).toBe(-1)
    expect(queries.isFirstInMemory(QUEUE)).toBe(false)
  })

  test('tell which message was stored when', async () => {
    await using path = await openDataPath()
    for (let i = 0; i < 5; i++) {
      send(path, `m${i}`)
      path.clock.advance(1000)
    }
    const at = (ms: number, boundary: 'lower' | 'upper') =>
      path.queries.offsetAt({ ...QUEUE, timeMs: START_MS + ms, boundary })
    expect(await Promise.all([at(2000, 'lower'), at(2001, 'lower'), at(2000, 'upper'), at(2999, 'upper')])).toEqual([
      2, 3, 2, 2
    ])
  })

  test('tell whether the first message is in memory', async () => {
    await using path = await openDataPath({ memoryBytes: 10_000 })
    send(path, 'm0')
    expect(path.queries.isFirstInMemory(QUEUE)).toBe(true)
  })
})
