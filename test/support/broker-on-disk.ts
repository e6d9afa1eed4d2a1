/**
 * A whole broker over a small store on a simulated disk, with a clock that is set by hand: what it leaves behind when it is
 * killed, or the power goes, is opened again in the same test. Nothing of it runs by itself: tests call `recurring` work.
 */
import { type Log, openLog, seededRandom } from '../../src/base/index.ts'
import {
  Broker,
  type ClientLink,
  resolveConfig,
  type SendDraft,
  type TransactionQuestion
} from '../../src/broker/index.ts'
import { openStore, type Store, type StoredMessage } from '../../src/index.ts'
import { decodeRecord, locate, RECORD_WHOLE, RecordPositions } from '../../src/layout/index.ts'
import { draft, STORE_HOST } from './data-path.ts'
import { SettableClock } from './settable-clock.ts'
import { SimulatedDisk } from './simulated-disk.ts'
import { simulated } from './store-fixtures.ts'

export interface BrokerOnDisk extends AsyncDisposable {
  readonly disk: SimulatedDisk
  readonly clock: SettableClock
  readonly store: Store
  readonly broker: Broker
  readonly logged: string[]
  /** Runs a piece of recurring work in its turn. */
  run(name: string): void
  /** Bodies of all messages of the topic's queue, in their order. */
  bodies(topic: string, queueId?: number): Promise<string[]>
  messages(topic: string, queueId?: number): Promise<readonly StoredMessage[]>
}

export interface BrokerOnDiskOptions {
  readonly disk?: SimulatedDisk
  readonly clock?: SettableClock
  readonly config?: Readonly<Record<string, string>>
}

export async function openBrokerOnDisk(options: BrokerOnDiskOptions = {}): Promise<BrokerOnDisk> {
  const { disk = new SimulatedDisk(), clock = new SettableClock(), config = {} } = options
  const logged: string[] = []
  const log: Log = openLog({ sink: line => logged.push(line), clock, level: 'info' })
  const properties = { brokerName: 'broker-a', brokerClusterName: 'C', ...config }
  const configuration = resolveConfig([{ origin: 'test', properties }], clock)
  const flush = configuration.values.flushDiskType === 'SYNC_FLUSH' ? 'sync' : 'async'
  const index = configuration.values.messageIndexEnable
  const store = await openStore({ ...simulated(disk), clock, flush, index, storeHost: STORE_HOST })
  const random = seededRandom(5)
  const broker = new Broker({
    store,
    directory: '/store',
    files: disk,
    configuration,
    storeHost: STORE_HOST,
    clock,
    random,
    log
  })
  await broker.transactions.ready
  return {
    disk,
    clock,
    store,
    broker,
    logged,
    run(name) {
      const work = broker.recurring.find(one => one.name === name)
      if (work === undefined) throw new Error(`no recurring work is called ${name}`)
      work.run()
    },
    async bodies(topic, queueId = 0) {
      return (await messagesIn(store, topic, queueId)).map(({ body }) => Buffer.from(body).toString())
    },
    messages: (topic, queueId = 0) => messagesIn(store, topic, queueId),
    async [Symbol.asyncDispose]() {
      await broker.close()
      await store.close()
    }
  }
}

async function messagesIn(store: Store, topic: string, queueId: number): Promise<StoredMessage[]> {
  const messages: StoredMessage[] = []
  for (let offset = store.minOffset({ topic, queueId }); ; ) {
    const read = await store.read({ topic, queueId, offset, countMax: 1000 })
    if (read.messages.length === 0) return messages
    messages.push(...read.messages)
    offset = read.nextOffset
  }
}

/** A producer that remembers what it is asked. */
export class AskedProducer implements ClientLink {
  readonly key = {}
  readonly address = '10.9.8.7:50000'
  readonly questions: TransactionQuestion[] = []
  isOpen = true

  consumerIdsChanged(): void {
    // It consumes nothing.
  }

  askTransaction(question: TransactionQuestion): void {
    this.questions.push(question)
  }

  close(): void {
    this.isOpen = false
  }
}

/** Makes it known as a member of the group. */
export function joinProducers({ broker }: BrokerOnDisk, group: string, clientId = 'client'): AskedProducer {
  const link = new AskedProducer()
  broker.clients.heartbeat(link, {
    clientId,
    language: 'JAVA',
    version: 479,
    producerGroups: [group],
    consumers: [],
    fingerprint: 0,
    isWithoutSubscriptions: false
  })
  return link
}

export const PRODUCERS = 'producers'

/** Where a half message was stored, as its producer learns it. */
export interface SentHalf {
  readonly halfOffset: number
  readonly physicalOffset: number
}

/** Sends a half message for queue 0 of `orders`. */
export function sendHalf(
  { broker }: BrokerOnDisk,
  body: string,
  properties: Readonly<Record<string, string>> = {},
  more: Partial<Omit<SendDraft, 'properties'>> = {}
): SentHalf {
  const sent = broker.sending.send(
    draft(body, {
      properties: {
        TRAN_MSG: 'true',
        PGROUP: PRODUCERS,
        UNIQ_KEY: `key of ${body}`.replaceAll(' ', '_'),
        ...properties
      },
      sysFlag: 4,
      ...more
    })
  )
  if (sent === undefined) throw new Error('the store is short of room')
  return { halfOffset: sent.queueOffset, physicalOffset: sent.positions[0] as number }
}

export function endTransaction(
  { broker }: BrokerOnDisk,
  decision: 'commit' | 'rollback',
  half: SentHalf,
  more: { readonly producerGroup?: string; readonly isFromCheck?: boolean } = {}
): number | Promise<number> {
  const { halfOffset, physicalOffset } = half
  return broker.transactions.end({
    producerGroup: PRODUCERS,
    isFromCheck: false,
    ...more,
    halfOffset,
    physicalOffset,
    decision
  })
}

/** The record that a question brings, as its producer reads it. */
export function messageOf({ record }: TransactionQuestion): StoredMessage {
  const view = new DataView(record.buffer, record.byteOffset, record.length)
  const positions = new RecordPositions()
  if (locate(view, 0, record.length, positions) !== RECORD_WHOLE) throw new Error('the question brings no record')
  return decodeRecord(record, view, positions) as unknown as StoredMessage // The same fields, with plain numbers.
}
