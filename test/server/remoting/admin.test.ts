/** What tools ask: topics, groups, connections, progress, settings, messages. */
import { describe, expect, test } from 'vitest'
import { REQUEST, RESPONSE, type RemotingConnection } from '../../../src/protocol/index.ts'
import {
  ask,
  type BrokerPlace,
  brokerPlace,
  bytes,
  fieldsOf,
  heartbeat,
  json,
  jsonOf,
  sendFieldsV2
} from './broker-place.ts'

const TOPIC = {
  topic: 'orders',
  defaultTopic: 'TBW102',
  readQueueNums: 2,
  writeQueueNums: 2,
  perm: 6,
  topicFilterType: 'SINGLE_TAG',
  topicSysFlag: 0,
  order: false
}
/** What stands at a path in a body. */
const at = (json: unknown, ...path: readonly string[]): unknown =>
  path.reduce((value, name) => (value as Record<string, unknown>)[name], json)
const namesAt = (json: unknown, ...path: readonly string[]) => Object.keys(at(json, ...path) as object)

const MQ = (queueId: number) => JSON.stringify({ brokerName: 'broker-a', queueId, topic: 'orders' })

async function placeWithTopic(): Promise<{ place: BrokerPlace; client: RemotingConnection }> {
  const place = await brokerPlace()
  const client = await place.client()
  expect((await ask(client, REQUEST.UPDATE_AND_CREATE_TOPIC, TOPIC)).code).toBe(RESPONSE.SUCCESS)
  return { place, client }
}

const send = (client: RemotingConnection, body = 'm') =>
  ask(client, REQUEST.SEND_MESSAGE_V2, sendFieldsV2(), bytes(body))

describe('a topic', () => {
  test('is created, described and deleted, with its messages', async () => {
    const { place, client } = await placeWithTopic()
    await using _ = place
    await send(client)
    expect(jsonOf(await ask(client, REQUEST.GET_TOPIC_CONFIG, { topic: 'orders', lo: true }))).toEqual({
      attributes: {},
      order: false,
      perm: 6,
      readQueueNums: 2,
      topicFilterType: 'SINGLE_TAG',
      topicName: 'orders',
      topicSysFlag: 0,
      writeQueueNums: 2
    })
    expect((await ask(client, REQUEST.DELETE_TOPIC_IN_BROKER, { topic: 'orders' })).code).toBe(RESPONSE.SUCCESS)
    expect((await ask(client, REQUEST.GET_TOPIC_CONFIG, { topic: 'orders' })).code).toBe(RESPONSE.TOPIC_NOT_EXIST)
    expect(place.store.topics()).not.toContain('orders')
  })

  test.each([
    ['a bad name', { topic: 'a b' }],
    ['the name of one of the broker', { topic: 'SCHEDULE_TOPIC_XXXX' }],
    ['permissions that there are not', { perm: 9 }]
  ])('with %s is refused', async (_, fields) => {
    await using place = await brokerPlace()
    const answer = await ask(await place.client(), REQUEST.UPDATE_AND_CREATE_TOPIC, { ...TOPIC, ...fields })
    expect(answer.code).toBe(RESPONSE.INVALID_PARAMETER)
  })

  test('tells the offsets of all its queues, empty ones included', async () => {
    const { place, client } = await placeWithTopic()
    await using _ = place
    await send(client)
    const stats = jsonOf(await ask(client, REQUEST.GET_TOPIC_STATS_INFO, { topic: 'orders' }))
    expect(at(stats, 'offsetTable')).toEqual({
      [MQ(0)]: { lastUpdateTimestamp: place.clock.nowMs(), maxOffset: 1, minOffset: 0 },
      [MQ(1)]: { lastUpdateTimestamp: 0, maxOffset: 0, minOffset: 0 }
    })
  })

  test('stands in the list of all, whole or in pages', async () => {
    const { place, client } = await placeWithTopic()
    await using _ = place
    const whole = jsonOf(await ask(client, REQUEST.GET_ALL_TOPIC_CONFIG))
    expect(namesAt(whole, 'topicConfigTable')).toContain('orders')
    const version = JSON.stringify(at(whole, 'dataVersion'))
    const names: string[] = []
    for (let topicSeq = 0; topicSeq < namesAt(whole, 'topicConfigTable').length; topicSeq += 3) {
      // mqadmin knows no version when it asks for the first page, and says so with an empty text.
      const dataVersion = topicSeq === 0 ? '' : version
      const page = await ask(client, REQUEST.GET_ALL_TOPIC_CONFIG, { topicSeq, dataVersion, maxTopicNum: 3 })
      names.push(...namesAt(jsonOf(page), 'topicConfigTable'))
      expect(fieldsOf(page).totalTopicNum).toBe(String(namesAt(whole, 'topicConfigTable').length))
    }
    expect(names.sort()).toEqual(namesAt(whole, 'topicConfigTable').sort())
  })
})

describe('a group', () => {
  test('is created, described and deleted', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    const group = json({ groupName: 'g', retryMaxTimes: 3 })
    expect((await ask(client, REQUEST.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, {}, group)).code).toBe(RESPONSE.SUCCESS)
    const config = jsonOf(await ask(client, REQUEST.GET_SUBSCRIPTIONGROUP_CONFIG, { group: 'g' }))
    expect(config).toMatchObject({ groupName: 'g', retryMaxTimes: 3, consumeEnable: true })
    const all = jsonOf(await ask(client, REQUEST.GET_ALL_SUBSCRIPTIONGROUP_CONFIG))
    expect(namesAt(all, 'subscriptionGroupTable')).toContain('g')
    await ask(client, REQUEST.DELETE_SUBSCRIPTIONGROUP, { groupName: 'g', cleanOffset: true })
    expect((await ask(client, REQUEST.GET_SUBSCRIPTIONGROUP_CONFIG, { group: 'g' })).code).toBe(
      RESPONSE.SUBSCRIPTION_GROUP_NOT_EXIST
    )
  })

  test('has attributes that administrators change by name and sign', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    const update = async (attributes: Record<string, string>) =>
      (await ask(client, REQUEST.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, {}, json({ groupName: 'g', attributes }))).code
    const shown = async () =>
      at(jsonOf(await ask(client, REQUEST.GET_SUBSCRIPTIONGROUP_CONFIG, { group: 'g' })), 'attributes')
    expect(await update({ '+priority.factor': '7', '+lite.bind.topic': 'T' })).toBe(RESPONSE.SUCCESS)
    expect(await shown()).toEqual({ 'priority.factor': '7', 'lite.bind.topic': 'T' })
    expect(await update({ '-lite.bind.topic': '' })).toBe(RESPONSE.SUCCESS)
    expect(await shown()).toEqual({ 'priority.factor': '7' })
    for (const wrong of [{ 'priority.factor': '8' }, { '+priority.factor': '101' }, { '+unknown': 'x' }]) {
      expect(await update(wrong)).toBe(RESPONSE.SYSTEM_ERROR)
    }
    expect(await shown()).toEqual({ 'priority.factor': '7' })
  })

  test('that is online shows its connections, and one that is not says so', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    const asked = () => ask(client, REQUEST.GET_CONSUMER_CONNECTION_LIST, { consumerGroup: 'g' })
    expect((await asked()).code).toBe(RESPONSE.CONSUMER_NOT_ONLINE)
    await ask(client, REQUEST.HEART_BEAT, {}, heartbeat())
    expect(jsonOf(await asked())).toMatchObject({
      connectionSet: [{ clientId: '10.0.0.5@1#2', language: 'JAVA', version: 479 }],
      consumeType: 'CONSUME_PASSIVELY',
      messageModel: 'CLUSTERING',
      subscriptionTable: { orders: { topic: 'orders', subString: '*' } }
    })
  })

  test('has its progress by queue', async () => {
    const { place, client } = await placeWithTopic()
    await using _ = place
    await send(client)
    await send(client)
    await ask(client, REQUEST.HEART_BEAT, {}, heartbeat())
    const queue = { consumerGroup: 'g', topic: 'orders', queueId: 0 }
    await ask(client, REQUEST.UPDATE_CONSUMER_OFFSET, { ...queue, commitOffset: 1 })
    const stats = jsonOf(await ask(client, REQUEST.GET_CONSUME_STATS, { consumerGroup: 'g' }))
    expect(at(stats, 'offsetTable', MQ(0))).toEqual({
      brokerOffset: 2,
      consumerOffset: 1,
      lastTimestamp: place.clock.nowMs(),
      pullOffset: 1
    })
    expect(at(stats, 'offsetTable', MQ(1))).toMatchObject({ brokerOffset: 0, consumerOffset: 0 })
  })

  test('that is reset goes on there with its next pull', async () => {
    const { place, client } = await placeWithTopic()
    await using _ = place
    await send(client)
    await ask(client, REQUEST.HEART_BEAT, {}, heartbeat())
    const fields = { group: 'g', topic: 'orders', timestamp: 0, isForce: true }
    const reset = jsonOf(await ask(client, REQUEST.INVOKE_BROKER_TO_RESET_OFFSET, fields))
    expect(at(reset, 'offsetTable')).toEqual({ [MQ(0)]: 0, [MQ(1)]: 0 })
    expect(place.broker.offsets.hasPendingReset({ topic: 'orders', group: 'g', queueId: 0 })).toBe(true)
  })
})

describe('the broker', () => {
  test('tells its settings under the names of RocketMQ, and takes changes', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    const shown = async () => new TextDecoder().decode((await ask(client, REQUEST.GET_BROKER_CONFIG)).body).split('\n')
    expect(await shown()).toEqual(expect.arrayContaining(['brokerName=broker-a', 'autoCreateTopicEnable=true']))
    const changed = await ask(client, REQUEST.UPDATE_BROKER_CONFIG, {}, bytes('autoCreateTopicEnable=false\n'))
    expect(changed.code).toBe(RESPONSE.SUCCESS)
    expect(await shown()).toContain('autoCreateTopicEnable=false')
    const refused = await ask(client, REQUEST.UPDATE_BROKER_CONFIG, {}, bytes('configBlackList=\n'))
    expect(refused.code).toBe(RESPONSE.NO_PERMISSION)
  })

  test('tells what it is doing, in numbers that tools can read', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    await send(client)
    const table = at(jsonOf(await ask(client, REQUEST.GET_BROKER_RUNTIME_INFO)), 'table')
    expect(table).toMatchObject({ brokerActive: 'true', msgPutTotalTodayNow: '1', brokerVersionDesc: 'V5_3_3' })
    expect(String(at(table, 'getTotalTps')).split(' ').map(Number)).toEqual([0, 0, 0])
    expect(Number(at(table, 'commitLogMaxOffset'))).toBe(place.store.info().appendedUntil)
    expect(Number(at(table, 'earliestMessageTimeStamp'))).toBe(place.clock.nowMs())
  })

  test.each<[what: string, code: number]>([
    ['the assignment of queues, whose clients then share them out by themselves', REQUEST.QUERY_ASSIGNMENT],
    ['messages in the way of POP', REQUEST.POP_MESSAGE],
    ['what nobody knows', 12_345],
    ['what only a name server knows', REQUEST.GET_ROUTEINFO_BY_TOPIC]
  ])('says that it does not serve %s', async (_, code) => {
    await using place = await brokerPlace()
    const client = await place.client()
    expect(await ask(client, code, {}, json({ topic: 'T' }))).toMatchObject({
      code: RESPONSE.REQUEST_CODE_NOT_SUPPORTED,
      remark: ` request type ${code} not supported`
    })
  })

  test('finds messages by key and by position', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    const sent = await send(client)
    const query = { topic: 'orders', key: 'k1', maxNum: 32, beginTimestamp: 0, endTimestamp: 2 ** 52 }
    const found = await ask(client, REQUEST.QUERY_MESSAGE, query)
    const viewed = await ask(client, REQUEST.VIEW_MESSAGE_BY_ID, { offset: 0, topic: 'orders' })
    expect(fieldsOf(sent).msgId?.endsWith('0'.repeat(16))).toBe(true)
    expect(found).toMatchObject({ code: RESPONSE.SUCCESS, body: viewed.body })
    expect((await ask(client, REQUEST.QUERY_MESSAGE, { ...query, key: 'k2' })).code).toBe(RESPONSE.QUERY_NOT_FOUND)
    expect((await ask(client, REQUEST.VIEW_MESSAGE_BY_ID, { offset: 7 })).code).toBe(RESPONSE.SYSTEM_ERROR)
  })
})

describe('a request that is meant for a client', () => {
  test('reaches it, and its answer comes back as it is', async () => {
    await using place = await brokerPlace()
    const tool = await place.client()
    const consumer = await place.client((request, connection) => {
      if (!request.isOneway) connection.begin(request.opaque, RESPONSE.SUCCESS, 'here').endWith(bytes('{"jstack":""}'))
    })
    await ask(consumer, REQUEST.HEART_BEAT, {}, heartbeat())
    const fields = { consumerGroup: 'g', clientId: '10.0.0.5@1#2', jstackEnable: false }
    const answer = await ask(tool, REQUEST.GET_CONSUMER_RUNNING_INFO, fields)
    expect(answer).toMatchObject({ code: RESPONSE.SUCCESS, remark: 'here', body: bytes('{"jstack":""}') })
  })

  test('that is not connected is refused', async () => {
    await using place = await brokerPlace()
    const fields = { consumerGroup: 'g', clientId: 'none', jstackEnable: false }
    const answer = await ask(await place.client(), REQUEST.GET_CONSUMER_RUNNING_INFO, fields)
    expect(answer.code).toBe(RESPONSE.SYSTEM_ERROR)
  })
})
