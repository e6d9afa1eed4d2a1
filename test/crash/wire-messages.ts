/** Messages of the suite as requests and answers of the remoting protocol. */
import type { PhysicalOffset, QueueOffset } from '../../src/base/index.ts'
import type { Appended, MessageInput, QueueName, StoredMessage } from '../../src/index.ts'
import {
  decodeMessageId,
  decodeRecord,
  encodeBatch,
  locate,
  RECORD_WHOLE,
  RecordPositions
} from '../../src/layout/index.ts'
import { Violation } from './violation.ts'
import { ANSWER, CODE, type Wire, type WireAnswer, type WireFields } from './wire.ts'

const NAME_END = '\u0001'
const PROPERTY_END = '\u0002'
const PULL_COUNT_MAX = 32
const SUBSCRIPTION_FLAG = 4

type Properties = Readonly<Record<string, string>>

export const encodeProperties = (properties: Properties): string =>
  Object.entries(properties)
    .map(([name, value]) => `${name}${NAME_END}${value}${PROPERTY_END}`)
    .join('')

/** As a producer hands them over, tag and keys among the others. */
export function propertiesOf({ tag, keys, properties }: MessageInput): Properties {
  return {
    ...(properties as Properties | undefined), // The suite encodes none itself.
    ...(tag === undefined ? {} : { TAGS: tag }),
    ...(keys === undefined ? {} : { KEYS: String(keys) }),
    WAIT: 'true'
  }
}

export interface SendFieldsOptions extends QueueName {
  readonly properties: Properties
  readonly sysFlag?: number
  readonly isBatch?: boolean
}

export function sendFields({
  topic,
  queueId,
  properties,
  sysFlag = 0,
  isBatch = false
}: SendFieldsOptions): WireFields {
  return {
    a: 'crash-producers',
    b: topic,
    c: 'TBW102',
    d: 8,
    e: queueId,
    f: sysFlag,
    g: Date.now(),
    h: 0,
    i: encodeProperties(properties),
    j: 0,
    k: false,
    m: isBatch
  }
}

export function send(wire: Wire, message: MessageInput): Promise<WireAnswer> {
  const fields = sendFields({ ...message, properties: propertiesOf(message) })
  return wire.call(CODE.send, fields, message.body as Uint8Array)
}

export function sendBatch(wire: Wire, messages: readonly MessageInput[]): Promise<WireAnswer> {
  const first = messages[0] as MessageInput // A batch has at least one.
  const items = messages.map(message => ({
    flag: 0,
    body: message.body as Uint8Array,
    properties: Buffer.from(encodeProperties(propertiesOf(message)))
  }))
  return wire.call(CODE.sendBatch, sendFields({ ...first, properties: {}, isBatch: true }), encodeBatch(items))
}

/** Where a message that was taken lies, as the answer tells. */
export function placeOf({ fields }: WireAnswer): Pick<Appended, 'queueOffset' | 'physicalOffset'> {
  const [firstId = ''] = (fields.msgId ?? '').split(',')
  const { physicalOffset } = decodeMessageId(firstId)
  return { queueOffset: Number(fields.queueOffset) as QueueOffset, physicalOffset: physicalOffset as PhysicalOffset }
}

/** Everything in a queue, from the first message to the last, as a consumer gets it. */
export async function drain(wire: Wire, queue: QueueName, group: string): Promise<StoredMessage[]> {
  const messages: StoredMessage[] = []
  const max = Number((await wire.call(CODE.maxOffset, { ...queue })).fields.offset)
  for (let offset = 0; offset < max; ) {
    const { code, remark, fields, body } = await wire.call(CODE.pull, pullFields(queue, offset, group))
    const next = Number(fields.nextBeginOffset)
    if (code === ANSWER.success) messages.push(...decodeRecords(body))
    else if (code !== ANSWER.retryNow && code !== ANSWER.offsetMoved) {
      throw new Violation(`${queue.topic}/${queue.queueId} at ${offset} of ${max}: answer ${code}, ${remark}`)
    }
    if (!(next > offset)) throw new Violation(`${queue.topic}/${queue.queueId}: a pull at ${offset} leads to ${next}`)
    offset = next
  }
  return messages
}

export const pullFields = ({ topic, queueId }: QueueName, offset: number, group: string): WireFields => ({
  consumerGroup: group,
  topic,
  queueId,
  queueOffset: offset,
  maxMsgNums: PULL_COUNT_MAX,
  sysFlag: SUBSCRIPTION_FLAG,
  commitOffset: 0,
  suspendTimeoutMillis: 0,
  subscription: '*',
  subVersion: 0,
  expressionType: 'TAG'
})

/** The records of an answer to a pull. @throws Violation if one of them is not whole */
export function decodeRecords(body: Uint8Array): StoredMessage[] {
  const view = new DataView(body.buffer, body.byteOffset, body.length)
  const messages: StoredMessage[] = []
  for (let at = 0; at < body.length; ) {
    const positions = new RecordPositions()
    if (locate(view, at, body.length, positions) !== RECORD_WHOLE) throw new Violation('a pull brings half a record')
    messages.push(decodeRecord(body, view, positions) as unknown as StoredMessage) // The same fields, plain numbers.
    at += positions.totalBytes
  }
  return messages
}
