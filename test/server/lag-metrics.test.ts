import { describe, expect, test } from 'vitest'
import { VarveError } from '../../src/base/index.ts'
import { exposition, Registry } from '../../src/metrics/index.ts'
import { REQUEST } from '../../src/protocol/index.ts'
import { ConsumerLag } from '../../src/server/lag-metrics.ts'
import {
  ask,
  type BrokerPlace,
  brokerPlace,
  bytes,
  heartbeat,
  pullFields,
  sendFields
} from './remoting/broker-place.ts'

/** A group that is online, and four messages of its topic, a second apart. */
async function behind() {
  const place = await brokerPlace()
  const client = await place.client()
  await ask(client, REQUEST.HEART_BEAT, {}, heartbeat())
  for (const body of ['m0', 'm1', 'm2', 'm3']) {
    await ask(client, REQUEST.SEND_MESSAGE, sendFields(), bytes(body))
    place.clock.advance(1000)
  }
  return { place, client }
}

/** The values of the group's topic, by the name of the metric. */
async function told({ broker, clock }: BrokerPlace, lag = new ConsumerLag(broker, clock)) {
  const registry = new Registry()
  lag.register(registry)
  await lag.look()
  const lines = exposition(registry)
    .split('\n')
    .filter(line => line.includes('topic="orders"'))
  return Object.fromEntries(
    lines.map(line => [/^rocketmq_consumer_(\w+)\{/.exec(line)?.[1], Number(line.split(' ').at(-1))])
  )
}

describe('how far a group is behind', () => {
  test('is told by what it has acknowledged, and by what it has fetched', async () => {
    const { place, client } = await behind()
    await using _ = place
    const commit = { consumerGroup: 'g', topic: 'orders', queueId: 0 }
    await ask(client, REQUEST.UPDATE_CONSUMER_OFFSET, { ...commit, commitOffset: 1 })
    await ask(client, REQUEST.PULL_MESSAGE, pullFields({ queueOffset: 2, maxMsgNums: 1, commitOffset: 1, sysFlag: 5 }))

    expect(await told(place)).toEqual({
      lag_messages: 3,
      inflight_messages: 2,
      ready_messages: 1,
      lag_latency: 3000, // m1 was stored three seconds ago, m3 one.
      queueing_latency: 1000
    })
    place.clock.advance(500)
    await ask(client, REQUEST.UPDATE_CONSUMER_OFFSET, { ...commit, commitOffset: 4 })
    expect(await told(place)).toEqual({
      lag_messages: 0,
      inflight_messages: 0,
      ready_messages: 0,
      lag_latency: 0,
      queueing_latency: 0
    })
  })

  test('is not told of a group that is gone', async () => {
    const { place, client } = await behind()
    await using _ = place
    await ask(client, REQUEST.UNREGISTER_CLIENT, { clientID: '10.0.0.5@1#2', consumerGroup: 'g' })
    expect(await told(place)).toEqual({})
  })

  test('is looked for two seconds at most; what is left over stands as it was', async () => {
    const { place, client } = await behind()
    await using _ = place
    const commit = { consumerGroup: 'g', topic: 'orders', queueId: 0, commitOffset: 1 }
    await ask(client, REQUEST.UPDATE_CONSUMER_OFFSET, commit)
    const { clients, offsets, topics, store } = place.broker
    let lookMs = 0
    const asked: number[] = []
    const storedAtMs = async (_queue: object, offset: number) => {
      asked.push(offset)
      place.clock.advance(lookMs)
      return place.clock.nowMs() - 700
    }
    // Twice the same group, so that the second time comes after the first has taken too long.
    const [group] = [...clients.consumerGroups()]
    const twice = { consumerGroups: () => [group, group] } as unknown as typeof clients
    const lag = new ConsumerLag({ clients: twice, offsets, topics, store, queries: { storedAtMs } }, place.clock)
    await lag.look()
    expect(asked).toEqual([1, 1, 1, 1])
    lookMs = 1000
    await lag.look()
    expect(asked.slice(4)).toEqual([1, 1])
  })

  test('leaves out how old a message is that cannot be read', async () => {
    const { place, client } = await behind()
    await using _ = place
    const commit = { consumerGroup: 'g', topic: 'orders', queueId: 0, commitOffset: 1 }
    await ask(client, REQUEST.UPDATE_CONSUMER_OFFSET, commit)
    const { clients, offsets, topics, store } = place.broker
    const queries = { storedAtMs: () => Promise.reject(new VarveError('STORE_CLOSED')) }
    const lag = new ConsumerLag({ clients, offsets, topics, store, queries }, place.clock)
    expect(await told(place, lag)).toMatchObject({ lag_messages: 3, lag_latency: 0 })
  })
})
