/**
 * The same conversation with Apache RocketMQ's name server and with ours: each request's code, remark, fields and body must
 * come back the same. A body is compared as the value that it is, lists of names without their order; routes also as text.
 */
import { crc32 } from 'node:zlib'
import { parseJavaJson } from '../../dist/src/layout/index.js'
import { REQUEST } from '../../dist/src/protocol/index.js'
import { callerOf } from './nameserver-varve.mjs'

/** Remarks of Apache's end with advice and a link. */
const ADVICE = /\nSee https?:.*$|See http.*$/s

/** @returns {Promise<string[]>} what differs */
export async function differences(apacheAddress, varveAddress) {
  const apache = new Party(apacheAddress)
  const varve = new Party(varveAddress)
  try {
    const wrong = []
    for (const step of conversation()) {
      const [theirs, ours] = [await apache.take(step), await varve.take(step)]
      if (theirs !== ours) wrong.push(`${step.what}:\n    apache ${theirs}\n    varve  ${ours}`)
    }
    return wrong
  } finally {
    apache.close()
    varve.close()
  }
}

/** One name server with the connections of the conversation, by name. */
class Party {
  #address
  #connections = new Map()

  constructor(address) {
    this.#address = address
  }

  async take({ over = 'tool', close, awaitGone, code, fields, body }) {
    if (close) {
      this.#connections.get(over)?.close()
      this.#connections.delete(over)
      return 'closed'
    }
    const connection = this.#connections.get(over) ?? (await callerOf(this.#address))
    this.#connections.set(over, connection)
    if (awaitGone) return this.#awaitGone(connection, awaitGone)
    const bytes = typeof body === 'object' ? Buffer.from(JSON.stringify(body)) : body && Buffer.from(body)
    return shown(await connection.call(code, fields, bytes), code)
  }

  /** Both notice a closed connection, or carry an unregistration out, a moment later. */
  async #awaitGone(connection, { topic, broker }) {
    for (;;) {
      const { code, body } = await connection.call(REQUEST.GET_ROUTEINFO_BY_TOPIC, { topic })
      if (code !== 0 || !body.includes(`"${broker}"`)) return 'gone'
    }
  }

  close() {
    for (const connection of this.#connections.values()) connection.close()
  }
}

function shown({ code, remark, fields, body }, request) {
  const isSettings = request === REQUEST.GET_NAMESRV_CONFIG
  return JSON.stringify({
    code,
    // With success nobody reads it; with the others the words are those of Java's exceptions.
    remark: code === 0 || code === 1 || code === 16 ? '' : remark?.replace(ADVICE, '').trim(),
    fields: Object.fromEntries(Object.entries(fields).sort()),
    body: isSettings || body === '' ? '' : sorted(parseJavaJson(body)),
    isCompact: request === REQUEST.GET_ROUTEINFO_BY_TOPIC ? !/[\s]/.test(body) : true
  })
}

/** Names in lists, and members of objects, in one order. */
function sorted(value) {
  if (Array.isArray(value)) {
    return value.map(sorted).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  }
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => [key, sorted(member)])
  )
}

const topic = (topicName, more = {}) => ({
  attributes: {},
  order: false,
  perm: 6,
  readQueueNums: 8,
  topicFilterType: 'SINGLE_TAG',
  topicName,
  topicSysFlag: 0,
  writeQueueNums: 4,
  ...more
})

const registration = (topics, counter, stateVersion = 0) => ({
  filterServerList: [],
  topicConfigSerializeWrapper: {
    dataVersion: { counter, stateVersion, timestamp: 1_700_000_000_000 },
    mappingDataVersion: { counter: 0, stateVersion: 0, timestamp: 1_700_000_000_000 },
    topicConfigTable: Object.fromEntries(topics.map(config => [config.topicName, config])),
    topicQueueMappingDetailMap: {},
    topicQueueMappingInfoMap: {}
  }
})

const A = {
  brokerName: 'a',
  brokerAddr: '127.0.0.1:10911',
  clusterName: 'c',
  brokerId: 0,
  haServerAddr: '127.0.0.1:10912',
  enableActingMaster: false
}
const A_SLAVE = { ...A, brokerAddr: '127.0.0.1:20911', brokerId: 1, haServerAddr: '127.0.0.1:20912' }
const B = { ...A, brokerName: 'b', brokerAddr: '127.0.0.1:30911' }
const ALL = [
  topic('T'),
  topic('U', { perm: 4, topicSysFlag: 1 }),
  topic('V', { topicSysFlag: 3 }),
  topic('TBW102', { perm: 7 })
]

function conversation() {
  const steps = []
  const ask = (what, code, fields = {}, body = undefined, over = 'tool') =>
    steps.push({ what, code, fields, body, over })
  const register = (what, over, broker, body) => ask(what, REQUEST.REGISTER_BROKER, broker, body, over)
  const route = name => ask(`the route of ${name}`, REQUEST.GET_ROUTEINFO_BY_TOPIC, { topic: name })
  const lists = when => {
    ask(`clusters ${when}`, REQUEST.GET_BROKER_CLUSTER_INFO)
    ask(`all topics ${when}`, REQUEST.GET_ALL_TOPIC_LIST_FROM_NAMESERVER)
    ask(`topics of a cluster ${when}`, REQUEST.GET_TOPICS_BY_CLUSTER, { cluster: 'c' })
    ask(`unit topics ${when}`, REQUEST.GET_UNIT_TOPIC_LIST)
    ask(`unit subscriptions ${when}`, REQUEST.GET_HAS_UNIT_SUB_TOPIC_LIST)
    ask(`unit subscriptions of other topics ${when}`, REQUEST.GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST)
    ask(`members of a ${when}`, REQUEST.GET_BROKER_MEMBER_GROUP, { clusterName: 'c', brokerName: 'a' })
    for (const name of ['T', 'U', 'TBW102', 'X']) route(name)
  }

  lists('at the start')
  register('a first registration with everything', 'a', A, registration(ALL, 1))
  ask('system topics', REQUEST.GET_SYSTEM_TOPIC_LIST_FROM_NS)
  lists('after a first registration')
  register('the same version with other queues', 'a', A, registration([topic('T', { perm: 4 })], 1))
  route('T')
  register('one changed topic', 'a', A, registration([topic('T', { readQueueNums: 2 })], 2))
  register('a new topic', 'a', A, registration([topic('New')], 3))
  route('T')
  route('New')
  register('a slave', 'a-slave', A_SLAVE, registration(ALL, 1))
  register(
    'a slave without acting master',
    'a-slave',
    { ...A_SLAVE, enableActingMaster: undefined },
    registration(ALL, 1)
  )
  lists('with a slave')
  register('another broker', 'b', B, registration([topic('T'), topic('W')], 1))
  lists('with two brokers')
  register('without a body', 'b', B, undefined)
  const body = Buffer.from(JSON.stringify(registration(ALL, 9)))
  const bodyCrc32 = crc32(body) & 0x7fffffff
  register('a wrong checksum', 'b', { ...B, bodyCrc32: bodyCrc32 ^ 1 }, body.toString())
  register('a right checksum', 'b', { ...B, bodyCrc32 }, body.toString())
  route('V')

  const version = counter => ({ counter, stateVersion: 0, timestamp: 1_700_000_000_000 })
  ask('a known version', REQUEST.QUERY_DATA_VERSION, A, version(3), 'a')
  ask('another version', REQUEST.QUERY_DATA_VERSION, A, version(4), 'a')
  ask('the version of an unknown broker', REQUEST.QUERY_DATA_VERSION, { ...A, brokerAddr: '127.0.0.1:1' }, version(1))
  ask('a heartbeat', REQUEST.BROKER_HEARTBEAT, A)

  ask('write permission wiped', REQUEST.WIPE_WRITE_PERM_OF_BROKER, { brokerName: 'a' })
  route('T')
  ask('write permission given back', REQUEST.ADD_WRITE_PERM_OF_BROKER, { brokerName: 'a' })
  route('U')
  ask('permission of an unknown broker', REQUEST.WIPE_WRITE_PERM_OF_BROKER, { brokerName: 'x' })
  ask(
    'a topic registered',
    REQUEST.REGISTER_TOPIC_IN_NAMESRV,
    { topic: 'Single' },
    {
      queueDatas: [{ brokerName: 'a', perm: 6, readQueueNums: 1, topicSysFlag: 0, writeQueueNums: 1 }]
    }
  )
  route('Single')
  ask(
    'a topic of an unknown broker',
    REQUEST.REGISTER_TOPIC_IN_NAMESRV,
    { topic: 'Stray' },
    {
      queueDatas: [{ brokerName: 'x', perm: 6, readQueueNums: 1, topicSysFlag: 0, writeQueueNums: 1 }]
    }
  )
  route('Stray')
  ask('a topic deleted in one cluster', REQUEST.DELETE_TOPIC_IN_NAMESRV, { topic: 'Single', clusterName: 'c' })
  route('Single')
  ask('a topic deleted', REQUEST.DELETE_TOPIC_IN_NAMESRV, { topic: 'W' })
  route('W')

  const item = { namespace: 'n', key: 'k' }
  ask('an unknown item', REQUEST.GET_KV_CONFIG, item)
  ask('an unknown namespace', REQUEST.GET_KVLIST_BY_NAMESPACE, { namespace: 'n' })
  ask('an item put', REQUEST.PUT_KV_CONFIG, { ...item, value: 'v' })
  ask('an item', REQUEST.GET_KV_CONFIG, item)
  ask('a namespace', REQUEST.GET_KVLIST_BY_NAMESPACE, { namespace: 'n' })
  ask('an item deleted', REQUEST.DELETE_KV_CONFIG, item)
  ask('an item that was deleted', REQUEST.GET_KV_CONFIG, item)
  ask('a namespace that is empty now', REQUEST.GET_KVLIST_BY_NAMESPACE, { namespace: 'n' })
  ask('order put', REQUEST.PUT_KV_CONFIG, { namespace: 'ORDER_TOPIC_CONFIG', key: 'T', value: 'a:4' })
  register('a registration that is told of ordered topics', 'a', A, registration(ALL, 10))
  route('T')
  ask('order switched on', REQUEST.UPDATE_NAMESRV_CONFIG, {}, 'orderMessageEnable=true\n')
  route('T')
  ask('a locked setting', REQUEST.UPDATE_NAMESRV_CONFIG, {}, 'kvConfigPath=x\n')
  ask('settings', REQUEST.GET_NAMESRV_CONFIG)
  ask('lists switched off', REQUEST.UPDATE_NAMESRV_CONFIG, {}, 'enableTopicList=false\nenableAllTopicList=false\n')
  lists('switched off')
  ask('lists switched on', REQUEST.UPDATE_NAMESRV_CONFIG, {}, 'enableTopicList=true\nenableAllTopicList=true\n')
  ask('a request of brokers', REQUEST.SEND_MESSAGE)

  register('from another address with an older state', 'b', B, registration(ALL, 11, 7))
  register('outranked', 'other', { ...B, brokerAddr: '127.0.0.1:30999' }, registration(ALL, 12, 6))
  route('T')
  register('with a newer state', 'other', { ...B, brokerAddr: '127.0.0.1:30999' }, registration(ALL, 12, 8))
  route('T')
  register('the slave as master', 'a-slave', { ...A_SLAVE, brokerId: 0 }, registration(ALL, 13))
  route('T')
  ask('members of a after it', REQUEST.GET_BROKER_MEMBER_GROUP, { clusterName: 'c', brokerName: 'a' })
  ask('a broker unregistered', REQUEST.UNREGISTER_BROKER, { ...B, brokerAddr: '127.0.0.1:30999' }, undefined, 'other')
  steps.push({ what: 'until b is gone', awaitGone: { topic: 'T', broker: 'b' } })
  lists('after an unregistration')
  steps.push({ what: 'a connection closes', over: 'a-slave', close: true })
  steps.push({ what: 'until a is gone', awaitGone: { topic: 'T', broker: 'a' } })
  lists('after a closed connection')
  return steps
}
