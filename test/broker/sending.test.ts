/** What a send is refused for, in which order; what is stored of the rest, and what its sender is told. */
import { describe, expect, test } from 'vitest'
import { type SendDraft, topicConfig } from '../../src/broker/index.ts'
import { decodeMessageId, SYS_FLAG } from '../../src/layout/index.ts'
import {
  BORN_HOST,
  type DataPath,
  type DataPathOptions,
  type Drafting,
  draft,
  encodeBatch,
  openDataPath,
  STORE_HOST,
  TOPIC
} from '../support/data-path.ts'
import { START_MS } from '../support/settable-clock.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { errorOf, SEGMENT_BYTES, textOf } from '../support/store-fixtures.ts'

const send = ({ sending }: DataPath, sent: SendDraft) => {
  const outcome = sending.send(sent)
  if (outcome === undefined) throw new Error('there is no room')
  return outcome
}

const only = async ({ store }: DataPath, queue = { topic: TOPIC, queueId: 0 }) =>
  (await store.read({ ...queue, offset: store.maxOffset(queue) - 1 })).messages[0]

describe('a send', () => {
  test('is stored with all that the client said, and with what the broker says', async () => {
    await using path = await openDataPath()
    const sent = send(path, {
      ...draft('hello', { properties: { TAGS: 'a', KEYS: 'k1 k2', UNIQ_KEY: 'U1', POP_CK: 'x' } }),
      flag: 7,
      sysFlag: SYS_FLAG.COMPRESSED | SYS_FLAG.COMPRESSION_ZLIB,
      reconsumeTimes: 2
    })
    expect(sent).toMatchObject({ topic: TOPIC, queueId: 0, queueOffset: 0, positions: [0], count: 1 })
    const message = await only(path)
    expect(message).toMatchObject({
      topic: TOPIC,
      queueId: 0,
      queueOffset: 0,
      flag: 7,
      sysFlag: SYS_FLAG.COMPRESSED | SYS_FLAG.COMPRESSION_ZLIB,
      bornAtMs: 1_699_999_999_999,
      bornHost: BORN_HOST,
      storedAtMs: START_MS,
      storeHost: STORE_HOST,
      reconsumeTimes: 2,
      preparedTransactionOffset: 0,
      tag: 'a',
      keys: ['k1', 'k2']
    })
    expect(textOf(message?.body ?? new Uint8Array())).toBe('hello')
    expect({ ...message?.properties }).toEqual({
      TAGS: 'a',
      KEYS: 'k1 k2',
      UNIQ_KEY: 'U1',
      MSG_REGION: 'DefaultRegion',
      TRACE_ON: 'true',
      CLUSTER: 'DefaultCluster'
    })
  })

  test('is told the ids of the record and of the message', async () => {
    await using path = await openDataPath()
    send(path, draft('first'))
    const sent = send(path, draft('second', { properties: { UNIQ_KEY: 'U2' } }))
    const message = await only(path)
    expect(sent.uniqueKey).toBe('U2')
    expect(decodeMessageId(sent.messageIds)).toEqual({ host: STORE_HOST, physicalOffset: message?.physicalOffset })
    expect(sent.until).toBe((message?.physicalOffset ?? 0) + (message?.sizeBytes ?? 0))
    const bytes = new Uint8Array(sent.messageIdsBytes + 3)
    expect(sent.writeMessageIds(bytes, 3)).toBe(bytes.length)
    expect(textOf(bytes.subarray(3))).toBe(sent.messageIds)
  })

  test('without a UNIQ_KEY gets one, each another', async () => {
    await using path = await openDataPath()
    const keys = Array.from({ length: 100 }, (_, i) => send(path, draft(`m${i}`)).uniqueKey)
    expect(new Set(keys).size).toBe(100)
    // Address, process, maker, ms of the month, counter.
    const monthMs = START_MS - new Date(new Date(START_MS).getFullYear(), new Date(START_MS).getMonth()).getTime()
    for (const key of keys) {
      expect(key).toMatch(/^0A010203[0-9A-F]{24}$/)
      expect(Number.parseInt(key.slice(20, 28), 16)).toBe(monthMs)
    }
    expect((await only(path))?.properties.UNIQ_KEY).toBe(keys.at(-1))
  })

  test('to a queue below 0 goes to any queue for writing', async () => {
    await using path = await openDataPath()
    path.tables.topics.update(topicConfig(TOPIC, { writeQueueCount: 3, readQueueCount: 8 }))
    const queues = new Set(Array.from({ length: 60 }, () => send(path, draft('m', { queueId: -1 })).queueId))
    expect([...queues].sort()).toEqual([0, 1, 2])
  })

  test('to an unknown topic makes it, after its model', async () => {
    await using path = await openDataPath()
    send(path, draft('m', { topic: 'new', defaultTopicQueueNums: 3, queueId: 2 }))
    expect(path.tables.topics.find('new')).toMatchObject({ readQueueCount: 3, writeQueueCount: 3, perm: 6 })
  })

  test('to a retry topic makes topic and group', async () => {
    await using path = await openDataPath({ config: { autoCreateTopicEnable: false } })
    send(path, draft('m', { topic: '%RETRY%some' }))
    expect(path.tables.topics.find('%RETRY%some')).toMatchObject({ readQueueCount: 1, writeQueueCount: 1 })
    expect(path.tables.groups.find('some')).toBeDefined()
  })

  test('has no bits of the broker, but the one of topics with several tags', async () => {
    await using path = await openDataPath()
    path.tables.topics.update(topicConfig(TOPIC, { filterType: 'MULTI_TAG' }))
    send(path, draft('m', { sysFlag: SYS_FLAG.NEED_UNWRAP | SYS_FLAG.BORN_HOST_V6 | SYS_FLAG.STORE_HOST_V6 }))
    expect((await only(path))?.sysFlag).toBe(SYS_FLAG.MULTI_TAGS)
  })

  test('keeps an IPv6 address of its producer', async () => {
    await using path = await openDataPath()
    send(path, draft('m', { bornHost: { address: '2001:db8::1', port: 9 } }))
    expect(await only(path)).toMatchObject({ bornHost: { address: '2001:db8::1', port: 9 } })
  })

  test('may become another message before it is stored', async () => {
    await using path = await openDataPath({
      transform: (message, properties) => {
        if (properties.delayLevel > 0) {
          message.topic = 'elsewhere'
          message.queueId = properties.delayLevel - 1
        }
      }
    })
    const sent = send(path, draft('m', { properties: { DELAY: '3' } }))
    expect(sent).toMatchObject({ topic: TOPIC, queueId: 0, queueOffset: 0 })
    expect((await only(path, { topic: 'elsewhere', queueId: 2 }))?.topic).toBe('elsewhere')
  })

  const ORDERED = topicConfig(TOPIC, { isOrdered: true })
  const many = encodeBatch([{ flag: 0, body: Buffer.from('b'), properties: new Uint8Array(0) }])
  const long = 't'.repeat(128)
  interface Refusal {
    readonly what: string
    readonly sent?: Drafting
    readonly body?: string | Uint8Array
    readonly given?: DataPathOptions
    readonly topic?: typeof ORDERED
    readonly code: string | undefined
  }
  /** In the order of the checks. */
  const refusals: readonly Refusal[] = [
    { what: 'to a slave', given: { config: { brokerRole: 'SLAVE' } }, code: 'BROKER_BUSY' },
    {
      what: 'before the broker opens',
      given: { config: { startAcceptSendRequestTimeStamp: START_MS + 1 } },
      code: 'BROKER_NOT_ACCEPTING'
    },
    {
      what: 'when it has just opened',
      given: { config: { startAcceptSendRequestTimeStamp: START_MS } },
      code: undefined
    },
    {
      what: 'to an ordered topic of a broker for reading',
      given: { config: { brokerPermission: 4 } },
      topic: ORDERED,
      code: 'PERMISSION_DENIED'
    },
    { what: 'to any other topic of a broker for reading', given: { config: { brokerPermission: 4 } }, code: undefined },
    { what: 'to a topic without a name', sent: { topic: '' }, code: 'TOPIC_NAME_INVALID' },
    { what: 'to a topic with another sign', sent: { topic: 'a b' }, code: 'TOPIC_NAME_INVALID' },
    { what: 'to a topic with a name too long', sent: { topic: long }, code: 'TOPIC_NAME_INVALID' },
    ...[
      'SCHEDULE_TOPIC_XXXX',
      'RMQ_SYS_TRANS_HALF_TOPIC',
      'RMQ_SYS_TRANS_OP_HALF_TOPIC',
      'SELF_TEST_TOPIC',
      'OFFSET_MOVED_EVENT',
      'TRANS_CHECK_MAX_TIME_TOPIC'
    ].map(topic => ({ what: `to ${topic}`, sent: { topic }, code: 'TOPIC_RESERVED' })),
    ...['TBW102', 'BenchmarkTest', 'rmq_sys_REVIVE_LOG_DefaultCluster'].map(topic => ({
      what: `to ${topic}`,
      sent: { topic },
      code: undefined
    })),
    { what: 'to a topic that may not be made', sent: { defaultTopic: 'none' }, code: 'TOPIC_UNKNOWN' },
    { what: 'to a queue beyond reading and writing', sent: { queueId: 4 }, code: 'QUEUE_ID_INVALID' },
    {
      what: 'to a queue for reading only',
      topic: topicConfig(TOPIC, { writeQueueCount: 1, readQueueCount: 2 }),
      sent: { queueId: 1 },
      code: undefined
    },
    {
      what: 'to any queue of a topic without',
      topic: topicConfig(TOPIC, { writeQueueCount: 0 }),
      sent: { queueId: -1 },
      code: 'QUEUE_ID_INVALID'
    },
    {
      what: 'to the retry topic of a group that may not be made',
      given: { config: { autoCreateSubscriptionGroup: false } },
      sent: { topic: '%RETRY%some' },
      code: 'GROUP_UNKNOWN'
    },
    {
      what: 'without a key to a compacted topic',
      topic: topicConfig(TOPIC, { attributes: { 'cleanup.policy': 'COMPACTION' } }),
      code: 'MESSAGE_ILLEGAL'
    },
    {
      what: 'with a key to a compacted topic',
      topic: topicConfig(TOPIC, { attributes: { 'cleanup.policy': 'COMPACTION' } }),
      sent: { properties: { KEYS: 'k' } },
      code: undefined
    },
    {
      what: 'of a transaction where they are refused',
      given: { config: { rejectTransactionMessage: true } },
      sent: { properties: { TRAN_MSG: 'true' } },
      code: 'PERMISSION_DENIED'
    },
    { what: 'without a body', body: '', code: 'MESSAGE_ILLEGAL' },
    {
      what: 'with the largest body',
      body: new Uint8Array(4096),
      given: { store: { messageBytesMax: 4096 } },
      code: undefined
    },
    {
      what: 'with a larger body',
      body: new Uint8Array(4097),
      given: { store: { messageBytesMax: 4096 } },
      code: 'MESSAGE_BODY_TOO_LARGE'
    },
    {
      what: 'with properties too large',
      sent: { properties: { a: 'v'.repeat(32_760) } },
      code: 'MESSAGE_PROPERTIES_TOO_LARGE'
    },
    { what: 'of a record that holds a batch', sent: { properties: { INNER_NUM: '2' } }, code: 'MESSAGE_ILLEGAL' },
    { what: 'with the flag of such a record', sent: { sysFlag: SYS_FLAG.INNER_BATCH }, code: 'MESSAGE_ILLEGAL' },
    {
      what: 'of a batch to a long topic',
      body: many,
      sent: { isBatch: true, topic: `%RETRY%${'g'.repeat(121)}` },
      given: { config: { autoCreateSubscriptionGroup: true } },
      code: 'GROUP_UNKNOWN'
    },
    {
      what: 'of a batch to a retry topic',
      body: many,
      sent: { isBatch: true, topic: '%RETRY%some' },
      code: 'MESSAGE_ILLEGAL'
    },
    {
      what: 'of a batch with a delay level',
      body: many,
      sent: { isBatch: true, properties: { DELAY: '1' } },
      code: 'MESSAGE_ILLEGAL'
    },
    {
      what: 'of a batch in a transaction',
      body: many,
      sent: { isBatch: true, sysFlag: SYS_FLAG.TRANSACTION_PREPARED },
      code: 'MESSAGE_ILLEGAL'
    },
    { what: 'of an empty batch', body: '', sent: { isBatch: true }, code: 'MESSAGE_ILLEGAL' },
    {
      what: 'of a batch too large',
      body: new Uint8Array(1001),
      sent: { isBatch: true },
      given: { config: { maxMessageSize: 1000 } },
      code: 'BATCH_INVALID'
    },
    { what: 'of a batch that is none', body: 'no batch', sent: { isBatch: true }, code: 'BATCH_INVALID' },
    { what: 'of a batch', body: many, sent: { isBatch: true }, code: undefined }
  ]
  test.each(refusals)('$what: $code', async ({ sent = {}, body = 'm', given = {}, topic, code }) => {
    await using path = await openDataPath(given)
    if (topic !== undefined) path.tables.topics.update(topic, attributeChanges(topic))
    const before = path.store.info().appendedUntil
    const error = await errorOf(() => send(path, draft(body, sent)))
    expect(error?.code).toBe(code)
    expect(path.store.info().appendedUntil > before).toBe(code === undefined)
  })

  test('that breaks several rules is refused for the first', async () => {
    const config = { brokerRole: 'SLAVE', startAcceptSendRequestTimeStamp: START_MS + 1 } as const
    await using path = await openDataPath({ config })
    const bad = draft('', { topic: 'a b', queueId: 99 })
    const codes: unknown[] = []
    const note = async (): Promise<void> => void codes.push((await errorOf(() => send(path, bad)))?.code)
    await note()
    path.config.brokerRole = 'ASYNC_MASTER'
    await note()
    path.config.startAcceptSendRequestTimeStamp = 0
    await note()
    bad.topic = 'SELF_TEST_TOPIC'
    await note()
    bad.topic = TOPIC
    bad.defaultTopic = 'none'
    await note()
    bad.defaultTopic = 'TBW102'
    await note()
    bad.queueId = 0
    await note()
    expect(codes).toEqual([
      'BROKER_BUSY',
      'BROKER_NOT_ACCEPTING',
      'TOPIC_NAME_INVALID',
      'TOPIC_RESERVED',
      'TOPIC_UNKNOWN',
      'QUEUE_ID_INVALID',
      'MESSAGE_ILLEGAL'
    ])
  })

  test.each([
    { flush: 'sync' as const, wait: undefined, waits: true },
    { flush: 'sync' as const, wait: 'false', waits: false },
    { flush: 'async' as const, wait: 'true', waits: false }
  ])('with flush $flush and WAIT=$wait waits for the disk: $waits', async ({ flush, wait, waits }) => {
    await using path = await openDataPath({ store: { flush } })
    expect(send(path, draft('m', { properties: wait === undefined ? {} : { WAIT: wait } })).waitsForDisk).toBe(waits)
  })

  test('to a broker that is stopping or cannot write is refused as unavailable', async () => {
    const path = await openDataPath()
    await path[Symbol.asyncDispose]()
    expect((await errorOf(() => send(path, draft('m'))))?.code).toBe('BROKER_UNAVAILABLE')
    await using full = await openDataPath({
      disk: new SimulatedDisk({ capacityBytes: 40 * SEGMENT_BYTES }),
      store: { retention: { diskUsedRatioFull: 0.01, intervalMs: 0 } }
    })
    await full.store.clean()
    expect((await errorOf(() => send(full, draft('m'))))?.details).toMatchObject({ because: 'STORE_DISK_FULL' })
  })
})

const attributeChanges = ({ attributes }: { attributes: Readonly<Record<string, string>> }) =>
  Object.entries(attributes).map(([name, value]) => ({ type: 'set' as const, name, value }))
