import { describe, expect, test } from 'vitest'
import { type RouteRules, RouteTable } from '../../src/nameserver/route-table.ts'
import type { BrokerRegistration, TopicQueues } from '../../src/nameserver/route-types.ts'

const QUEUES: TopicQueues = { readQueueNums: 8, writeQueueNums: 8, perm: 6, topicSysFlag: 0 }

function table(rules: Partial<RouteRules> = {}) {
  return new RouteTable<string>(() => ({
    deleteTopicWithBrokerRegistration: false,
    supportActingMaster: false,
    ...rules
  }))
}

/** A master with two topics, unless told otherwise. */
function broker(
  changes: Partial<Omit<BrokerRegistration, 'topics' | 'version'>> & {
    topics?: Record<string, Partial<TopicQueues>>
    counter?: number
    stateVersion?: number
  } = {}
): BrokerRegistration {
  const { topics = { T: {}, TBW102: { perm: 7 } }, counter = 1, stateVersion = 0, ...rest } = changes
  return {
    cluster: 'c',
    brokerName: 'a',
    brokerId: 0,
    address: '10.0.0.1:10911',
    haAddress: '10.0.0.1:10912',
    timeoutMs: 120_000,
    enableActingMaster: false,
    zoneName: undefined,
    version: { stateVersion, timestamp: 1, counter },
    topics: new Map(Object.entries(topics).map(([topic, queues]) => [topic, { ...QUEUES, ...queues }])),
    mappings: new Map(),
    filterServers: [],
    ...rest
  }
}

const slave = (changes: Parameters<typeof broker>[0] = {}) =>
  broker({ brokerId: 1, address: '10.0.0.2:10911', haAddress: '10.0.0.2:10912', ...changes })

/** Addresses by id and permission of topic T, in short. */
function routeOf(routes: RouteTable<string>, topic = 'T') {
  const route = routes.routeOf(topic)
  return (
    route && {
      brokers: route.brokers.map(({ brokerName, addresses }) => `${brokerName}: ${[...addresses].join(' ')}`),
      perms: route.queues.map(({ perm }) => perm)
    }
  )
}

describe('a first registration', () => {
  test('brings the broker and its topics into the routes', () => {
    const routes = table()
    expect(routes.register(broker(), 0, 'link')).toEqual({ type: 'registered', isNew: true, replaced: undefined })
    expect(routeOf(routes)).toEqual({ brokers: ['a: 0,10.0.0.1:10911'], perms: [6] })
    expect(routes.topicNames()).toEqual(['T', 'TBW102'])
    expect(routes.clusters()).toEqual([['c', ['a']]])
  })

  test('with one topic is refused, and leaves nothing behind', () => {
    const routes = table()
    expect(routes.register(broker({ topics: { T: {} } }), 0, 'link').type).toBe('refused')
    expect([routes.brokerCount, routes.topicCount, routes.clusters()]).toEqual([0, 0, []])
  })

  test('with one topic is refused for each id of its own', () => {
    const routes = table()
    routes.register(broker(), 0, 'link')
    expect(routes.register(slave({ topics: { T: {} } }), 0, 'other').type).toBe('refused')
    expect(routes.register(broker({ topics: { U: {} }, counter: 2 }), 0, 'link').type).toBe('registered')
  })

  test('without topics is one: an old broker that tells none', () => {
    const routes = table()
    expect(routes.register(broker({ topics: {} }), 0, 'link').type).toBe('registered')
    expect(routes.brokerCount).toBe(1)
  })
})

describe('a later registration', () => {
  test('changes topics only with another version', () => {
    const routes = table()
    routes.register(broker(), 0, 'link')
    routes.register(broker({ topics: { T: { perm: 4 }, U: {} } }), 0, 'link')
    expect(routeOf(routes)?.perms).toEqual([6])
    routes.register(broker({ topics: { T: { perm: 4 } }, counter: 2 }), 0, 'link')
    expect(routeOf(routes)?.perms).toEqual([4])
  })

  test('brings a topic that is missing even with the same version', () => {
    const routes = table()
    routes.register(broker(), 0, 'link')
    routes.deleteTopic('T')
    routes.register(broker(), 0, 'link')
    expect(routeOf(routes)?.perms).toEqual([6])
  })

  test('keeps topics that it leaves out, unless the rules say otherwise', () => {
    const lenient = table()
    const strict = table({ deleteTopicWithBrokerRegistration: true })
    for (const routes of [lenient, strict]) {
      routes.register(broker(), 0, 'link')
      routes.register(broker({ topics: { U: {}, V: {} }, counter: 2 }), 0, 'link')
    }
    expect(lenient.topicNames()).toEqual(['T', 'TBW102', 'U', 'V'])
    expect(strict.topicNames()).toEqual(['U', 'V'])
  })

  test('under another id takes the address out of the old one', () => {
    const routes = table()
    routes.register(slave(), 0, 'link')
    routes.register(broker({ address: '10.0.0.2:10911', counter: 2 }), 0, 'link')
    expect([...routes.findBroker('a')!.addresses]).toEqual([[0, '10.0.0.2:10911']])
  })

  test.each<{ state: number; wins: boolean }>([
    { state: 6, wins: false },
    { state: 7, wins: true },
    { state: 8, wins: true }
  ])('from another address, of state $state against 7, wins: $wins', ({ state, wins }) => {
    const routes = table()
    routes.register(broker({ stateVersion: 7 }), 0, 'first')
    const outcome = routes.register(broker({ address: '10.0.0.9:10911', stateVersion: state }), 0, 'second')
    expect(outcome).toEqual(
      wins
        ? { type: 'registered', isNew: true, replaced: '10.0.0.1:10911' }
        : { type: 'outranked', by: '10.0.0.1:10911' }
    )
    expect(routeOf(routes)?.brokers).toEqual([`a: 0,${wins ? '10.0.0.9' : '10.0.0.1'}:10911`])
  })

  test('of a broker that has gone is a first one again', () => {
    const routes = table()
    routes.register(broker(), 0, 'link')
    routes.linkClosed('link')
    expect(routes.register(broker({ topics: { T: {} } }), 0, 'link').type).toBe('refused')
  })
})

describe('a slave', () => {
  test('is told of its master, as long as that is there, and brings no topics', () => {
    const routes = table()
    expect(routes.register(slave({ enableActingMaster: undefined }), 0, 's')).not.toHaveProperty('masterAddress')
    expect(routes.topicCount).toBe(0)
    routes.register(broker(), 0, 'm')
    expect(routes.register(slave(), 0, 's')).toMatchObject({
      masterAddress: '10.0.0.1:10911',
      haAddress: '10.0.0.1:10912'
    })
    expect(routeOf(routes)?.brokers).toEqual(['a: 1,10.0.0.2:10911 0,10.0.0.1:10911'])
    routes.linkClosed('m')
    expect(routes.register(slave(), 0, 's')).not.toHaveProperty('masterAddress')
  })

  test('of the smallest id brings the topics while no master is there; to read only, where it stands in for it', () => {
    const routes = table({ supportActingMaster: true })
    routes.register(slave({ enableActingMaster: true }), 0, 's')
    expect(routeOf(routes)).toEqual({ brokers: ['a: 0,10.0.0.2:10911'], perms: [4] })
    const asSlave = table()
    asSlave.register(slave({ enableActingMaster: true }), 0, 's')
    expect(routeOf(asSlave)).toEqual({ brokers: ['a: 1,10.0.0.2:10911'], perms: [4] })
  })

  test('stands in for a master that has gone, to be read from', () => {
    const routes = table({ supportActingMaster: true })
    routes.register(broker({ enableActingMaster: true }), 0, 'm')
    routes.register(slave({ enableActingMaster: true }), 0, 's')
    routes.linkClosed('m')
    expect(routeOf(routes)).toEqual({ brokers: ['a: 0,10.0.0.2:10911'], perms: [4] })
    routes.register(broker({ enableActingMaster: true }), 0, 'm')
    expect(routeOf(routes)).toEqual({ brokers: ['a: 1,10.0.0.2:10911 0,10.0.0.1:10911'], perms: [6] })
  })
})

describe('a broker is forgotten', () => {
  test('when it says so, with all its topics', () => {
    const routes = table()
    routes.register(broker(), 0, 'link')
    routes.register(broker({ brokerName: 'b', address: '10.0.0.3:10911', topics: { T: {}, U: {} } }), 0, 'other')
    routes.unregister({ cluster: 'c', brokerName: 'a', brokerId: 0, address: '10.0.0.1:10911' })
    expect(routes.topicNames()).toEqual(['T', 'U'])
    expect(routeOf(routes)?.brokers).toEqual(['b: 0,10.0.0.3:10911'])
    expect(routes.clusters()).toEqual([['c', ['b']]])
  })

  test('when the connection of its last registration closes, and not with an older one', () => {
    const routes = table()
    routes.register(broker(), 0, 'old')
    routes.register(broker(), 0, 'new')
    expect(routes.linkClosed('old')).toEqual([])
    expect(routeOf(routes)).toBeDefined()
    expect(routes.linkClosed('new')).toMatchObject([{ brokerName: 'a', brokerId: 0 }])
    expect(routeOf(routes)).toBeUndefined()
  })

  test('together with others of the same connection', () => {
    const routes = table()
    routes.register(broker(), 0, 'link')
    routes.register(broker({ brokerName: 'b', address: '10.0.0.1:20911' }), 0, 'link')
    expect(routes.linkClosed('link').map(({ brokerName }) => brokerName)).toEqual(['a', 'b'])
  })

  test('when it has been silent for longer than it said it could be', () => {
    const routes = table()
    routes.register(broker({ timeoutMs: 10_000 }), 1000, 'link')
    routes.register(broker({ brokerName: 'b', address: '10.0.0.3:10911' }), 1000, 'other')
    expect(routes.expire(11_000)).toEqual([])
    routes.heard('c', '10.0.0.1:10911', 5000)
    expect(routes.expire(15_000)).toEqual([])
    expect(routes.expire(15_001)).toMatchObject([{ broker: { brokerName: 'a' }, link: 'link' }])
    expect(routeOf(routes)?.brokers).toEqual(['b: 0,10.0.0.3:10911'])
  })

  test('never for silence, if it lives in this process', () => {
    const routes = table()
    routes.register(broker({ timeoutMs: Number.POSITIVE_INFINITY }), 0, undefined)
    expect(routes.expire(Number.MAX_SAFE_INTEGER)).toEqual([])
  })
})

describe('permissions of a broker', () => {
  test('are wiped and given back for all its topics, and stay so while its version is the same', () => {
    const routes = table()
    routes.register(broker(), 0, 'link')
    expect(routes.wipeWrite('a')).toBe(2)
    routes.register(broker(), 0, 'link')
    expect(routeOf(routes)?.perms).toEqual([4])
    expect(routeOf(routes, 'TBW102')?.perms).toEqual([5])
    expect(routes.addWrite('a')).toBe(2)
    expect(routeOf(routes, 'TBW102')?.perms).toEqual([6])
    expect(routes.wipeWrite('unknown')).toBe(0)
  })
})

describe('topics', () => {
  test('are deleted everywhere, or in one cluster', () => {
    const routes = table()
    routes.register(broker(), 0, 'link')
    routes.register(broker({ cluster: 'd', brokerName: 'b', address: '10.0.0.3:10911' }), 0, 'other')
    routes.deleteTopic('T', 'c')
    expect(routeOf(routes)?.brokers).toEqual(['b: 0,10.0.0.3:10911'])
    routes.deleteTopic('T')
    expect(routeOf(routes)).toBeUndefined()
    routes.deleteTopic('unknown', 'unknown')
    expect([routes.topicNamesOf('c'), routes.topicNamesOf('d'), routes.topicNamesOf('unknown')]).toEqual([
      ['TBW102'],
      ['TBW102'],
      []
    ])
  })

  test('are set one by one for brokers that are known', () => {
    const routes = table()
    routes.register(broker(), 0, 'link')
    expect(routes.setTopic('U', [{ brokerName: 'a', ...QUEUES }])).toBe(true)
    expect(
      routes.setTopic('V', [
        { brokerName: 'a', ...QUEUES },
        { brokerName: 'unknown', ...QUEUES }
      ])
    ).toBe(false)
    expect(routes.topicNames()).toEqual(['T', 'TBW102', 'U'])
  })

  test('that are static bring their mappings along', () => {
    const routes = table()
    const mapping = { bname: 'a', epoch: 1 }
    routes.register(broker({ mappings: new Map([['T', { brokerName: 'a', mapping }]]) }), 0, 'link')
    expect(routes.routeOf('T')?.mappings).toEqual(new Map([['a', mapping]]))
    expect(routes.routeOf('TBW102')?.mappings).toBeUndefined()
  })

  test('have the filter servers of their brokers', () => {
    const routes = table()
    routes.register(broker({ filterServers: ['10.0.0.1:9999'] }), 0, 'link')
    expect(routes.routeOf('T')?.filterServers).toEqual(new Map([['10.0.0.1:10911', ['10.0.0.1:9999']]]))
    routes.register(broker({ filterServers: [] }), 0, 'link')
    expect(routes.routeOf('T')?.filterServers.size).toBe(0)
  })
})
