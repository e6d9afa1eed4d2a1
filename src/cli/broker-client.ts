/**
 * A running broker as the verbs see it (`dlq`, `bench`): which topics it has, what is in their queues, and sending to it. By
 * requests that every broker of RocketMQ answers.
 */
import { type Clock, silentLog, VarveError } from '../base/index.ts'
import { type JsonObject, objectOf, TOOLS_GROUP, textOf } from '../broker/index.ts'
import {
  type DecodedRecord,
  decodeRecord,
  type JavaJson,
  locate,
  RECORD_WHOLE,
  RecordPositions
} from '../layout/index.ts'
import {
  connectRemoting,
  type FieldValues,
  field,
  parseWire,
  REQUEST,
  RESPONSE,
  type RemotingAnswer,
  type RemotingConnection,
  responseName
} from '../protocol/index.ts'

const TIMEOUT_MS = 10_000
/** The filter comes with the pull; nobody waits for more. */
const PULL_FLAGS = 4
const PULL_COUNT = 32

const F = {
  nextOffset: field('nextBeginOffset'),
  offset: field('offset'),
  msgId: field('msgId')
}

export interface QueueRange {
  readonly queueId: number
  readonly from: number
  readonly until: number
}

export class BrokerClient {
  readonly name: string
  readonly address: string
  readonly #connection: RemotingConnection

  constructor(name: string, address: string, connection: RemotingConnection) {
    this.name = name
    this.address = address
    this.#connection = connection
  }

  close(): void {
    this.#connection.close('done')
  }

  /** Names of topics that begin so, sorted. */
  async topics(prefix: string): Promise<string[]> {
    const answer = await this.ask(REQUEST.GET_ALL_TOPIC_CONFIG)
    const names = Object.keys(objectOf(jsonOf(answer).topicConfigTable) ?? {})
    return names.filter(name => name.startsWith(prefix)).sort()
  }

  /** The queues of a topic; none if the broker does not have it. */
  async queues(topic: string): Promise<QueueRange[]> {
    const answer = await this.request(REQUEST.GET_TOPIC_STATS_INFO, { topic })
    if (answer.code === RESPONSE.TOPIC_NOT_EXIST || answer.code === RESPONSE.SYSTEM_ERROR) return []
    checked(answer, this.address)
    const { offsetTable } = jsonOf(answer)
    const queueIds = queueIdsOf(offsetTable)
    const ranges = await Promise.all(
      queueIds.map(async queueId => ({
        queueId,
        from: (await this.ask(REQUEST.GET_MIN_OFFSET, { topic, queueId })).long(F.offset),
        until: (await this.ask(REQUEST.GET_MAX_OFFSET, { topic, queueId })).long(F.offset)
      }))
    )
    return ranges.sort((a, b) => a.queueId - b.queueId)
  }

  /** Messages of a queue from `from` on, in their order, up to the end that it had. */
  async *messages(topic: string, { queueId, from, until }: QueueRange): AsyncGenerator<DecodedRecord> {
    for (let offset = Math.max(0, from); offset < until; ) {
      const answer = await this.request(REQUEST.PULL_MESSAGE, {
        consumerGroup: TOOLS_GROUP,
        topic,
        queueId,
        queueOffset: offset,
        maxMsgNums: Math.min(PULL_COUNT, until - offset),
        sysFlag: PULL_FLAGS,
        commitOffset: 0,
        suspendTimeoutMillis: 0,
        subscription: '*',
        subVersion: 0,
        expressionType: 'TAG'
      })
      const hasMessages = answer.code === RESPONSE.SUCCESS
      const isElsewhere = answer.code === RESPONSE.PULL_OFFSET_MOVED || answer.code === RESPONSE.PULL_RETRY_IMMEDIATELY
      if (!hasMessages && !isElsewhere) {
        if (answer.code === RESPONSE.PULL_NOT_FOUND) return
        checked(answer, this.address)
      }
      if (hasMessages) for (const message of recordsIn(answer.body)) if (message.queueOffset < until) yield message
      const next = answer.long(F.nextOffset)
      if (next <= offset) return
      offset = next
    }
  }

  /** @returns the id of the message that was stored @throws VarveError PEER_REFUSED, PEER_TIMEOUT, PEER_CLOSED */
  async send(fields: FieldValues, body: Uint8Array): Promise<string> {
    return (await this.ask(REQUEST.SEND_MESSAGE, fields, body)).text(F.msgId) ?? ''
  }

  /** @throws VarveError PEER_REFUSED for any answer but success */
  async ask(code: number, fields: FieldValues = {}, body?: Uint8Array): Promise<RemotingAnswer> {
    return checked(await this.request(code, fields, body), this.address)
  }

  request(code: number, fields: FieldValues = {}, body?: Uint8Array): Promise<RemotingAnswer> {
    return this.#connection.call(code, fields, { timeoutMs: TIMEOUT_MS, ...(body === undefined ? {} : { body }) })
  }
}

/** @param address HOST:PORT @throws VarveError PEER_UNREACHABLE, PARAMETER_INVALID */
export async function connectBroker(name: string, address: string, clock: Clock): Promise<BrokerClient> {
  const [, host, port] = /^(.+):(\d{1,5})$/.exec(address) ?? []
  if (host === undefined) throw new VarveError('PARAMETER_INVALID', { parameter: 'address', value: address })
  const log = silentLog
  const connection = await connectRemoting({ host, port: Number(port), connectTimeoutMs: TIMEOUT_MS, log, clock })
  return new BrokerClient(name, address, connection)
}

export function jsonOf({ body }: RemotingAnswer): JsonObject {
  return objectOf(body.length === 0 ? null : parseWire(body)) ?? {}
}

function checked(answer: RemotingAnswer, address: string): RemotingAnswer {
  const { code, remark = '' } = answer
  if (code === RESPONSE.SUCCESS) return answer
  throw new VarveError('PEER_REFUSED', { address, code, name: responseName(code), remark })
}

/** The table has an object for each queue as its key, which the reader gives as text. */
function queueIdsOf(table: JavaJson | undefined): number[] {
  return Object.keys(objectOf(table) ?? {}).flatMap(key => {
    const queueId = Number(textOf(objectOf(parseWire(new TextEncoder().encode(key)))?.queueId))
    return Number.isInteger(queueId) ? [queueId] : []
  })
}

function* recordsIn(body: Uint8Array): Generator<DecodedRecord> {
  const view = new DataView(body.buffer, body.byteOffset, body.length)
  const positions = new RecordPositions()
  for (let at = 0; at < body.length; at += positions.totalBytes) {
    if (locate(view, at, body.length, positions) !== RECORD_WHOLE) return
    yield decodeRecord(body, view, positions)
  }
}
