import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../src/base/index.ts'
import {
  attributeChange,
  PERM,
  parseAttributeChanges,
  removeTopic,
  TopicTable,
  topicConfig
} from '../../src/broker/index.ts'
import { ConsumerOffsets } from '../../src/broker/offsets.ts'
import { BrokerStats } from '../../src/broker/stats.ts'
import { FaultyFiles } from '../support/faulty-files.ts'
import { START_MS } from '../support/settable-clock.ts'
import { losesEverything } from '../support/simulated-disk.ts'
import { jsonIn, newDisk, ROOT, type TableWorldOptions, tableWorld } from '../support/table-fixtures.ts'

const PATH = join(ROOT, 'config', 'topics.json')
const SEND = { defaultTopic: 'TBW102', queueCountMax: 4, sysFlag: 0 }
const fails = (code: string) => expect.objectContaining({ code })

function opened(options: TableWorldOptions = {}) {
  const world = tableWorld(options)
  return { world, topics: new TopicTable(world) }
}

describe('topics of the broker itself', () => {
  test('are there from the start, with the queues and permissions of RocketMQ', () => {
    const { topics } = opened()
    const listed = [...topics.all()].map(({ name, readQueueCount, writeQueueCount, perm }) => [
      name,
      readQueueCount === writeQueueCount ? readQueueCount : Number.NaN,
      perm
    ])
    expect(listed).toEqual([
      ['BenchmarkTest', 1024, 6],
      ['DefaultCluster', 16, 7],
      ['DefaultCluster_REPLY_TOPIC', 1, 6],
      ['OFFSET_MOVED_EVENT', 1, 6],
      ['RMQ_SYS_TRANS_HALF_TOPIC', 1, 6],
      ['RMQ_SYS_TRANS_OP_HALF_TOPIC', 1, 6],
      ['SCHEDULE_TOPIC_XXXX', 18, 6],
      ['SELF_TEST_TOPIC', 1, 6],
      ['TBW102', 8, 7],
      ['broker-a', 1, 7],
      ['rmq_sys_REVIVE_LOG_DefaultCluster', 8, 6],
      ['rmq_sys_SYNC_BROKER_MEMBER_broker-a', 1, 1],
      ['rmq_sys_wheel_timer', 1, 6]
    ])
  })

  test('follow the configuration', () => {
    const { topics } = opened({
      config: {
        autoCreateTopicEnable: false,
        clusterTopicEnable: false,
        brokerTopicEnable: false,
        traceTopicEnable: true,
        timerWheelEnable: false,
        reviveQueueNum: 3
      }
    })
    expect(topics.find('TBW102')).toBeUndefined()
    expect(topics.get('DefaultCluster').perm).toBe(PERM.inherit)
    expect(topics.get('broker-a').perm).toBe(PERM.inherit)
    expect(topics.get('RMQ_SYS_TRACE_TOPIC').writeQueueCount).toBe(1)
    expect(topics.find('rmq_sys_wheel_timer')).toBeUndefined()
    expect(topics.get('rmq_sys_REVIVE_LOG_DefaultCluster').readQueueCount).toBe(3)
  })

  test.each([
    'TBW102',
    'CHECKPOINT_TOPIC',
    'rmq_sys_anything',
    'DefaultCluster',
    'broker-a',
    'TRANS_CHECK_MAX_TIME_TOPIC'
  ])('include the name %s, which nobody may update', name => {
    const { topics } = opened()
    expect(topics.isSystem(name)).toBe(true)
    expect(() => topics.update(topicConfig(name))).toThrow(fails('PARAMETER_INVALID'))
  })

  test('may be updated where the configuration allows it', () => {
    const { topics } = opened({ config: { validateSystemTopicWhenUpdateTopic: false } })
    topics.update(topicConfig('BenchmarkTest', { readQueueCount: 2, writeQueueCount: 2 }))
    expect(topics.get('BenchmarkTest').writeQueueCount).toBe(2)
  })
})

describe('a send to an unknown topic', () => {
  test.each([
    { wanted: 4, got: 4 },
    { wanted: 100, got: 8 },
    { wanted: 0, got: 0 },
    { wanted: -1, got: 0 }
  ])('that wants $wanted queues creates it with $got, after the model of TBW102', ({ wanted, got }) => {
    const { topics } = opened()
    const topic = topics.createForSend({ ...SEND, topic: 'orders', queueCountMax: wanted, sysFlag: 1 })
    expect(topic).toEqual(topicConfig('orders', { readQueueCount: got, writeQueueCount: got, perm: 6, sysFlag: 1 }))
    expect(topics.createForSend({ ...SEND, topic: 'orders' })).toBe(topic)
  })

  test.each([
    { why: 'TBW102 is not there', config: { autoCreateTopicEnable: false }, defaultTopic: 'TBW102' },
    { why: 'the default topic is unknown', config: {}, defaultTopic: 'nothing' },
    { why: 'the default topic is not inherited', config: {}, defaultTopic: 'SELF_TEST_TOPIC' }
  ])('is refused where $why', ({ config, defaultTopic }) => {
    const { topics } = opened({ config })
    expect(() => topics.createForSend({ ...SEND, topic: 'orders', defaultTopic })).toThrow(fails('TOPIC_UNKNOWN'))
    expect(topics.createForSend({ ...SEND, topic: '%RETRY%group', defaultTopic })).toMatchObject({
      writeQueueCount: 1,
      perm: 6
    })
  })

  test('is refused once auto-creation is turned off, and works again once it is on', () => {
    const { topics, world } = opened()
    world.config.autoCreateTopicEnable = false
    expect(() => topics.createForSend({ ...SEND, topic: 'orders' })).toThrow(fails('TOPIC_UNKNOWN'))
    world.config.autoCreateTopicEnable = true
    expect(topics.createForSend({ ...SEND, topic: 'orders' }).perm).toBe(6)
  })

  test.each(['', 'a b', 'a/b', '..', 'a+b', 'ü', 'x'.repeat(128), `%DLQ%${'x'.repeat(251)}`, 'a\n'])(
    'is refused for the name %j',
    topic => {
      expect(() => opened().topics.createForSend({ ...SEND, topic })).toThrow(fails('TOPIC_NAME_INVALID'))
    }
  )

  test.each(['x'.repeat(127), `%RETRY%${'x'.repeat(248)}`, 'A-z_0|9%'])('works for the name %j', topic => {
    expect(opened().topics.createForSend({ ...SEND, topic }).name).toBe(topic)
  })
})

describe('an update', () => {
  test('creates a topic, changes it, and does nothing the second time', () => {
    const { topics } = opened()
    const config = topicConfig('orders', { readQueueCount: 3, writeQueueCount: 2, perm: 4, isOrdered: true })
    expect(topics.update(config, parseAttributeChanges('+message.type=FIFO'))).toBe(true)
    const { counter } = topics.version
    expect(topics.get('orders')).toEqual({ ...config, attributes: { 'message.type': 'FIFO' } })
    expect(topics.update(config, parseAttributeChanges('+message.type=FIFO'))).toBe(false)
    expect(topics.update(config)).toBe(false)
    expect(topics.version.counter).toBe(counter)
    expect(topics.update({ ...config, perm: 2 })).toBe(true)
    expect(topics.get('orders')).toMatchObject({ perm: 2, attributes: { 'message.type': 'FIFO' } })
    expect(topics.version.counter).toBe(counter + 1)
  })

  test.each([
    { changes: '+message.type=FIFO,-message.type', wrong: 'twice' },
    { changes: 'message.type=FIFO', wrong: 'neither' },
    { changes: '+message.type=fifo', wrong: 'no such value' },
    { changes: '+colour=red', wrong: 'no such attribute' },
    { changes: '-message.type', wrong: 'is not set' },
    { changes: '+reserve.time=-2', wrong: 'no such value' }
  ])('with attributes $changes is refused ($wrong), and changes nothing', ({ changes, wrong }) => {
    const { topics } = opened()
    const before = topics.version
    expect(() => topics.update(topicConfig('orders'), parseAttributeChanges(changes))).toThrow(
      expect.objectContaining({ code: 'ATTRIBUTE_INVALID', message: expect.stringContaining(wrong) })
    )
    expect(topics.find('orders')).toBeUndefined()
    expect(topics.version).toEqual(before)
  })

  test('may not change what is set at creation only', () => {
    const { topics } = opened()
    topics.update(topicConfig('orders'), parseAttributeChanges('+queue.type=SimpleCQ'))
    expect(() => topics.update(topicConfig('orders'), parseAttributeChanges('+queue.type=BatchCQ'))).toThrow(
      fails('ATTRIBUTE_INVALID')
    )
  })

  test('removes an attribute', () => {
    const { topics } = opened()
    topics.update(topicConfig('orders'), [attributeChange('+message.type', 'DELAY')])
    topics.update(topicConfig('orders'), parseAttributeChanges('-message.type'))
    expect(topics.get('orders').attributes).toEqual({})
  })

  test.each([
    topicConfig('orders', { perm: 8 }),
    topicConfig('orders', { perm: -1 }),
    topicConfig('orders', { readQueueCount: -1 }),
    topicConfig('orders', { writeQueueCount: 65_537 }),
    topicConfig('orders', { writeQueueCount: 1.5 })
  ])('to $perm, $readQueueCount, $writeQueueCount is refused', config => {
    expect(() => opened().topics.update(config)).toThrow(fails('PARAMETER_INVALID'))
  })

  test('to mixed message types needs the configuration for it', () => {
    const { topics, world } = opened()
    const changes = parseAttributeChanges('+message.type=MIXED')
    expect(() => topics.update(topicConfig('orders'), changes)).toThrow(fails('PARAMETER_INVALID'))
    world.config.enableMixedMessageType = true
    expect(topics.update(topicConfig('orders'), changes)).toBe(true)
  })

  test('of several is made whole or not at all', () => {
    const { topics } = opened()
    const updates = ['a', 'b', 'c d'].map(name => ({ config: topicConfig(name), changes: [] }))
    expect(() => topics.updateAll(updates)).toThrow(fails('TOPIC_NAME_INVALID'))
    expect(topics.find('a')).toBeUndefined()
    topics.updateAll(updates.slice(0, 2))
    expect(topics.find('b')).toBeDefined()
  })
})

describe('the retry topic of a group', () => {
  const group = { group: 'g', queueCount: 2, isOrdered: false, isUnit: false }

  test('is made once, and is ordered while the group reads ordered topics', () => {
    const { topics } = opened()
    const topic = topics.ensureRetryTopic(group)
    expect(topic).toEqual(topicConfig('%RETRY%g', { readQueueCount: 2, writeQueueCount: 2, perm: 6 }))
    expect(topics.ensureRetryTopic(group)).toBe(topic)
    expect(topics.ensureRetryTopic({ ...group, isOrdered: true })).toEqual({ ...topic, isOrdered: true })
  })

  test('has the flag of a unit subscription', () => {
    expect(opened().topics.ensureRetryTopic({ ...group, isUnit: true }).sysFlag).toBe(2)
  })
})

describe('what topics are', () => {
  test('is there after a loss of power, once saved', async () => {
    const { topics, world } = opened()
    topics.createForSend({ ...SEND, topic: 'orders' })
    topics.update(topicConfig('ordered', { isOrdered: true }), [attributeChange('+message.type', 'FIFO')])
    topics.delete('BenchmarkTest')
    await topics.saved()
    const found = new TopicTable({ ...world, files: world.disk.crash(seededRandom(1), losesEverything) })
    expect([...found.all()]).toEqual([
      topicConfig('BenchmarkTest', { readQueueCount: 1024, writeQueueCount: 1024 }),
      ...topics.all()
    ])
    expect(found.version).toEqual(topics.version)
  })

  test('moves the version with each change and tells listeners of it', () => {
    const { topics, world } = opened()
    const heard: string[] = []
    topics.onChanged(({ type, topic }) => heard.push(`${type} ${topic.name} ${topics.version.counter}`))
    world.clock.advance(5)
    topics.createForSend({ ...SEND, topic: 'a' })
    topics.update(topicConfig('a', { perm: 2 }))
    topics.markOrdered(['a', 'nothing'])
    topics.markOrdered(['a'])
    topics.delete('a')
    topics.delete('a')
    expect(heard).toEqual(['created a 1', 'updated a 2', 'updated a 3', 'deleted a 4'])
    expect(topics.version).toEqual({ counter: 4, stateVersion: 0, timestamp: START_MS + 5 })
  })

  test('is saved at once, without anybody waiting for it', async () => {
    const { topics, world } = opened()
    topics.createForSend({ ...SEND, topic: 'orders' })
    expect(topics.isSaved).toBe(false)
    await topics.saved()
    expect(topics.isSaved).toBe(true)
    expect(jsonIn(world.disk, PATH)).toMatchObject({ topicConfigTable: { orders: { writeQueueNums: 4 } } })
  })

  test('is saved a few times, not ten thousand, when ten thousand topics are created at once', async () => {
    const { topics, world } = opened()
    const creations = Array.from({ length: 10_000 }, (_, i) => {
      topics.createForSend({ ...SEND, topic: `topic-${i}` })
      return topics.saved()
    })
    await Promise.all(creations)
    expect(world.disk.counts.rename).toBeLessThan(5)
    expect(new TopicTable({ ...world, files: world.disk.kill() }).count).toBe(topics.count)
  })

  test('that could not be saved is told to who waits, logged, and saved when the timer tries again', async () => {
    const disk = newDisk()
    const files = new FaultyFiles(disk)
    const { topics, world } = opened({ disk, files })
    files.fail({ kind: 'write', errno: 'ENOSPC' })
    topics.createForSend({ ...SEND, topic: 'orders' })
    await expect(topics.saved()).rejects.toThrow(fails('STORE_DISK_FULL'))
    expect(world.logged).toEqual(['topics not saved'])
    topics.saveSoon()
    await topics.saved()
    expect(new TopicTable({ ...world, files: disk.kill() }).find('orders')).toBeDefined()
  })

  test.each([
    '{}',
    '{"topicConfigTable":null}',
    '{"topicConfigTable":[1]}',
    '{"topicConfigTable":{"a":3,"b":null,"":{}},"dataVersion":7}'
  ])('reads as nothing from %s', text => {
    const { topics } = opened({ disk: diskWith(text) })
    expect(topics.count).toBe(13)
  })

  test('reads leniently: missing members have their defaults, unknown ones are passed over', () => {
    const text = '{"topicConfigTable":{"a":{"perm":"4","colour":1},"__proto__":{"topicName":"p","order":"TRUE"}}}'
    const { topics } = opened({ disk: diskWith(text) })
    expect(topics.get('a')).toEqual(topicConfig('a', { perm: 4 }))
    expect(topics.get('p')).toEqual(topicConfig('p', { isOrdered: true }))
  })

  function diskWith(text: string) {
    const disk = newDisk()
    disk.makeDirectory(join(ROOT, 'config'))
    const file = disk.open(PATH, 'create')
    file.write(new TextEncoder().encode(text), 0)
    file.close()
    return disk
  }
})

test('removing a topic removes its offsets, its queues and the retry topics of its pop consumers', async () => {
  const { topics, world } = opened()
  const offsets = new ConsumerOffsets(world)
  const stats = new BrokerStats({ clock: world.clock, config: world.config, isSystemTopic: () => false })
  for (const name of ['orders', 'other', '%RETRY%g_orders', '%RETRY%g+orders', '%RETRY%g_other']) {
    topics.ensure(topicConfig(name))
    offsets.commit({ topic: name, group: 'g', queueId: 0 }, 1)
    stats.puts(name).add(0, 1, 1, 0)
  }
  const deleted: string[] = []
  const forgotten: string[] = []
  await removeTopic('orders', {
    topics,
    offsets,
    stats,
    delayed: { forgetTopic: topic => forgotten.push(topic) },
    deleteQueues: async topic => {
      deleted.push(topic)
    },
    clearsRetryTopics: true
  })
  expect(deleted).toEqual(['orders', '%RETRY%g_orders', '%RETRY%g+orders'])
  expect(forgotten).toEqual(deleted)
  expect(offsets.topicsOf('g')).toEqual(['%RETRY%g_other', 'other'])
  expect(topics.names()).not.toContain('orders')
  expect(topics.names()).toContain('%RETRY%g_other')
  expect(stats.view('TOPIC_PUT_NUMS', 'orders')).toBeUndefined()
  expect(topics.isSaved).toBe(true)
})
