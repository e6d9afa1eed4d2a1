/**
 * A broker's data path for tests: real tables and a small store, inline and on a simulated disk, with a clock and timers that
 * are set by hand, and short words for sending and pulling.
 */
import type { Log, LogFields, VarveError } from '../../src/base/index.ts'
import { seededRandom, silentLog } from '../../src/base/index.ts'
import {
  type Alarm,
  Appending,
  type BrokerConfig,
  type BrokerTables,
  brokerConfig,
  type ClientLink,
  DelayedMessages,
  type ExpressionFilters,
  emptyDraft,
  firstMeant,
  LongPolling,
  openTables,
  PULL_FLAG,
  type PullFound,
  Pulling,
  type PullRequest,
  Queries,
  readSubscription,
  type SendDraft,
  Sending,
  type SendTransform,
  saveHere
} from '../../src/broker/index.ts'
import { openStore, type Store, type StoreOptions } from '../../src/index.ts'
import {
  decodeBatch,
  decodeProperties,
  encodeBatch,
  encodeProperties,
  encodeText,
  locate,
  RECORD_WHOLE,
  RecordPositions
} from '../../src/layout/index.ts'
import type { HostAddress } from '../../src/model/index.ts'
import { SettableClock } from './settable-clock.ts'
import { SimulatedDisk } from './simulated-disk.ts'
import { simulated } from './store-fixtures.ts'

export { decodeBatch, encodeBatch }

export const TOPIC = 'orders'
export const GROUP = 'workers'
export const STORE_HOST: HostAddress = { address: '10.1.2.3', port: 10_911 }
export const BORN_HOST: HostAddress = { address: '10.9.8.7', port: 50_000 }

/** Moves with its clock: whoever advances the clock rings afterwards. */
export class Alarms {
  readonly #clock: SettableClock
  readonly #set = new Map<Alarm, { readonly atMs: number; readonly ring: () => void }>()

  constructor(clock: SettableClock) {
    this.#clock = clock
  }

  readonly make = (): Alarm => {
    const alarm: Alarm = {
      set: (ms, ring) => {
        this.#set.set(alarm, { atMs: this.#clock.monotonicMs() + ms, ring })
      },
      clear: () => {
        this.#set.delete(alarm)
      }
    }
    return alarm
  }

  /** When the next one rings; Infinity if none is set. */
  get nextAtMs(): number {
    return Math.min(...[...this.#set.values()].map(({ atMs }) => atMs))
  }

  /** All that are due, in their order. */
  ring(): void {
    for (;;) {
      const due = [...this.#set].filter(([, { atMs }]) => atMs <= this.#clock.monotonicMs())
      const [first] = due.sort(([, a], [, b]) => a.atMs - b.atMs)
      if (first === undefined) return
      this.#set.delete(first[0])
      first[1].ring()
    }
  }
}

/** A connection that can be closed. */
export class TestLink implements ClientLink {
  readonly key = {}
  readonly address = '10.9.8.7:50000'
  isOpen = true

  consumerIdsChanged(): void {
    // Consumers of these tests share nothing.
  }

  askTransaction(): void {
    // Nor do they produce anything.
  }

  close(): void {
    this.isOpen = false
  }
}

/** What a pull was told: `answers` is empty as long as it waits. Records are copied while the answer is valid. */
export class Pulled {
  readonly answers: (PullFound | VarveError)[] = []
  bytes = new Uint8Array(0)

  found(found: PullFound): void {
    this.answers.push({ ...found, selection: undefined })
    if (found.selection === undefined) return
    this.bytes = new Uint8Array(found.selection.bytes)
    found.selection.copyTo(this.bytes, 0)
  }

  refused(error: VarveError): void {
    this.answers.push(error)
  }

  get answer(): PullFound | VarveError | undefined {
    if (this.answers.length > 1) throw new Error('the pull was answered twice')
    return this.answers[0]
  }

  /** Bodies of the records. */
  get bodies(): string[] {
    const view = new DataView(this.bytes.buffer)
    const positions = new RecordPositions()
    const bodies: string[] = []
    for (let at = 0; at < this.bytes.length; at += positions.totalBytes) {
      if (locate(view, at, this.bytes.length, positions) !== RECORD_WHOLE) throw new Error(`no record at ${at}`)
      bodies.push(Buffer.from(this.bytes.subarray(positions.bodyAt, positions.bodyAt + positions.bodyBytes)).toString())
    }
    return bodies
  }
}

export interface DataPathOptions {
  readonly disk?: SimulatedDisk
  /** Of the path before, on the same machine. */
  readonly clock?: SettableClock
  readonly store?: Partial<StoreOptions>
  readonly config?: Partial<BrokerConfig>
  readonly expressions?: ExpressionFilters
  readonly transform?: SendTransform
  readonly memoryBytes?: number
  /** Instead of the store's own, for what no small store does. */
  readonly around?: (store: Store) => Store
}

export interface DataPath extends AsyncDisposable {
  readonly disk: SimulatedDisk
  readonly clock: SettableClock
  readonly alarms: { readonly nextAtMs: number }
  readonly store: Store
  readonly config: { -readonly [Key in keyof BrokerConfig]: BrokerConfig[Key] }
  readonly tables: BrokerTables
  readonly appending: Appending
  readonly longPolling: LongPolling
  readonly delayed: DelayedMessages
  readonly sending: Sending
  readonly pulling: Pulling
  readonly queries: Queries
  /** What was told of pulls that found something. */
  readonly counted: readonly { readonly group: string; readonly topic: string; readonly count: number }[]
  readonly logged: { readonly event: string; readonly fields: LogFields | undefined }[]
  /** Everything that is put off to the end of a turn of the event loop, and what follows from it. */
  turn(): Promise<void>
  /** Timers that are due, and what has been put off until now: once. */
  oneTurn(): Promise<void>
  advance(ms: number): Promise<void>
  /** Of a client that does not wait, with a filter of its own that accepts all; but for `more`. */
  request(more?: Partial<PullRequest>): PullRequest
  pull(more?: Partial<PullRequest>): Pulled
  /** The very object is handed over. */
  pullBy(request: PullRequest): Pulled
  /** The group subscribes; the newest version wins. */
  subscribe(expression: string, more?: Subscribing): TestLink
}

export interface Subscribing {
  readonly group?: string
  readonly topic?: string
  readonly version?: number
  readonly messageModel?: string
  readonly consumeType?: string
  readonly expressionType?: string
  readonly link?: TestLink
}

const NO_EXPRESSIONS: ExpressionFilters = {
  registered: () => undefined,
  compile: () => ({ acceptsTag: () => true })
}

export async function openDataPath(options: DataPathOptions = {}): Promise<DataPath> {
  const { disk = new SimulatedDisk(), expressions = NO_EXPRESSIONS, around = store => store } = options
  const { clock = new SettableClock() } = options
  const alarms = new Alarms(clock)
  const opened = await openStore({ ...simulated(disk), clock, storeHost: STORE_HOST, ...options.store })
  const store = around(opened)
  const config = {
    ...brokerConfig({
      brokerName: 'broker-a',
      flushDiskType: options.store?.flush === 'sync' ? 'SYNC_FLUSH' : 'ASYNC_FLUSH',
      ...options.config
    })
  }
  const counted: { group: string; topic: string; count: number }[] = []
  const logged: { event: string; fields: LogFields | undefined }[] = []
  const log: Log = { ...silentLog, error: (event, fields) => logged.push({ event, fields }) }
  const tables = openTables({ directory: '/store', files: disk, save: saveHere(disk), clock, log, config })
  const deferred: (() => void)[] = []
  const longPolling = new LongPolling({ store, clock, alarm: alarms.make(), defer: run => deferred.push(run) })
  const appending = new Appending(store, {
    arrived(topic, queueId) {
      longPolling.arrived(topic, queueId)
      delayed.arrived(topic, queueId)
    }
  })
  const delayed = new DelayedMessages({
    store,
    appending,
    directory: '/store',
    files: disk,
    save: saveHere(disk),
    config,
    storeHost: STORE_HOST,
    onDelivered: () => undefined,
    clock,
    alarm: alarms.make,
    defer: run => deferred.push(run),
    log
  })
  const sending = new Sending({
    store,
    appending,
    topics: tables.topics,
    groups: tables.groups,
    config,
    clock,
    storeHost: STORE_HOST,
    random: seededRandom(1),
    alarm: alarms.make,
    defer: run => deferred.push(run),
    transform: options.transform ?? firstMeant(delayed.kinds)
  })
  const pulling = new Pulling({
    ...tables,
    store,
    longPolling,
    expressions,
    config,
    clock,
    log,
    memoryBytes: options.memoryBytes ?? Number.MAX_SAFE_INTEGER,
    onPulled: ({ group, topic }, { count }) => counted.push({ group, topic, count })
  })
  const queries = new Queries({ store, config, memoryBytes: options.memoryBytes ?? Number.MAX_SAFE_INTEGER })
  const defaultLink = new TestLink()
  const request = (more: Partial<PullRequest> = {}): PullRequest => ({ ...PULL, link: defaultLink, ...more })
  const pullBy = (asked: PullRequest): Pulled => {
    const pulled = new Pulled()
    pulling.pull(asked, pulled)
    return pulled
  }
  const turn = async (): Promise<void> => {
    // Reading cold data takes some turns of the event loop, as does a flush that somebody waits for.
    for (let i = 0; i < 10 || deferred.length > 0; i++) {
      for (const run of deferred.splice(0)) run()
      await new Promise(resolve => setImmediate(resolve))
    }
  }
  return {
    disk,
    clock,
    alarms,
    store,
    config,
    tables,
    appending,
    longPolling,
    delayed,
    sending,
    pulling,
    queries,
    counted,
    logged,
    turn,
    async oneTurn() {
      alarms.ring()
      for (const run of deferred.splice(0)) run()
      await new Promise(resolve => setImmediate(resolve))
    },
    async advance(ms) {
      clock.advance(ms)
      alarms.ring()
      await turn()
    },
    request,
    pull: more => pullBy(request(more)),
    pullBy,
    subscribe(expression, { group = GROUP, topic = TOPIC, version = 1, link = defaultLink, ...more } = {}) {
      const tagsSet = expression === '*' ? [] : expression.split('||').map(tag => tag.trim())
      const json = {
        topic,
        subString: expression,
        subVersion: version,
        tagsSet,
        codeSet: [],
        expressionType: more.expressionType ?? 'TAG'
      }
      const subscription = readSubscription(json)
      if (subscription === undefined) throw new Error('a subscription has a topic')
      tables.clients.heartbeat(link, {
        clientId: 'client',
        language: 'JAVA',
        version: 479,
        producerGroups: [],
        fingerprint: 0,
        isWithoutSubscriptions: false,
        consumers: [
          {
            group,
            consumeType: more.consumeType ?? 'CONSUME_PASSIVELY',
            messageModel: more.messageModel ?? 'CLUSTERING',
            consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET',
            isUnit: false,
            subscriptions: [subscription]
          }
        ]
      })
      return link
    },
    async [Symbol.asyncDispose]() {
      sending.close()
      longPolling.close()
      await delayed.close()
      await tables.close()
      await opened.close()
    }
  }
}

/** A pull with a filter of its own that accepts all, of a client that does not wait. */
const PULL = {
  group: GROUP,
  topic: TOPIC,
  queueId: 0,
  offset: 0,
  countMax: 32,
  sysFlag: PULL_FLAG.hasSubscription,
  commitOffset: 0,
  suspendTimeoutMs: 15_000,
  expression: '*',
  expressionType: undefined,
  subscriptionVersion: 0
} satisfies Partial<PullRequest>

/** A message of an ordinary producer. */
export function draft(body: string | Uint8Array, { properties = {}, ...more }: Drafting = {}): SendDraft {
  return {
    ...emptyDraft(),
    producerGroup: 'producers',
    topic: TOPIC,
    defaultTopic: 'TBW102',
    defaultTopicQueueNums: 4,
    bornAtMs: 1_699_999_999_999,
    bornHost: BORN_HOST,
    properties: properties instanceof Uint8Array ? properties : encodeProperties(Object.entries(properties)),
    body: typeof body === 'string' ? encodeText(body) : body,
    ...more
  }
}

export type Drafting = Omit<Partial<SendDraft>, 'properties'> & {
  readonly properties?: Readonly<Record<string, string>> | Uint8Array
}

export const propertiesOf = (bytes: Uint8Array): Record<string, string> => ({
  ...decodeProperties(bytes, 0, bytes.length)
})

/** The code of what was refused; the answer itself if it was none. */
export const codeOf = (answer: PullFound | VarveError | undefined): unknown =>
  answer !== undefined && 'code' in answer ? answer.code : answer
