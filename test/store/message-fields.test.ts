/** How often the engine looks at a caller's message: on Node 20 each look can cost as much as encoding it. */
import { expect, test } from 'vitest'
import type { MessageInput } from '../../src/index.ts'
import { WholeMessage } from '../../src/store/index.ts'
import { MessageTaker } from '../../src/store/message-fields.ts'
import { message, nameOf, namesIn, openSmall } from '../support/store-fixtures.ts'

const WHOLE = message('m0', {
  tag: 't',
  keys: ['a', 'b'],
  properties: { name: 'value' },
  flag: 1,
  sysFlag: 0,
  bornAtMs: 5,
  bornHost: { address: '10.0.0.1', port: 1 },
  storeHost: { address: '10.0.0.2', port: 2 },
  reconsumeTimes: 3,
  preparedTransactionOffset: 4
})

/** A message that counts the looks at each of its fields. */
function counted(from: MessageInput): { message: MessageInput; looks: Map<string, number> } {
  const looks = new Map<string, number>()
  const get = (target: MessageInput, field: string): unknown => {
    looks.set(field, (looks.get(field) ?? 0) + 1)
    return Reflect.get(target, field)
  }
  return { message: new Proxy(from, { get } as ProxyHandler<MessageInput>), looks }
}

test('an append looks at each field of its message once', async () => {
  await using store = await openSmall()
  const { message: watched, looks } = counted(WHOLE)
  store.append(watched)
  expect([...looks.keys()].sort()).toEqual(Object.keys(WHOLE).sort())
  expect(new Set(looks.values())).toEqual(new Set([1]))
  const { messages } = await store.read({ topic: WHOLE.topic, queueId: 0, offset: 0 })
  const { keys, tag, flag, bornAtMs, reconsumeTimes, preparedTransactionOffset } = messages[0]!
  expect({ keys, tag, flag, bornAtMs, reconsumeTimes, preparedTransactionOffset }).toEqual({
    keys: ['a', 'b'],
    tag: 't',
    flag: 1,
    bornAtMs: 5,
    reconsumeTimes: 3,
    preparedTransactionOffset: 4
  })
})

test('a batch looks at each field of its messages once', async () => {
  await using store = await openSmall()
  const watched = ['m0', 'm1', 'm2'].map(body => counted(message(body)))
  store.appendBatch(watched.map(({ message: each }) => each))
  for (const { looks } of watched) expect(new Set(looks.values())).toEqual(new Set([1]))
  expect(await namesIn(store)).toEqual(['m0', 'm1', 'm2'])
})

test.each<{ what: string; input: MessageInput }>([
  { what: 'has fields that nobody knows', input: { ...message('m1'), other: 1, take: 2 } as MessageInput },
  { what: 'inherits its fields', input: Object.create(message('m1')) as MessageInput },
  { what: 'has no prototype', input: Object.assign(Object.create(null), message('m1')) as MessageInput },
  {
    what: 'computes its fields',
    input: new (class Computed {
      get topic() {
        return 'orders'
      }
      get queueId() {
        return 0
      }
      get body() {
        return 'm1'
      }
    })()
  }
])('a message that $what is stored as it is, with nothing of the one before', async ({ input }) => {
  await using store = await openSmall()
  store.append(WHOLE)
  for (const index of [1, 2]) store.append(index === 1 ? input : message('m2'))
  const { messages } = await store.read({ topic: WHOLE.topic, queueId: 0, offset: 1 })
  expect(messages.map(nameOf)).toEqual(['m1', 'm2'])
  for (const { tag, keys, properties, flag } of messages)
    expect({ tag, keys, properties, flag }).toEqual({ tag: undefined, keys: [], properties: {}, flag: 0 })
})

test('a batch finds nothing of the one before, even of one that was refused', async () => {
  await using store = await openSmall()
  store.appendBatch([WHOLE, WHOLE])
  expect(() => store.appendBatch([WHOLE, { ...WHOLE, queueId: 1 }])).toThrow('BATCH_INVALID')
  store.appendBatch([message('m1'), message('m2')])
  const { body: _, ...bodiless } = WHOLE
  expect(() => store.appendBatch([WHOLE, bodiless as MessageInput])).toThrow(TypeError)
  const { messages } = await store.read({ topic: WHOLE.topic, queueId: 0, offset: 2 })
  expect(messages.map(nameOf)).toEqual(['m1', 'm2'])
  for (const { tag, keys, properties, flag } of messages)
    expect({ tag, keys, properties, flag }).toEqual({ tag: undefined, keys: [], properties: {}, flag: 0 })
})

test('nothing of a batch is held on to once it is released', () => {
  const taker = new MessageTaker()
  const taken = [...taker.takeAll([WHOLE, message('m1')])]
  expect(taken.map(({ body }) => body)).toEqual(['m0', 'm1'])
  taker.releaseAll()
  for (const fields of taken) expect(new Set(Object.values(fields))).toEqual(new Set([undefined]))
})

test('a whole message is read where it is, and stored as any other', async () => {
  await using store = await openSmall()
  store.append(WHOLE)
  store.append(Object.assign(new WholeMessage(), WHOLE))
  store.appendBatch([Object.assign(new WholeMessage(), message('m2')), message('m3', { tag: 'b' })])
  const { messages } = await store.read({ topic: WHOLE.topic, queueId: 0, offset: 0 })
  const [plain, whole] = messages
  expect({ ...whole, queueOffset: 0, physicalOffset: 0, storedAtMs: 0 }).toEqual({
    ...plain,
    queueOffset: 0,
    physicalOffset: 0,
    storedAtMs: 0
  })
  expect(messages.map(({ tag }) => tag)).toEqual(['t', 't', undefined, 'b'])
})

test('a message without a body is refused, whatever the one before had', async () => {
  await using store = await openSmall()
  store.append(WHOLE)
  const { body: _, ...bodiless } = WHOLE
  expect(() => store.append(bodiless as MessageInput)).toThrow(TypeError)
  expect(await namesIn(store)).toEqual(['m0'])
})
