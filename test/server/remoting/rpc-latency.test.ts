import { describe, expect, test } from 'vitest'
import { exposition } from '../../../src/metrics/index.ts'
import { REQUEST, RESPONSE } from '../../../src/protocol/index.ts'
import { ask, type BrokerPlace, brokerPlace, bytes, pullFields, sendFields } from './broker-place.ts'

/** Lines of the metric, without what all of them have. */
const told = ({ metrics }: BrokerPlace): string[] =>
  exposition(metrics)
    .split('\n')
    .filter(line => line.startsWith('rocketmq_rpc_latency_'))
    .map(line => line.replace('rocketmq_rpc_latency_', '').replace('protocol_type="remoting",', ''))

const labels = (request: string, response: string, isLongPolling = false): string =>
  `request_code="${request}",response_code="${response}",is_long_polling="${isLongPolling}",result="success"`

describe('how long requests take', () => {
  test('is told by request and response', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    await ask(client, REQUEST.SEND_MESSAGE, sendFields(), bytes('m0'))
    await ask(client, REQUEST.SEND_MESSAGE, sendFields(), bytes('m1'))
    await ask(client, REQUEST.SEND_MESSAGE, sendFields({ topic: 'other', defaultTopic: 'none' }), bytes('m2'))
    const lines = told(place)
    expect(lines).toContain(`bucket{${labels('send_message', 'success')},le="1"} 2`)
    expect(lines).toContain(`count{${labels('send_message', 'success')}} 2`)
    expect(lines).toContain(`count{${labels('send_message', 'topic_not_exist')}} 1`)
    const names = lines.map(line => line.replace(/ [^ ]*$/, ''))
    expect(new Set(names).size).toBe(names.length) // One value for each set of labels.
  })

  test('counts the wait of a pull for its message, apart from pulls that did not wait', async () => {
    await using place = await brokerPlace()
    const [consumer, producer] = [await place.client(), await place.client()]
    await ask(producer, REQUEST.SEND_MESSAGE, sendFields(), bytes('m0'))
    await ask(consumer, REQUEST.PULL_MESSAGE, pullFields())
    const parked = ask(consumer, REQUEST.PULL_MESSAGE, pullFields({ queueOffset: 1, sysFlag: 6 }))
    while (place.broker.longPolling.count === 0) await new Promise(setImmediate)
    place.clock.advance(1500)
    await ask(producer, REQUEST.SEND_MESSAGE, sendFields(), bytes('m1'))
    expect((await parked).code).toBe(RESPONSE.SUCCESS)
    const lines = told(place)
    expect(lines).toContain(`count{${labels('pull_message', 'success')}} 1`)
    const waited = labels('pull_message', 'success', true)
    expect(lines).toContain(`bucket{${waited},le="1000"} 0`)
    expect(lines).toContain(`bucket{${waited},le="2000"} 1`)
    expect(lines).toContain(`sum{${waited}} 1500`)
  })

  test('is told of what is sent one-way, which nobody answers', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    client.notify(REQUEST.SEND_MESSAGE, sendFields(), bytes('m0'))
    await ask(client, REQUEST.GET_BROKER_CONFIG)
    expect(told(place)).toContain('count{request_code="send_message",is_long_polling="false",result="oneway"} 1')
  })

  test('is not told of what is never answered', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    expect((await ask(client, 12_345)).code).toBe(RESPONSE.REQUEST_CODE_NOT_SUPPORTED)
    expect(told(place)).toEqual([])
  })
})
