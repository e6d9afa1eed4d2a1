import { beforeEach, describe, expect, test } from 'vitest'
import {
  type ClientLink,
  ClientRegistry,
  type ConsumerOfClient,
  GroupTable,
  groupConfig,
  type Heartbeat,
  parseSubscription,
  readHeartbeat,
  type Subscription,
  TopicTable,
  topicConfig
} from '../../src/broker/index.ts'
import { parseJavaJson } from '../../src/layout/index.ts'
import { type TableWorld, tableWorld } from '../support/table-fixtures.ts'

/** Everything that any member was told, as `client: group`. */
let told: string[]
let world: TableWorld
let topics: TopicTable
let groups: GroupTable
let clients: ClientRegistry

beforeEach(() => {
  open()
})

function open(config: Parameters<typeof tableWorld>[0] = {}): void {
  told = []
  world = tableWorld(config)
  topics = new TopicTable(world)
  groups = new GroupTable(world)
  clients = new ClientRegistry({ topics, groups, ...world })
}

class Link implements ClientLink {
  readonly key = {}
  readonly address: string
  isOpen = true

  constructor(readonlyName: string) {
    this.address = readonlyName
  }

  consumerIdsChanged(group: string): void {
    told.push(`${this.address}: ${group}`)
  }

  askTransaction(): void {
    // Producers of these tests have no transactions.
  }

  close(): void {
    this.isOpen = false
  }
}

const subscription = (topic: string, version = 1, expression = '*'): Subscription =>
  parseSubscription({ topic, expression, expressionType: undefined, version })

function consumer(
  group: string,
  subscriptions: Subscription[],
  more: Partial<ConsumerOfClient> = {}
): ConsumerOfClient {
  return {
    group,
    consumeType: 'CONSUME_PASSIVELY',
    messageModel: 'CLUSTERING',
    consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET',
    isUnit: false,
    subscriptions,
    ...more
  }
}

function beat(link: Link, more: Partial<Heartbeat> = {}): boolean {
  const heartbeat = {
    clientId: `id-${link.address}`,
    language: 'JAVA',
    version: 479,
    producerGroups: [],
    consumers: [],
    fingerprint: 0,
    isWithoutSubscriptions: false,
    ...more
  }
  return clients.heartbeat(link, heartbeat).isSubscriptionChanged
}

const consume = (link: Link, group = 'g', subscriptions = [subscription('t')], more: Partial<ConsumerOfClient> = {}) =>
  beat(link, { consumers: [consumer(group, subscriptions, more)] })

/** What was told since the last look. */
function news(): string[] {
  const news = told
  told = []
  return news
}

describe('a heartbeat of a consumer', () => {
  test('makes the group, its config and its retry topic known', () => {
    consume(new Link('a'))
    expect(clients.consumerIds('g')).toEqual(['id-a'])
    expect(groups.find('g')).toEqual(groupConfig('g'))
    expect(topics.get('%RETRY%g')).toEqual(topicConfig('%RETRY%g', { readQueueCount: 1, writeQueueCount: 1, perm: 6 }))
    expect(clients.consumerGroup('g')).toMatchObject({
      name: 'g',
      consumeType: 'CONSUME_PASSIVELY',
      messageModel: 'CLUSTERING',
      consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET'
    })
    expect(clients.subscription('g', 't')).toEqual(subscription('t'))
    expect(clients.groupsOf('t')).toEqual(['g'])
  })

  test('makes the retry topic with the queues of the config, ordered where a topic is', () => {
    topics.ensure(topicConfig('ordered', { isOrdered: true }))
    groups.update(groupConfig('g', { retryQueueCount: 3 }))
    consume(new Link('a'), 'g', [subscription('t'), subscription('ordered')], { isUnit: true })
    expect(topics.get('%RETRY%g')).toMatchObject({ writeQueueCount: 3, isOrdered: true, sysFlag: 2 })
  })

  test('tells all members when one comes, the new one included, and not when nothing has changed', () => {
    const [a, b] = [new Link('a'), new Link('b')]
    consume(a)
    expect(news()).toEqual(['a: g'])
    consume(b)
    expect(news()).toEqual(['a: g', 'b: g'])
    consume(a)
    consume(b)
    expect(news()).toEqual([])
  })

  test('tells all members when the topics of the group change, not when a filter does', () => {
    const a = new Link('a')
    consume(a)
    news()
    consume(a, 'g', [subscription('t', 2, 'x')])
    expect(news()).toEqual([])
    expect(clients.subscription('g', 't')?.tags).toEqual(['x'])
    consume(a, 'g', [subscription('t', 2), subscription('u')])
    expect(news()).toEqual(['a: g'])
    consume(a, 'g', [subscription('u')])
    expect(news()).toEqual(['a: g'])
    expect(clients.groupsOf('t')).toEqual([])
    expect(clients.subscription('g', 't')).toBeUndefined()
  })

  test('does not replace a subscription by an older one', () => {
    const a = new Link('a')
    consume(a, 'g', [subscription('t', 5, 'new')])
    consume(a, 'g', [subscription('t', 4, 'old')])
    expect(clients.subscription('g', 't')?.expression).toBe('new')
  })

  test.each<{ why: string; prepare: () => void; more?: Partial<ConsumerOfClient> }>([
    { why: 'the group broadcasts', prepare: () => undefined, more: { messageModel: 'BROADCASTING' } },
    { why: 'its config says so', prepare: () => groups.update(groupConfig('g', { tellsMembers: false })) },
    { why: 'the broker says so', prepare: () => open({ config: { notifyConsumerIdsChangedEnable: false } }) }
  ])('tells nobody where $why', ({ prepare, more }) => {
    prepare()
    const [a, b] = [new Link('a'), new Link('b')]
    consume(a, 'g', [subscription('t')], more)
    consume(b, 'g', [subscription('t')], more)
    clients.closed(b)
    expect(news()).toEqual([])
  })

  test('tells later, each member once, where that is put off', () => {
    open({ config: { realTimeNotifyConsumerChange: false } })
    const [a, b] = [new Link('a'), new Link('b')]
    consume(a)
    consume(b)
    expect(news()).toEqual([])
    clients.tellMembers()
    expect(news()).toEqual(['a: g', 'b: g'])
    clients.tellMembers()
    expect(news()).toEqual([])
  })

  test('is passed over, but succeeds, where the group may not be made', () => {
    open({ config: { autoCreateSubscriptionGroup: false } })
    consume(new Link('a'))
    expect(clients.consumerGroup('g')).toBeUndefined()
    expect(topics.find('%RETRY%g')).toBeUndefined()
  })

  test('of a pull consumer is passed over where those are refused', () => {
    open({ config: { rejectPullConsumerEnable: true } })
    consume(new Link('a'), 'g', [], { consumeType: 'CONSUME_ACTIVELY' })
    expect(clients.consumerGroup('g')).toBeUndefined()
  })

  test('on a connection that has closed meanwhile leaves nothing behind', () => {
    const a = new Link('a')
    a.isOpen = false
    consume(a)
    expect(clients.connectionCount).toBe(0)
    expect(clients.consumerGroup('g')).toBeUndefined()
  })

  test('of the same client on a second connection counts twice until the first closes', () => {
    const [first, second] = [new Link('a'), new Link('a')]
    consume(first)
    consume(second)
    expect(clients.consumerIds('g')).toEqual(['id-a', 'id-a'])
    clients.closed(first)
    expect(clients.consumerIds('g')).toEqual(['id-a'])
    expect(clients.consumerGroup('g')?.memberById('id-a')?.link).toBe(second)
  })

  test('is told to listeners before the members hear of it', () => {
    const events: string[] = []
    clients.onConsumers(event => {
      const change = event.type === 'registered' ? ` ${event.isChanged}` : ''
      events.push(`${event.type}${change} ${told.length}`)
    })
    const a = new Link('a')
    consume(a)
    consume(a)
    clients.closed(a)
    expect(events).toEqual(['registered true 0', 'registered false 1', 'left 1', 'gone 1'])
  })
})

describe('a heartbeat of the second form', () => {
  const full = { fingerprint: 7, consumers: [consumer('g', [subscription('t')])] }
  const short = { fingerprint: 7, isWithoutSubscriptions: true, consumers: [consumer('g', [])] }

  test('keeps the subscriptions that it leaves out', () => {
    const a = new Link('a')
    expect(beat(a, full)).toBe(false)
    expect(beat(a, short)).toBe(false)
    expect(clients.subscription('g', 't')).toEqual(subscription('t'))
    expect(news()).toEqual(['a: g'])
  })

  test('must be sent whole after a restart, when another fingerprint was stored, and after one of the first form', () => {
    const a = new Link('a')
    expect(beat(a, short)).toBe(true)
    expect(beat(a, full)).toBe(false)
    expect(beat(a, { ...short, fingerprint: 8 })).toBe(true)
    expect(beat(a, { ...full, fingerprint: 8 })).toBe(false)
    expect(consume(a)).toBe(true)
    expect(beat(a, full)).toBe(true)
    expect(beat(a, full)).toBe(false)
  })
})

describe('a consumer that leaves', () => {
  test.each<{ how: string; leave: (link: Link) => void }>([
    { how: 'unregisters', leave: link => clients.unregister(link, { clientId: 'id-b', consumerGroup: 'g' }) },
    { how: 'closes its connection', leave: link => clients.closed(link) }
  ])('because it $how is forgotten at once, and the others are told', ({ leave }) => {
    const [a, b] = [new Link('a'), new Link('b')]
    consume(a)
    consume(b)
    news()
    leave(b)
    expect(news()).toEqual(['a: g'])
    expect(clients.consumerIds('g')).toEqual(['id-a'])
    expect(clients.connectionCount).toBe(1)
    leave(b)
    expect(news()).toEqual([])
    leave(a)
    expect(clients.consumerGroup('g')).toBeUndefined()
    expect(clients.groupsOf('t')).toEqual([])
    expect(clients.connectionCount).toBe(0)
  })

  test('one of its groups stays in the others', () => {
    const a = new Link('a')
    beat(a, { consumers: [consumer('g', []), consumer('h', [])], producerGroups: ['p'] })
    clients.unregister(a, { clientId: 'id-a', consumerGroup: 'g' })
    expect(clients.consumerIds('h')).toEqual(['id-a'])
    expect(clients.producers('p')).toHaveLength(1)
    clients.unregister(a, { clientId: 'id-a', producerGroup: 'p' })
    expect(clients.connectionCount).toBe(1)
  })

  test('and has been silent for too long is forgotten and cut off', () => {
    const [a, b, p] = [new Link('a'), new Link('b'), new Link('p')]
    consume(a)
    beat(p, { producerGroups: ['p'] })
    world.clock.advance(60_000)
    consume(b)
    news()
    world.clock.advance(60_000)
    clients.expire()
    expect([a.isOpen, p.isOpen]).toEqual([true, true])
    world.clock.advance(1)
    clients.expire()
    expect([a.isOpen, b.isOpen, p.isOpen]).toEqual([false, true, false])
    expect(clients.consumerIds('g')).toEqual(['id-b'])
    expect(clients.producers('p')).toEqual([])
    expect(news()).toEqual(['b: g'])
    clients.closed(a)
    expect(news()).toEqual([])
  })

  test('is not silent because the clock of the machine was set', () => {
    const a = new Link('a')
    consume(a)
    world.clock.setWall(world.clock.nowMs() + 1_000_000)
    clients.expire()
    expect(a.isOpen).toBe(true)
  })
})

describe('producers', () => {
  test('are known by group, and by client id on their newest connection', () => {
    const [first, second] = [new Link('a'), new Link('a')]
    beat(first, { producerGroups: ['p', 'q'], language: 'GO', version: 1 })
    beat(second, { producerGroups: ['p'] })
    expect(clients.producers('p').map(({ link }) => link)).toEqual([first, second])
    expect(clients.producers('q')).toMatchObject([{ clientId: 'id-a', language: 'GO', version: 1 }])
    expect(clients.producerById('id-a')?.link).toBe(second)
    expect([...clients.allProducers()].map(([group]) => group)).toEqual(['p', 'q'])
    clients.closed(first)
    expect(clients.producerById('id-a')?.link).toBe(second)
    clients.closed(second)
    expect(clients.producerById('id-a')).toBeUndefined()
    expect(clients.producers('p')).toEqual([])
    expect([...clients.allProducers()]).toEqual([])
  })

  test('stay reachable by client id while they are in any group', () => {
    const a = new Link('a')
    beat(a, { producerGroups: ['p', 'q'] })
    clients.unregister(a, { clientId: 'id-a', producerGroup: 'p' })
    expect(clients.producerById('id-a')?.link).toBe(a)
    clients.unregister(a, { clientId: 'id-a', producerGroup: 'q' })
    expect(clients.producerById('id-a')).toBeUndefined()
  })

  test('are not registered where transactions are refused and the configuration says so', () => {
    open({ config: { enableRegisterProducer: false, rejectTransactionMessage: true } })
    beat(new Link('a'), { producerGroups: ['p'] })
    expect(clients.producers('p')).toEqual([])
  })
})

test('a connection that closes costs what its own groups cost, with ten thousand groups online', () => {
  const links = Array.from({ length: 10_000 }, (_, i) => new Link(`c-${i}`))
  for (const [i, link] of links.entries()) consume(link, `g-${i}`, [subscription(`t-${i % 100}`)])
  let visits = 0
  clients.onConsumers(() => {
    visits++
  })
  clients.closed(links[5_000]!)
  expect(visits).toBe(2)
  expect(clients.groupsOf('t-0')).toHaveLength(99)
})

describe('the body of a heartbeat', () => {
  const from = { language: 'JAVA', version: 479 }

  test('is read as Java clients write it', () => {
    const body = `{"clientID":"10.0.0.5@123#456","consumerDataSet":[{"consumeFromWhere":"CONSUME_FROM_FIRST_OFFSET",
      "consumeType":"CONSUME_POP","groupName":"g","messageModel":"BROADCASTING","subscriptionDataSet":[
      {"classFilterMode":false,"codeSet":[2598919],"expressionType":"TAG","subString":"TagA","subVersion":1700000000000,
      "tagsSet":["TagA"],"topic":"T"}],"unitMode":true}],"heartbeatFingerprint":5,"producerDataSet":[{"groupName":"p"}],
      "withoutSub":true}`
    expect(readHeartbeat(parseJavaJson(body), from)).toEqual({
      clientId: '10.0.0.5@123#456',
      language: 'JAVA',
      version: 479,
      producerGroups: ['p'],
      consumers: [
        {
          group: 'g',
          consumeType: 'CONSUME_POP',
          messageModel: 'BROADCASTING',
          consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
          isUnit: true,
          subscriptions: [
            {
              topic: 'T',
              expression: 'TagA',
              expressionType: 'TAG',
              version: 1_700_000_000_000,
              tags: ['TagA'],
              tagHashes: [2_598_919],
              isClassFilter: false
            }
          ]
        }
      ],
      fingerprint: 5,
      isWithoutSubscriptions: true
    })
  })

  test.each([
    '{}',
    'null',
    '[]',
    '7',
    '{"clientID":null,"consumerDataSet":null,"producerDataSet":null}',
    '{"consumerDataSet":[null,{},{"groupName":""}],"producerDataSet":[{},null,7]}'
  ])('%s counts as empty', body => {
    expect(readHeartbeat(parseJavaJson(body), from)).toMatchObject({ clientId: '', consumers: [], producerGroups: [] })
  })
})

describe('the expression of a pull', () => {
  test.each([
    { expression: undefined, tags: [], hashes: [] },
    { expression: '', tags: [], hashes: [] },
    { expression: '*', tags: [], hashes: [] },
    { expression: 'TagA', tags: ['TagA'], hashes: [2_598_919] },
    { expression: ' TagA || TagB ||', tags: ['TagA', 'TagB'], hashes: [2_598_919, 2_598_920] }
  ])('$expression asks for $tags', ({ expression, tags, hashes }) => {
    const parsed = parseSubscription({ topic: 't', expression, expressionType: undefined, version: 1 })
    expect(parsed).toMatchObject({ expressionType: 'TAG', tags, tagHashes: hashes })
  })

  test('that names no tag is refused', () => {
    const parse = () => parseSubscription({ topic: 't', expression: '||', expressionType: 'TAG', version: 1 })
    expect(parse).toThrow(expect.objectContaining({ code: 'FILTER_INVALID' }))
  })

  test('in SQL is left as it is', () => {
    expect(
      parseSubscription({ topic: 't', expression: 'a > 1 || b', expressionType: 'SQL92', version: 1 })
    ).toMatchObject({ expression: 'a > 1 || b', expressionType: 'SQL92', tags: [] })
  })
})
