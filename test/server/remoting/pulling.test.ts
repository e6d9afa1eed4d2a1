/** Pulls as consumers write them, and the answers as consumers need them. */
import { describe, expect, test } from 'vitest'
import { REQUEST, RESPONSE, type RemotingConnection } from '../../../src/protocol/index.ts'
import { ask, type BrokerPlace, brokerPlace, bytes, fieldsOf, pullFields, sendFieldsV2 } from './broker-place.ts'

async function send(client: RemotingConnection, body: string, properties = ''): Promise<void> {
  const fields = sendFieldsV2({ properties: `UNIQ_KEY\u0001${body}\u0002${properties}` })
  const answer = await ask(client, REQUEST.SEND_MESSAGE_V2, fields, bytes(body))
  expect(answer.code).toBe(RESPONSE.SUCCESS)
}

/** Bodies of the records of an answer, which lie back to back. */
async function bodiesIn(place: BrokerPlace, answer: { readonly body: Uint8Array }): Promise<string[]> {
  const { body } = answer
  const view = new DataView(body.buffer, body.byteOffset, body.length)
  const bodies: string[] = []
  for (let at = 0; at < body.length; at += view.getInt32(at)) {
    const position = Number(view.getBigInt64(at + 28))
    bodies.push(new TextDecoder().decode((await place.store.messageAt(position)).body))
  }
  return bodies
}

const ALL_OFFSETS = ['maxOffset', 'minOffset', 'nextBeginOffset', 'suggestWhichBrokerId']

describe('a pull', () => {
  test('brings the records as they lie in the log, and all four offsets', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    await send(client, 'one')
    await send(client, 'two')
    const answer = await ask(client, REQUEST.PULL_MESSAGE, pullFields())

    expect(answer).toMatchObject({ code: RESPONSE.SUCCESS, remark: 'FOUND' })
    expect(fieldsOf(answer)).toEqual({
      suggestWhichBrokerId: '0',
      nextBeginOffset: '2',
      minOffset: '0',
      maxOffset: '2',
      topicSysFlag: '0',
      groupSysFlag: '0'
    })
    expect(await bodiesIn(place, answer)).toEqual(['one', 'two'])
    const { messages } = await place.store.read({ topic: 'orders', queueId: 0, offset: 0 })
    const records = await Promise.all(messages.map(({ physicalOffset }) => place.store.recordAt(physicalOffset)))
    expect([...answer.body]).toEqual(records.flatMap(record => [...record]))
  })

  test.each([
    { offset: 2, code: RESPONSE.PULL_NOT_FOUND, remark: 'OFFSET_OVERFLOW_ONE', next: '2' },
    { offset: 9, code: RESPONSE.PULL_OFFSET_MOVED, remark: 'OFFSET_OVERFLOW_BADLY', next: '2' },
    { offset: -1, code: RESPONSE.PULL_OFFSET_MOVED, remark: 'OFFSET_TOO_SMALL', next: '0' }
  ])('from offset $offset of a queue with two messages says $remark', async ({ offset, code, remark, next }) => {
    await using place = await brokerPlace()
    const client = await place.client()
    await send(client, 'one')
    await send(client, 'two')
    const answer = await ask(client, REQUEST.PULL_MESSAGE, pullFields({ queueOffset: offset }))
    expect(answer).toMatchObject({ code, remark })
    expect(answer.body).toHaveLength(0)
    expect(fieldsOf(answer)).toMatchObject({ nextBeginOffset: next })
    expect(Object.keys(fieldsOf(answer))).toEqual(expect.arrayContaining(ALL_OFFSETS))
  })

  test('of a tag passes over the others, and goes on behind them', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    await send(client, 'one', 'TAGS\u0001a\u0002')
    await send(client, 'two', 'TAGS\u0001b\u0002')
    await send(client, 'three', 'TAGS\u0001a\u0002')
    const answer = await ask(client, REQUEST.PULL_MESSAGE, pullFields({ subscription: 'a' }))
    expect(await bodiesIn(place, answer)).toEqual(['one', 'three'])
    const none = await ask(client, REQUEST.PULL_MESSAGE, pullFields({ subscription: 'c' }))
    expect(none).toMatchObject({ code: RESPONSE.PULL_RETRY_IMMEDIATELY, remark: 'NO_MATCHED_MESSAGE' })
    expect(fieldsOf(none)).toMatchObject({ nextBeginOffset: '3' })
  })

  test('by SQL92 asks the properties, if the broker is set up to', async () => {
    await using place = await brokerPlace({ enablePropertyFilter: 'true' })
    const client = await place.client()
    await send(client, 'one', 'a\u00015\u0002')
    await send(client, 'two', 'a\u000115\u0002')
    const fields = pullFields({ subscription: 'a > 10', expressionType: 'SQL92' })
    expect(await bodiesIn(place, await ask(client, REQUEST.PULL_MESSAGE, fields))).toEqual(['two'])
    const faulty = pullFields({ subscription: 'a > ', expressionType: 'SQL92' })
    expect((await ask(client, REQUEST.PULL_MESSAGE, faulty)).code).toBe(RESPONSE.SUBSCRIPTION_PARSE_FAILED)
  })

  test('that may wait is answered by the message that it waited for', async () => {
    await using place = await brokerPlace()
    const [producer, consumer] = [await place.client(), await place.client()]
    await send(producer, 'one')
    const waiting = ask(consumer, REQUEST.PULL_MESSAGE, pullFields({ queueOffset: 1, sysFlag: 2 | 4 }))
    // Served in order on its connection: the pull is parked when this is answered.
    await ask(consumer, REQUEST.GET_MAX_OFFSET, { topic: 'orders', queueId: 0 })
    expect(place.broker.longPolling.count).toBe(1)
    await send(producer, 'two')
    const answer = await waiting
    expect(await bodiesIn(place, answer)).toEqual(['two'])
    expect(place.broker.longPolling.count).toBe(0)
  })

  test('that waits is forgotten with its connection', async () => {
    await using place = await brokerPlace()
    const [producer, consumer] = [await place.client(), await place.client()]
    await send(producer, 'one')
    const waiting = ask(consumer, REQUEST.PULL_MESSAGE, pullFields({ queueOffset: 1, sysFlag: 2 | 4 }))
    await ask(consumer, REQUEST.GET_MAX_OFFSET, { topic: 'orders', queueId: 0 })
    consumer.close('the test says so')
    await expect(waiting).rejects.toMatchObject({ code: 'PEER_CLOSED' })
    // Whatever the producer asks is served after the broker has heard of the closing, or soon after.
    while (place.broker.longPolling.count > 0)
      await ask(producer, REQUEST.GET_MAX_OFFSET, { topic: 'orders', queueId: 0 })
  })

  test('commits the offset that it brings', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    await send(client, 'one')
    await ask(client, REQUEST.PULL_MESSAGE, pullFields({ queueOffset: 1, sysFlag: 1 | 4, commitOffset: 1 }))
    const answer = await ask(client, REQUEST.QUERY_CONSUMER_OFFSET, { consumerGroup: 'g', topic: 'orders', queueId: 0 })
    expect(fieldsOf(answer)).toEqual({ offset: '1' })
  })

  test.each([
    ['an unknown topic', pullFields({ topic: 'none' }), RESPONSE.TOPIC_NOT_EXIST],
    ['a queue that the topic does not have', pullFields({ queueId: 77 }), RESPONSE.INVALID_PARAMETER],
    ['no filter, of a group that nobody is in', pullFields({ sysFlag: 0 }), RESPONSE.SUBSCRIPTION_NOT_EXIST],
    ['a group with a bad name', pullFields({ consumerGroup: 'a b' }), RESPONSE.SUBSCRIPTION_GROUP_NOT_EXIST]
  ])('for %s is refused with the code that clients know', async (_, fields, code) => {
    await using place = await brokerPlace()
    const client = await place.client()
    await send(client, 'one')
    expect((await ask(client, REQUEST.PULL_MESSAGE, fields)).code).toBe(code)
  })

  test('that is not permitted says whose permission is missing', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    await send(client, 'one')
    place.broker.topics.update({ ...place.broker.topics.get('orders'), perm: 2 })
    const answer = await ask(client, REQUEST.PULL_MESSAGE, pullFields())
    expect(answer.code).toBe(RESPONSE.NO_PERMISSION)
    expect(fieldsOf(answer)).toEqual({ forbiddenType: '3' })
  })
})
