/** Sends as clients write them, and the answers as clients need them. */
import { describe, expect, test } from 'vitest'
import { encodeBatch } from '../../../src/layout/index.ts'
import { REQUEST, RESPONSE } from '../../../src/protocol/index.ts'
import { ask, brokerPlace, bytes, fieldsOf, sendFields, sendFieldsV2 } from './broker-place.ts'

const body = bytes('a body')

describe('a message that is sent', () => {
  test.each([
    ['under long names', REQUEST.SEND_MESSAGE, sendFields],
    ['under letters', REQUEST.SEND_MESSAGE_V2, sendFieldsV2]
  ])('%s is stored, and answered with its ids and where it is', async (_, code, fields) => {
    await using place = await brokerPlace()
    const client = await place.client()
    const answer = await ask(client, code, fields({ queueId: 3 }), body)

    expect(answer).toMatchObject({ code: RESPONSE.SUCCESS, isResponse: true, remark: undefined })
    expect(fieldsOf(answer)).toEqual({
      msgId: '0A01020300002A9F0000000000000000',
      queueId: '3',
      queueOffset: '0',
      transactionId: 'UK1',
      MSG_REGION: 'DefaultRegion',
      TRACE_ON: 'true'
    })
    const { messages } = await place.store.read({ topic: 'orders', queueId: 3, offset: 0 })
    expect(messages).toHaveLength(1)
    expect(messages[0]).toMatchObject({ body, tag: 'paid', keys: ['k1'], bornAtMs: 1_700_000_000_000 })
    expect(messages[0]?.properties).toMatchObject({ UNIQ_KEY: 'UK1', CLUSTER: 'C', MSG_REGION: 'DefaultRegion' })
  })

  test('to an unknown topic makes it after the default topic, and the table is on disk before the answer', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    await ask(client, REQUEST.SEND_MESSAGE_V2, sendFieldsV2(), body)
    expect(place.broker.topics.isSaved).toBe(true)
    expect(place.broker.topics.find('orders')).toMatchObject({ readQueueCount: 4, writeQueueCount: 4, perm: 6 })
  })

  test('oneway is stored and never answered, nor is one that is refused', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    client.notify(REQUEST.SEND_MESSAGE_V2, sendFieldsV2({ topic: 'bad topic' }), body)
    client.notify(REQUEST.SEND_MESSAGE_V2, sendFieldsV2(), body)
    // Requests of a connection are served in order: when this is answered, both have been.
    const answer = await ask(client, REQUEST.GET_MAX_OFFSET, { topic: 'orders', queueId: 0 })
    expect(fieldsOf(answer)).toEqual({ offset: '1' })
  })

  test.each([
    ['a topic with a space', sendFieldsV2({ topic: 'bad topic' }), RESPONSE.INVALID_PARAMETER],
    ['a topic of the broker', sendFieldsV2({ topic: 'SCHEDULE_TOPIC_XXXX' }), RESPONSE.NO_PERMISSION],
    ['an unknown topic without a model', sendFieldsV2({ defaultTopic: 'none' }), RESPONSE.TOPIC_NOT_EXIST],
    ['a queue that the topic does not have', sendFieldsV2({ queueId: 99 }), RESPONSE.INVALID_PARAMETER],
    ['a number that is none', sendFieldsV2({ sysFlag: 'x' }), RESPONSE.INVALID_PARAMETER],
    ['no topic', sendFieldsV2({ topic: undefined }), RESPONSE.INVALID_PARAMETER]
  ])('with %s is refused with the code that clients know', async (_, fields, code) => {
    await using place = await brokerPlace()
    const client = await place.client()
    const answer = await ask(client, REQUEST.SEND_MESSAGE_V2, fields, body)
    expect(answer.code).toBe(code)
    expect(answer.remark).not.toBe('')
  })

  test('without a body is illegal', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    expect(await ask(client, REQUEST.SEND_MESSAGE_V2, sendFieldsV2())).toMatchObject({ code: RESPONSE.MESSAGE_ILLEGAL })
  })

  test('with synchronous flush is on disk when it is answered', async () => {
    await using place = await brokerPlace({ flushDiskType: 'SYNC_FLUSH' })
    const client = await place.client()
    const answer = await ask(client, REQUEST.SEND_MESSAGE_V2, sendFieldsV2(), body)
    expect(answer.code).toBe(RESPONSE.SUCCESS)
    const { flushedUntil, appendedUntil } = place.store.info()
    expect(flushedUntil).toBe(appendedUntil)
  })

  test('with synchronous flush is answered with what is its own, however many wait together', async () => {
    await using place = await brokerPlace({ flushDiskType: 'SYNC_FLUSH' })
    const client = await place.client()
    const keys = Array.from({ length: 600 }, (_, index) => `key-of-message-${index}`)
    const answers = await Promise.all(
      keys.map(key =>
        ask(client, REQUEST.SEND_MESSAGE_V2, sendFieldsV2({ properties: `UNIQ_KEY\u0001${key}\u0002` }), body)
      )
    )
    const fields = answers.map(answer => fieldsOf(answer))
    expect(fields.map(({ transactionId }) => transactionId)).toEqual(keys)
    expect(fields.map(({ queueOffset }) => queueOffset)).toEqual(keys.map((_, index) => String(index)))
    const stored = await Promise.all(fields.map(({ msgId }) => place.store.messageById(msgId ?? '')))
    expect(stored.map(({ properties }) => properties.UNIQ_KEY)).toEqual(keys)
  })

  test('is refused with GO_AWAY by a broker that is leaving, if the client understands that', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    place.endpoint.leave()
    const answer = await ask(client, REQUEST.SEND_MESSAGE_V2, sendFieldsV2(), body)
    // Our own client says 479, which is above 475.
    expect(answer).toMatchObject({ code: RESPONSE.GO_AWAY, remark: expect.stringContaining('go away') })
  })
})

describe('a batch', () => {
  test('is stored message by message, and answered with the ids of all', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    const messages = ['one', 'two'].map(text => ({
      flag: 0,
      body: bytes(text),
      properties: bytes('TAGS\u0001t\u0002')
    }))
    // What the header says of the batch is said of each message, and counts more than its own words.
    const fields = sendFieldsV2({ batch: true, properties: 'WAIT\u0001true\u0002' })
    const answer = await ask(client, REQUEST.SEND_BATCH_MESSAGE, fields, encodeBatch(messages))

    expect(answer.code).toBe(RESPONSE.SUCCESS)
    expect(fieldsOf(answer).msgId?.split(',')).toHaveLength(2)
    expect(fieldsOf(answer)).toMatchObject({ queueOffset: '0' })
    const { messages: stored } = await place.store.read({ topic: 'orders', queueId: 0, offset: 0 })
    expect(stored.map(({ body, tag }) => [body, tag])).toEqual([
      [bytes('one'), 't'],
      [bytes('two'), 't']
    ])
  })

  test('is known by its header field, not by its code', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    await ask(client, REQUEST.SEND_BATCH_MESSAGE, sendFieldsV2({ batch: false }), body)
    const { messages } = await place.store.read({ topic: 'orders', queueId: 0, offset: 0 })
    expect(messages.map(({ body }) => body)).toEqual([body])
  })
})

describe('a request', () => {
  test('with an unknown code is answered with that, not dropped', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    expect(await ask(client, 4711)).toMatchObject({
      code: RESPONSE.REQUEST_CODE_NOT_SUPPORTED,
      remark: ' request type 4711 not supported'
    })
  })
})
