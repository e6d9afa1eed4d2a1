/**
 * A record as a message: what callers get when they read. Its fields are those of `StoredMessage` in model/, with
 * plain numbers.
 *
 * Body and properties are copied out of the file, so a message stays valid when its segment goes. Properties are
 * decoded when they are first asked for: most readers want the body. Copies of small messages share an allocation, like
 * Node's own small buffers: an allocation each would cost more than all the rest of the decoding.
 *
 * Not here: whether the record is intact; `locate` has said RECORD_WHOLE before anything here is called.
 */
import { KiB } from '../base/index.ts'
import { type Host, readHost } from './hosts.ts'
import { getInt53 } from './layout.ts'
import { decodeProperties, PROPERTY, splitKeys } from './properties.ts'
import { RECORD_HEAD, type RecordPositions } from './record.ts'
import { readText } from './text.ts'

const { bodyChecksum: BODY_CHECKSUM_AT, flag: FLAG_AT, bornAtMs: BORN_AT_MS_AT } = RECORD_HEAD.at

export class DecodedRecord {
  readonly topic: string
  readonly queueId: number
  readonly queueOffset: number
  readonly physicalOffset: number
  readonly sizeBytes: number
  readonly body: Uint8Array
  readonly flag: number
  readonly sysFlag: number
  readonly bodyChecksum: number
  readonly bornAtMs: number
  readonly bornHost: Host
  readonly storedAtMs: number
  readonly storeHost: Host
  readonly reconsumeTimes: number
  readonly preparedTransactionOffset: number
  /** Holds the properties at `#propertiesAt`. */
  readonly #copy: Uint8Array
  readonly #propertiesAt: number
  readonly #propertiesUntil: number
  #properties: Readonly<Record<string, string>> | undefined

  constructor(bytes: Uint8Array, view: DataView, positions: RecordPositions) {
    const { at, bodyAt, bodyBytes, reconsumeAt, propertiesAt, propertiesBytes } = positions
    // From the body to the end of the record, in one copy: the topic between them is cheaper to copy than to leave out.
    const end = at + positions.totalBytes
    const copyAt = copies.take(end - bodyAt)
    const copy = copies.bytes
    copy.set(bytes.subarray(bodyAt, end), copyAt)

    this.topic = topics.read(bytes, positions.topicAt, positions.topicBytes)
    this.queueId = positions.queueId
    this.queueOffset = positions.queueOffset
    this.physicalOffset = positions.physicalOffset
    this.sizeBytes = positions.totalBytes
    this.body = new Uint8Array(copy.buffer, copyAt, bodyBytes)
    this.flag = view.getInt32(at + FLAG_AT)
    this.sysFlag = positions.sysFlag
    this.bodyChecksum = view.getInt32(at + BODY_CHECKSUM_AT)
    this.bornAtMs = getInt53(view, at + BORN_AT_MS_AT)
    this.bornHost = bornHosts.read(view, positions.bornHostAt, positions.bornHostBytes)
    this.storedAtMs = positions.storedAtMs
    this.storeHost = storeHosts.read(view, positions.storeHostAt, positions.storeHostBytes)
    this.reconsumeTimes = view.getInt32(reconsumeAt)
    this.preparedTransactionOffset = getInt53(view, positions.preparedAt)
    this.#copy = copy
    this.#propertiesAt = copyAt + propertiesAt - bodyAt
    this.#propertiesUntil = this.#propertiesAt + propertiesBytes
  }

  get properties(): Readonly<Record<string, string>> {
    this.#properties ??= decodeProperties(this.#copy, this.#propertiesAt, this.#propertiesUntil)
    return this.#properties
  }

  get tag(): string | undefined {
    return this.properties[PROPERTY.TAGS]
  }

  get keys(): readonly string[] {
    return splitKeys(this.properties[PROPERTY.KEYS] ?? '')
  }

  /** All fields as a plain object: for JSON and for printing, which pass over what is only computed. */
  toJSON(): object {
    return { ...this, tag: this.tag, keys: this.keys, properties: { ...this.properties } }
  }

  [Symbol.for('nodejs.util.inspect.custom')](): object {
    return this.toJSON()
  }
}

export function decodeRecord(bytes: Uint8Array, view: DataView, positions: RecordPositions): DecodedRecord {
  return new DecodedRecord(bytes, view, positions)
}

/**
 * Where copies go: after `take` they have their place in `bytes`, at the position it returned. A message that is kept
 * holds its whole chunk in memory, so a chunk is small, and what is large gets an allocation of its own.
 */
class Copies {
  static readonly #CHUNK_BYTES = 64 * KiB
  static readonly #SHARED_BYTES_MAX = 8 * KiB

  bytes: Uint8Array = new Uint8Array(0)
  #chunk: Uint8Array = this.bytes
  #used = 0

  take(count: number): number {
    if (count > Copies.#SHARED_BYTES_MAX) {
      this.bytes = allocate(count)
      return 0
    }
    if (count > this.#chunk.length - this.#used) {
      this.#chunk = allocate(Copies.#CHUNK_BYTES)
      this.#used = 0
    }
    this.bytes = this.#chunk
    const at = this.#used
    this.#used += count
    return at
  }
}

/** Not zeroed: every byte that is handed out is written first. */
function allocate(count: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(count).buffer)
}

/** Neighbouring records mostly have the same topic: comparing its bytes is cheaper than making a string again. */
class LastTopic {
  #bytes: Uint8Array = new Uint8Array(0)
  #text = ''

  read(bytes: Uint8Array, at: number, count: number): string {
    if (!this.#same(bytes, at, count)) {
      this.#bytes = bytes.slice(at, at + count)
      this.#text = readText(bytes, at, at + count)
    }
    return this.#text
  }

  #same(bytes: Uint8Array, at: number, count: number): boolean {
    const last = this.#bytes
    if (last.length !== count) return false
    for (let index = 0; index < count; index++) {
      if (last[index] !== bytes[at + index]) return false
    }
    return true
  }
}

/** The same for hosts; the object is shared by the messages, which is why it is frozen. */
class LastHost {
  #low = 0
  #port = 0
  #host: Host | undefined

  read(view: DataView, at: number, count: number): Host {
    if (count !== 8) return Object.freeze(readHost(view, at, count))
    const low = view.getInt32(at)
    const port = view.getInt32(at + 4)
    if (this.#host === undefined || low !== this.#low || port !== this.#port) {
      this.#low = low
      this.#port = port
      this.#host = Object.freeze(readHost(view, at, count))
    }
    return this.#host
  }
}

const copies = new Copies()
const topics = new LastTopic()
const bornHosts = new LastHost()
const storeHosts = new LastHost()
