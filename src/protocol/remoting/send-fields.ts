/**
 * What a request to store a message says in its header, filled from either of the two sets of names in one pass over the
 * fields: long names in SEND_MESSAGE and SEND_REPLY_MESSAGE, single letters in their later forms and in batches.
 *
 * Not here: whether any of it makes sense to a broker.
 */
import { assert } from '../../base/index.ts'
import { encodeText } from '../../layout/index.ts'
import { REQUEST } from './codes.ts'
import type { RemotingRequest } from './connection-api.ts'
import { type FieldName, field } from './field.ts'
import { isSame } from './field-table.ts'
import { absent, ReceivedHeader } from './received-header.ts'

/** The part of a send that the wire knows. The caller owns the object and may reuse it. */
export interface SendFields {
  producerGroup: string
  topic: string
  defaultTopic: string
  defaultTopicQueueNums: number
  /** Below 0 the broker chooses. */
  queueId: number
  sysFlag: number
  bornAtMs: number
  flag: number
  /** Encoded properties; a view that is valid as long as the request. */
  properties: Uint8Array
  reconsumeTimes: number
  /** -1 if absent. */
  maxReconsumeTimes: number
  isBatch: boolean
  /** As `properties`. */
  body: Uint8Array
  clientVersion: number
}

/** The fields by their letters, in the order of `LONG_NAMES`. `k` is unitMode and `n` the broker's name: nobody reads them. */
const LETTERS = 'abcdefghijlm'
const LONG_NAMES: readonly FieldName[] = [
  'producerGroup',
  'topic',
  'defaultTopic',
  'defaultTopicQueueNums',
  'queueId',
  'sysFlag',
  'bornTimestamp',
  'flag',
  'properties',
  'reconsumeTimes',
  'maxReconsumeTimes',
  'batch'
].map(field)
const GROUP = 0
const TOPIC = 1
const DEFAULT_TOPIC = 2
const DEFAULT_QUEUES = 3
const QUEUE = 4
const SYS_FLAG = 5
const BORN = 6
const FLAG = 7
const PROPERTIES = 8
const RECONSUMED = 9
const RECONSUME_MAX = 10
const BATCH = 11
/** Up to `FLAG` every field must be there. */
const REQUIRED = (1 << (FLAG + 1)) - 1

/** What stands behind each letter; -1 for nothing. */
const keyOfLetter = new Int8Array(256).fill(-1)
for (const [key, letter] of encodeText(LETTERS).entries()) keyOfLetter[letter] = key

/** Long names of equal length stand beside each other, so that most lengths leave one to compare. */
const keysOfLength: readonly (readonly number[])[] = Array.from({ length: 32 }, (_, length) =>
  LONG_NAMES.flatMap((name, key) => (name.bytes.length === length ? [key] : []))
)

const NO_BYTES = new Uint8Array(0)

/**
 * Fills `into` from a request to store something.
 * @throws VarveError PARAMETER_INVALID naming the field that is missing or malformed
 */
export function readSend(request: RemotingRequest, into: SendFields): void {
  assert(request instanceof ReceivedHeader, 'a request to store something came over a connection')
  into.properties = NO_BYTES
  into.reconsumeTimes = 0
  into.maxReconsumeTimes = -1
  into.isBatch = false
  into.body = request.body
  into.clientVersion = request.version

  const hasLetters = request.code !== REQUEST.SEND_MESSAGE && request.code !== REQUEST.SEND_REPLY_MESSAGE
  let seen = 0
  for (let index = 0; index < request.fieldCount; index++) {
    const from = request.nameFrom(index)
    const length = request.nameUntil(index) - from
    const key = hasLetters
      ? length === 1
        ? keyOfLetter[request.bytes[from]!]!
        : -1
      : keyOfLongName(request.bytes, from, length)
    if (key === -1 || !request.hasValue(index)) continue
    take(request, index, key, into)
    seen |= 1 << key
  }
  if ((seen & REQUIRED) !== REQUIRED) throw missing(seen)
}

function keyOfLongName(bytes: Uint8Array, from: number, length: number): number {
  const keys = keysOfLength[length]
  if (keys === undefined) return -1
  for (const key of keys) if (isSame(bytes, from, LONG_NAMES[key]!.bytes)) return key
  return -1
}

function take(request: ReceivedHeader, index: number, key: number, into: SendFields): void {
  switch (key) {
    case GROUP:
      into.producerGroup = request.internedAt(index)
      break
    case TOPIC:
      into.topic = request.internedAt(index)
      break
    case DEFAULT_TOPIC:
      into.defaultTopic = request.internedAt(index)
      break
    case DEFAULT_QUEUES:
      into.defaultTopicQueueNums = request.intAt(index)
      break
    case QUEUE:
      into.queueId = request.intAt(index)
      break
    case SYS_FLAG:
      into.sysFlag = request.intAt(index)
      break
    case BORN:
      into.bornAtMs = request.longAt(index)
      break
    case FLAG:
      into.flag = request.intAt(index)
      break
    case PROPERTIES:
      into.properties = request.bytesAt(index)
      break
    case RECONSUMED:
      into.reconsumeTimes = request.intAt(index)
      break
    case RECONSUME_MAX:
      into.maxReconsumeTimes = request.intAt(index)
      break
    case BATCH:
      into.isBatch = request.boolAt(index)
      break
  }
}

function missing(seen: number): never {
  return absent(LONG_NAMES.find((_, key) => (seen & (1 << key)) === 0)!) // The caller found one to be missing.
}
