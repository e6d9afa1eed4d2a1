/**
 * Varve's own files below `varve/`, which Apache RocketMQ passes over. All of them can be lost: the store then finds out
 * by looking at the log what they said.
 *
 * Not here: when they are written and what they are believed for (the store).
 */
import { int32, int53, layout } from './layout.ts'

/** Before each block: nothing of it is believed unless all of this fits. */
export const SIDECAR_HEAD = layout({
  magic: int32('which file this is'),
  formatVersion: int32('1; a program that knows less than this number must not touch the store'),
  payloadBytes: int32('size of what follows the head'),
  checksum: int32('CRC-32 of the three numbers before it and of the payload')
})

export const SIDECAR_VERSION = 1
export const STATE_MAGIC = 0x56535441
export const QUEUE_TABLE_MAGIC = 0x56515442

/** `varve/state` holds two of these, one a page, written in turn. The whole one with the higher generation counts. */
export const STATE = layout({
  generation: int53('one more with each save'),
  segmentBytes: int53('size of the segments of the commit log'),
  queueFileEntries: int53('entries in one file of a consume queue'),
  indexSlots: int53('slots in one index file'),
  indexItems: int53('items in one index file'),
  durableUntil: int53('the log was surely good and on disk below this'),
  seenUntil: int53('the log was in the hands of the system below this; means something only while the system runs on'),
  indexEndPhysicalOffset: int53('where the key index ended'),
  savedAtMs: int53('when this was saved'),
  clean: int32('1 after a clean close, else 0'),
  runBytes: int32('size of the name of the run, which comes next'),
  ownerTokenBytes: int32('size of the owner token, which comes after that')
})

export const STATE_SLOT_BYTES = 4096

/** `varve/queues`: one of these, then topic after topic. */
export const QUEUE_TABLE = layout({
  untilPhysicalOffset: int53('the queues held exactly the records below this'),
  indexFileCount: int32('how many files the key index had then'),
  indexFirstBegin: int53('the first record of the oldest of them'),
  indexFirstEnd: int53('its last record'),
  indexEndPhysicalOffset: int53('where the key index ended then'),
  topicCount: int32('how many topics follow')
})

/** Then the topic in UTF-8, then its queues. */
export const QUEUE_TABLE_TOPIC = layout({
  topicBytes: int32('size of the topic'),
  queueCount: int32('how many queues of it follow')
})

export const QUEUE_TABLE_ROW = layout({
  queueId: int32('number of the queue'),
  firstOffset: int53('with which message its oldest file begins'),
  maxOffset: int53('the offset that its next message gets'),
  maxPhysicalEnd: int53('where the record of its last message ends')
})

/** `varve/seals`: one for each segment that is full. One whose checksum does not fit is passed over. */
export const SEAL = layout({
  base: int53('first position of the segment'),
  usedBytes: int53('up to where it holds records'),
  hashHigh: int32('xxHash64 (seed 0) of these bytes: its upper half'),
  hashLow: int32('and its lower half'),
  reserved: int32('0'),
  checksum: int32('CRC-32 of the numbers before it')
})
