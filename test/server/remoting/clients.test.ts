/** Heartbeats, members of groups, locks and offsets, as clients use them together. */
import { describe, expect, test } from 'vitest'
import { REQUEST, RESPONSE, type RemotingConnection } from '../../../src/protocol/index.ts'
import { ask, brokerPlace, bytes, fieldsOf, heartbeat, json, jsonOf, sendFieldsV2 } from './broker-place.ts'

const beat = (client: RemotingConnection, clientId: string) =>
  ask(client, REQUEST.HEART_BEAT, {}, heartbeat({ clientID: clientId }))
const members = (client: RemotingConnection) => ask(client, REQUEST.GET_CONSUMER_LIST_BY_GROUP, { consumerGroup: 'g' })

describe('a heartbeat', () => {
  test('is answered with a version that lets SQL92 through, and makes the retry topic of each group', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    const answer = await beat(client, 'c1')
    expect(answer.code).toBe(RESPONSE.SUCCESS)
    expect(answer.version).toBeGreaterThanOrEqual(232)
    expect(fieldsOf(answer)).toMatchObject({ IS_SUPPORT_HEART_BEAT_V2: 'true' })
    expect(place.broker.topics.find('%RETRY%g')).toMatchObject({ readQueueCount: 1, perm: 6 })
  })

  test('makes its client a member, whom the others are told of and everybody can see', async () => {
    await using place = await brokerPlace()
    const told: string[] = []
    const first = await place.client(request => {
      told.push(`${request.code} ${fieldsOf(request).consumerGroup}`)
    })
    const second = await place.client()
    await beat(first, 'c1')
    await beat(second, 'c2')
    expect(jsonOf(await members(first))).toEqual({ consumerIdList: ['c1', 'c2'] })
    // Its own joining and that of the second; what was written to it before this answer came before it.
    expect(told).toEqual([`${REQUEST.NOTIFY_CONSUMER_IDS_CHANGED} g`, `${REQUEST.NOTIFY_CONSUMER_IDS_CHANGED} g`])
  })

  test('of a client that leaves is void', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    await beat(client, 'c1')
    await ask(client, REQUEST.UNREGISTER_CLIENT, { clientID: 'c1', consumerGroup: 'g' })
    expect(await members(client)).toMatchObject({ code: RESPONSE.SYSTEM_ERROR })
  })

  test('of a client whose connection closes is void, too', async () => {
    await using place = await brokerPlace()
    const [first, second] = [await place.client(), await place.client()]
    await beat(first, 'c1')
    await beat(second, 'c2')
    first.close('the test says so')
    let left = await members(second)
    while (String(JSON.stringify(jsonOf(left))).includes('c1')) left = await members(second)
    expect(jsonOf(left)).toEqual({ consumerIdList: ['c2'] })
  })

  test.each(['', '{', '[]', '7'])('with the body %j is answered, and nothing else is harmed', async body => {
    await using place = await brokerPlace()
    const client = await place.client()
    const answer = await ask(client, REQUEST.HEART_BEAT, {}, bytes(body))
    expect([RESPONSE.SUCCESS, RESPONSE.INVALID_PARAMETER]).toContain(answer.code)
    expect((await beat(client, 'c1')).code).toBe(RESPONSE.SUCCESS)
  })
})

describe('a queue lock', () => {
  const queue = { brokerName: 'broker-a', queueId: 0, topic: 'orders' }
  const lock = (client: RemotingConnection, clientId: string, code: number = REQUEST.LOCK_BATCH_MQ) =>
    ask(client, code, {}, json({ clientId, consumerGroup: 'g', mqSet: [queue] }))

  test('is held by one client, until it gives it back', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    expect(jsonOf(await lock(client, 'c1'))).toEqual({ lockOKMQSet: [queue] })
    expect(jsonOf(await lock(client, 'c2'))).toEqual({ lockOKMQSet: [] })
    await lock(client, 'c1', REQUEST.UNLOCK_BATCH_MQ)
    expect(jsonOf(await lock(client, 'c2'))).toEqual({ lockOKMQSet: [queue] })
  })

  test('ends a minute after it was last asked for', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    await lock(client, 'c1')
    place.clock.advance(60_001)
    expect(jsonOf(await lock(client, 'c2'))).toEqual({ lockOKMQSet: [queue] })
  })

  test('asked for without a body is refused', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    expect(await ask(client, REQUEST.LOCK_BATCH_MQ)).toMatchObject({ code: RESPONSE.INVALID_PARAMETER })
  })
})

describe('an offset', () => {
  const queue = { consumerGroup: 'g', topic: 'orders', queueId: 0 }

  test('that nobody committed is not found, so that the client applies its policy', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    const fields = { ...queue, setZeroIfNotFound: false }
    expect(await ask(client, REQUEST.QUERY_CONSUMER_OFFSET, fields)).toMatchObject({ code: RESPONSE.QUERY_NOT_FOUND })
  })

  test('that was committed is found, also when it went back', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    await beat(client, 'c1')
    await ask(client, REQUEST.SEND_MESSAGE_V2, sendFieldsV2(), bytes('m'))
    for (const commitOffset of [9, 3]) await ask(client, REQUEST.UPDATE_CONSUMER_OFFSET, { ...queue, commitOffset })
    expect(fieldsOf(await ask(client, REQUEST.QUERY_CONSUMER_OFFSET, queue))).toEqual({ offset: '3' })
  })

  test('of a group that nobody knows is not taken', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    await ask(client, REQUEST.SEND_MESSAGE_V2, sendFieldsV2(), bytes('m'))
    const answer = await ask(client, REQUEST.UPDATE_CONSUMER_OFFSET, { ...queue, commitOffset: 1 })
    expect(answer.code).toBe(RESPONSE.SUBSCRIPTION_GROUP_NOT_EXIST)
  })

  test.each([
    [REQUEST.GET_MAX_OFFSET, {}, { offset: '1' }],
    [REQUEST.GET_MIN_OFFSET, {}, { offset: '0' }],
    [REQUEST.SEARCH_OFFSET_BY_TIMESTAMP, { timestamp: 0 }, { offset: '0' }],
    [REQUEST.SEARCH_OFFSET_BY_TIMESTAMP, { timestamp: 2 ** 52 }, { offset: '1' }]
  ])('of a queue with one message is told for request %i %j', async (code, fields, told) => {
    await using place = await brokerPlace()
    const client = await place.client()
    await ask(client, REQUEST.SEND_MESSAGE_V2, sendFieldsV2(), bytes('m'))
    expect(fieldsOf(await ask(client, code, { topic: 'orders', queueId: 0, ...fields }))).toEqual(told)
  })
})

describe('a check of a subscription', () => {
  const check = (client: RemotingConnection, subscriptionData: object) =>
    ask(client, REQUEST.CHECK_CLIENT_CONFIG, {}, json({ clientId: 'c', group: 'g', subscriptionData }))
  const sql = { topic: 'orders', expressionType: 'SQL92', subString: 'a > 1' }

  test.each([
    ['SQL92 where it is off', {}, sql, RESPONSE.SYSTEM_ERROR],
    ['SQL92 where it is on', { enablePropertyFilter: 'true' }, sql, RESPONSE.SUCCESS],
    [
      'SQL92 that is none',
      { enablePropertyFilter: 'true' },
      { ...sql, subString: 'a >' },
      RESPONSE.SUBSCRIPTION_PARSE_FAILED
    ],
    ['tags', {}, { topic: 'orders', expressionType: 'TAG', subString: 'a || b' }, RESPONSE.SUCCESS]
  ])('with %s', async (_, properties, subscription, code) => {
    await using place = await brokerPlace(properties)
    expect((await check(await place.client(), subscription)).code).toBe(code)
  })
})
