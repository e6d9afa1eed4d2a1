/** Retries and dead letters: what a consumer gives back, when it comes again, and where it ends. */
import { describe, expect, test } from 'vitest'
import { VarveError } from '../../src/base/index.ts'
import type { SendBackRequest } from '../../src/broker/index.ts'
import { SYS_FLAG } from '../../src/layout/index.ts'
import { type BrokerOnDisk, endTransaction, openBrokerOnDisk, sendHalf } from '../support/broker-on-disk.ts'
import { BORN_HOST, type Drafting, draft } from '../support/data-path.ts'

const GROUP = 'workers'
const RETRY = `%RETRY%${GROUP}`
const DEAD = `%DLQ%${GROUP}`
const WAITING = 'SCHEDULE_TOPIC_XXXX'
const FIRST_ID = '0A01020300002A9F0000000000000000'

function send({ broker }: BrokerOnDisk, body: string, more: Drafting = {}): number {
  return broker.sending.send(draft(body, more))?.positions[0] as number // There is room.
}

const giveBack = ({ broker }: BrokerOnDisk, more: Partial<SendBackRequest> = {}): Promise<void> =>
  broker.sendBack.take({
    group: GROUP,
    physicalOffset: 0,
    delayLevel: 0,
    retriesMax: undefined,
    isUnit: false,
    ...more
  })

async function refusalOf(promise: Promise<unknown>): Promise<string | undefined> {
  try {
    await promise
  } catch (error) {
    if (error instanceof VarveError) return error.code
    throw error
  }
  return undefined
}

/** A message of the group's retry topic, as a consumer that sends it itself writes it. */
const fallback = (more: Drafting = {}): Drafting => ({
  topic: RETRY,
  defaultTopic: 'none',
  reconsumeTimes: 1,
  maxReconsumeTimes: 16,
  clientVersion: 479,
  ...more,
  properties: { RETRY_TOPIC: 'orders', ORIGIN_MESSAGE_ID: FIRST_ID, DELAY: '4', UNIQ_KEY: 'U', ...more.properties }
})

describe('a message that is given back', () => {
  test('waits as it was, one attempt richer, with its first topic and id', async () => {
    await using place = await openBrokerOnDisk()
    send(place, 'hard', { flag: 7, properties: { UNIQ_KEY: 'U', KEYS: 'k', TAGS: 't', own: 'x' } })
    place.clock.advance(5000)
    await giveBack(place)
    const [waiting] = await place.messages(WAITING, 2)
    expect(waiting).toMatchObject({
      flag: 7,
      reconsumeTimes: 1,
      bornHost: BORN_HOST,
      bornAtMs: 1_699_999_999_999,
      keys: ['k']
    })
    expect(Buffer.from(waiting?.body ?? []).toString()).toBe('hard')
    expect(waiting?.properties).toMatchObject({
      RETRY_TOPIC: 'orders',
      ORIGIN_MESSAGE_ID: FIRST_ID,
      DELAY: '3',
      WAIT: 'false',
      REAL_TOPIC: RETRY,
      REAL_QID: '0',
      UNIQ_KEY: 'U',
      TAGS: 't',
      own: 'x'
    })
    expect(place.broker.topics.find(RETRY)).toMatchObject({ writeQueueCount: 1, readQueueCount: 1, perm: 6 })
    expect(place.broker.topics.isSaved).toBe(true)
    expect(place.broker.stats.view('SNDBCK_PUT_NUMS', `orders@${GROUP}`)).toBeDefined()
  })

  test.each([
    { reconsumeTimes: 0, delayLevel: 0, level: 3 },
    { reconsumeTimes: 1, delayLevel: 0, level: 4 },
    { reconsumeTimes: 15, delayLevel: 0, level: 18 },
    { reconsumeTimes: 3, delayLevel: 1, level: 1 },
    { reconsumeTimes: 3, delayLevel: 99, level: 18 }
  ])('for the time after $reconsumeTimes with level $delayLevel waits in level $level', async given => {
    const { reconsumeTimes, delayLevel, level } = given
    await using place = await openBrokerOnDisk()
    send(place, 'm', fallback({ reconsumeTimes, properties: { DELAY: '0' } }))
    await giveBack(place, { delayLevel })
    const [waiting] = await place.messages(WAITING, level - 1)
    expect(waiting).toMatchObject({ reconsumeTimes: reconsumeTimes + 1 })
    expect(waiting?.properties).toMatchObject({
      DELAY: String(level),
      RETRY_TOPIC: 'orders',
      ORIGIN_MESSAGE_ID: FIRST_ID
    })
  })

  test('goes to one of the retry queues of its group', async () => {
    await using place = await openBrokerOnDisk()
    place.broker.groups.update({ ...place.broker.groups.getOrCreate(GROUP), retryQueueCount: 4 })
    send(place, 'm')
    for (let i = 0; i < 40; i++) await giveBack(place)
    const queues = new Set((await place.messages(WAITING, 2)).map(({ properties }) => properties.REAL_QID))
    expect([...queues].sort()).toEqual(['0', '1', '2', '3'])
  })

  test('that was a transaction once is none any more', async () => {
    await using place = await openBrokerOnDisk()
    endTransaction(place, 'commit', sendHalf(place, 'paid'))
    const [paid] = await place.messages('orders')
    await giveBack(place, { physicalOffset: paid?.physicalOffset as number })
    await giveBack(place, { physicalOffset: paid?.physicalOffset as number, delayLevel: -1 })
    expect(await place.messages(WAITING, 2)).toMatchObject([{ sysFlag: SYS_FLAG.TRANSACTION_COMMIT }])
    expect(await place.bodies(DEAD)).toEqual(['paid'])
    expect(place.broker.transactions.windowLength).toBe(1) // Its own, not yet passed.
  })

  test.each([
    { because: 'its retries are over', times: 16, request: {} },
    { because: 'the header allows fewer', times: 2, request: { retriesMax: 2 } },
    { because: 'the consumer says so', times: 0, request: { delayLevel: -1 } },
    { because: 'the group allows fewer', times: 1, request: {}, retryCountMax: 1 }
  ])('becomes a dead letter because $because', async ({ times, request, retryCountMax }) => {
    await using place = await openBrokerOnDisk()
    const group = place.broker.groups.getOrCreate(GROUP)
    if (retryCountMax !== undefined) place.broker.groups.update({ ...group, retryCountMax })
    const timed = { TIMER_DELAY_SEC: '5', TIMER_OUT_MS: '1' }
    place.store.append({
      topic: 'orders',
      queueId: 0,
      body: 'dead',
      reconsumeTimes: times,
      properties: { own: 'x', ...timed }
    })
    await giveBack(place, request)
    const [dead] = await place.messages(DEAD)
    expect(dead).toMatchObject({ queueId: 0, reconsumeTimes: times + 1 })
    expect(dead?.properties).toMatchObject({
      own: 'x',
      DELAY: '0',
      RETRY_TOPIC: 'orders',
      ORIGIN_MESSAGE_ID: FIRST_ID,
      DLQ_ORIGIN_TOPIC: 'orders',
      DLQ_ORIGIN_MESSAGE_ID: FIRST_ID
    })
    expect(dead?.properties).not.toHaveProperty('TIMER_DELAY_SEC')
    expect(place.broker.topics.find(DEAD)).toMatchObject({ writeQueueCount: 1, readQueueCount: 1, perm: 6 })
    expect(place.broker.topics.isSaved).toBe(true)
  })

  test('has one more retry while there is one left', async () => {
    await using place = await openBrokerOnDisk()
    send(place, 'm', fallback({ reconsumeTimes: 15, properties: { DELAY: '0' } }))
    await giveBack(place)
    expect(await place.bodies(DEAD)).toEqual([])
  })

  test('is dropped where the group has no retry queues', async () => {
    await using place = await openBrokerOnDisk()
    place.broker.groups.update({ ...place.broker.groups.getOrCreate(GROUP), retryQueueCount: 0 })
    send(place, 'm')
    const { appendedUntil } = place.store.info()
    await giveBack(place)
    expect(place.store.info().appendedUntil).toBe(appendedUntil)
  })

  test.each([
    ['GROUP_UNKNOWN', { autoCreateSubscriptionGroup: 'false' }, { group: 'nobody' }],
    ['PERMISSION_DENIED', { brokerPermission: '4' }, {}],
    ['RECORD_NOT_FOUND', {}, { physicalOffset: 7 }]
  ])('is refused with %s, and nothing is stored', async (code, config, request) => {
    await using place = await openBrokerOnDisk({ config })
    send(place, 'm')
    const { appendedUntil } = place.store.info()
    expect(await refusalOf(giveBack(place, request))).toBe(code)
    expect(place.store.info().appendedUntil).toBe(appendedUntil)
  })
})

describe('a message that a consumer sends to its retry topic itself', () => {
  test('waits like one that was given back', async () => {
    await using place = await openBrokerOnDisk()
    send(place, 'm', fallback())
    expect(await place.bodies(WAITING, 3)).toEqual(['m'])
  })

  test.each([
    { because: 'it has been retried too often', sent: { reconsumeTimes: 17 } },
    { because: 'the header allows fewer', sent: { reconsumeTimes: 3, maxReconsumeTimes: 2 } },
    { because: 'an old client does not say how often', sent: { reconsumeTimes: 17, maxReconsumeTimes: -1 } }
  ])('becomes a dead letter because $because', async ({ sent }) => {
    await using place = await openBrokerOnDisk()
    send(place, 'dead', fallback(sent))
    const [dead] = await place.messages(DEAD)
    expect(dead?.properties).toMatchObject({
      DELAY: '-1',
      RETRY_TOPIC: 'orders',
      DLQ_ORIGIN_TOPIC: 'orders',
      DLQ_ORIGIN_MESSAGE_ID: FIRST_ID,
      UNIQ_KEY: 'U',
      CLUSTER: 'C'
    })
    expect(await place.bodies(WAITING, 3)).toEqual([])
  })

  test('becomes a dead letter while a member of the group holds a queue lock, and no longer', async () => {
    await using place = await openBrokerOnDisk()
    place.broker.locks.lock(GROUP, 'client', [{ brokerName: 'broker-a', topic: 'orders', queueId: 0 }])
    send(place, 'given up', fallback())
    expect(await place.bodies(DEAD)).toEqual(['given up'])
    place.clock.advance(60_001)
    send(place, 'retried', fallback())
    expect(await place.bodies(DEAD)).toEqual(['given up'])
    expect(await place.bodies(WAITING, 3)).toEqual(['retried'])
  })
})
