/**
 * One message in the commit log, byte for byte.
 *
 * A record is three fixed layouts with two host addresses between them, then body, topic and properties, each behind
 * its length. `locate` is the only function that adds these sizes up: everybody else asks it where a field lies, for
 * an IPv6 host moves all that follows.
 *
 * Invariants:
 * - `locate` says RECORD_WHOLE only if every part lies inside the record, the parts add up to its size, and the record
 *   lies inside the range; it never reads outside the range
 * - nothing here allocates per record
 *
 * Not here: what the properties say (properties.ts), checksums (record-checksum.ts), making messages of records
 * (decoded-record.ts), which record follows which (the store).
 */
import { assert } from '../base/index.ts'
import { getInt53, int32, int53, layout, setInt53 } from './layout.ts'
import { copyBytes } from './text.ts'

export const RECORD_MAGIC_V1 = -626843481
/** The length of the topic takes two bytes: for retry topics of more than 127 bytes. */
export const RECORD_MAGIC_V2 = -626843477
/** Stands where no record is any more: the next one is at the start of the next segment. */
export const BLANK_MAGIC = -875286124
/** Size and magic of a blank: an append leaves at least so many bytes of its segment. */
export const BLANK_RESERVE_BYTES = 8

export const TOPIC_BYTES_MAX_V1 = 127
export const TOPIC_BYTES_MAX_V2 = 32_767
export const PROPERTIES_BYTES_MAX = 32_767

/** Address and port. */
export const HOST_BYTES_V4 = 8
export const HOST_BYTES_V6 = 20

export const SYS_FLAG = {
  COMPRESSED: 0x1,
  MULTI_TAGS: 0x2,
  TRANSACTION_MASK: 0xc,
  TRANSACTION_NONE: 0x0,
  TRANSACTION_PREPARED: 0x4,
  TRANSACTION_COMMIT: 0x8,
  TRANSACTION_ROLLBACK: 0xc,
  BORN_HOST_V6: 0x10,
  STORE_HOST_V6: 0x20,
  NEED_UNWRAP: 0x40,
  INNER_BATCH: 0x80,
  COMPRESSION_MASK: 0x700,
  COMPRESSION_LZ4: 0x100,
  COMPRESSION_ZSTD: 0x200,
  COMPRESSION_ZLIB: 0x300
} as const

/** From the first byte of the record to the born host. */
export const RECORD_HEAD = layout({
  totalBytes: int32('size of the whole record, this field included'),
  magic: int32('version of the record: 0xDAA320A7 (V1) or 0xDAA320AB (V2)'),
  bodyChecksum: int32('CRC-32 of the body as stored, without its top bit'),
  queueId: int32('queue of the topic'),
  flag: int32("the application's own, opaque"),
  queueOffset: int53('ordinal of the message in its queue; 0 if prepared or rolled back'),
  physicalOffset: int53('position of this very record in the commit log'),
  sysFlag: int32('compression, transaction, address and batch bits'),
  bornAtMs: int53('when the producer made the message')
})

/** Between born host and store host. */
export const RECORD_MIDDLE = layout({
  storedAtMs: int53('when it was appended; never decreases while the clock does not step back')
})

/** From the store host to the body. */
export const RECORD_REST = layout({
  reconsumeTimes: int32('how often a consumer has sent it back'),
  preparedTransactionOffset: int53('of a committed message: position of its half message; else 0'),
  bodyBytes: int32('size of the body that follows')
})

/** The length of the properties, an int16, stands before them. */
const PROPERTIES_LENGTH_BYTES = 2

/** Everything of a record that does not depend on hosts, version, body, topic or properties. */
const FIXED_BYTES = RECORD_HEAD.sizeBytes + RECORD_MIDDLE.sizeBytes + RECORD_REST.sizeBytes + PROPERTIES_LENGTH_BYTES

/** No record is smaller: IPv4 hosts, a topic of one byte, no body, no properties. */
export const RECORD_BYTES_MIN = FIXED_BYTES + 2 * HOST_BYTES_V4 + 1 + 1

// As plain numbers, so that `locate` and `writeRecordHead` load no property per field.
const { totalBytes: TOTAL_AT, magic: MAGIC_AT, bodyChecksum: BODY_CHECKSUM_AT, queueId: QUEUE_ID_AT } = RECORD_HEAD.at
const { flag: FLAG_AT, queueOffset: QUEUE_OFFSET_AT, physicalOffset: PHYSICAL_OFFSET_AT } = RECORD_HEAD.at
const { sysFlag: SYS_FLAG_AT, bornAtMs: BORN_AT_MS_AT } = RECORD_HEAD.at
const HEAD_BYTES = RECORD_HEAD.sizeBytes
const MIDDLE_BYTES = RECORD_MIDDLE.sizeBytes
const REST_BYTES = RECORD_REST.sizeBytes
const { preparedTransactionOffset: PREPARED_AT, bodyBytes: BODY_BYTES_AT } = RECORD_REST.at

export function bornHostBytesOf(sysFlag: number): number {
  return (sysFlag & SYS_FLAG.BORN_HOST_V6) === 0 ? HOST_BYTES_V4 : HOST_BYTES_V6
}

export function storeHostBytesOf(sysFlag: number): number {
  return (sysFlag & SYS_FLAG.STORE_HOST_V6) === 0 ? HOST_BYTES_V4 : HOST_BYTES_V6
}

/** Positional, for the path of every append. `topicLengthBytes` is 1 (V1) or 2 (V2). */
export function sizeOfRecord(
  bornHostBytes: number,
  storeHostBytes: number,
  bodyBytes: number,
  topicLengthBytes: number,
  topicBytes: number,
  propertiesBytes: number
): number {
  return FIXED_BYTES + bornHostBytes + storeHostBytes + bodyBytes + topicLengthBytes + topicBytes + propertiesBytes
}

export interface RecordSizes {
  readonly bornV6: boolean
  readonly storeV6: boolean
  readonly bodyBytes: number
  readonly topicBytes: number
  readonly propertiesBytes: number
}

/** Size of the record of a message; its version follows from the length of the topic. */
export function recordBytes({ bornV6, storeV6, bodyBytes, topicBytes, propertiesBytes }: RecordSizes): number {
  return sizeOfRecord(
    bornV6 ? HOST_BYTES_V6 : HOST_BYTES_V4,
    storeV6 ? HOST_BYTES_V6 : HOST_BYTES_V4,
    bodyBytes,
    topicLengthBytesOf(recordMagicFor(topicBytes)),
    topicBytes,
    propertiesBytes
  )
}

export function recordMagicFor(topicBytes: number): number {
  return topicBytes > TOPIC_BYTES_MAX_V1 ? RECORD_MAGIC_V2 : RECORD_MAGIC_V1
}

export function topicLengthBytesOf(magic: number): number {
  return magic === RECORD_MAGIC_V2 ? 2 : 1
}

/** Where the parts of one record lie, in the view that it was located in. One object serves all records of a loop. */
export class RecordPositions {
  /** First byte of the record. */
  at = 0
  totalBytes = 0
  magic = 0
  queueId = 0
  queueOffset = 0
  /** As the record says; compare it with its real place before you believe the record. */
  physicalOffset = 0
  sysFlag = 0
  bornHostAt = 0
  bornHostBytes = 0
  storedAtAt = 0
  storedAtMs = 0
  storeHostAt = 0
  storeHostBytes = 0
  reconsumeAt = 0
  preparedAt = 0
  bodyAt = 0
  bodyBytes = 0
  topicAt = 0
  topicBytes = 0
  propertiesAt = 0
  propertiesBytes = 0
}

/** Every length fits; the checksums have not been looked at. */
export const RECORD_WHOLE = 0
/** The rest of the segment is empty. Only `at` and `totalBytes` are set, and the size has not been checked. */
export const RECORD_BLANK = 1
/** Torn, damaged or never written. The positions mean nothing. */
export const RECORD_BROKEN = 2
export type RecordShape = typeof RECORD_WHOLE | typeof RECORD_BLANK | typeof RECORD_BROKEN

/** Looks at the record at `at`, of which nothing at or after `until` belongs to it. Any bytes may stand there. */
export function locate(view: DataView, at: number, until: number, into: RecordPositions): RecordShape {
  if (until - at < BLANK_RESERVE_BYTES) return RECORD_BROKEN
  const totalBytes = view.getInt32(at + TOTAL_AT)
  const magic = view.getInt32(at + MAGIC_AT)
  into.at = at
  into.totalBytes = totalBytes
  if (magic === BLANK_MAGIC) return RECORD_BLANK
  if (magic !== RECORD_MAGIC_V1 && magic !== RECORD_MAGIC_V2) return RECORD_BROKEN
  if (totalBytes < RECORD_BYTES_MIN || totalBytes > until - at) return RECORD_BROKEN

  const end = at + totalBytes
  const sysFlag = view.getInt32(at + SYS_FLAG_AT)
  const bornHostBytes = bornHostBytesOf(sysFlag)
  const storeHostBytes = storeHostBytesOf(sysFlag)
  const storedAtAt = at + HEAD_BYTES + bornHostBytes
  const storeHostAt = storedAtAt + MIDDLE_BYTES
  const reconsumeAt = storeHostAt + storeHostBytes
  const bodyAt = reconsumeAt + REST_BYTES
  const topicLengthBytes = magic === RECORD_MAGIC_V1 ? 1 : 2
  // What must still follow the body: both lengths and a topic of one byte.
  const afterBodyMin = topicLengthBytes + 1 + PROPERTIES_LENGTH_BYTES
  if (bodyAt + afterBodyMin > end) return RECORD_BROKEN

  const bodyBytes = view.getInt32(reconsumeAt + BODY_BYTES_AT)
  if (bodyBytes < 0 || bodyBytes > end - bodyAt - afterBodyMin) return RECORD_BROKEN

  const topicAt = bodyAt + bodyBytes + topicLengthBytes
  const topicBytes = topicLengthBytes === 1 ? view.getInt8(topicAt - 1) : view.getInt16(topicAt - 2)
  const propertiesAt = topicAt + topicBytes + PROPERTIES_LENGTH_BYTES
  if (topicBytes < 1 || propertiesAt > end) return RECORD_BROKEN

  const propertiesBytes = view.getInt16(propertiesAt - PROPERTIES_LENGTH_BYTES)
  if (propertiesBytes !== end - propertiesAt) return RECORD_BROKEN // Also when it is negative.

  into.magic = magic
  into.queueId = view.getInt32(at + QUEUE_ID_AT)
  into.queueOffset = getInt53(view, at + QUEUE_OFFSET_AT)
  into.physicalOffset = getInt53(view, at + PHYSICAL_OFFSET_AT)
  into.sysFlag = sysFlag
  into.bornHostAt = at + HEAD_BYTES
  into.bornHostBytes = bornHostBytes
  into.storedAtAt = storedAtAt
  into.storedAtMs = getInt53(view, storedAtAt)
  into.storeHostAt = storeHostAt
  into.storeHostBytes = storeHostBytes
  into.reconsumeAt = reconsumeAt
  into.preparedAt = reconsumeAt + PREPARED_AT
  into.bodyAt = bodyAt
  into.bodyBytes = bodyBytes
  into.topicAt = topicAt
  into.topicBytes = topicBytes
  into.propertiesAt = propertiesAt
  into.propertiesBytes = propertiesBytes
  return RECORD_WHOLE
}

/** What `writeRecordHead` writes. One object serves all appends of a writer. */
export class RecordDraft {
  /** `sizeOfRecord` of the fields below. */
  totalBytes = 0
  magic = RECORD_MAGIC_V1
  queueId = 0
  flag = 0
  queueOffset = 0
  physicalOffset = 0
  /** The address bits must say what the hosts below are: see `withHostBits`. */
  sysFlag = 0
  bornAtMs = 0
  bornHostBytes: Uint8Array = new Uint8Array(HOST_BYTES_V4)
  storedAtMs = 0
  storeHostBytes: Uint8Array = new Uint8Array(HOST_BYTES_V4)
  reconsumeTimes = 0
  preparedTransactionOffset = 0
  bodyBytes = 0
  topicBytes: Uint8Array = new Uint8Array(0)
  propertiesBytes = 0
}

/** `sysFlag` with its address bits set to what the hosts really are: a caller's own bits would move every field. */
export function withHostBits(sysFlag: number, bornHostBytes: number, storeHostBytes: number): number {
  const bornBit = bornHostBytes === HOST_BYTES_V6 ? SYS_FLAG.BORN_HOST_V6 : 0
  const storeBit = storeHostBytes === HOST_BYTES_V6 ? SYS_FLAG.STORE_HOST_V6 : 0
  return (sysFlag & ~(SYS_FLAG.BORN_HOST_V6 | SYS_FLAG.STORE_HOST_V6)) | bornBit | storeBit
}

/**
 * Writes all of a record but its body, its properties, its checksums and its size, and says in `into` where body and
 * properties belong. `closeRecord` follows once they are in place.
 */
export function writeRecordHead(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  draft: RecordDraft,
  into: RecordPositions
): void {
  const { totalBytes, magic, sysFlag, bornHostBytes, storeHostBytes, bodyBytes, topicBytes, propertiesBytes } = draft
  const bornBytes = bornHostBytes.length
  const storeBytes = storeHostBytes.length
  const topicLengthBytes = magic === RECORD_MAGIC_V1 ? 1 : 2
  const topicLength = topicBytes.length
  assert(
    totalBytes === sizeOfRecord(bornBytes, storeBytes, bodyBytes, topicLengthBytes, topicLength, propertiesBytes),
    'the size of a record is the sum of its parts'
  )
  assert(sysFlag === withHostBits(sysFlag, bornBytes, storeBytes), 'the address bits tell the sizes of the hosts')
  assert(topicLength <= (topicLengthBytes === 1 ? TOPIC_BYTES_MAX_V1 : TOPIC_BYTES_MAX_V2), 'the topic fits its length')
  assert(propertiesBytes <= PROPERTIES_BYTES_MAX, 'the properties fit their length')

  view.setInt32(at + MAGIC_AT, magic)
  view.setInt32(at + QUEUE_ID_AT, draft.queueId)
  view.setInt32(at + FLAG_AT, draft.flag)
  setInt53(view, at + QUEUE_OFFSET_AT, draft.queueOffset)
  setInt53(view, at + PHYSICAL_OFFSET_AT, draft.physicalOffset)
  view.setInt32(at + SYS_FLAG_AT, sysFlag)
  setInt53(view, at + BORN_AT_MS_AT, draft.bornAtMs)

  const bornHostAt = at + HEAD_BYTES
  copyBytes(bornHostBytes, bytes, bornHostAt)
  const storedAtAt = bornHostAt + bornBytes
  setInt53(view, storedAtAt, draft.storedAtMs)
  const storeHostAt = storedAtAt + MIDDLE_BYTES
  copyBytes(storeHostBytes, bytes, storeHostAt)

  const reconsumeAt = storeHostAt + storeBytes
  view.setInt32(reconsumeAt, draft.reconsumeTimes)
  setInt53(view, reconsumeAt + PREPARED_AT, draft.preparedTransactionOffset)
  view.setInt32(reconsumeAt + BODY_BYTES_AT, bodyBytes)

  const bodyAt = reconsumeAt + REST_BYTES
  const topicAt = bodyAt + bodyBytes + topicLengthBytes
  if (topicLengthBytes === 1) view.setInt8(topicAt - 1, topicLength)
  else view.setInt16(topicAt - 2, topicLength)
  copyBytes(topicBytes, bytes, topicAt)
  const propertiesAt = topicAt + topicLength + PROPERTIES_LENGTH_BYTES
  view.setInt16(propertiesAt - PROPERTIES_LENGTH_BYTES, propertiesBytes)
  assert(propertiesAt + propertiesBytes === at + totalBytes, 'the properties end where the record ends')

  into.at = at
  into.totalBytes = totalBytes
  into.magic = magic
  into.queueId = draft.queueId
  into.queueOffset = draft.queueOffset
  into.physicalOffset = draft.physicalOffset
  into.sysFlag = sysFlag
  into.bornHostAt = bornHostAt
  into.bornHostBytes = bornBytes
  into.storedAtAt = storedAtAt
  into.storedAtMs = draft.storedAtMs
  into.storeHostAt = storeHostAt
  into.storeHostBytes = storeBytes
  into.reconsumeAt = reconsumeAt
  into.preparedAt = reconsumeAt + PREPARED_AT
  into.bodyAt = bodyAt
  into.bodyBytes = bodyBytes
  into.topicAt = topicAt
  into.topicBytes = topicLength
  into.propertiesAt = propertiesAt
  into.propertiesBytes = propertiesBytes
}

/**
 * The last step of writing a record: `crc` is the CRC-32 of the body, of which the format keeps 31 bits. Until the size
 * is written `locate` finds no record at `at`, so that one whose writer died half-way does not look whole.
 */
export function closeRecord(view: DataView, at: number, totalBytes: number, crc: number): void {
  view.setInt32(at + BODY_CHECKSUM_AT, crc & 0x7fffffff)
  view.setInt32(at + TOTAL_AT, totalBytes)
}

/** Writes the size of a record that was closed with size 0: now `locate` finds it. */
export function openRecord(view: DataView, at: number, totalBytes: number): void {
  view.setInt32(at + TOTAL_AT, totalBytes)
}

/** Closes a segment: of the rest only these 8 bytes are written, the others keep what they held. */
export function writeBlank(view: DataView, at: number, until: number): void {
  assert(until - at >= BLANK_RESERVE_BYTES, 'every append leaves room for the blank')
  view.setInt32(at + TOTAL_AT, until - at)
  view.setInt32(at + MAGIC_AT, BLANK_MAGIC)
}
