/**
 * Requests of every kind that clients and tools send, changed at random, against a whole server: name server and broker. An
 * honest client is served beside them, whatever they ask for, and every request is answered once.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { freshSeed, openLog, type Random, seededRandom, systemClock } from '../../src/base/index.ts'
import { resolveConfig } from '../../src/broker/index.ts'
import { openStore } from '../../src/embedded.ts'
import { REQUEST, RESPONSE, type RemotingConnection } from '../../src/protocol/index.ts'
import { type RunningServer, startServer } from '../../src/server/index.ts'
import { binaryFrame, jsonFrame } from '../protocol/frames.ts'
import { RawPeer } from '../protocol/peers.ts'
import { ask, connectTo, send } from '../support/remoting-client.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { simulated } from '../support/store-fixtures.ts'

/** More, for a night, by the variable. */
const ROUNDS = Number(process.env.VARVE_MUTATION_ROUNDS ?? 100)
const REQUESTS_PER_ROUND = 12
/** Nothing waits for longer than this, so that answers to pulls that park come soon. */
const PARKED_MS = '20'

let server: RunningServer
let logged: Record<string, string>[]

beforeEach(async () => {
  logged = []
  const properties = {
    brokerName: 'main',
    listenPort: '0',
    varveNameServer: '127.0.0.1:0',
    varveHttp: 'off',
    enablePropertyFilter: 'true',
    recallMessageEnable: 'true'
  }
  server = await startServer({
    configuration: resolveConfig([{ origin: 'test', properties }], systemClock),
    version: {},
    clock: systemClock,
    log: openLog({ sink: line => logged.push(JSON.parse(line)) }),
    async openStore({ storeHost }) {
      const files = new SimulatedDisk()
      const place = simulated(files)
      return { store: await openStore({ ...place, storeHost }), directory: place.directory, files }
    }
  })
})

afterEach(() => server.close())

/** One set for all requests: each handler looks at those that it knows. */
const FIELDS: Readonly<Record<string, string>> = {
  ...{ topic: 'T', group: 'G', consumerGroup: 'G', producerGroup: 'P', groupName: 'G', clientID: 'C', clientId: 'C' },
  ...{ queueId: '0', offset: '0', queueOffset: '0', commitOffset: '0', maxMsgNums: '8', sysFlag: '6', subVersion: '0' },
  ...{
    suspendTimeoutMillis: PARKED_MS,
    subscription: 'a || b',
    expressionType: 'TAG',
    timestamp: '0',
    isForce: 'true'
  },
  ...{
    defaultTopic: 'TBW102',
    defaultTopicQueueNums: '4',
    bornTimestamp: '1700000000000',
    flag: '0',
    unitMode: 'false'
  },
  ...{ properties: 'KEYS\u0001k\u0002TAGS\u0001a\u0002', reconsumeTimes: '0', maxReconsumeTimes: '16', batch: 'false' },
  ...{
    a: 'P',
    b: 'T',
    c: 'TBW102',
    d: '4',
    e: '0',
    f: '0',
    g: '1700000000000',
    h: '0',
    j: '0',
    k: 'false',
    m: 'false'
  },
  ...{ i: 'KEYS\u0001k\u0002UNIQ_KEY\u0001u\u0002', l: '16', delayLevel: '0', originMsgId: 'm', originTopic: 'T' },
  ...{
    tranStateTableOffset: '0',
    commitLogOffset: '0',
    commitOrRollback: '8',
    fromTransactionCheck: 'false',
    msgId: 'u'
  },
  ...{
    transactionId: 'u',
    key: 'k',
    maxNum: '8',
    beginTimestamp: '0',
    endTimestamp: '9007199254740991',
    indexType: 'K'
  },
  ...{
    readQueueNums: '4',
    writeQueueNums: '4',
    perm: '6',
    topicFilterType: 'SINGLE_TAG',
    topicSysFlag: '0',
    order: 'false'
  },
  ...{
    attributes: '+message.type=NORMAL',
    topicSeq: '0',
    maxTopicNum: '8',
    groupSeq: '0',
    maxGroupNum: '8',
    dataVersion: '{}'
  },
  ...{
    cleanOffset: 'true',
    readable: 'true',
    statsName: 'TOPIC_PUT_NUMS',
    statsKey: 'T',
    clientAddr: 'C',
    isOrder: 'false'
  },
  ...{
    srcGroup: 'G',
    destGroup: 'H',
    offline: 'true',
    compareGroup: 'G',
    filterGroups: 'H',
    topicList: 'T;U',
    index: '0'
  },
  ...{
    count: '8',
    recallHandle: 'djEgVCBtYWluIDE3MDAwMDAwMDAwMDEga2V5',
    setZeroIfNotFound: 'true',
    boundaryType: 'LOWER'
  },
  ...{
    namespace: 'N',
    value: 'v',
    brokerName: 'B',
    brokerAddr: '127.0.0.1:1',
    clusterName: 'L',
    cluster: 'L',
    brokerId: '0'
  },
  ...{
    haServerAddr: '127.0.0.1:2',
    compressed: 'false',
    bodyCrc32: '0',
    enableActingMaster: 'false',
    jstackEnable: 'false'
  }
}

const REGISTRATION = {
  filterServerList: [],
  topicConfigSerializeWrapper: {
    dataVersion: { counter: 1, stateVersion: 0, timestamp: 1_700_000_000_000 },
    topicConfigTable: { T: { perm: 6, readQueueNums: 4, topicName: 'T', writeQueueNums: 4 } },
    topicQueueMappingInfoMap: { T: { bname: 'B', topic: 'T' } }
  }
}

const BODIES: readonly string[] = [
  '',
  'a body',
  'regionId=x\nwaitTimeMillsInSendQueue=201\n',
  JSON.stringify(REGISTRATION),
  JSON.stringify({
    clientID: 'C',
    consumerDataSet: [
      {
        consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET',
        consumeType: 'CONSUME_PASSIVELY',
        groupName: 'G',
        messageModel: 'CLUSTERING',
        subscriptionDataSet: [
          { expressionType: 'SQL92', subString: 'a > 1', subVersion: 1, topic: 'T', tagsSet: ['a'] }
        ],
        unitMode: false
      }
    ],
    heartbeatFingerprint: 0,
    producerDataSet: [{ groupName: 'P' }],
    withoutSub: false
  }),
  JSON.stringify({ clientId: 'C', consumerGroup: 'G', mqSet: [{ brokerName: 'main', queueId: 0, topic: 'T' }] }),
  JSON.stringify({ groupName: 'G', attributes: { '+priority.factor': '1' }, retryMaxTimes: 3, consumeEnable: true }),
  JSON.stringify({ groupConfigList: [{ groupName: 'G' }, { groupName: 'H' }] }),
  JSON.stringify({ topicConfigList: [{ topicName: 'T', attributes: {} }, { topicName: 'U' }] }),
  JSON.stringify({
    clientId: 'C',
    group: 'G',
    subscriptionData: { topic: 'T', subString: 'a > 1', expressionType: 'SQL92' }
  }),
  JSON.stringify({ queueDatas: [{ brokerName: 'B', perm: 6, readQueueNums: 1, writeQueueNums: 1 }] })
]

const NASTY: readonly string[] = [
  ...['', ' ', '0', '-1', '1.5', '1e9', 'NaN', 'x', 'true', '2147483647', '2147483648', '-2147483648', '4294967296'],
  ...['9007199254740993', '9223372036854775807', '-9223372036854775808', '99999999999999999999', '0x10', 'null'],
  ...['__proto__', 'constructor', '../../etc/passwd', '%RETRY%G', '%DLQ%G', 'TBW102', 'SCHEDULE_TOPIC_XXXX', 'SQL92'],
  ...['RMQ_SYS_TRANS_HALF_TOPIC', 'rmq_sys_wheel_timer', 'DefaultCluster_REPLY_TOPIC', 'a > 1 AND (', "x LIKE '%'"],
  ...[
    '\u0000',
    '\u0001',
    '\u0002',
    'DELAY\u00013\u0002',
    'TRAN_MSG\u0001true\u0002',
    'TIMER_DELAY_SEC\u0001-1\u0002',
    'ü\ud83d\ude00'
  ],
  ...['TIMER_DELIVER_MS\u000199999999999999999\u0002', '{', '[]', '+a=b,-c', 'x'.repeat(300), 'y'.repeat(40_000)]
]

const NASTY_JSON: readonly unknown[] = [
  ...[
    null,
    true,
    0,
    -1,
    1.5,
    1e300,
    2 ** 53,
    '',
    'x',
    [],
    {},
    [[]],
    [null],
    { a: null },
    ['x'],
    [{}],
    '9223372036854775807'
  ]
]

/** What asks another client may be answered as late as that client may take; a decision is not answered where nothing is. */
const MAY_STAY_OPEN: ReadonlySet<number> = new Set([
  REQUEST.END_TRANSACTION,
  REQUEST.GET_CONSUMER_RUNNING_INFO,
  REQUEST.CONSUME_MESSAGE_DIRECTLY,
  REQUEST.INVOKE_BROKER_TO_GET_CONSUMER_STATUS,
  REQUEST.SEND_REPLY_MESSAGE,
  REQUEST.SEND_REPLY_MESSAGE_V2
])

const CODES = Object.values(REQUEST)

interface Made {
  readonly code: number
  readonly opaque: number
  readonly isAnswered: boolean
  readonly bytes: Buffer
}

/** A frame that is well formed, with anything in it. */
function madeUp(random: Random, opaque: number): Made {
  const code = random.chance(0.95) ? random.pick(CODES) : random.below(70_000)
  const fields: Record<string, string> = { ...FIELDS }
  for (let count = random.below(4); count > 0; count--) {
    const name = random.pick(Object.keys(FIELDS))
    if (random.chance(0.3)) delete fields[name]
    else fields[name] = random.pick(NASTY)
  }
  fields.sysFlag = random.pick(['0', '0', '2', '4', '6', '7', fields.sysFlag ?? '-1'])
  fields.suspendTimeoutMillis = random.chance(0.9) ? PARKED_MS : '-1'
  const isOneway = random.chance(0.1)
  const head = { code, opaque, flag: isOneway ? 2 : 0, version: random.pick([479, 317, 0, 37, 493]), fields }
  const body = bodyFrom(random)
  const make = code < 2 ** 15 && random.chance(0.3) ? binaryFrame : jsonFrame
  return { code, opaque, isAnswered: !isOneway && !MAY_STAY_OPEN.has(code), bytes: make(head, body) }
}

function bodyFrom(random: Random): string {
  const body = random.pick(BODIES)
  if (random.chance(0.4)) return body
  if (random.chance(0.5) && body.startsWith('{')) return JSON.stringify(spoiled(JSON.parse(body), random))
  if (random.chance(0.2)) return '['.repeat(random.below(20_000))
  const bytes = [...body]
  for (let count = random.between(1, 4); count > 0 && bytes.length > 0; count--) {
    const at = random.below(bytes.length)
    bytes.splice(at, random.below(3), random.pick([...'{}[]":,\\0x', '\u0000', '\u0002']))
  }
  return bytes.join('')
}

/** One value somewhere in it is another. */
function spoiled(value: unknown, random: Random): unknown {
  if (typeof value !== 'object' || value === null || random.chance(0.15)) return random.pick(NASTY_JSON)
  const entries = Object.entries(value)
  if (entries.length === 0) return random.pick(NASTY_JSON)
  const [name] = random.pick(entries)
  const changed = entries.map(([key, item]) => [key, key === name ? spoiled(item, random) : item])
  return Array.isArray(value) ? changed.map(([, item]) => item) : Object.fromEntries(changed)
}

/** Names of its own, which nobody else asks to be deleted. */
async function expectServed(honest: RemotingConnection, routes: RemotingConnection, round: number): Promise<void> {
  const sent = await send(honest, 'honest', `m${round}`)
  expect({ round, code: sent.code, remark: sent.remark }).toMatchObject({ code: RESPONSE.SUCCESS })
  const route = await ask(routes, REQUEST.GET_ROUTEINFO_BY_TOPIC, { topic: 'honest' })
  expect({ round, code: route.code }).toMatchObject({ code: RESPONSE.SUCCESS })
}

describe('requests changed at random', () => {
  const seed = freshSeed()

  test.each(['broker', 'nameServer'] as const)(
    `are each answered once by the %s, and harm nobody (seed ${seed})`,
    async where => {
      const random = seededRandom(seed)
      const { addresses } = server
      const honest = await connectTo(addresses.broker)
      const routes = await connectTo(addresses.nameServer as string)
      const port = Number((addresses[where] as string).split(':')[1])
      for (let round = 0; round < ROUNDS; round++) {
        const peer = await RawPeer.connected(port)
        const requests = Array.from({ length: REQUESTS_PER_ROUND }, (_, opaque) => madeUp(random, opaque))
        peer.send(...requests.map(({ bytes }) => bytes))
        const wanted = new Set(requests.filter(({ isAnswered }) => isAnswered).map(({ opaque }) => opaque))
        const given: number[] = []
        while (wanted.size > 0) {
          const [frame] = await peer.answers(1)
          if (frame === undefined || (frame.flag & 1) === 0) continue // The server's own request to a client.
          given.push(frame.opaque)
          wanted.delete(frame.opaque)
        }
        expect(given.length, `round ${round}: one answer each`).toBe(new Set(given).size)
        peer.socket.destroy()
        if (round % 10 === 0) await expectServed(honest, routes, round)
      }
      await expectServed(honest, routes, ROUNDS)
      expect(honest.isOpen && routes.isOpen).toBe(true)
      // A defect of ours would be answered, too, and stand here.
      expect(logged.filter(({ level }) => level === 'error')).toEqual([])
      honest.close('done')
      routes.close('done')
    }
  )
})
