/**
 * Queue minimum: the first offset of a queue whose record the log still has.
 *
 * When the log has lost segments to retention, the entries of their records are still in the queue's files. The first
 * one that counts is found by halving, as entries point ever further into the log. Files in which no entry counts are
 * deleted, except the last.
 *
 * The entries of what has just been deleted are the oldest of their queues and seldom in memory: the owner reads them only
 * where they are, else a job of the pool does.
 */
import { join } from 'node:path'
import { CONSUME_QUEUE_ENTRY, FILLER_SIZE_BYTES, getInt53, parseSegmentName, segmentName } from '../layout/index.ts'
import type { Files, OpenFile } from './files.ts'
import type { RunJob } from './jobs.ts'
import { queueDirectory, topicDirectory } from './paths.ts'
import type { QueueCounts } from './queue-counts.ts'
import { QueueFiles } from './queue-files.ts'
import type { Queue } from './topics.ts'

const ENTRY_BYTES = CONSUME_QUEUE_ENTRY.sizeBytes
const FILLERS_AT_ONCE = 1024
const FILES_OPEN_MAX = 8
const { physicalOffset: POSITION_AT, sizeBytes: SIZE_AT } = CONSUME_QUEUE_ENTRY.at

export class QueueMinimum {
  readonly files: Files
  readonly queueFiles: QueueFiles
  readonly counts: QueueCounts
  readonly directory: string
  readonly queueFileEntries: number

  constructor(world: {
    files: Files
    queueFiles: QueueFiles
    counts: QueueCounts
    directory: string
    queueFileEntries: number
  }) {
    this.files = world.files
    this.queueFiles = world.queueFiles
    this.counts = world.counts
    this.directory = world.directory
    this.queueFileEntries = world.queueFileEntries
  }

  /** What `firstOffsetOf` says of the queue; remembered with it. */
  find(queue: Queue, firstPosition: number, read: ReadEntries): number | undefined {
    const found = firstOffsetOf(this, this.#placeOf(queue), firstPosition, read)
    if (found !== undefined) keepStart(queue, found, firstPosition)
    return found
  }

  /** Asks the same of many in a job of the pool, and remembers the answers with the queues. */
  async findAll(queues: readonly Queue[], firstPosition: number, runJob: RunJob): Promise<void> {
    const { directory, queueFileEntries } = this
    const places = queues.map(queue => this.#placeOf(queue))
    const request = { directory, queueFileEntries, firstPosition, queues: places }
    const starts = await runJob({ type: 'queueStarts', request })
    // One for each.
    for (const [i, queue] of queues.entries()) keepStart(queue, starts[i] as number, firstPosition)
  }

  /** Lets go of the files of a topic that is being deleted. */
  forget(topic: string): void {
    this.queueFiles.close(topicDirectory(this.directory, topic))
  }

  /** With which entry the file begins before which all only have entries below `offset`; undefined if there are none before. */
  firstFileFrom(queue: Queue, offset: number): number | undefined {
    const bases = queueFileBases(this.files, this.#parentOf(queue))
    const last = bases.length - 1 // It stays, whatever it holds.
    const index = bases.findIndex((base, i) => i === last || base / ENTRY_BYTES + this.queueFileEntries > offset)
    return index > 0 ? (bases[index] as number) / ENTRY_BYTES : undefined // Found, so it is there.
  }

  /** Deletes the files of the queue before the one that begins with this entry. */
  deleteFilesBelow(queue: Queue, firstOffset: number): void {
    const parent = this.#parentOf(queue)
    for (const base of queueFileBases(this.files, parent)) {
      if (base / ENTRY_BYTES >= firstOffset) return
      const path = join(parent, segmentName(base))
      this.queueFiles.close(path)
      this.files.remove(path)
    }
  }

  #placeOf(queue: Queue): QueuePlace {
    const { topic, queueId, index, nextOffset } = queue
    return { topic: topic.name, queueId, written: this.counts.written(index, nextOffset) }
  }

  #parentOf({ topic, queueId }: Queue): string {
    return queueDirectory(this.directory, topic.name, queueId)
  }
}

function keepStart(queue: Queue, offset: number, firstPosition: number): void {
  queue.minOffset = offset
  queue.minKnownFor = firstPosition
}

export interface QueuePlace {
  readonly topic: string
  readonly queueId: number
  /** The entries in its files end here. */
  readonly written: number
}

/** Reads all of `into`, or answers false if it would have to wait for the disk. */
export type ReadEntries = (file: OpenFile, into: Uint8Array, at: number) => boolean

export const readWaiting: ReadEntries = (file, into, at) => {
  file.read(into, at)
  return true
}

export const readResident: ReadEntries = (file, into, at) => file.readResident(into, at) !== undefined

export interface QueueStartWorld {
  readonly files: Files
  readonly queueFiles: QueueFiles
  readonly directory: string
  readonly queueFileEntries: number
}

/**
 * The first offset whose record lies at or beyond `firstPosition`; where the written entries end if there is none.
 * Undefined if `read` did not want to wait.
 */
export function firstOffsetOf(
  world: QueueStartWorld,
  place: QueuePlace,
  firstPosition: number,
  read: ReadEntries
): number | undefined {
  const bases = queueFileBases(world.files, queueDirectory(world.directory, place.topic, place.queueId))
  // No file yet: everything is still in the gap, and so in the log.
  let low = Math.min(place.written, (bases[0] ?? 0) / ENTRY_BYTES)
  let high = place.written
  let middle = low // As long as the log has lost nothing it is the first.
  while (low < high) {
    const entry = lastEntryUpTo(world, place, { offset: middle, low, read })
    if (entry === COLD) return undefined
    if (entry === undefined || entry.position < firstPosition) low = middle + 1
    else high = entry.offset
    middle = low + Math.floor((high - low) / 2)
  }
  return low
}

const COLD = Symbol('cold')

/**
 * The entry at `offset`, or the last before it that is no filler; none at or beyond `low` if undefined. Fillers stand before
 * the first entry that counts and in the place of damaged records: which of the two, only the entries before them tell.
 */
function lastEntryUpTo(
  world: QueueStartWorld,
  { topic, queueId }: QueuePlace,
  { offset, low, read }: { offset: number; low: number; read: ReadEntries }
): { offset: number; position: number } | typeof COLD | undefined {
  const { queueFileEntries } = world
  let countMax = 1 // Fillers are rare.
  for (let until = offset + 1; until > low; countMax = FILLERS_AT_ONCE) {
    const last = until - 1
    const from = Math.max(low, last - (last % queueFileEntries), until - countMax)
    const found = world.queueFiles.find(topic, queueId, last)
    if (found === undefined) return undefined
    const bytes = new Uint8Array((until - from) * ENTRY_BYTES)
    if (!read(found.file, bytes, (from % queueFileEntries) * ENTRY_BYTES)) return COLD
    const view = new DataView(bytes.buffer)
    for (let at = bytes.length - ENTRY_BYTES; at >= 0; at -= ENTRY_BYTES) {
      if (view.getInt32(at + SIZE_AT) === FILLER_SIZE_BYTES) continue
      return { offset: from + at / ENTRY_BYTES, position: getInt53(view, at + POSITION_AT) }
    }
    until = from
  }
  return undefined
}

/** What `firstOffsetOf` says of each, in a thread that may wait. */
export function findQueueStarts(files: Files, request: QueueStartsRequest): number[] {
  const { directory, queueFileEntries, firstPosition, queues } = request
  const queueFiles = new QueueFiles(files, { directory, queueFileEntries, mode: 'read', openMax: FILES_OPEN_MAX })
  const world = { files, queueFiles, directory, queueFileEntries }
  try {
    return queues.map(place => firstOffsetOf(world, place, firstPosition, readWaiting) ?? 0) // It has waited.
  } finally {
    queueFiles.close()
  }
}

export interface QueueStartsRequest {
  readonly directory: string
  readonly queueFileEntries: number
  readonly firstPosition: number
  readonly queues: readonly QueuePlace[]
}

/** Bytes that the files of a queue start with, in order. */
export function queueFileBases(files: Files, parent: string): number[] {
  return files
    .list(parent)
    .map(parseSegmentName)
    .filter(base => base !== undefined)
}
