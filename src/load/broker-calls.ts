/** What is asked of a broker before and after a load, one request at a time: topics, and what its queues hold. */
import { setTimeout as pause } from 'node:timers/promises'
import { systemClock } from '../base/index.ts'
import { bodies, HASHED_COUNT, hashOf } from './bodies.ts'
import { type Address, Connection } from './connection.ts'
import { loadFailure } from './failure.ts'
import { pullFields } from './pull-lane.ts'
import { NUMBER_AT } from './ready-requests.ts'
import {
  COMMIT,
  type Fields,
  HALF_PROPERTIES,
  HALF_SYS_FLAG,
  PRODUCER_GROUP,
  REQUEST_CODE,
  type SendTarget,
  sendFields,
  UNIQUE_KEY_HEAD_LENGTH
} from './request-frame.ts'

/** The broker makes queue entries behind its log; so long it may take until the last is there. */
const CATCH_UP_MS_MAX = 60_000
const LOOK_EVERY_MS = 5

export interface Targets {
  readonly topic: string
  readonly topicCount: number
  readonly queueCount: number
}

export function targetsOf({ topic, topicCount, queueCount }: Targets): SendTarget[] {
  return Array.from({ length: topicCount * queueCount }, (_, index) => ({
    topic: `${topic}-${index % topicCount}`,
    queueId: Math.floor(index / topicCount)
  }))
}

/** From so many topics on they are made by lists, where the broker knows that: each request has its table saved. */
const LISTED_FROM = 16
const LIST_COUNT_MAX = 500
const CODE_UNKNOWN = 3

/** Made by request, so that neither broker makes them while it is measured. */
export async function createTopics(broker: Address, targets: readonly SendTarget[], queueCount: number): Promise<void> {
  const topics = topicsOf(targets)
  if (topics.length >= LISTED_FROM && (await createListed(broker, topics, queueCount))) return
  await forEach(broker, topics, (connection, topic) =>
    ask(connection, REQUEST_CODE.createTopic, { topic, defaultTopic: 'TBW102', ...topicFields(queueCount) })
  )
}

export async function deleteTopics(broker: Address, targets: readonly SendTarget[]): Promise<void> {
  await forEach(broker, topicsOf(targets), (connection, topic) => ask(connection, REQUEST_CODE.deleteTopic, { topic }))
}

const topicsOf = (targets: readonly SendTarget[]): string[] => [...new Set(targets.map(({ topic }) => topic))]

const topicFields = (queueCount: number) => ({
  readQueueNums: queueCount,
  writeQueueNums: queueCount,
  perm: 6,
  topicFilterType: 'SINGLE_TAG',
  topicSysFlag: 0,
  order: false
})

/** False if the broker is too old for it. */
async function createListed(broker: Address, topics: readonly string[], queueCount: number): Promise<boolean> {
  const connection = await Connection.open(broker)
  try {
    for (let from = 0; from < topics.length; from += LIST_COUNT_MAX) {
      const listed = topics.slice(from, from + LIST_COUNT_MAX)
      const topicConfigList = listed.map(topicName => ({ topicName, ...topicFields(queueCount) }))
      const body = Buffer.from(JSON.stringify({ topicConfigList }))
      const answer = await connection.call(REQUEST_CODE.createTopics, {}, body)
      if (answer.code === CODE_UNKNOWN) return false
      if (answer.code !== 0) throw loadFailure(`topics were not made: ${answer.header}`)
    }
    return true
  } finally {
    connection.close()
  }
}

/** So many requests are under way at a time, each on a connection of its own. */
const CONNECTION_COUNT_MAX = 16

async function forEach<Value>(
  broker: Address,
  values: readonly Value[],
  work: (connection: Connection, value: Value) => Promise<unknown>,
  connectionCount = CONNECTION_COUNT_MAX
): Promise<void> {
  const left = values.values()
  const worker = async () => {
    const connection = await Connection.open(broker)
    try {
      // All workers share the one iterator, so that each value is taken once.
      for (const value of left) await work(connection, value)
    } finally {
      connection.close()
    }
  }
  await Promise.all(Array.from({ length: Math.min(connectionCount, values.length) }, worker))
}

/** One message to a topic that the broker makes by itself, as for a producer that nobody has prepared anything for. */
export async function sendFirst(broker: Address): Promise<void> {
  const connection = await Connection.open(broker)
  const target = { topic: 'first', queueId: 0 }
  const fields = sendFields(target, { uniqueKeyHead: '0'.repeat(UNIQUE_KEY_HEAD_LENGTH), isBatch: false })
  await ask(connection, REQUEST_CODE.sendV2, fields, Buffer.from('first'))
  connection.close()
}

/** A message in a transaction and its commit: a broker decides once it knows what an earlier run has left. */
export async function decideFirst(broker: Address): Promise<void> {
  const connection = await Connection.open(broker)
  const uniqueKeyHead = '0'.repeat(UNIQUE_KEY_HEAD_LENGTH)
  const more = { isBatch: false, more: HALF_PROPERTIES, sysFlag: HALF_SYS_FLAG }
  const fields = sendFields({ topic: 'bench-0', queueId: 0 }, { uniqueKeyHead, ...more })
  const { header } = await ask(connection, REQUEST_CODE.sendV2, fields, Buffer.from('first'))
  const end = {
    producerGroup: PRODUCER_GROUP,
    tranStateTableOffset: /"queueOffset":"(\d+)"/.exec(header)?.[1] ?? '',
    commitLogOffset: Number.parseInt(/"msgId":"\w{16}(\w{16})"/.exec(header)?.[1] ?? '', 16),
    commitOrRollback: COMMIT
  }
  await ask(connection, REQUEST_CODE.endTransaction, end)
  connection.close()
}

/** The offset that the next message of each queue will have. */
export function maxOffsets(broker: Address, targets: readonly SendTarget[]): Promise<number[]> {
  return offsetsOf(broker, targets, REQUEST_CODE.maxOffset)
}

/** The offset of the oldest message of each queue that is still there. */
export function minOffsets(broker: Address, targets: readonly SendTarget[]): Promise<number[]> {
  return offsetsOf(broker, targets, REQUEST_CODE.minOffset)
}

/** More queues than that are asked for by several connections side by side. */
const ASKED_IN_TURN_MAX = 64

async function offsetsOf(broker: Address, targets: readonly SendTarget[], code: number): Promise<number[]> {
  const offsets: number[] = targets.map(() => Number.NaN)
  const askOne = async (connection: Connection, index: number) => {
    const { header } = await ask(connection, code, { ...targets[index]! }) // As many as there are offsets.
    offsets[index] = Number(/"offset":"(\d+)"/.exec(header)?.[1])
  }
  const indexes = [...targets.keys()]
  const connectionCount = targets.length > ASKED_IN_TURN_MAX ? CONNECTION_COUNT_MAX : 1
  await forEach(broker, indexes, askOne, connectionCount)
  return offsets
}

/** Messages that the queues hold and ever held: what of those that were acknowledged is really there. */
export async function storedCount(broker: Address, targets: readonly SendTarget[]): Promise<number> {
  return (await maxOffsets(broker, targets)).reduce((sum, offset) => sum + offset, 0)
}

/** Resolves with the milliseconds it took until the queues held `count` messages: no fewer, and then no more. */
export async function untilStored(broker: Address, targets: readonly SendTarget[], count: number): Promise<number> {
  const beganMs = systemClock.monotonicMs()
  for (;;) {
    const stored = await storedCount(broker, targets)
    const tookMs = systemClock.monotonicMs() - beganMs
    if (stored > count) throw loadFailure(`the queues hold ${stored} messages, ${count} were acknowledged`)
    if (stored === count) return tookMs
    if (tookMs > CATCH_UP_MS_MAX) throw loadFailure(`${count} messages were acknowledged, the queues hold ${stored}`)
    await pause(LOOK_EVERY_MS)
  }
}

/**
 * Reads the oldest messages back that the broker still has, checks each body against the one that was sent, and hashes what
 * must be the same for every broker. Bodies begin with their number; which messages come first in a queue differs from run
 * to run, so the hash is of the bodies in the order of their numbers, each once.
 */
export async function readBack(
  broker: Address,
  target: SendTarget,
  { bodyBytes, numbered = false }: { bodyBytes: number; numbered?: boolean }
): Promise<string> {
  const known = bodies(bodyBytes)
  const stored = await storedCount(broker, [target])
  const [oldest = 0] = await minOffsets(broker, [target]) // A long load may be more than the broker keeps.
  const connection = await Connection.open(broker)
  let offset = oldest
  while (offset < Math.min(stored, oldest + HASHED_COUNT)) {
    const { body } = await ask(connection, REQUEST_CODE.pull, pullFields({ ...target, offset, group: 'bench-check' }))
    for (const read of bodiesIn(body)) {
      const sent = Buffer.from(known[read.readUInt32LE(0)] ?? Buffer.alloc(0))
      if (numbered) read.copy(sent, NUMBER_AT, NUMBER_AT, NUMBER_AT + 4)
      if (!sent.equals(read)) throw loadFailure(`message ${offset} of ${target.topic} is not one that was sent`)
      offset++
    }
  }
  connection.close()
  return hashOf(known)
}

/** When a message was born, as its producer says, and stored. */
export interface RecordTimes {
  readonly bornAtMs: number
  readonly storedAtMs: number
}

/** Of every message of a queue. */
export async function* recordTimes(broker: Address, target: SendTarget): AsyncIterable<RecordTimes> {
  const stored = await storedCount(broker, [target])
  const connection = await Connection.open(broker)
  for (let offset = 0; offset < stored; ) {
    const { body } = await ask(connection, REQUEST_CODE.pull, pullFields({ ...target, offset, group: 'bench-check' }))
    for (let at = 0; at < body.length; at += body.readInt32BE(at)) {
      const timeAt = (place: number) => Number(body.readBigInt64BE(at + place))
      yield { bornAtMs: timeAt(RECORD_BORN_AT), storedAtMs: timeAt(RECORD_STORED_AT) }
      offset++
    }
  }
  connection.close()
}

async function ask(connection: Connection, code: number, fields: Fields, body?: Uint8Array) {
  const answer = await connection.call(code, fields, body)
  if (answer.code !== 0) throw loadFailure(`request ${code} ${JSON.stringify(fields)}: ${answer.header}`)
  return answer
}

/** Of a record with IPv4 addresses. */
const RECORD_BORN_AT = 40
const RECORD_STORED_AT = 56
const RECORD_BODY_LENGTH_AT = 84

function* bodiesIn(records: Buffer): Iterable<Buffer> {
  for (let at = 0; at < records.length; at += records.readInt32BE(at)) {
    const bodyAt = at + RECORD_BODY_LENGTH_AT + 4
    yield records.subarray(bodyAt, bodyAt + records.readInt32BE(bodyAt - 4))
  }
}
