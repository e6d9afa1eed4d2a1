/**
 * What a client asks to be stored, and where it went: two plain objects that are reused, so that a send makes neither.
 *
 * Not here: how they come from or go to the wire (server), what is checked (sending.ts).
 */
import { encodeMessageId, hostToBytes, readText } from '../layout/index.ts'
import type { HostAddress } from '../model/index.ts'

/** Owned and reused by the caller; read only during the call that takes it. */
export interface SendDraft {
  producerGroup: string
  topic: string
  /** After whose model an unknown topic is made; clients name TBW102. */
  defaultTopic: string
  defaultTopicQueueNums: number
  /** Below 0 the broker chooses. */
  queueId: number
  sysFlag: number
  bornAtMs: number
  flag: number
  /** In the encoding of records. */
  properties: Uint8Array
  reconsumeTimes: number
  /** -1 if absent. */
  maxReconsumeTimes: number
  isBatch: boolean
  isUnit: boolean
  body: Uint8Array
  bornHost: HostAddress
  clientVersion: number
  /** The broker itself passes the message on: its topic is not checked, and it has been a transaction's already if any. */
  isOfBroker: boolean
}

const NO_BYTES = new Uint8Array(0)

/** To be filled; with the values of a client that says nothing. */
export function emptyDraft(): SendDraft {
  return {
    producerGroup: '',
    topic: '',
    defaultTopic: '',
    defaultTopicQueueNums: 0,
    queueId: 0,
    sysFlag: 0,
    bornAtMs: 0,
    flag: 0,
    properties: NO_BYTES,
    reconsumeTimes: 0,
    maxReconsumeTimes: -1,
    isBatch: false,
    isUnit: false,
    body: NO_BYTES,
    bornHost: { address: '0.0.0.0', port: 0 },
    clientVersion: 0,
    isOfBroker: false
  }
}

const HEX_DIGITS = '0123456789ABCDEF'
const HEX = Uint8Array.from(HEX_DIGITS, digit => digit.charCodeAt(0))
const OFFSET_DIGITS = 16
const COMMA = 0x2c

/** One object serves all sends: valid until the next. */
export class Sent {
  topic = ''
  queueId = 0
  /** Where it was stored: not under `topic` if it has to wait. */
  storedTopic = ''
  storedQueueId = 0
  /** Of a timed message, the start of the second that it is delivered in; 0 of any other. */
  outMs = 0
  /** Of the first message. */
  queueOffset = 0
  /** Messages stored; more than one only for a batch. */
  count = 0
  /** Where each record lies. */
  readonly positions: number[] = [0]
  /** Bytes of all records together. */
  sizeBytes = 0
  /** Everything below is what has to be on disk for this message to be. */
  until = 0
  /** Whether the client wants to wait for that, and the broker is set up to. */
  waitsForDisk = false
  /** The message's UNIQ_KEY is `keyBytes[keyFrom, keyUntil)`; empty for a batch without one. */
  keyBytes: Uint8Array = NO_BYTES
  keyFrom = 0
  keyUntil = 0
  readonly #storeHostBytes: Uint8Array
  readonly #hostDigits: Uint8Array

  constructor(storeHost: HostAddress) {
    this.#storeHostBytes = hostToBytes(storeHost)
    const text = encodeMessageId(this.#storeHostBytes, 0).slice(0, -OFFSET_DIGITS)
    this.#hostDigits = Uint8Array.from(text, digit => digit.charCodeAt(0))
  }

  /** UNIQ_KEY as text; empty where there is none. */
  get uniqueKey(): string {
    return readText(this.keyBytes, this.keyFrom, this.keyUntil)
  }

  /** Offset message ids of all records, separated by commas, as clients expect them. */
  get messageIds(): string {
    return this.positions.map(position => encodeMessageId(this.#storeHostBytes, position)).join(',')
  }

  get messageIdsBytes(): number {
    return this.positions.length * (this.#hostDigits.length + OFFSET_DIGITS + 1) - 1
  }

  /** The same as ASCII, without making a string. Returns where they end: `messageIdsBytes` further. */
  writeMessageIds(into: Uint8Array, at: number): number {
    let end = at
    for (let i = 0; i < this.positions.length; i++) {
      if (i > 0) into[end++] = COMMA
      for (let digit = 0; digit < this.#hostDigits.length; digit++) into[end++] = this.#hostDigits[digit] as number // In range by the loop.
      end = writeHex(into, end, this.positions[i] as number, OFFSET_DIGITS)
    }
    return end
  }
}

/** The low `digits` hexadecimal digits of a whole number from 0 to 2^53, in ASCII. Returns where they end. */
export function writeHex(into: Uint8Array, at: number, value: number, digits: number): number {
  let high = Math.floor(value / 2 ** 32)
  let low = value >>> 0
  for (let digit = digits - 1; digit >= 0; digit--) {
    into[at + digit] = HEX[low & 0xf] as number // Masked: one of 16.
    low = (low >>> 4) | ((high & 0xf) << 28)
    high >>>= 4
  }
  return at + digits
}
