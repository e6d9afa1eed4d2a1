/**
 * Requests of the remoting protocol as bytes, made by hand: nothing of protocol/ is used here, so that what measures
 * it, or any other broker of the protocol, shares neither its cost nor its mistakes.
 *
 * A frame: int32 length of what follows, int32 length of the header, the header in JSON, the body.
 */

export const REQUEST_CODE = {
  pull: 11,
  createTopic: 17,
  createTopics: 18,
  maxOffset: 30,
  minOffset: 31,
  endTransaction: 37,
  deleteTopic: 215,
  sendV2: 310,
  sendBatch: 320
} as const

/** Opaques have ten digits from first to last, so that one can be written over another. */
export const OPAQUE_FIRST = 1_000_000_000
export const OPAQUE_DIGITS = 10
/** Version 5.3.3, as its Java client says it. */
const VERSION = 479
const PREFIX_BYTES = 8

export type Fields = Readonly<Record<string, string | number | boolean>>

/** The header as the Java client writes it: keys in alphabetical order, every field a text. */
export function requestHeader(code: number, fields: Fields, opaque: number): Buffer {
  const extFields = Object.fromEntries(
    Object.keys(fields)
      .sort()
      .map(name => [name, String(fields[name])])
  )
  const header = {
    code,
    extFields,
    flag: 0,
    language: 'JAVA',
    opaque,
    serializeTypeCurrentRPC: 'JSON',
    version: VERSION
  }
  return Buffer.from(JSON.stringify(header))
}

export function requestFrame(code: number, fields: Fields, opaque: number, body: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = requestHeader(code, fields, opaque)
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + header.length + body.length)
  frame.writeInt32BE(4 + header.length + body.length, 0)
  frame.writeInt32BE(header.length, 4)
  header.copy(frame, PREFIX_BYTES)
  frame.set(body, PREFIX_BYTES + header.length)
  return frame
}

export interface SendTarget {
  readonly topic: string
  readonly queueId: number
}

/** 24 characters before the eight that count: address, process, class loader and time of a Java client. */
export const UNIQUE_KEY_HEAD_LENGTH = 24
export const UNIQUE_KEY_COUNTER_DIGITS = 8
/** Stands in a new frame where the counter of the unique key and the time of birth will be written. */
export const COUNTER_PLACE = '00000000'
export const BORN_PLACE = '1700000000000'
export const PRODUCER_GROUP = 'bench-producer'

/** What makes a message one half of a transaction; the other is a request that says what becomes of it. */
export const HALF_SYS_FLAG = 4
export const HALF_PROPERTIES = `TRAN_MSG\u0001true\u0002PGROUP\u0001${PRODUCER_GROUP}\u0002`
export const COMMIT = 8

export interface SendFieldsOptions {
  readonly uniqueKeyHead: string
  readonly isBatch: boolean
  /** Further properties, encoded. */
  readonly more?: string
  readonly sysFlag?: number
}

/** What a Java client of 4.x and 5.x sends for one message: its two properties are those that it always sets. */
export function sendFields(
  { topic, queueId }: SendTarget,
  { uniqueKeyHead, isBatch, more = '', sysFlag = 0 }: SendFieldsOptions
): Fields {
  return {
    a: PRODUCER_GROUP,
    b: topic,
    c: 'TBW102',
    d: 4,
    e: queueId,
    f: sysFlag,
    g: BORN_PLACE,
    h: 0,
    i: properties(`${uniqueKeyHead}${COUNTER_PLACE}`) + more,
    j: 0,
    k: false,
    m: isBatch
  }
}

const properties = (uniqueKey: string) => `UNIQ_KEY\u0001${uniqueKey}\u0002WAIT\u0001true\u0002`

/** size, magic, checksum, flag, length of the body before it; length of the properties after it. */
const BATCH_HEAD_BYTES = 20

/** Several messages as one body; the broker computes checksums itself. */
export function batchBody(bodies: readonly Uint8Array[], uniqueKeyHead: string): Buffer {
  return Buffer.concat(
    bodies.map((body, index) => {
      const text = Buffer.from(properties(`${uniqueKeyHead}${index.toString(16).toUpperCase().padStart(8, '0')}`))
      const head = Buffer.alloc(BATCH_HEAD_BYTES)
      head.writeInt32BE(BATCH_HEAD_BYTES + body.length + 2 + text.length, 0)
      head.writeInt32BE(body.length, 16)
      const length = Buffer.alloc(2)
      length.writeInt16BE(text.length)
      return Buffer.concat([head, body, length, text])
    })
  )
}

/** The decimal digits of an opaque, over those that are there. */
export function writeOpaque(bytes: Uint8Array, at: number, opaque: number): void {
  let rest = opaque
  for (let digit = at + OPAQUE_DIGITS - 1; digit >= at; digit--) {
    const tenth = (rest / 10) | 0
    bytes[digit] = 0x30 + rest - tenth * 10
    rest = tenth
  }
}

const HEX_DIGITS = Buffer.from('0123456789ABCDEF')

export function writeCounter(bytes: Uint8Array, at: number, counter: number): void {
  let rest = counter
  for (let digit = at + UNIQUE_KEY_COUNTER_DIGITS - 1; digit >= at; digit--) {
    bytes[digit] = HEX_DIGITS[rest & 15]! // 16 of them, inside by the mask.
    rest >>>= 4
  }
}
