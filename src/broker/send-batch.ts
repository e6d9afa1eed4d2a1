/**
 * The messages of a batch: from the body of one request to what is stored, one record for each.
 *
 * Each gets the properties of the request behind its own, as Apache RocketMQ stores them, with one difference: a UNIQ_KEY
 * of its own stays the one that counts. There the batch's key hides it, and the ids that the producer was given find
 * nothing.
 *
 * Invariants:
 * - every length is checked against what is there before anything is read by it
 * - what `take` returns is valid until the next call; objects and the buffer are reused
 */
import { VarveError } from '../base/index.ts'
import {
  BATCH_ITEM_HEAD,
  BATCH_ITEM_REST,
  encodeText,
  findProperty,
  PROPERTY,
  PROPERTY_END,
  Span
} from '../layout/index.ts'
import { newOutgoingMessage, type OutgoingMessage } from './send-transform.ts'

const UNIQUE_KEY = encodeText(PROPERTY.UNIQUE_KEY)
const { itemBytes: ITEM_BYTES_AT, flag: FLAG_AT, bodyBytes: BODY_BYTES_AT } = BATCH_ITEM_HEAD.at
const HEAD_BYTES = BATCH_ITEM_HEAD.sizeBytes
const ITEM_BYTES_MIN = HEAD_BYTES + BATCH_ITEM_REST.sizeBytes
/** So many objects are kept between batches; a larger one makes its own. */
const KEPT_COUNT_MAX = 1024
const BUFFER_BYTES_MIN = 64 * 1024
/** The batch's properties stand behind those of each message: thousands of tiny ones would make a flood of a brook. */
const PROPERTIES_SUM_BYTES_MAX = 32 * 1024 * 1024

export interface BatchProperties {
  /** Of the request, closed by PROPERTY_END if there are any. */
  readonly bytes: Uint8Array
  /** The same without UNIQ_KEY. */
  readonly bytesWithoutKey: Uint8Array
}

export class BatchMessages {
  readonly #kept: OutgoingMessage[] = []
  readonly #key = new Span()
  #buffer = new Uint8Array(BUFFER_BYTES_MIN)
  #used = 0

  /**
   * @param like what all messages have in common
   * @throws VarveError BATCH_INVALID
   */
  take(body: Uint8Array, properties: BatchProperties, like: OutgoingMessage): readonly OutgoingMessage[] {
    const view = new DataView(body.buffer, body.byteOffset, body.length)
    const messages: OutgoingMessage[] = []
    this.#used = 0
    this.#makeRoom(countOf(body, view) * properties.bytes.length + body.length)
    for (let at = 0; at < body.length; ) {
      const itemBytes = view.getInt32(at + ITEM_BYTES_AT)
      const bodyBytes = view.getInt32(at + BODY_BYTES_AT)
      const bodyAt = at + HEAD_BYTES
      const propertiesAt = bodyAt + bodyBytes + BATCH_ITEM_REST.sizeBytes
      const message = this.#message(messages.length, like)
      message.flag = view.getInt32(at + FLAG_AT)
      message.body = body.subarray(bodyAt, bodyAt + bodyBytes)
      message.properties = this.#join(body, propertiesAt, at + itemBytes, properties)
      messages.push(message)
      at += itemBytes
    }
    return messages
  }

  #message(index: number, like: OutgoingMessage): OutgoingMessage {
    const message = this.#kept[index] ?? newOutgoingMessage(like.bornHost)
    if (index < KEPT_COUNT_MAX) this.#kept[index] = message
    message.topic = like.topic
    message.queueId = like.queueId
    message.sysFlag = like.sysFlag
    message.bornAtMs = like.bornAtMs
    message.bornHost = like.bornHost
    message.reconsumeTimes = like.reconsumeTimes
    return message
  }

  /** The properties `[from, until)` of a message, and behind them the batch's. */
  #join(body: Uint8Array, from: number, until: number, { bytes, bytesWithoutKey }: BatchProperties): Uint8Array {
    const hasKey = findProperty(body, from, until, UNIQUE_KEY, this.#key)
    const more = hasKey ? bytesWithoutKey : bytes
    const buffer = this.#buffer
    const start = this.#used
    buffer.set(body.subarray(from, until), start)
    let end = start + until - from
    if (until > from && more.length > 0 && buffer[end - 1] !== PROPERTY_END) buffer[end++] = PROPERTY_END
    buffer.set(more, end)
    end += more.length
    this.#used = end
    return buffer.subarray(start, end)
  }

  #makeRoom(bytes: number): void {
    if (bytes > PROPERTIES_SUM_BYTES_MAX) {
      throw new VarveError('BATCH_INVALID', { reason: 'properties', bytes, bytesMax: PROPERTIES_SUM_BYTES_MAX })
    }
    if (bytes > this.#buffer.length || this.#buffer.length > 4 * Math.max(bytes, BUFFER_BYTES_MIN)) {
      this.#buffer = new Uint8Array(Math.max(bytes, BUFFER_BYTES_MIN))
    }
  }
}

/** How many messages there are, once every length has been checked. @throws VarveError BATCH_INVALID */
function countOf(body: Uint8Array, view: DataView): number {
  let count = 0
  for (let at = 0; at < body.length; count++) {
    const roomBytes = body.length - at
    if (roomBytes < ITEM_BYTES_MIN) throw broken(count, 'the head is cut off')
    const itemBytes = view.getInt32(at + ITEM_BYTES_AT)
    if (itemBytes < ITEM_BYTES_MIN || itemBytes > roomBytes) throw broken(count, 'size')
    const bodyBytes = view.getInt32(at + BODY_BYTES_AT)
    if (bodyBytes < 0 || bodyBytes > itemBytes - ITEM_BYTES_MIN) throw broken(count, 'size of the body')
    const propertiesBytes = view.getInt16(at + HEAD_BYTES + bodyBytes)
    if (propertiesBytes !== itemBytes - ITEM_BYTES_MIN - bodyBytes) throw broken(count, 'size of the properties')
    at += itemBytes
  }
  return count
}

const broken = (item: number, reason: string): VarveError => new VarveError('BATCH_INVALID', { item, reason })
