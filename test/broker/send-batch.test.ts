/** What becomes of the messages of a batch, and of bytes that claim to be one. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Sent } from '../../src/broker/index.ts'
import { type BatchItem, decodeMessageId, encodeProperties, encodeText } from '../../src/layout/index.ts'
import {
  type DataPath,
  type DataPathOptions,
  type Drafting,
  draft,
  encodeBatch,
  openDataPath,
  TOPIC
} from '../support/data-path.ts'
import { errorOf, SEGMENT_BYTES, textOf } from '../support/store-fixtures.ts'

const OWN = { MSG_REGION: 'DefaultRegion', TRACE_ON: 'true', CLUSTER: 'DefaultCluster' }

const item = (body: string, properties: Record<string, string> = {}, flag = 0): BatchItem => ({
  flag,
  body: encodeText(body),
  properties: encodeProperties(Object.entries(properties))
})

function send({ sending }: DataPath, body: Uint8Array | readonly BatchItem[], more: Drafting = {}): Sent {
  const bytes = body instanceof Uint8Array ? body : encodeBatch(body)
  const sent = sending.send(draft(bytes, { isBatch: true, ...more }))
  if (sent === undefined) throw new Error('there is no room')
  return sent
}

const stored = async ({ store }: DataPath) => (await store.read({ topic: TOPIC, queueId: 0, offset: 0 })).messages

describe('a batch', () => {
  test('is stored message by message, each with its own flag, body and properties and those of the batch', async () => {
    await using path = await openDataPath()
    const batch = [item('one', { TAGS: 'a', n: '1' }, 7), item('two', { TAGS: 'b' }), item('three')]
    send(path, batch, { properties: { WAIT: 'true', KEYS: 'k' }, bornAtMs: 5, reconsumeTimes: 1 })
    const messages = await stored(path)
    expect(messages.map(({ body, flag, tag, queueOffset }) => [textOf(body), flag, tag, queueOffset])).toEqual([
      ['one', 7, 'a', 0],
      ['two', 0, 'b', 1],
      ['three', 0, undefined, 2]
    ])
    expect({ ...messages[0]?.properties }).toEqual({ TAGS: 'a', n: '1', WAIT: 'true', KEYS: 'k', ...OWN })
    expect({ ...messages[2]?.properties }).toEqual({ WAIT: 'true', KEYS: 'k', ...OWN })
    expect(messages).toMatchObject([1, 1, 1].map(reconsumeTimes => ({ bornAtMs: 5, reconsumeTimes })))
  })

  test('is told the id of each record, the offset of the first, and what has to be on disk for all', async () => {
    await using path = await openDataPath()
    send(path, [item('before')])
    const sent = send(path, [item('one'), item('two')])
    const messages = (await stored(path)).slice(1)
    expect(sent).toMatchObject({ queueOffset: 1, count: 2 })
    const positions = sent.messageIds.split(',').map(id => decodeMessageId(id).physicalOffset)
    expect(positions).toEqual(messages.map(({ physicalOffset }) => physicalOffset))
    expect(sent.until).toBe(path.store.info().appendedUntil)
    expect(sent.sizeBytes).toBe(messages.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0))
    const text = new Uint8Array(sent.messageIdsBytes)
    sent.writeMessageIds(text, 0)
    expect(textOf(text)).toBe(sent.messageIds)
  })

  test('leaves a UNIQ_KEY to the messages that have one; its own is for the others and for the answer', async () => {
    await using path = await openDataPath()
    const sent = send(path, [item('one', { UNIQ_KEY: 'U1' }), item('two')], { properties: { UNIQ_KEY: 'B' } })
    expect(sent.uniqueKey).toBe('B')
    expect((await stored(path)).map(({ properties }) => properties.UNIQ_KEY)).toEqual(['U1', 'B'])
    expect(await path.store.messagesByKey({ topic: TOPIC, key: 'U1' })).toHaveLength(1)
  })

  test('without a UNIQ_KEY gets none', async () => {
    await using path = await openDataPath()
    expect(send(path, [item('one')]).uniqueKey).toBe('')
    expect((await stored(path))[0]?.properties).not.toHaveProperty('UNIQ_KEY')
  })

  test('lies in one segment, whole', async () => {
    await using path = await openDataPath()
    const body = 'x'.repeat(SEGMENT_BYTES / 8)
    for (let i = 0; i < 5; i++) send(path, [item(body), item(body), item(body)])
    const segments = (await stored(path)).map(({ physicalOffset }) => Math.floor(physicalOffset / SEGMENT_BYTES))
    for (let i = 0; i < 15; i += 3) expect(new Set(segments.slice(i, i + 3)).size).toBe(1)
  })

  test('leaves nothing of an earlier, larger one in those that come after', async () => {
    await using path = await openDataPath()
    send(path, [item('a', { n: '1' }, 3), item('b', { n: '2' }, 3), item('c', { n: '3' }, 3)])
    path.tables.topics.update({ ...path.tables.topics.get(TOPIC), filterType: 'MULTI_TAG' })
    send(path, [item('d')], { bornAtMs: 77 })
    const last = (await stored(path)).at(-1)
    expect(last).toMatchObject({ flag: 0, queueOffset: 3, bornAtMs: 77 })
    expect(last?.properties).not.toHaveProperty('n')
  })

  test('of more messages than are remembered between batches is stored as well', async () => {
    await using path = await openDataPath({ store: { segmentBytes: 16 * SEGMENT_BYTES } })
    const count = 1500
    send(
      path,
      Array.from({ length: count }, (_, i) => item(`m${i}`))
    )
    send(path, [item('last')])
    expect(path.store.maxOffset({ topic: TOPIC, queueId: 0 })).toBe(count + 1)
    const { messages } = await path.store.read({ topic: TOPIC, queueId: 0, offset: count - 1 })
    expect(messages.map(({ body }) => textOf(body))).toEqual(['m1499', 'last'])
  })
})

/** A batch of two messages with one word changed. */
function broken(change: (view: DataView, second: number) => void): Uint8Array {
  const first = encodeBatch([item('one', { a: '1' })])
  const bytes = Uint8Array.from([...first, ...encodeBatch([item('two', { b: '2' })])])
  change(new DataView(bytes.buffer), first.length)
  return bytes
}

describe('bytes that are no batch', () => {
  const two = broken(() => undefined)
  const BODY_BYTES_AT = 16
  test.each<{ what: string; bytes: Uint8Array; says: object }>([
    { what: 'too short for a head', bytes: new Uint8Array(7), says: { item: 0, reason: 'the head is cut off' } },
    { what: 'cut off in the second message', bytes: two.slice(0, -1), says: { item: 1, reason: 'size' } },
    { what: 'with a rest', bytes: Uint8Array.from([...two, 0, 0]), says: { item: 2, reason: 'the head is cut off' } },
    { what: 'of size 0', bytes: broken(view => view.setInt32(0, 0)), says: { item: 0, reason: 'size' } },
    { what: 'of a size below 0', bytes: broken((v, at) => v.setInt32(at, -1)), says: { item: 1, reason: 'size' } },
    {
      what: 'of a vast size',
      bytes: broken((v, at) => v.setInt32(at, 2 ** 31 - 1)),
      says: { item: 1, reason: 'size' }
    },
    {
      what: 'with a body below 0',
      bytes: broken((v, at) => v.setInt32(at + BODY_BYTES_AT, -1)),
      says: { item: 1, reason: 'size of the body' }
    },
    {
      what: 'with a body that is larger than its message',
      bytes: broken((v, at) => v.setInt32(at + BODY_BYTES_AT, 99)),
      says: { item: 1, reason: 'size of the body' }
    },
    {
      what: 'with properties that do not fill the rest',
      bytes: broken(v => v.setInt16(BODY_BYTES_AT + 4 + 'one'.length, 1)),
      says: { item: 0, reason: 'size of the properties' }
    }
  ])('$what are refused whole', async ({ bytes, says }) => {
    await using path = await openDataPath()
    const error = await errorOf(() => send(path, bytes))
    expect(error).toMatchObject({ code: 'BATCH_INVALID', details: says })
    expect(path.store.info().appendedUntil).toBe(0)
  })

  test('are refused, or stored as what they are, whatever they are', async () => {
    await using path = await openDataPath({ store: { segmentBytes: 16 * SEGMENT_BYTES } })
    const change = fc.record({ at: fc.nat(two.length - 1), byte: fc.nat(255) })
    const samples = fc.sample(fc.array(change, { minLength: 1, maxLength: 3 }), { numRuns: 1500, seed: 3 })
    let refused = 0
    for (const changes of samples) {
      const bytes = two.slice()
      for (const { at, byte } of changes) bytes[at] = byte
      const error = await errorOf(() => send(path, bytes))
      if (error === undefined) continue
      refused++
      expect(['BATCH_INVALID', 'MESSAGE_ILLEGAL', 'MESSAGE_INVALID', 'MESSAGE_PROPERTY_INVALID']).toContain(error.code)
    }
    expect(refused).toBeGreaterThan(500)
    expect((await stored(path)).length).toBeGreaterThan(0)
  })
})

describe('the limits of a batch', () => {
  test.each<{
    what: string
    config?: DataPathOptions['config']
    items: number
    properties: number
    code: string
    reason?: string
  }>([
    {
      what: 'properties of a message and the batch together',
      items: 1,
      properties: 32_000,
      code: 'MESSAGE_PROPERTIES_TOO_LARGE'
    },
    {
      what: 'properties of the batch, once for each message',
      items: 4000,
      properties: 20_000,
      code: 'BATCH_INVALID',
      reason: 'properties'
    }
  ])('hold for $what', async ({ items, properties, code, reason }) => {
    await using path = await openDataPath()
    const one = item('m', items === 1 ? { own: 'v'.repeat(1000) } : {})
    const call = () => send(path, new Array<BatchItem>(items).fill(one), { properties: { p: 'v'.repeat(properties) } })
    const error = await errorOf(call)
    expect([error?.code, error?.details.reason]).toEqual([code, reason])
    expect(path.store.info().appendedUntil).toBe(0)
  })

  test('are told with what there was and what there may be', async () => {
    await using path = await openDataPath({ config: { maxMessageSize: 1000 } })
    const error = await errorOf(() => send(path, [item('m'.repeat(1000))]))
    expect(error).toMatchObject({ code: 'BATCH_INVALID', details: { bytesMax: 1000 } })
  })
})
