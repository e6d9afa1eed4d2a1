/**
 * Message encoder: from a caller's message to a record in the segment, in one pass.
 *
 * `bytesMax` says how large the record can get, `encode` writes it, `close` makes it exist. Strings are encoded where
 * they end up: there is no buffer in between, and the objects used are the same for every message. Whatever is wrong
 * with a message is found before `close`; the caller then clears what was written.
 *
 * Not here: where the record goes (commit-log.ts), its queue offset (topics.ts).
 */
import { assert, VarveError } from '../base/index.ts'
import {
  checkPropertiesSize,
  checkPropertyText,
  closeRecord,
  HOST_BYTES_V6,
  hostToBytes,
  KEY_SEPARATOR,
  NAME_END,
  openRecord,
  PROPERTIES_BYTES_MAX,
  PROPERTY,
  PROPERTY_END,
  RECORD_CHECKSUM_BYTES,
  RecordDraft,
  RecordPositions,
  recordMagicFor,
  sizeOfRecord,
  textBytes,
  topicLengthBytesOf,
  withHostBits,
  writeRecordChecksum,
  writeRecordHead,
  writeText
} from '../layout/index.ts'
import type { HostAddress } from '../model/index.ts'
import { checksum, checksums } from './checksum.ts'
import type { MessageFields } from './message-fields.ts'
import type { Topic } from './topics.ts'

const INT32_MAX = 0x7fffffff
/** No UTF-16 unit takes more bytes in UTF-8. */
const BYTES_PER_UNIT_MAX = 3

/** One crossing into native code for so many checksums: it costs as much as the sum of 1 KiB. The bodies are still in the cache. */
const CLOSED_TOGETHER = 32

/** A power of two. */
const HOST_SLOTS = 4096

interface KnownHost extends HostAddress {
  readonly bytes: Uint8Array
}

export interface EncoderOptions {
  readonly messageBytesMax: number
  readonly storeHost: HostAddress
  readonly recordChecksum: boolean
}

/** The part of a record that the store decides. */
export interface RecordPlace {
  readonly topic: Topic
  readonly queueOffset: number
  readonly physicalOffset: number
  readonly storedAtMs: number
}

/** Byte p of the window is `bytes[p]`. */
export interface Window {
  readonly bytes: Uint8Array
  readonly view: DataView
}

export class MessageEncoder {
  readonly #options: EncoderOptions
  readonly #draft = new RecordDraft()
  readonly #positions = new RecordPositions()
  readonly #storeHostBytes: Uint8Array
  /** Producers with many connections take turns: each host has a slot by its port, in which another may take its place. */
  readonly #hosts: KnownHost[]
  /** Of the records that `closeAll` is to close: where each begins and its size; where its body lies; its checksum. */
  readonly #open = new Float64Array(2 * CLOSED_TOGETHER)
  readonly #bodies = new Float64Array(2 * CLOSED_TOGETHER)
  readonly #sums = new Uint32Array(CLOSED_TOGETHER)
  #openCount = 0

  constructor(options: EncoderOptions) {
    this.#options = options
    this.#storeHostBytes = hostToBytes(options.storeHost)
    this.#hosts = new Array<KnownHost>(HOST_SLOTS).fill({ ...options.storeHost, bytes: this.#storeHostBytes })
  }

  /** The most bytes that the record can take. @throws VarveError MESSAGE_BODY_TOO_LARGE, MESSAGE_PROPERTIES_TOO_LARGE */
  bytesMax({ body, properties, tag, keys }: MessageFields, topic: Topic): number {
    const bodyBytesMax = typeof body === 'string' ? this.#bodyBytesMax(body) : body.length
    if (bodyBytesMax > this.#options.messageBytesMax) {
      throw new VarveError('MESSAGE_BODY_TOO_LARGE', { bytes: bodyBytesMax, bytesMax: this.#options.messageBytesMax })
    }
    let units = PROPERTY.TAGS.length + PROPERTY.KEYS.length + 8
    if (tag !== undefined) units += tag.length
    if (keys !== undefined) units += lengthOfKeys(keys)
    let propertyBytes = RECORD_CHECKSUM_BYTES
    if (properties instanceof Uint8Array) propertyBytes += properties.length
    else if (properties !== undefined)
      for (const name in properties) units += name.length + (properties[name] as string).length + 2 // Own names of a record of strings.
    propertyBytes += units * BYTES_PER_UNIT_MAX
    // Text that cannot fit however short its encoding is refused here; the rest once it is encoded.
    if (units > PROPERTIES_BYTES_MAX || propertyBytes > 4 * PROPERTIES_BYTES_MAX) checkPropertiesSize(propertyBytes)
    return sizeOfRecord(HOST_BYTES_V6, HOST_BYTES_V6, bodyBytesMax, 2, topic.bytes.length, propertyBytes)
  }

  /** The same with every text counted, which is slower: for what would not fit if its texts were as long as they can be. */
  bytesCounted({ body, properties, tag, keys }: MessageFields, topic: Topic): number {
    let propertyBytes = RECORD_CHECKSUM_BYTES + PROPERTY.TAGS.length + PROPERTY.KEYS.length + 5
    if (properties instanceof Uint8Array) propertyBytes += properties.length
    else if (properties !== undefined)
      for (const name in properties) propertyBytes += textBytes(name) + textBytes(properties[name] as string) + 2 // Own names of a record of strings.
    if (tag !== undefined) propertyBytes += textBytes(tag)
    if (keys !== undefined) propertyBytes += textBytes(typeof keys === 'string' ? keys : keys.join(KEY_SEPARATOR))
    const bodyBytes = typeof body === 'string' ? textBytes(body) : body.length
    return sizeOfRecord(HOST_BYTES_V6, HOST_BYTES_V6, bodyBytes, 2, topic.bytes.length, propertyBytes)
  }

  /**
   * Writes the record at `at` and returns its size; it begins to exist with `close`.
   * @throws VarveError MESSAGE_INVALID, MESSAGE_PROPERTY_INVALID, MESSAGE_PROPERTIES_TOO_LARGE
   */
  encode({ bytes, view }: Window, at: number, message: MessageFields, place: RecordPlace): number {
    const { body, bornHost, storeHost } = message
    const { bytes: topicBytes } = place.topic
    const draft = this.#draft
    const bornHostBytes = bornHost === undefined ? this.#storeHostBytes : this.#bytesOfHost(bornHost)
    const storeHostBytes = storeHost === undefined ? this.#storeHostBytes : this.#bytesOfHost(storeHost)
    const bodyBytes = typeof body === 'string' ? textBytes(body) : body.length
    const magic = recordMagicFor(topicBytes.length)

    // Properties come first, because the head holds their length.
    const headBytes = sizeOfRecord(
      bornHostBytes.length,
      storeHostBytes.length,
      bodyBytes,
      topicLengthBytesOf(magic),
      topicBytes.length,
      0
    )
    const propertiesBytes = this.#properties(bytes, at + headBytes, message) - (at + headBytes)
    checkPropertiesSize(propertiesBytes)

    draft.totalBytes = headBytes + propertiesBytes
    draft.magic = magic
    draft.queueId = message.queueId
    draft.flag = int32Of(message.flag ?? 0, 'flag')
    draft.queueOffset = place.queueOffset
    draft.physicalOffset = place.physicalOffset
    draft.sysFlag = withHostBits(int32Of(message.sysFlag ?? 0, 'sysFlag'), bornHostBytes.length, storeHostBytes.length)
    draft.bornAtMs = int53Of(message.bornAtMs ?? place.storedAtMs, 'bornAtMs')
    draft.bornHostBytes = bornHostBytes
    draft.storedAtMs = place.storedAtMs
    draft.storeHostBytes = storeHostBytes
    draft.reconsumeTimes = int32Of(message.reconsumeTimes ?? 0, 'reconsumeTimes')
    draft.preparedTransactionOffset = int53Of(message.preparedTransactionOffset ?? 0, 'preparedTransactionOffset')
    draft.bodyBytes = bodyBytes
    draft.topicBytes = topicBytes
    draft.propertiesBytes = propertiesBytes
    writeRecordHead(bytes, view, at, draft, this.#positions)

    const { bodyAt } = this.#positions
    if (typeof body !== 'string') {
      bytes.set(body, bodyAt)
    } else {
      const end = writeText(bytes, bodyAt, body)
      assert(end === bodyAt + bodyBytes, 'the body takes the room that was counted for it')
    }
    return draft.totalBytes
  }

  /** Adds the checksum of the body last encoded, and makes its record exist. */
  close(window: Window, at: number, totalBytes: number, body: Uint8Array | string): void {
    // Text has just been encoded into the window; bytes are read where the caller has them, in warm memory.
    const { bodyAt, bodyBytes } = this.#positions
    const crc =
      typeof body === 'string' ? checksum(window.bytes, bodyAt, bodyAt + bodyBytes) : checksum(body, 0, body.length)
    this.#close(window, at, totalBytes, crc)
  }

  /**
   * The same together with others of its batch, by `closeAll` at the latest. With `totalBytes` 0 the record does not
   * exist before `finish`.
   */
  closeLater(window: Window, at: number, totalBytes: number): void {
    const { bodyAt, bodyBytes } = this.#positions
    const count = this.#openCount++
    this.#open[2 * count] = at
    this.#open[2 * count + 1] = totalBytes
    this.#bodies[2 * count] = bodyAt
    this.#bodies[2 * count + 1] = bodyAt + bodyBytes
    if (this.#openCount === CLOSED_TOGETHER) this.closeAll(window)
  }

  closeAll(window: Window): void {
    const count = this.#openCount
    this.#openCount = 0
    checksums(window.bytes, this.#bodies, count, this.#sums)
    for (let i = 0; i < count; i++)
      this.#close(window, this.#open[2 * i] as number, this.#open[2 * i + 1] as number, this.#sums[i] as number) // One of `count`.
  }

  /** The caller gave up on its batch: what was to be closed later is not. */
  abandonOpen(): void {
    this.#openCount = 0
  }

  /** Makes a record exist that was closed without its size. */
  finish({ bytes, view }: Window, at: number, totalBytes: number): void {
    openRecord(view, at, totalBytes)
    if (this.#options.recordChecksum) writeRecordChecksum(bytes, at, totalBytes)
  }

  #close({ bytes, view }: Window, at: number, totalBytes: number, crc: number): void {
    closeRecord(view, at, totalBytes, crc)
    if (totalBytes !== 0 && this.#options.recordChecksum) writeRecordChecksum(bytes, at, totalBytes)
  }

  #bodyBytesMax(body: string): number {
    const guess = body.length * BYTES_PER_UNIT_MAX
    return guess > this.#options.messageBytesMax ? textBytes(body) : guess
  }

  #bytesOfHost(host: HostAddress): Uint8Array {
    const slot = host.port & (HOST_SLOTS - 1)
    const known = this.#hosts[slot] as KnownHost // One of HOST_SLOTS.
    if (known.port === host.port && known.address === host.address) return known.bytes
    const bytes = hostToBytes(host)
    this.#hosts[slot] = { address: host.address, port: host.port, bytes }
    return bytes
  }

  /** Returns the position after the properties. */
  #properties(bytes: Uint8Array, from: number, { properties, tag, keys }: MessageFields): number {
    let at = from
    if (properties instanceof Uint8Array) {
      bytes.set(properties, at)
      at += properties.length
      const more = tag !== undefined || keys !== undefined || this.#options.recordChecksum
      if (more && at > from && bytes[at - 1] !== PROPERTY_END) bytes[at++] = PROPERTY_END
    } else if (properties !== undefined) {
      for (const name in properties) at = writeProperty(bytes, at, name, properties[name] as string) // Own names of a record of strings.
    }
    if (keys !== undefined)
      at = writeProperty(bytes, at, PROPERTY.KEYS, typeof keys === 'string' ? keys : keys.join(KEY_SEPARATOR))
    if (tag !== undefined) at = writeProperty(bytes, at, PROPERTY.TAGS, tag)
    return this.#options.recordChecksum ? at + RECORD_CHECKSUM_BYTES : at
  }
}

function writeProperty(bytes: Uint8Array, at: number, name: string, value: string): number {
  checkPropertyText(name, name)
  checkPropertyText(name, value)
  const valueAt = writeText(bytes, at, name) + 1
  bytes[valueAt - 1] = NAME_END
  const end = writeText(bytes, valueAt, value)
  bytes[end] = PROPERTY_END
  return end + 1
}

function lengthOfKeys(keys: string | readonly string[]): number {
  if (typeof keys === 'string') return keys.length
  let length = keys.length
  for (const key of keys) length += key.length
  return length
}

function int32Of(value: number, field: string): number {
  if (Number.isInteger(value) && value >= -INT32_MAX - 1 && value <= INT32_MAX) return value
  throw new VarveError('MESSAGE_INVALID', { field, value: String(value), min: -INT32_MAX - 1, max: INT32_MAX })
}

function int53Of(value: number, field: string): number {
  if (Number.isSafeInteger(value)) return value
  throw new VarveError('MESSAGE_INVALID', {
    field,
    value: String(value),
    min: Number.MIN_SAFE_INTEGER,
    max: Number.MAX_SAFE_INTEGER
  })
}
