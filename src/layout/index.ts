/** The byte layouts of all files, each readable and testable without an engine. */
export { BATCH_ITEM_HEAD, BATCH_ITEM_REST, type BatchItem, decodeBatch, encodeBatch } from './batch.ts'
export { CHECKPOINT, CHECKPOINT_FILE_BYTES } from './checkpoint.ts'
export {
  BATCH_QUEUE_ENTRY,
  CONSUME_QUEUE_ENTRY,
  CONSUME_QUEUE_EXT_UNIT,
  extOffsetAt,
  FILLER_SIZE_BYTES,
  isExtAddress,
  isQueueOffset,
  QUEUE_ENTRY_BYTES,
  TAGS_HASH_AT
} from './consume-queue-entry.ts'
export { DecodedRecord, decodeRecord } from './decoded-record.ts'
export { formatDocument } from './format-document.ts'
export {
  BINARY_HEADER,
  FLAG_ONEWAY,
  FLAG_RESPONSE,
  FRAME_HEAD,
  FRAME_LENGTH_BYTES,
  HEADER_BINARY,
  HEADER_BYTES_MASK,
  HEADER_JSON
} from './frame.ts'
export { type Host, hostToBytes, readHost } from './hosts.ts'
export {
  INDEX_HEADER,
  INDEX_ITEM,
  INDEX_SLOT_BYTES,
  indexFileBytes,
  indexHashSeed,
  indexItemAt,
  indexKeyHash,
  indexKeyHashOfText,
  indexSlotAt,
  indexSlotOf,
  indexTagHashSeed
} from './index-file.ts'
export { javaHash, javaHashOfBytes } from './java-hash.ts'
export { type JavaJson, parseJavaJson, printJavaJson } from './java-json.ts'
export { type Field, getInt53, int8, int16, int32, int53, type Layout, layout, setInt53 } from './layout.ts'
export { decodeMessageId, encodeMessageId } from './message-id.ts'
export {
  checkPropertiesSize,
  checkPropertyText,
  decodeProperties,
  encodeProperties,
  findIndexedProperties,
  findProperty,
  IndexedProperties,
  KEY_SEPARATOR,
  NAME_END,
  PROPERTY,
  PROPERTY_END,
  PropertyFinder,
  Span,
  splitKeys,
  tagsCodeOf,
  tagsHashOf
} from './properties.ts'
export {
  BLANK_MAGIC,
  BLANK_RESERVE_BYTES,
  bornHostBytesOf,
  closeRecord,
  HOST_BYTES_V4,
  HOST_BYTES_V6,
  locate,
  openRecord,
  PROPERTIES_BYTES_MAX,
  RECORD_BLANK,
  RECORD_BROKEN,
  RECORD_BYTES_MIN,
  RECORD_HEAD,
  RECORD_MAGIC_V1,
  RECORD_MAGIC_V2,
  RECORD_MIDDLE,
  RECORD_REST,
  RECORD_WHOLE,
  RecordDraft,
  RecordPositions,
  type RecordShape,
  type RecordSizes,
  recordBytes,
  recordMagicFor,
  SYS_FLAG,
  sizeOfRecord,
  storeHostBytesOf,
  TOPIC_BYTES_MAX_V1,
  TOPIC_BYTES_MAX_V2,
  topicLengthBytesOf,
  withHostBits,
  writeBlank,
  writeRecordHead
} from './record.ts'
export {
  bodyIsIntact,
  type Crc32,
  checksum31,
  RECORD_CHECKSUM_BYTES,
  RECORD_CHECKSUM_PROPERTY,
  type RecordChecksum,
  verifyRecordChecksum,
  writeRecordChecksum
} from './record-checksum.ts'
export {
  DELAY_LEVELS_DEFAULT,
  levelDueAt,
  parseDelayLevels,
  readDelayLevel,
  SCHEDULE_TOPIC,
  scheduleDueAt
} from './schedule.ts'
export { parseSegmentName, segmentName } from './segment-name.ts'
export {
  QUEUE_TABLE,
  QUEUE_TABLE_MAGIC,
  QUEUE_TABLE_ROW,
  QUEUE_TABLE_TOPIC,
  SEAL,
  SIDECAR_HEAD,
  SIDECAR_VERSION,
  STATE,
  STATE_MAGIC,
  STATE_SLOT_BYTES
} from './sidecar.ts'
export { copyBytes, encodeText, readText, textBytes, writeText } from './text.ts'
export {
  TIMER_CHECK,
  TIMER_CHECK_FILE_BYTES,
  TIMER_LOG_BLANK,
  TIMER_LOG_UNIT,
  TIMER_LOG_UNIT_ROOM_BYTES,
  TIMER_MAGIC,
  TIMER_MARK,
  TIMER_SLOT_COUNT,
  TIMER_TOPIC,
  TIMER_WHEEL_BYTES,
  TIMER_WHEEL_SLOT,
  type TimerUnitShape,
  timerSlotAt,
  timerUnitShape,
  writeTimerLogBlank
} from './timer.ts'
export { checkClientTopicName, checkTopicName, isTopicName, RETRY_TOPIC_PREFIX } from './topic-name.ts'
