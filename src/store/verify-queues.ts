/**
 * Verifying queues, from their own side: files of the right size without a gap, and no entry that leads nowhere.
 *
 * The log's side has counted the entries that match a record (verify-queue-entries.ts). Only where a queue holds more
 * than that are entries looked at one by one, because each look is a jump through the log.
 */
import { join } from 'node:path'
import {
  CONSUME_QUEUE_ENTRY,
  FILLER_SIZE_BYTES,
  getInt53,
  locate,
  RECORD_WHOLE,
  RecordPositions,
  readText,
  segmentName
} from '../layout/index.ts'
import type { Files, OpenFile } from './files.ts'
import { LogReader } from './log-reader.ts'
import { queueDirectory, segmentPath } from './paths.ts'
import { queueFileBases } from './queue-minimum.ts'
import { OTHER_OFFSET } from './verify-queue-entries.ts'
import { type DamageFound, DamageList } from './verify-report.ts'

const ENTRY_BYTES = CONSUME_QUEUE_ENTRY.sizeBytes
const { physicalOffset: POSITION_AT, sizeBytes: SIZE_AT } = CONSUME_QUEUE_ENTRY.at
const BLOCK_ENTRIES = 16_384
/** In these queues, records of other topics have entries too (multi-dispatch). */
const LIGHT_QUEUE_PREFIX = '%LMQ%'

export interface QueueTask {
  readonly topic: string
  readonly queueId: number
  /** How many entries match a record of the log. */
  readonly matchedCount: number
}

export interface QueuesTask {
  readonly directory: string
  readonly segmentBytes: number
  readonly queueFileEntries: number
  /** The log holds `[logStart, logEnd)`. */
  readonly logStart: number
  readonly logEnd: number
  readonly queues: readonly QueueTask[]
}

export interface QueuesResult {
  readonly entryCount: number
  readonly damage: DamageFound
}

export function verifyQueues(files: Files, task: QueuesTask): QueuesResult {
  const damage = new DamageList()
  const reader = new LogReader(files, task)
  let entryCount = 0
  try {
    for (const queue of task.queues) {
      verifyFiles(files, task, queue, damage)
      const count = countEntries(files, task, queue)
      entryCount += count
      if (count > queue.matchedCount && !queue.topic.startsWith(LIGHT_QUEUE_PREFIX))
        findStrayEntries(files, task, queue, reader, damage)
    }
    return { entryCount, damage: damage.found() }
  } finally {
    reader.close()
  }
}

export interface RecordClaim {
  readonly directory: string
  readonly segmentBytes: number
  readonly position: number
  readonly topic: string
  readonly queueId: number
  readonly queueOffset: number
}

const claimPositions = new RecordPositions()

/** Whether a whole record of this topic, queue and offset stands at the position. */
export function isRecordOf(files: Files, reader: LogReader, claim: RecordClaim): boolean {
  return compareRecord(files, reader, claim) === 'same'
}

function compareRecord(files: Files, reader: LogReader, claim: RecordClaim): 'same' | 'other offset' | 'other record' {
  const { directory, segmentBytes, position, topic, queueId, queueOffset } = claim
  if (!Number.isSafeInteger(position) || position < 0) return 'other record'
  const base = position - (position % segmentBytes)
  const sizeBytes = files.find(segmentPath(directory, base))?.sizeBytes ?? 0
  if (position >= base + sizeBytes) return 'other record'
  const until = base + Math.min(segmentBytes, sizeBytes)
  reader.cover(position, until)
  const wanted = reader.bytesBeyond(position, until)
  if (wanted > 0) reader.cover(position, until, wanted)
  const found = claimPositions
  if (locate(reader.view, position - reader.base, reader.until - reader.base, found) !== RECORD_WHOLE)
    return 'other record'
  const isOfQueue =
    found.physicalOffset === position &&
    found.queueId === queueId &&
    readText(reader.bytes, found.topicAt, found.topicAt + found.topicBytes) === topic
  if (!isOfQueue) return 'other record'
  return found.queueOffset === queueOffset ? 'same' : 'other offset'
}

function verifyFiles(files: Files, task: QueuesTask, { topic, queueId }: QueueTask, damage: DamageList): void {
  const parent = queueDirectory(task.directory, topic, queueId)
  const fileBytes = task.queueFileEntries * ENTRY_BYTES
  let expectedBase: number | undefined
  for (const base of queueFileBases(files, parent)) {
    const path = join(parent, segmentName(base))
    const sizeBytes = files.find(path)?.sizeBytes ?? 0
    const wrong = (problem: string): void =>
      damage.add({ kind: 'queue-file', problem, derived: true, path, topic, queueId })
    if (sizeBytes !== fileBytes) wrong(`it has ${sizeBytes} bytes instead of ${fileBytes}`)
    if (base % fileBytes !== 0) wrong('its name is not a multiple of the size of such files')
    else if (expectedBase !== undefined && base !== expectedBase) wrong('a file before it is missing')
    expectedBase = base + fileBytes
  }
}

/** Entries of records that the log has. */
function countEntries(files: Files, task: QueuesTask, queue: QueueTask): number {
  let count = 0
  forEachEntry(files, task, queue, (_offset, position, sizeBytes) => {
    if (isOfLog(task, position, sizeBytes)) count++
  })
  return count
}

const isOfLog = ({ logStart, logEnd }: QueuesTask, position: number, sizeBytes: number): boolean =>
  sizeBytes !== FILLER_SIZE_BYTES && position >= logStart && position < logEnd

function findStrayEntries(
  files: Files,
  task: QueuesTask,
  queue: QueueTask,
  reader: LogReader,
  damage: DamageList
): void {
  const { directory, segmentBytes } = task
  const { topic, queueId } = queue
  forEachEntry(files, task, queue, (queueOffset, position, sizeBytes) => {
    if (!isOfLog(task, position, sizeBytes)) return
    const found = compareRecord(files, reader, { directory, segmentBytes, position, topic, queueId, queueOffset })
    if (found === 'same') return
    // If no entry is where a record of this queue says that it stands, the record is at fault, else the entry.
    const isOther = found === 'other record' || hasEntry(files, task, queue, claimPositions.queueOffset, position)
    damage.add({
      kind: isOther ? 'queue-entry' : 'record',
      problem: isOther ? 'an entry points at no record of its message' : OTHER_OFFSET,
      derived: isOther,
      from: position,
      until: position + sizeBytes,
      topic,
      queueId,
      queueOffset
    })
  })
}

function hasEntry(
  files: Files,
  { directory, queueFileEntries }: QueuesTask,
  { topic, queueId }: QueueTask,
  queueOffset: number,
  position: number
): boolean {
  const index = queueOffset % queueFileEntries
  const path = join(queueDirectory(directory, topic, queueId), segmentName((queueOffset - index) * ENTRY_BYTES))
  if (queueOffset < 0 || files.find(path) === undefined) return false
  const file = files.open(path, 'read')
  try {
    const entry = new DataView(new ArrayBuffer(ENTRY_BYTES))
    file.read(new Uint8Array(entry.buffer), index * ENTRY_BYTES)
    return getInt53(entry, POSITION_AT) === position
  } finally {
    file.close()
  }
}

/** Every entry that is filled; the first that is not ends the queue. */
function forEachEntry(
  files: Files,
  { directory, queueFileEntries }: QueuesTask,
  { topic, queueId }: QueueTask,
  visit: (queueOffset: number, position: number, sizeBytes: number) => void
): void {
  const parent = queueDirectory(directory, topic, queueId)
  const block = new DataView(new ArrayBuffer(Math.min(BLOCK_ENTRIES, queueFileEntries) * ENTRY_BYTES))
  for (const base of queueFileBases(files, parent)) {
    const file = files.open(join(parent, segmentName(base)), 'read')
    try {
      if (!visitFile(file, base / ENTRY_BYTES, block, visit)) return
    } finally {
      file.close()
    }
  }
}

/** False at the end of the queue. */
function visitFile(
  file: OpenFile,
  firstOffset: number,
  block: DataView,
  visit: (queueOffset: number, position: number, sizeBytes: number) => void
): boolean {
  let offset = firstOffset
  for (let at = 0; ; at += block.byteLength) {
    const read = file.read(new Uint8Array(block.buffer), at)
    for (let entry = 0; entry + ENTRY_BYTES <= read; entry += ENTRY_BYTES) {
      const sizeBytes = block.getInt32(entry + SIZE_AT)
      if (sizeBytes === 0) return false
      visit(offset, getInt53(block, entry + POSITION_AT), sizeBytes)
      offset++
    }
    if (read < block.byteLength) return true
  }
}
