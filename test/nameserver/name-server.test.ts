import { crc32, deflateSync } from 'node:zlib'
import { afterEach, describe, expect, test } from 'vitest'
import { type Clock, openLog, silentLog } from '../../src/base/index.ts'
import { NameServer, type NameServerOptions } from '../../src/nameserver/index.ts'
import {
  connectRemoting,
  field,
  listenRemoting,
  REQUEST,
  type RemotingAnswer,
  type RemotingConnection
} from '../../src/protocol/index.ts'

const TIMEOUT_MS = 10_000
const T = { perm: 6, readQueueNums: 8, topicName: 'T', topicSysFlag: 0, writeQueueNums: 4 }
const U = { ...T, topicName: 'U', topicSysFlag: 3 }

const BROKER = {
  brokerName: 'a',
  brokerAddr: '10.0.0.1:10911',
  clusterName: 'c',
  brokerId: 0,
  haServerAddr: '10.0.0.1:10912',
  enableActingMaster: false
}

const closing: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function opened(options: Partial<NameServerOptions> = {}) {
  let nowMs = 1_000_000
  const clock: Clock = { nowMs: () => nowMs, monotonicMs: () => nowMs }
  const server = new NameServer({ clock, log: silentLog, gateways: [], ...options })
  const listener = await listenRemoting({
    host: '127.0.0.1',
    port: 0,
    onRequest: (request, connection) => server.handle(request, connection),
    connectionsMax: 100,
    log: silentLog,
    clock
  })
  closing.push(
    () => listener.close({ drainMs: 0 }),
    () => server.close()
  )
  const connect = async (host = '127.0.0.1') => {
    const { port } = listener.address
    const connection = await connectRemoting({ host, port, connectTimeoutMs: TIMEOUT_MS, log: silentLog, clock })
    closing.push(() => connection.close('the test ends'))
    return new Client(connection)
  }
  return { server, connect, advance: (ms: number) => (nowMs += ms), client: await connect() }
}

class Client {
  readonly connection: RemotingConnection

  constructor(connection: RemotingConnection) {
    this.connection = connection
  }

  call(code: number, fields: Record<string, string | number | boolean> = {}, body?: unknown): Promise<RemotingAnswer> {
    const bytes = body === undefined ? undefined : body instanceof Uint8Array ? body : Buffer.from(asText(body))
    return this.connection.call(code, fields, {
      timeoutMs: TIMEOUT_MS,
      ...(bytes === undefined ? {} : { body: bytes })
    })
  }

  register(
    topics: readonly (typeof T)[] = [T, U],
    fields: Record<string, string | number | boolean> = {},
    counter = 1
  ) {
    return this.call(REQUEST.REGISTER_BROKER, { ...BROKER, ...fields }, registration(topics, counter))
  }

  async route(topic = 'T') {
    const answer = await this.call(REQUEST.GET_ROUTEINFO_BY_TOPIC, { topic })
    return { code: answer.code, remark: answer.remark, text: textOf(answer) }
  }

  async addresses(topic = 'T') {
    const { code, text } = await this.route(topic)
    return code === 0 ? JSON.parse(text).brokerDatas[0].brokerAddrs : code
  }
}

const asText = (body: unknown) => (typeof body === 'string' ? body : JSON.stringify(body))
const textOf = ({ body }: RemotingAnswer) => Buffer.from(body).toString()

const registration = (topics: readonly (typeof T)[], counter: number) => ({
  filterServerList: [],
  topicConfigSerializeWrapper: {
    dataVersion: { counter, stateVersion: 0, timestamp: 1_700_000_000_000 },
    topicConfigTable: Object.fromEntries(topics.map(topic => [topic.topicName, topic])),
    topicQueueMappingInfoMap: {}
  }
})

describe('a route', () => {
  test('is compact JSON with quoted and sorted keys, for clients of any age', async () => {
    const { client } = await opened()
    await client.register()
    expect(await client.route()).toEqual({
      code: 0,
      remark: undefined,
      text:
        '{"brokerDatas":[{"brokerAddrs":{"0":"10.0.0.1:10911"},"brokerName":"a","cluster":"c","enableActingMaster":false}],' +
        '"filterServerTable":{},' +
        '"queueDatas":[{"brokerName":"a","perm":6,"readQueueNums":8,"topicSysFlag":0,"writeQueueNums":4}]}'
    })
  })

  test('of an unknown topic is refused with the words that people search for', async () => {
    const { client } = await opened()
    expect(await client.route('X')).toMatchObject({
      code: 17,
      remark: 'No topic route info in name server for the topic: X'
    })
  })

  test('tells how the queues of an ordered topic are spread, where that is switched on', async () => {
    const { client } = await opened({ settings: { orderMessageEnable: true } })
    const answer = await client.register()
    expect(answer.body.length).toBe(0)
    await client.call(REQUEST.PUT_KV_CONFIG, { namespace: 'ORDER_TOPIC_CONFIG', key: 'T', value: 'a:4' })
    expect(JSON.parse((await client.route()).text).orderTopicConf).toBe('a:4')
    expect(textOf(await client.register())).toBe('{"table":{"T":"a:4"}}')
  })

  test('is not given while the server waits for brokers', async () => {
    const { client, advance } = await opened({ settings: { needWaitForService: true, waitSecondsForService: 45 } })
    await client.register()
    advance(44_999)
    expect(await client.route()).toMatchObject({ code: 1, remark: 'name server not ready' })
    advance(1)
    expect((await client.route()).code).toBe(0)
  })
})

describe('a broker of this process', () => {
  const HERE = { cluster: 'c', brokerName: 'here', brokerId: 0, port: 10_911, haAddress: 10_912 }
  const QUEUES = { readQueueNums: 8, writeQueueNums: 8, perm: 6, topicSysFlag: 0 }
  const VERSION = { stateVersion: 0, timestamp: 1, counter: 1 }
  const topics = (...names: string[]) => new Map(names.map(name => [name, QUEUES]))

  test('is where the client that asks has reached this process, and its master for slaves, too', async () => {
    const { server, client } = await opened()
    const registered = server.registerHere(HERE)
    registered.tell(VERSION, topics('T', 'U'))
    expect(await client.addresses()).toEqual({ 0: '127.0.0.1:10911' })
    const asSlave = await client.register([], { brokerName: 'here', brokerId: 1, brokerAddr: '10.0.0.2:10911' })
    expect([asSlave.text(field('masterAddr')), asSlave.text(field('haServerAddr'))]).toEqual([
      '127.0.0.1:10911',
      '127.0.0.1:10912'
    ])
    expect(textOf(await client.call(REQUEST.GET_BROKER_CLUSTER_INFO))).toContain('"0":"127.0.0.1:10911"')
    registered.close()
    expect(await client.addresses()).toEqual({ 1: '10.0.0.2:10911' })
  })

  test('is at its configured address for everybody', async () => {
    const { server, client } = await opened()
    server.registerHere({ ...HERE, advertised: 'broker.example:7777' }).tell(VERSION, topics('T', 'U'))
    expect(await client.addresses()).toEqual({ 0: 'broker.example:7777' })
  })

  test('tells of new topics, and of those that are gone', async () => {
    const { server, client } = await opened()
    const registered = server.registerHere(HERE)
    registered.tell(VERSION, topics('T', 'U'))
    registered.tell({ ...VERSION, counter: 2 }, topics('V'))
    expect(await client.addresses('V')).toEqual({ 0: '127.0.0.1:10911' })
    registered.forget('V')
    expect(await client.addresses('V')).toBe(17)
    expect(await client.addresses('T')).toEqual({ 0: '127.0.0.1:10911' })
  })

  test('is never forgotten for silence', async () => {
    const { server, client, advance } = await opened()
    server.registerHere(HERE).tell(VERSION, topics('T', 'U'))
    advance(1e9)
    server.sweep()
    expect(await client.addresses()).toEqual({ 0: '127.0.0.1:10911' })
  })

  test('gets a hint into the log, once, when a client comes from the gateway of a container', async () => {
    const lines: string[] = []
    const log = openLog({ sink: line => lines.push(line) })
    const { server, client, connect } = await opened({ log, gateways: ['127.0.0.1'] })
    server.registerHere(HERE).tell(VERSION, topics('T', 'U'))
    await client.addresses()
    await (await connect()).addresses()
    const hints = lines.filter(line => line.includes('--advertise')).map(line => JSON.parse(line))
    expect(hints).toHaveLength(1)
    expect(hints[0].answered).toBe('127.0.0.1:10911')
    expect(hints[0].client).toMatch(/^127\.0\.0\.1:\d+$/)
  })

  test('gets no hint where its address is configured', async () => {
    const lines: string[] = []
    const { server, client } = await opened({
      log: openLog({ sink: line => lines.push(line) }),
      gateways: ['127.0.0.1']
    })
    server.registerHere({ ...HERE, advertised: '10.0.0.1:10911' }).tell(VERSION, topics('T', 'U'))
    await client.addresses()
    expect(lines.filter(line => line.includes('--advertise'))).toEqual([])
  })
})

describe('a registration', () => {
  test('lasts as long as the connection that brought it', async () => {
    const { client, connect } = await opened()
    const broker = await connect()
    await broker.register()
    expect(await client.addresses()).toEqual({ 0: '10.0.0.1:10911' })
    broker.connection.close('the broker dies')
    // Only when the server has noticed is the second connection of the same broker a first registration.
    await expect.poll(() => client.addresses()).toBe(17)
  })

  test('ends by request, and by silence of two minutes', async () => {
    const { server, client, advance, connect } = await opened()
    const broker = await connect()
    await broker.register()
    await client.call(REQUEST.UNREGISTER_BROKER, BROKER)
    expect(await client.addresses()).toBe(17)
    await broker.register()
    advance(119_000)
    await client.call(REQUEST.BROKER_HEARTBEAT, BROKER)
    advance(120_000)
    server.sweep()
    expect(await client.addresses()).toEqual({ 0: '10.0.0.1:10911' })
    const closed = new Promise<string>(resolve => broker.connection.onClosed(resolve))
    advance(1)
    server.sweep()
    expect(await client.addresses()).toBe(17)
    await closed
  })

  test('with one topic as the first is refused, as brokers expect it', async () => {
    const { client } = await opened()
    expect(await client.register([T])).toMatchObject({ code: 1, remark: 'register broker failed' })
  })

  test('is checked against its checksum', async () => {
    const { client } = await opened()
    const body = Buffer.from(JSON.stringify(registration([T, U], 1)))
    const bodyCrc32 = crc32(body) & 0x7fffffff
    expect((await client.call(REQUEST.REGISTER_BROKER, { ...BROKER, bodyCrc32 }, body)).code).toBe(0)
    expect(await client.call(REQUEST.REGISTER_BROKER, { ...BROKER, bodyCrc32: bodyCrc32 ^ 1 }, body)).toMatchObject({
      code: 1,
      remark: 'crc32 not match'
    })
  })

  test('may be compressed', async () => {
    const { client } = await opened()
    const pieces = (...texts: (string | number)[]) =>
      Buffer.concat(
        texts.map(text => {
          const bytes = typeof text === 'number' ? Buffer.alloc(0) : Buffer.from(text)
          const length = Buffer.alloc(4)
          length.writeInt32BE(typeof text === 'number' ? text : bytes.length)
          return Buffer.concat([length, bytes])
        })
      )
    const version = '{"counter":1,"stateVersion":0,"timestamp":5}'
    const whole = pieces(version, 2, 'T 8 4 6 SINGLE_TAG', 'U 1 1 4 SINGLE_TAG {"+a":"b"}', '[]', 0)
    const register = (body: Uint8Array) => client.call(REQUEST.REGISTER_BROKER, { ...BROKER, compressed: true }, body)
    expect((await register(deflateSync(whole))).code).toBe(0)
    expect(JSON.parse((await client.route()).text).queueDatas).toEqual([
      { brokerName: 'a', perm: 6, readQueueNums: 8, topicSysFlag: 0, writeQueueNums: 4 }
    ])
    for (let until = 0; until < whole.length; until += 7) {
      expect((await register(deflateSync(whole.subarray(0, until)))).code).toBe(1)
    }
    expect((await register(pieces('no zlib'))).code).toBe(1)
    expect((await register(deflateSync(pieces(version, 0x7fffffff)))).code).toBe(1)
  })

  test('without a body counts as the version zero', async () => {
    const { client } = await opened()
    expect((await client.call(REQUEST.REGISTER_BROKER, BROKER)).code).toBe(0)
    const version = { counter: 0, stateVersion: 0, timestamp: 0 }
    const answer = await client.call(REQUEST.QUERY_DATA_VERSION, BROKER, version)
    expect(answer.text(field('changed'))).toBe('false')
  })

  test('whose version is known need not be repeated', async () => {
    const { client } = await opened()
    const version = { counter: 1, stateVersion: 0, timestamp: 1_700_000_000_000 }
    const ask = (asked: typeof version) => client.call(REQUEST.QUERY_DATA_VERSION, BROKER, asked)
    const unknown = await ask(version)
    expect([unknown.text(field('changed')), unknown.body.length]).toEqual(['true', 0])
    await client.register()
    expect((await ask(version)).text(field('changed'))).toBe('false')
    const newer = await ask({ ...version, counter: 2 })
    expect([newer.text(field('changed')), JSON.parse(textOf(newer))]).toEqual(['true', version])
  })

  test.each<{ what: string; fields: Record<string, string>; body: string }>([
    { what: 'without a name', fields: { brokerName: '' }, body: '{}' },
    { what: 'with an id that is no number', fields: { brokerId: 'master' }, body: '{}' },
    { what: 'with a body that is no JSON', fields: {}, body: '{"topicConfig' }
  ])('$what is refused with a reason', async ({ fields, body }) => {
    const { client } = await opened()
    const answer = await client.call(REQUEST.REGISTER_BROKER, { ...BROKER, ...fields }, body)
    expect(answer.code).toBe(1)
    expect(answer.remark).toMatch(/PARAMETER_INVALID|JSON_INVALID/)
    expect((await client.route()).code).toBe(17)
  })
})

describe('lists for tools', () => {
  test('have clusters, members and topics', async () => {
    const { client } = await opened()
    await client.register()
    await client.register([], { brokerId: 1, brokerAddr: '10.0.0.2:10911' })
    const bodyOf = async (code: number, fields = {}) => JSON.parse(textOf(await client.call(code, fields)))
    expect(await bodyOf(REQUEST.GET_BROKER_CLUSTER_INFO)).toEqual({
      brokerAddrTable: {
        a: {
          brokerAddrs: { 0: '10.0.0.1:10911', 1: '10.0.0.2:10911' },
          brokerName: 'a',
          cluster: 'c',
          enableActingMaster: false
        }
      },
      clusterAddrTable: { c: ['a'] }
    })
    expect(await bodyOf(REQUEST.GET_BROKER_MEMBER_GROUP, { clusterName: 'c', brokerName: 'a' })).toEqual({
      brokerMemberGroup: { brokerAddrs: { 0: '10.0.0.1:10911', 1: '10.0.0.2:10911' }, brokerName: 'a', cluster: 'c' }
    })
    expect(await bodyOf(REQUEST.GET_ALL_TOPIC_LIST_FROM_NAMESERVER)).toEqual({ topicList: ['T', 'U'] })
    expect(await bodyOf(REQUEST.GET_TOPICS_BY_CLUSTER, { cluster: 'c' })).toEqual({ topicList: ['T', 'U'] })
    expect(await bodyOf(REQUEST.GET_TOPICS_BY_CLUSTER, { cluster: 'x' })).toEqual({ topicList: [] })
    expect(await bodyOf(REQUEST.GET_SYSTEM_TOPIC_LIST_FROM_NS)).toEqual({
      brokerAddr: '10.0.0.1:10911',
      topicList: ['c', 'a']
    })
    expect(await bodyOf(REQUEST.GET_UNIT_TOPIC_LIST)).toEqual({ topicList: ['U'] })
    expect(await bodyOf(REQUEST.GET_HAS_UNIT_SUB_TOPIC_LIST)).toEqual({ topicList: ['U'] })
    expect(await bodyOf(REQUEST.GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST)).toEqual({ topicList: [] })
  })

  test('can be switched off', async () => {
    const { client } = await opened()
    const settings = 'enableAllTopicList=false\nenableTopicList=false\n'
    expect((await client.call(REQUEST.UPDATE_NAMESRV_CONFIG, {}, settings)).code).toBe(0)
    for (const code of [REQUEST.GET_ALL_TOPIC_LIST_FROM_NAMESERVER, REQUEST.GET_UNIT_TOPIC_LIST]) {
      expect(await client.call(code)).toMatchObject({ code: 1, remark: 'disable' })
    }
  })
})

describe('tools', () => {
  test('wipe the write permission of a broker and give it back', async () => {
    const { client } = await opened()
    await client.register()
    const perm = async () => JSON.parse((await client.route()).text).queueDatas[0].perm
    const wiped = await client.call(REQUEST.WIPE_WRITE_PERM_OF_BROKER, { brokerName: 'a' })
    expect([wiped.text(field('wipeTopicCount')), await perm()]).toEqual(['2', 4])
    const added = await client.call(REQUEST.ADD_WRITE_PERM_OF_BROKER, { brokerName: 'a' })
    expect([added.text(field('addTopicCount')), await perm()]).toEqual(['2', 6])
  })

  test('register and delete single topics', async () => {
    const { client } = await opened()
    await client.register()
    const queueDatas = [{ brokerName: 'a', perm: 6, readQueueNums: 1, topicSysFlag: 0, writeQueueNums: 1 }]
    await client.call(REQUEST.REGISTER_TOPIC_IN_NAMESRV, { topic: 'V' }, { queueDatas, brokerDatas: [] })
    expect(JSON.parse((await client.route('V')).text).queueDatas).toEqual(queueDatas)
    await client.call(REQUEST.DELETE_TOPIC_IN_NAMESRV, { topic: 'V', clusterName: 'other' })
    expect((await client.route('V')).code).toBe(0)
    await client.call(REQUEST.DELETE_TOPIC_IN_NAMESRV, { topic: 'V', clusterName: 'c' })
    expect((await client.route('V')).code).toBe(17)
    await client.call(REQUEST.DELETE_TOPIC_IN_NAMESRV, { topic: 'T' })
    expect((await client.route('T')).code).toBe(17)
  })

  test('read and change settings, all of them or none', async () => {
    const { client } = await opened()
    const update = (text: string) => client.call(REQUEST.UPDATE_NAMESRV_CONFIG, {}, text)
    const shown = async () => textOf(await client.call(REQUEST.GET_NAMESRV_CONFIG))
    expect((await update('orderMessageEnable=true\nclientRequestThreadPoolNums=4')).code).toBe(0)
    expect(await shown()).toContain('orderMessageEnable=true\n')
    expect((await update('waitSecondsForService=7\nkvConfigPath=x')).code).toBe(16)
    expect((await update('waitSecondsForService=7\nnoSuchKey=x')).code).toBe(1)
    expect((await update('waitSecondsForService=7\nenableTopicList=perhaps')).code).toBe(1)
    expect((await update('waitSecondsForService=-1')).code).toBe(1)
    expect(await shown()).toContain('waitSecondsForService=45\n')
  })

  test('keep key-value settings', async () => {
    const { client } = await opened()
    const item = { namespace: 'n', key: 'k' }
    expect(await client.call(REQUEST.GET_KV_CONFIG, item)).toMatchObject({
      code: 22,
      remark: 'No config item, Namespace: n Key: k'
    })
    expect((await client.call(REQUEST.GET_KVLIST_BY_NAMESPACE, { namespace: 'n' })).code).toBe(22)
    expect((await client.call(REQUEST.PUT_KV_CONFIG, item)).code).toBe(1)
    expect((await client.call(REQUEST.PUT_KV_CONFIG, { ...item, value: 'v' })).code).toBe(0)
    expect((await client.call(REQUEST.GET_KV_CONFIG, item)).text(field('value'))).toBe('v')
    expect(textOf(await client.call(REQUEST.GET_KVLIST_BY_NAMESPACE, { namespace: 'n' }))).toBe('{"table":{"k":"v"}}')
    expect((await client.call(REQUEST.DELETE_KV_CONFIG, item)).code).toBe(0)
    expect((await client.call(REQUEST.GET_KV_CONFIG, item)).code).toBe(22)
  })

  test('are told when a broker is asked for by its request', async () => {
    const { client } = await opened()
    expect(await client.call(REQUEST.SEND_MESSAGE)).toMatchObject({ code: 3, remark: ' request type 10 not supported' })
  })

  test('are answered also where we have a defect, which the log has whole', async () => {
    const lines: string[] = []
    const save = () => Promise.reject(new TypeError('a defect'))
    const { client } = await opened({
      log: openLog({ sink: line => lines.push(line) }),
      kvStorage: { load: () => undefined, save }
    })
    const item = { namespace: 'n', key: 'k', value: 'v' }
    expect(await client.call(REQUEST.PUT_KV_CONFIG, item)).toMatchObject({
      code: 1,
      remark: expect.stringContaining('name server failed')
    })
    expect(lines.filter(line => line.includes('TypeError: a defect'))).toHaveLength(1)
    expect((await client.call(REQUEST.GET_KV_CONFIG, item)).text(field('value'))).toBe('v')
  })

  test('get no answer to what is oneway, and their next request is answered', async () => {
    const { client } = await opened()
    client.connection.notify(REQUEST.GET_ROUTEINFO_BY_TOPIC, { topic: 'X' })
    expect((await client.route()).code).toBe(17)
  })
})
