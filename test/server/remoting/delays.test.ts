/** Delayed messages as clients and tools see them. */
import { describe, expect, test, vi } from 'vitest'
import { SCHEDULE_TOPIC } from '../../../src/layout/index.ts'
import { exposition, Registry } from '../../../src/metrics/index.ts'
import { REQUEST, RESPONSE } from '../../../src/protocol/index.ts'
import { registerDelayMetrics } from '../../../src/server/delay-metrics.ts'
import { ask, brokerPlace, bytes, fieldsOf, jsonOf, sendFieldsV2 } from './broker-place.ts'

const body = bytes('a body')
const delayed = { i: 'UNIQ_KEY\x01U1\x02DELAY\x013\x02' }

describe('a delayed message that is sent', () => {
  test('is answered with the queue that was asked for and the place where it waits', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    const answer = await ask(client, REQUEST.SEND_MESSAGE_V2, { ...sendFieldsV2({ queueId: 1 }), ...delayed }, body)
    expect(answer.code).toBe(RESPONSE.SUCCESS)
    expect(fieldsOf(answer)).toMatchObject({ queueId: '1', queueOffset: '0', transactionId: 'U1' })
    expect(fieldsOf(answer).recallHandle).toBeUndefined()
    expect(place.store.maxOffset({ topic: SCHEDULE_TOPIC, queueId: 2 })).toBe(1)
  })

  test('counts as put into the topic that it waits in', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    await ask(client, REQUEST.SEND_MESSAGE_V2, { ...sendFieldsV2(), ...delayed }, body)
    const counts = new Map([...place.broker.stats.topicPuts()].map(([topic, { messages }]) => [topic, messages]))
    expect(counts.get(SCHEDULE_TOPIC)).toBe(1)
    expect(counts.get('orders') ?? 0).toBe(0)
  })

  test('shows in what tools ask for and in the metrics', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    for (let i = 0; i < 2; i++) await ask(client, REQUEST.SEND_MESSAGE_V2, { ...sendFieldsV2(), ...delayed }, body)
    const info = await ask(client, REQUEST.GET_BROKER_RUNTIME_INFO)
    expect(jsonOf(info)).toMatchObject({ table: { scheduleMessageOffset_3: '0,2' } })
    const progress = await ask(client, REQUEST.GET_ALL_DELAY_OFFSET)
    expect(jsonOf(progress)).toMatchObject({ dataVersion: { counter: 0 }, offsetTable: {} })

    const registry = new Registry()
    registerDelayMetrics(registry, place.broker.delayed)
    const waiting = [...registry.families()].find(({ name }) => name === 'varve_delay_waiting_messages')
    expect(waiting?.type === 'sampled' && [...waiting.samples()]).toEqual([{ labels: { delay_level: '3' }, value: 2 }])
  })
})

describe('a timed message that is sent', () => {
  const timed = (value: number) => ({ i: `UNIQ_KEY\x01U1\x02TIMER_DELIVER_MS\x01${value}\x02` })

  test('is answered with a handle, by which it is taken back', async () => {
    await using place = await brokerPlace({ recallMessageEnable: 'true' })
    const client = await place.client()
    const dueMs = place.clock.nowMs() + 60_000
    const answer = await ask(client, REQUEST.SEND_MESSAGE_V2, { ...sendFieldsV2(), ...timed(dueMs) }, body)
    const { recallHandle = '' } = fieldsOf(answer)
    const outMs = Math.floor(dueMs / 1000) * 1000
    expect(Buffer.from(recallHandle, 'base64url').toString()).toBe(`v1 orders broker-a ${outMs + 1} U1`)
    const asked = { producerGroup: 'p', topic: 'orders', recallHandle }
    const recalled = await ask(client, REQUEST.RECALL_MESSAGE, asked)
    expect(recalled.code).toBe(RESPONSE.SUCCESS)
    expect(fieldsOf(recalled)).toEqual({ msgId: 'U1', MSG_REGION: 'DefaultRegion' })
  })

  test('shows in what tools ask for and in the metrics, under the names of Apache RocketMQ', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    const registry = new Registry()
    registerDelayMetrics(registry, place.broker.delayed)
    for (const seconds of [3, 3, 50, 4000, 200_000]) {
      const properties = timed(place.clock.nowMs() + 1000 * seconds)
      await ask(client, REQUEST.SEND_MESSAGE_V2, { ...sendFieldsV2(), ...properties }, body)
    }
    await vi.waitFor(() => expect([...place.broker.delayed.timedCounts.all()][0]?.[1].taken).toBe(5))
    const text = exposition(registry)
    const storage = 'storage_type="local",storage_medium="disk"'
    for (const [bound, count] of Object.entries({ 5: 2, 60: 1, 300: 0, 3600: 0, 14400: 1, 86400: 0 })) {
      expect(text).toContain(`rocketmq_timer_message_snapshot{${storage},timer_bound_s="${bound}"} ${count}\n`)
    }
    const wait = `rocketmq_delay_message_latency_bucket{${storage},topic="orders",le=`
    for (const [le, count] of Object.entries({ 60: 3, 600: 3, 43200: 4, 86400: 4, 259200: 5, '+Inf': 5 })) {
      expect(text).toContain(`${wait}"${le}"} ${count}\n`)
    }
    expect(text).toContain(`rocketmq_delay_message_latency_count{${storage},topic="orders"} 5\n`)
    expect(text).toContain(`rocketmq_timing_messages{${storage},topic="orders"} 5\n`)
    expect(text).toContain(`rocketmq_timer_enqueue_total{${storage},topic="orders"} 5\n`)
    expect(text).toContain(`rocketmq_timer_enqueue_latency{${storage}} 0\n`)
    const info = await ask(client, REQUEST.GET_BROKER_RUNTIME_INFO)
    expect(jsonOf(info)).toMatchObject({ table: { timerOffsetBehind: '0', timerReadBehind: '0' } })
    await place.broker.deleteTopic('orders')
    expect(exposition(registry)).not.toContain('topic="orders"')
  })

  test.each([
    ['recall is turned off', {}, 'v1 orders broker-a 9999999999999 U', RESPONSE.NO_PERMISSION],
    ['the handle is none', { recallMessageEnable: 'true' }, 'none', RESPONSE.ILLEGAL_OPERATION]
  ])('is not taken back if %s', async (_, config, handle, code) => {
    await using place = await brokerPlace(config)
    const client = await place.client()
    await ask(client, REQUEST.SEND_MESSAGE_V2, sendFieldsV2(), body)
    const recallHandle = Buffer.from(handle).toString('base64url')
    const answer = await ask(client, REQUEST.RECALL_MESSAGE, { topic: 'orders', recallHandle })
    expect(answer.code).toBe(code)
  })

  test.each([
    ['malformed', { i: 'TIMER_DELAY_MS\x01abc\x02' }, {}, RESPONSE.MESSAGE_ILLEGAL],
    ['too far ahead', { i: 'TIMER_DELAY_SEC\x013456001\x02' }, {}, RESPONSE.MESSAGE_ILLEGAL],
    ['where timers are off', { i: 'TIMER_DELAY_SEC\x011\x02' }, { timerWheelEnable: 'false' }, RESPONSE.SYSTEM_ERROR]
  ])('%s is refused with the code that clients know', async (_, properties, config, code) => {
    await using place = await brokerPlace(config)
    const client = await place.client()
    const answer = await ask(client, REQUEST.SEND_MESSAGE_V2, { ...sendFieldsV2(), ...properties }, body)
    expect(answer.code).toBe(code)
  })
})
