/**
 * Due message: from the record of a message that has waited to the message that is stored under its own topic.
 *
 * Body, properties, flags, counts, hosts and the time of birth are the record's; topic and queue are those that it was sent
 * to. As Apache RocketMQ has it, `DELAY`, `REAL_TOPIC` and `REAL_QID` stay among the properties, where consumers see them;
 * a checksum of the whole record does not, for it was that record's.
 *
 * One object serves all records, and of neighbours with the same hosts these are read once: the encoder looks no further
 * at a host that it has just had.
 */
import {
  encodeText,
  findProperty,
  getInt53,
  hostToBytes,
  locate,
  RECORD_CHECKSUM_BYTES,
  RECORD_CHECKSUM_PROPERTY,
  RECORD_HEAD,
  RECORD_WHOLE,
  RecordPositions,
  readHost,
  Span
} from '../../layout/index.ts'
import type { HostAddress } from '../../model/index.ts'
import type { OutgoingMessage } from '../send-transform.ts'
import { RealTarget } from './real-target.ts'

const { flag: FLAG_AT, bornAtMs: BORN_AT } = RECORD_HEAD.at
const CHECKSUM_NAME = encodeText(RECORD_CHECKSUM_PROPERTY)
const NO_BYTES: Uint8Array = new Uint8Array(0)

export class DueMessage {
  readonly positions = new RecordPositions()
  /** Of the last `take`; valid while the record is. */
  readonly message: OutgoingMessage & { storeHost: HostAddress }
  readonly #target: RealTarget
  readonly #span = new Span()
  readonly #bornHost: HostCache
  readonly #storeHost: HostCache
  // The whole of what the last record was a part of: records of one segment share it.
  #buffer: ArrayBufferLike = NO_BYTES.buffer
  #bytes = NO_BYTES
  #view: DataView = new DataView(NO_BYTES.buffer)

  /** A finder of its target may look for more in the same pass. */
  constructor(storeHost: HostAddress, finder?: ConstructorParameters<typeof RealTarget>[0]) {
    this.#target = new RealTarget(finder)
    this.#bornHost = new HostCache(storeHost)
    this.#storeHost = new HostCache(storeHost)
    this.message = {
      topic: '',
      queueId: 0,
      body: NO_BYTES,
      properties: NO_BYTES,
      flag: 0,
      sysFlag: 0,
      bornAtMs: 0,
      bornHost: storeHost,
      storeHost,
      reconsumeTimes: 0
    }
  }

  /** Of the whole of what the last record was a part of: what a finder has found stands there. */
  get bytes(): Uint8Array {
    return this.#bytes
  }

  /** False if it is no whole record, or does not say where it goes. */
  take(record: Uint8Array): boolean {
    if (record.buffer !== this.#buffer) this.#enter(record.buffer)
    const { message, positions } = this
    const bytes = this.#bytes
    const view = this.#view
    const at = record.byteOffset
    if (locate(view, at, at + record.length, positions) !== RECORD_WHOLE) return false
    const { propertiesAt, bodyAt, reconsumeAt } = positions
    const propertiesUntil = propertiesAt + this.#propertiesBytes(bytes)
    if (!this.#target.read(bytes, propertiesAt, propertiesUntil)) return false
    message.topic = this.#target.topic
    message.queueId = this.#target.queueId
    message.body = bytes.subarray(bodyAt, bodyAt + positions.bodyBytes)
    message.properties = bytes.subarray(propertiesAt, propertiesUntil)
    message.flag = view.getInt32(at + FLAG_AT)
    message.sysFlag = positions.sysFlag
    message.bornAtMs = getInt53(view, at + BORN_AT)
    message.bornHost = this.#bornHost.read(bytes, view, positions.bornHostAt, positions.bornHostBytes)
    message.storeHost = this.#storeHost.read(bytes, view, positions.storeHostAt, positions.storeHostBytes)
    message.reconsumeTimes = view.getInt32(reconsumeAt)
    return true
  }

  #enter(buffer: ArrayBufferLike): void {
    this.#buffer = buffer
    this.#bytes = new Uint8Array(buffer)
    this.#view = new DataView(buffer)
  }

  /** Without the checksum of the record, which stands last if at all. */
  #propertiesBytes(bytes: Uint8Array): number {
    const { propertiesAt, propertiesBytes } = this.positions
    const until = propertiesAt + propertiesBytes
    const checksumAt = until - RECORD_CHECKSUM_BYTES
    const hasChecksum = checksumAt >= propertiesAt && findProperty(bytes, checksumAt, until, CHECKSUM_NAME, this.#span)
    return hasChecksum ? propertiesBytes - RECORD_CHECKSUM_BYTES : propertiesBytes
  }
}

class HostCache {
  #bytes = NO_BYTES
  #host: HostAddress

  constructor(host: HostAddress) {
    this.#host = host
    this.#bytes = hostToBytes(host)
  }

  read(bytes: Uint8Array, view: DataView, at: number, sizeBytes: number): HostAddress {
    if (!this.#isLast(bytes, at, sizeBytes)) {
      this.#host = readHost(view, at, sizeBytes)
      this.#bytes = bytes.slice(at, at + sizeBytes)
    }
    return this.#host
  }

  #isLast(bytes: Uint8Array, at: number, sizeBytes: number): boolean {
    if (this.#bytes.length !== sizeBytes) return false
    for (let i = 0; i < sizeBytes; i++) if (bytes[at + i] !== this.#bytes[i]) return false
    return true
  }
}
