/**
 * The entries of a consume queue: where message n of a queue lies in the commit log.
 *
 * Entry n stands at byte 20 n of the queue; a queue is cut into files named by the byte that they start with. The tag
 * code decides most filters without reading the record.
 *
 * Not here: how a tag becomes a code (properties.ts, schedule.ts), the files (the store).
 */
import { int16, int32, int53, layout } from './layout.ts'

export const CONSUME_QUEUE_ENTRY = layout({
  physicalOffset: int53('first byte of the record in the commit log'),
  sizeBytes: int32('size of the whole record, not of its body; 0 ends the queue'),
  tagsCode: int53('hash of the tag, 0 without one; the due time in the schedule topic; or an address, see below')
})

export const QUEUE_ENTRY_BYTES = CONSUME_QUEUE_ENTRY.sizeBytes

/** Beyond it an entry's place could not be told exactly. */
const QUEUE_OFFSET_MAX = Math.floor(Number.MAX_SAFE_INTEGER / QUEUE_ENTRY_BYTES)

/** Whether a message can have this place in a queue. */
export function isQueueOffset(offset: number): boolean {
  return offset >= 0 && offset <= QUEUE_OFFSET_MAX
}

/** Tag filters compare these 32 bits only: the low half of `tagsCode`. */
export const TAGS_HASH_AT = CONSUME_QUEUE_ENTRY.at.tagsCode + 4

/** Size of an entry that only fills the place before the first message of a queue that did not start at 0. */
export const FILLER_SIZE_BYTES = 0x7fffffff

/** A tag code at or below this is no hash but an address in `consumequeue_ext`. */
const EXT_TAGS_CODE_MAX = -2147483649

export function isExtAddress(tagsCode: number): boolean {
  return tagsCode <= EXT_TAGS_CODE_MAX
}

/**
 * The byte of `consumequeue_ext` that the entry at `entryAt` points to. Read from the entry, because as a number the
 * address lies beyond 2^53: it is that byte with the top bit set.
 */
export function extOffsetAt(view: DataView, entryAt: number): number {
  const high = view.getInt32(entryAt + CONSUME_QUEUE_ENTRY.at.tagsCode) & 0x7fffffff
  return high * 2 ** 32 + view.getUint32(entryAt + TAGS_HASH_AT)
}

/** The head of a unit of `consumequeue_ext`; the bits of the filters follow. */
export const CONSUME_QUEUE_EXT_UNIT = layout({
  unitBytes: int16('size of the unit with its bits; 0 or less ends the file'),
  tagsCode: int53('as in the entry of a queue without extension'),
  storedAtMs: int53('store time of the record'),
  bitMapBytes: int16('size of the bits that follow: one per SQL filter that may match')
})

/** An entry of a queue whose records are whole batches (`batchconsumequeue`). */
export const BATCH_QUEUE_ENTRY = layout({
  physicalOffset: int53('first byte of the record in the commit log'),
  sizeBytes: int32('size of the whole record'),
  tagsCode: int53('as in a consume queue'),
  storedAtMs: int53('store time of the record'),
  baseOffset: int53('queue offset of the first message of the batch'),
  messageCount: int16('messages in the batch'),
  compactedOffset: int32('-1'),
  reserved: int32('0')
})
