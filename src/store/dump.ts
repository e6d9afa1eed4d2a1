/**
 * Dump: what is in the files of a store, one thing after the other, as plain values. Nothing is changed.
 *
 * Damaged places are part of the answer, in their order: whoever dumps a store wants to know what is not there.
 */
import { join } from 'node:path'
import {
  bodyIsIntact,
  CONSUME_QUEUE_ENTRY,
  DecodedRecord,
  FILLER_SIZE_BYTES,
  locate,
  RECORD_WHOLE,
  RecordPositions,
  readText,
  segmentName,
  verifyRecordChecksum
} from '../layout/index.ts'
import { type DirectoryFacts, findLogEnd, listQueues } from './directory-facts.ts'
import type { Files } from './files.ts'
import { type IndexFileHeader, readIndexHeader } from './key-index-file.ts'
import { IndexItemWindow } from './key-index-items.ts'
import { listIndexFiles } from './key-index-names.ts'
import { LogReader } from './log-reader.ts'
import { LogWalk } from './log-walk.ts'
import { indexDirectory, queueDirectory, segmentPath } from './paths.ts'
import { queueFileBases } from './queue-minimum.ts'
import type { DamagedRange } from './store-api.ts'

const ENTRY_BYTES = CONSUME_QUEUE_ENTRY.sizeBytes
const BLOCK_ENTRIES = 1024
/** So much is decoded ahead of whoever takes it. */
const STEP_BYTES = 1024 * 1024

export interface DumpFilter {
  readonly topic?: string | undefined
  readonly queueId?: number | undefined
}

export type DumpedRecord =
  | { readonly type: 'message'; readonly message: DecodedRecord; readonly problem: string | undefined }
  | { readonly type: 'damaged'; readonly range: DamagedRange }

/** Records in the order of the log, from the one at position `from` on. */
export function* dumpLog(files: Files, facts: DirectoryFacts, filter: DumpFilter, from = 0): Generator<DumpedRecord> {
  const until = findLogEnd(files, facts)
  const start = Math.max(from, facts.segments[0]?.base ?? 0)
  const reader = new LogReader(files, facts)
  const found: DumpedRecord[] = []
  const walk = new LogWalk(reader, start, {
    segmentBytes: facts.segmentBytes,
    visit(bytes, positions) {
      if (matches(bytes, positions, filter)) found.push(dumped(bytes, positions))
    },
    onDamage: range => found.push({ type: 'damaged', range })
  })
  try {
    while (walk.at < until) {
      walk.run(until, walk.at + STEP_BYTES)
      yield* found
      found.length = 0
    }
  } finally {
    reader.close()
  }
}

export interface DumpedEntry {
  readonly topic: string
  readonly queueId: number
  readonly queueOffset: number
  readonly physicalOffset: number
  readonly sizeBytes: number
  readonly tagsCode: number
  /** Stands where no message is. */
  readonly isFiller: boolean
}

/** Entries of queues, from queue offset `from` on. */
export function* dumpEntries(
  files: Files,
  facts: DirectoryFacts,
  filter: DumpFilter,
  from = 0
): Generator<DumpedEntry> {
  const { topic: wantedTopic, queueId: wantedQueue } = filter
  for (const { topic, queueId } of listQueues(files, facts.directory)) {
    if (wantedTopic !== undefined && topic !== wantedTopic) continue
    if (wantedQueue !== undefined && queueId !== wantedQueue) continue
    yield* entriesOf(files, facts, topic, queueId, from)
  }
}

/** Messages of one queue, found through its entries, from queue offset `from` on. */
export function* dumpQueue(
  files: Files,
  facts: DirectoryFacts,
  queue: { topic: string; queueId: number },
  from = 0
): Generator<DumpedRecord> {
  const reader = new LogReader(files, facts)
  const positions = new RecordPositions()
  try {
    for (const entry of dumpEntries(files, facts, queue, from)) {
      const { physicalOffset: at, sizeBytes } = entry
      if (entry.isFiller) continue
      const base = at - (at % facts.segmentBytes)
      const fileBytes = files.find(segmentPath(facts.directory, base))?.sizeBytes ?? 0
      if (at < (facts.segments[0]?.base ?? 0)) continue // Retention has removed it.
      if (at - base + sizeBytes <= fileBytes) {
        reader.cover(at, at + sizeBytes, sizeBytes)
        const shape = locate(reader.view, at - reader.base, reader.until - reader.base, positions)
        if (shape === RECORD_WHOLE && positions.physicalOffset === at) {
          yield dumped(reader.bytes, positions)
          continue
        }
      }
      const range = { from: at, until: at + sizeBytes, reason: `no record for queue offset ${entry.queueOffset}` }
      yield { type: 'damaged', range: range as DamagedRange } // The same fields, without the units.
    }
  } finally {
    reader.close()
  }
}

export type DumpedIndex =
  | { readonly type: 'file'; readonly name: string; readonly header: IndexFileHeader | undefined }
  | {
      readonly type: 'item'
      readonly name: string
      readonly number: number
      readonly keyHash: number
      readonly physicalOffset: number
      readonly storedAtMs: number
      readonly previousItem: number
    }

/** Index files and their items. Nothing of a file whose header cannot be right is an item. */
export function* dumpIndex(files: Files, { directory, indexShape }: DirectoryFacts): Generator<DumpedIndex> {
  for (const name of listIndexFiles(files, indexDirectory(directory))) {
    const file = files.open(join(indexDirectory(directory), name), 'read')
    try {
      const header = indexShape === undefined ? undefined : readIndexHeader(file, indexShape)
      yield { type: 'file', name, header }
      if (header === undefined || indexShape === undefined) continue
      const items = new IndexItemWindow((into, at) => file.read(into, at), indexShape, 'forward')
      for (let number = 1; number < header.nextItem && items.find(number); number++) {
        const { keyHash, physicalOffset, previousItem, afterBeginSeconds } = items
        const storedAtMs = header.beginAtMs + afterBeginSeconds * 1000
        yield { type: 'item', name, number, keyHash, physicalOffset, storedAtMs, previousItem }
      }
    } finally {
      file.close()
    }
  }
}

function* entriesOf(
  files: Files,
  { directory, queueFileEntries }: DirectoryFacts,
  topic: string,
  queueId: number,
  from: number
): Generator<DumpedEntry> {
  const parent = queueDirectory(directory, topic, queueId)
  const block = new DataView(new ArrayBuffer(BLOCK_ENTRIES * ENTRY_BYTES))
  for (const base of queueFileBases(files, parent)) {
    const firstOffset = base / ENTRY_BYTES
    if (firstOffset + queueFileEntries <= from) continue
    const file = files.open(join(parent, segmentName(base)), 'read')
    try {
      let queueOffset = Math.max(firstOffset, from)
      for (;;) {
        const read = file.read(new Uint8Array(block.buffer), (queueOffset - firstOffset) * ENTRY_BYTES)
        if (read < ENTRY_BYTES) break
        for (let at = 0; at + ENTRY_BYTES <= read; at += ENTRY_BYTES) {
          const { physicalOffset, sizeBytes, tagsCode } = CONSUME_QUEUE_ENTRY.read(block, at)
          if (sizeBytes === 0) return
          const isFiller = sizeBytes === FILLER_SIZE_BYTES
          yield { topic, queueId, queueOffset, physicalOffset, sizeBytes, tagsCode, isFiller }
          queueOffset++
        }
      }
    } finally {
      file.close()
    }
  }
}

function matches(bytes: Uint8Array, positions: RecordPositions, { topic, queueId }: DumpFilter): boolean {
  if (queueId !== undefined && positions.queueId !== queueId) return false
  const { topicAt, topicBytes } = positions
  return topic === undefined || readText(bytes, topicAt, topicAt + topicBytes) === topic
}

function dumped(bytes: Uint8Array, positions: RecordPositions): DumpedRecord {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const problem = !bodyIsIntact(bytes, view, positions)
    ? 'the body does not match its checksum'
    : verifyRecordChecksum(bytes, positions) === 'wrong'
      ? 'the record does not match its checksum'
      : undefined
  return { type: 'message', message: new DecodedRecord(bytes, view, positions), problem }
}
