/**
 * The question to a producer, whether a transaction is to be committed: which one, and its message as a record under the
 * topic that it is for, so that the client reads it as it reads any other.
 */
import {
  closeRecord,
  encodeMessageId,
  encodeText,
  hostToBytes,
  RECORD_HEAD,
  RecordDraft,
  RecordPositions,
  recordMagicFor,
  sizeOfRecord,
  topicLengthBytesOf,
  withHostBits,
  writeRecordHead
} from '../../layout/index.ts'
import type { MessageInput } from '../../model/index.ts'

export interface TransactionQuestion {
  readonly brokerName: string
  /** Where the half message stands: the client says so in its answer. */
  readonly halfOffset: number
  readonly physicalOffset: number
  readonly uniqueKey: string
  /** Of the record of the half message. */
  readonly messageId: string
  readonly record: Uint8Array
}

/** A half message under its real topic, and where its record is. */
export interface AskedMessage {
  readonly brokerName: string
  readonly message: Required<
    Pick<
      MessageInput,
      'topic' | 'queueId' | 'flag' | 'sysFlag' | 'bornAtMs' | 'bornHost' | 'storeHost' | 'reconsumeTimes'
    >
  > & { readonly body: Uint8Array; readonly properties: Uint8Array }
  readonly halfOffset: number
  readonly physicalOffset: number
  readonly storedAtMs: number
  readonly bodyChecksum: number
  readonly uniqueKey: string
}

export function questionOf(asked: AskedMessage): TransactionQuestion {
  const { brokerName, halfOffset, physicalOffset, uniqueKey, message } = asked
  const messageId = encodeMessageId(hostToBytes(message.storeHost), physicalOffset)
  return { brokerName, halfOffset, physicalOffset, uniqueKey, messageId, record: encode(asked) }
}

function encode({ message, halfOffset, physicalOffset, storedAtMs, bodyChecksum }: AskedMessage): Uint8Array {
  const { body, properties } = message
  const draft = new RecordDraft()
  draft.topicBytes = encodeText(message.topic)
  draft.bornHostBytes = hostToBytes(message.bornHost)
  draft.storeHostBytes = hostToBytes(message.storeHost)
  draft.magic = recordMagicFor(draft.topicBytes.length)
  draft.queueId = message.queueId
  draft.flag = message.flag
  draft.queueOffset = halfOffset
  draft.physicalOffset = physicalOffset
  draft.sysFlag = withHostBits(message.sysFlag, draft.bornHostBytes.length, draft.storeHostBytes.length)
  draft.bornAtMs = message.bornAtMs
  draft.storedAtMs = storedAtMs
  draft.reconsumeTimes = message.reconsumeTimes
  draft.bodyBytes = body.length
  draft.propertiesBytes = properties.length
  draft.totalBytes = sizeOfRecord(
    draft.bornHostBytes.length,
    draft.storeHostBytes.length,
    body.length,
    topicLengthBytesOf(draft.magic),
    draft.topicBytes.length,
    properties.length
  )
  const bytes = new Uint8Array(draft.totalBytes)
  const view = new DataView(bytes.buffer)
  const positions = new RecordPositions()
  writeRecordHead(bytes, view, 0, draft, positions)
  bytes.set(body, positions.bodyAt)
  bytes.set(properties, positions.propertiesAt)
  closeRecord(view, 0, draft.totalBytes, bodyChecksum)
  return bytes
}

/** Of a record at the beginning of `view`. */
export const bodyChecksumOf = (view: DataView, at: number): number => view.getInt32(at + RECORD_HEAD.at.bodyChecksum)
