/**
 * A broker over a real store, behind a real socket, with a settable clock; and clients that speak to it as themselves.
 *
 * The store runs inline, so that everything happens in the order in which it is asked for.
 */
import { type Log, openLog, seededRandom } from '../../../src/base/index.ts'
import { Broker, resolveConfig } from '../../../src/broker/index.ts'
import { openStore, type Store } from '../../../src/index.ts'
import { Registry } from '../../../src/metrics/index.ts'
import {
  connectRemoting,
  type FieldValues,
  listenRemoting,
  parseWire,
  type RemotingAnswer,
  type RemotingConnection,
  type RemotingListener,
  type RequestHandler
} from '../../../src/protocol/index.ts'
import { BrokerEndpoint } from '../../../src/server/remoting/broker-endpoint.ts'
import { openRealFiles } from '../../../src/store/index.ts'
import { SettableClock } from '../../support/settable-clock.ts'
import { freshDirectory, SMALL } from '../../support/store-fixtures.ts'

const HOST = '127.0.0.1'
export const TIMEOUT_MS = 20_000
export const STORE_HOST = { address: '10.1.2.3', port: 10911 }

export interface BrokerPlace extends AsyncDisposable {
  readonly broker: Broker
  readonly store: Store
  readonly endpoint: BrokerEndpoint
  readonly metrics: Registry
  readonly clock: SettableClock
  readonly directory: string
  readonly address: { readonly host: string; readonly port: number }
  readonly logged: string[]
  client(onRequest?: RequestHandler): Promise<RemotingConnection>
}

export async function brokerPlace(
  properties: Readonly<Record<string, string>> = {},
  { directory = freshDirectory() }: { readonly directory?: string } = {}
): Promise<BrokerPlace> {
  const clock = new SettableClock()
  const logged: string[] = []
  const log: Log = openLog({ sink: line => logged.push(line), clock, level: 'debug' })
  const configuration = resolveConfig(
    [{ origin: 'test', properties: { brokerName: 'broker-a', brokerClusterName: 'C', ...properties } }],
    clock
  )
  const flush = configuration.values.flushDiskType === 'SYNC_FLUSH' ? 'sync' : 'async'
  const store = await openStore({ ...SMALL, directory, threads: 'none', clock, flush, storeHost: STORE_HOST })
  const files = openRealFiles()
  const world = { store, directory, files, configuration, storeHost: STORE_HOST, clock, random: seededRandom(7), log }
  const broker = new Broker(world)
  const metrics = new Registry()
  const endpoint = new BrokerEndpoint({ broker, clock, log, metrics })
  const { onRequest, onAnswer, onConnected } = endpoint
  const listener: RemotingListener = await listenRemoting({
    host: HOST,
    port: 0,
    onRequest,
    onAnswer,
    onConnected,
    connectionsMax: 100,
    log,
    clock
  })
  const { port } = listener.address
  const clients: RemotingConnection[] = []
  return {
    broker,
    store,
    endpoint,
    metrics,
    clock,
    directory,
    address: { host: HOST, port },
    logged,
    async client(onRequest) {
      const more = onRequest === undefined ? {} : { onRequest }
      const client = await connectRemoting({ host: HOST, port, connectTimeoutMs: TIMEOUT_MS, log, clock, ...more })
      clients.push(client)
      return client
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.close('the test is over')
      await listener.close({ drainMs: 0 })
      await broker.close()
      await store.close()
    }
  }
}

export function ask(
  client: RemotingConnection,
  code: number,
  fields: FieldValues = {},
  body?: Uint8Array
): Promise<RemotingAnswer> {
  return client.call(code, fields, { timeoutMs: TIMEOUT_MS, ...(body === undefined ? {} : { body }) })
}

export function fieldsOf(answer: RemotingAnswer): Record<string, string> {
  const fields: Record<string, string> = {}
  answer.eachField((name, value) => {
    fields[name] = value
  })
  return fields
}

export const jsonOf = (answer: RemotingAnswer) => parseWire(answer.body)
export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const json = (value: unknown): Uint8Array => bytes(JSON.stringify(value))

/** Header fields of a send, under their long names. */
export function sendFields(fields: FieldValues = {}): FieldValues {
  return {
    producerGroup: 'p',
    topic: 'orders',
    defaultTopic: 'TBW102',
    defaultTopicQueueNums: 4,
    queueId: 0,
    sysFlag: 0,
    bornTimestamp: 1_700_000_000_000,
    flag: 0,
    properties: 'TAGS\u0001paid\u0002KEYS\u0001k1\u0002UNIQ_KEY\u0001UK1\u0002WAIT\u0001true\u0002',
    reconsumeTimes: 0,
    unitMode: false,
    ...fields
  }
}

/** The same under the letters of the second form. */
export function sendFieldsV2(fields: FieldValues = {}): FieldValues {
  const long = sendFields(fields)
  const letters: Record<string, string | number | boolean | undefined> = {}
  for (const [name, value] of Object.entries(long)) letters[LETTERS[name] ?? name] = value
  return letters
}

const LETTERS: Readonly<Record<string, string>> = {
  producerGroup: 'a',
  topic: 'b',
  defaultTopic: 'c',
  defaultTopicQueueNums: 'd',
  queueId: 'e',
  sysFlag: 'f',
  bornTimestamp: 'g',
  flag: 'h',
  properties: 'i',
  reconsumeTimes: 'j',
  unitMode: 'k',
  maxReconsumeTimes: 'l',
  batch: 'm'
}

/** Header fields of a pull that brings its own filter and does not wait. */
export function pullFields(fields: FieldValues = {}): FieldValues {
  return {
    consumerGroup: 'g',
    topic: 'orders',
    queueId: 0,
    queueOffset: 0,
    maxMsgNums: 32,
    sysFlag: 4,
    commitOffset: 0,
    suspendTimeoutMillis: 15_000,
    subscription: '*',
    subVersion: 0,
    expressionType: 'TAG',
    ...fields
  }
}

export function heartbeat(fields: Record<string, unknown> = {}): Uint8Array {
  return json({
    clientID: '10.0.0.5@1#2',
    consumerDataSet: [
      {
        consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET',
        consumeType: 'CONSUME_PASSIVELY',
        groupName: 'g',
        messageModel: 'CLUSTERING',
        subscriptionDataSet: [
          {
            classFilterMode: false,
            codeSet: [],
            expressionType: 'TAG',
            subString: '*',
            subVersion: 1,
            tagsSet: [],
            topic: 'orders'
          }
        ],
        unitMode: false
      }
    ],
    heartbeatFingerprint: 0,
    producerDataSet: [{ groupName: 'p' }],
    withoutSub: false,
    ...fields
  })
}
