/**
 * Queue stage: queue entries on their way from the log into the files of their queues.
 *
 * Writing each 20-byte entry by itself would cost a system call a message. Entries of a queue are collected in a chunk
 * and written when the chunk is full, when the entries have waited long enough, or when the owner asks for it. Chunks
 * come from slabs and return to them, so thousands of queues share little memory; a queue that fills its chunk again
 * and again gets a larger one.
 *
 * Invariants:
 * - entry n of a queue is written to byte n × 20 of the queue, whoever writes it and however often: writing again after
 *   a crash changes nothing
 * - `writtenUntil` never passes the record of an entry that is still staged
 *
 * Not here: which record makes which entry (dispatch.ts).
 */
import { assert, type Clock } from '../base/index.ts'
import { CONSUME_QUEUE_ENTRY, FILLER_SIZE_BYTES, setInt53 } from '../layout/index.ts'
import { UNWRITTEN_BYTES_MAX } from './progress.ts'
import type { QueueCounts } from './queue-counts.ts'
import type { QueueFile, QueueFiles } from './queue-files.ts'

const ENTRY_BYTES = CONSUME_QUEUE_ENTRY.sizeBytes
const SMALL_CHUNK_ENTRIES = 32
const LARGE_CHUNK_ENTRIES = 1024
const LARGE_CHUNK_COUNT_MAX = 1024
/** A queue that filled this many small chunks in a row, without one being written for its age, is a busy one. */
const BUSY_AFTER_CHUNKS = 8
const SLAB_BYTES = 1 << 20

/**
 * Staged entries are written after this long; with many queues later, so that writing, at some 10 us a queue, takes at most a
 * twentieth of the time.
 */
const AGE_MS_MIN = 10
const AGE_MS_MAX = 5_000
const AGE_MS_PER_QUEUE = 0.2
/** Or before that, when the log has gone on so far since: well before the owner must wait. */
const BEHIND_BYTES_MAX = 0.8 * UNWRITTEN_BYTES_MAX
/** Not more in one go, so that the owner hears of those that are written and never waits for all of them at once. */
const WRITE_COUNT_MAX = 256

export interface StagedQueue {
  readonly topic: string
  readonly queueId: number
  readonly index: number
  /** The offset that the next entry must have. */
  nextOffset: number
  /** Whether any entry exists, in the file or staged. */
  empty: boolean
  /** Entry with which the oldest file begins. */
  firstOffset: number
  /** Where the last record begins that was staged; 0 before that. */
  seenAt: number
  chunk: Chunk | undefined
  stagedFrom: number
  stagedCount: number
  stagedAtMs: number
  firstPosition: number
  /** How many entries of all queues had been staged before its first. */
  firstOrdinal: number
  fullInARow: number
  /** Written last. */
  file: QueueFile | undefined
  older: StagedQueue | undefined
  newer: StagedQueue | undefined
}

export function newStagedQueue(topic: string, queueId: number, index: number, nextOffset: number): StagedQueue {
  return {
    topic,
    queueId,
    index,
    nextOffset,
    empty: nextOffset === 0,
    firstOffset: 0,
    seenAt: 0,
    chunk: undefined,
    stagedFrom: nextOffset,
    stagedCount: 0,
    stagedAtMs: 0,
    firstPosition: 0,
    firstOrdinal: 0,
    fullInARow: 0,
    file: undefined,
    older: undefined,
    newer: undefined
  }
}

interface Chunk {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly entriesMax: number
}

export class QueueStage {
  readonly #files: QueueFiles
  readonly #counts: QueueCounts
  readonly #clock: Clock
  readonly #queueFileEntries: number
  readonly #stagedCountMax: number
  readonly #small = new ChunkPool(SMALL_CHUNK_ENTRIES)
  readonly #large = new ChunkPool(LARGE_CHUNK_ENTRIES)
  #nowMs: number
  /** Queues with staged entries, in order of their oldest staged record. */
  #oldest: StagedQueue | undefined
  #newest: StagedQueue | undefined
  #stagedQueues = 0
  /** Ever. */
  #addedCount = 0

  constructor(
    files: QueueFiles,
    counts: QueueCounts,
    clock: Clock,
    { queueFileEntries, stagedCountMax }: { queueFileEntries: number; stagedCountMax: number }
  ) {
    this.#files = files
    this.#counts = counts
    this.#clock = clock
    this.#queueFileEntries = queueFileEntries
    this.#stagedCountMax = stagedCountMax
    this.#nowMs = clock.monotonicMs()
  }

  /** Everything below is written, given that everything below `dispatched` has been staged. */
  writtenUntil(dispatched: number): number {
    return this.#oldest === undefined ? dispatched : this.#oldest.firstPosition
  }

  /**
   * The caller has checked that `queue.nextOffset` is the offset of this message.
   * @throws VarveError what the system is short of, before anything has changed: the same call may be made again
   */
  add(queue: StagedQueue, position: number, recordBytes: number, tagsCode: number): void {
    if (queue.chunk !== undefined && queue.stagedCount === queue.chunk.entriesMax) {
      this.#write(queue)
      queue.fullInARow++
    }
    const chunk = queue.chunk ?? this.#begin(queue, position)
    const at = queue.stagedCount * ENTRY_BYTES
    setInt53(chunk.view, at + CONSUME_QUEUE_ENTRY.at.physicalOffset, position)
    chunk.view.setInt32(at + CONSUME_QUEUE_ENTRY.at.sizeBytes, recordBytes)
    setInt53(chunk.view, at + CONSUME_QUEUE_ENTRY.at.tagsCode, tagsCode)
    queue.stagedCount++
    this.#addedCount++
    queue.nextOffset++
    queue.empty = false
    queue.seenAt = position
  }

  /** For a record that lies before others which are written already: it is so, too, when this returns. */
  addLate(queue: StagedQueue, position: number, recordBytes: number, tagsCode: number): void {
    this.add(queue, position, recordBytes, tagsCode)
    this.#write(queue)
  }

  /**
   * Fills `[queue.nextOffset, offset)` with entries that readers pass over: before the first entry of a queue whose
   * older messages are gone, and for messages whose records are damaged.
   */
  skipTo(queue: StagedQueue, offset: number): void {
    this.#write(queue)
    const from = queue.empty ? offset - (offset % this.#queueFileEntries) : queue.nextOffset
    if (queue.empty) queue.firstOffset = from
    const filler = new Uint8Array(Math.min(offset - from, LARGE_CHUNK_ENTRIES) * ENTRY_BYTES)
    const view = new DataView(filler.buffer)
    for (let at = 0; at < filler.length; at += ENTRY_BYTES) {
      view.setInt32(at + CONSUME_QUEUE_ENTRY.at.sizeBytes, FILLER_SIZE_BYTES)
    }
    for (let at = from; at < offset; at += LARGE_CHUNK_ENTRIES) {
      this.#writeEntries(queue, at, filler, Math.min(LARGE_CHUNK_ENTRIES, offset - at))
    }
    queue.nextOffset = offset
    queue.stagedFrom = offset
    queue.empty = false
  }

  /**
   * Writes what has waited long enough, or is too far behind `dispatched`, up to which everything has been staged. Returns
   * after how many ms to come back: 0 while there is more.
   */
  writeDue(dispatched: number): number {
    this.#nowMs = this.#clock.monotonicMs()
    const ageMs = Math.min(AGE_MS_MAX, Math.max(AGE_MS_MIN, this.#stagedQueues * AGE_MS_PER_QUEUE))
    for (let count = 0; count < WRITE_COUNT_MAX; count++) {
      const queue = this.#oldest
      if (queue === undefined) return Number.POSITIVE_INFINITY
      const waitMs = queue.stagedAtMs + ageMs - this.#nowMs
      if (waitMs > 0 && !this.#isFarBehind(queue, dispatched)) return waitMs
      this.#write(queue)
      queue.fullInARow = 0
    }
    return 0
  }

  #isFarBehind({ firstPosition, firstOrdinal }: StagedQueue, dispatched: number): boolean {
    return firstPosition < dispatched - BEHIND_BYTES_MAX || firstOrdinal < this.#addedCount - this.#stagedCountMax
  }

  writeAll(): void {
    for (let queue = this.#oldest; queue !== undefined; queue = this.#oldest) this.#write(queue)
  }

  /** Drops what is staged for a queue that is being deleted. */
  forget(queue: StagedQueue): void {
    this.#end(queue)
  }

  #begin(queue: StagedQueue, position: number): Chunk {
    const pool =
      queue.fullInARow >= BUSY_AFTER_CHUNKS && this.#large.taken < LARGE_CHUNK_COUNT_MAX ? this.#large : this.#small
    const chunk = pool.take()
    queue.chunk = chunk
    queue.stagedFrom = queue.nextOffset
    queue.stagedCount = 0
    queue.stagedAtMs = this.#nowMs
    queue.firstPosition = position
    queue.firstOrdinal = this.#addedCount
    queue.older = this.#newest
    queue.newer = undefined
    if (this.#newest === undefined) this.#oldest = queue
    else this.#newest.newer = queue
    this.#newest = queue
    this.#stagedQueues++
    return chunk
  }

  #write(queue: StagedQueue): void {
    if (queue.chunk === undefined) return
    this.#writeEntries(queue, queue.stagedFrom, queue.chunk.bytes, queue.stagedCount)
    this.#counts.publish(queue.index, queue.stagedFrom + queue.stagedCount)
    this.#end(queue)
  }

  #end(queue: StagedQueue): void {
    if (queue.chunk === undefined) return
    const pool = queue.chunk.entriesMax === LARGE_CHUNK_ENTRIES ? this.#large : this.#small
    pool.give(queue.chunk)
    queue.chunk = undefined
    queue.stagedFrom = queue.nextOffset
    queue.stagedCount = 0
    if (queue.older === undefined) this.#oldest = queue.newer
    else queue.older.newer = queue.newer
    if (queue.newer === undefined) this.#newest = queue.older
    else queue.newer.older = queue.older
    queue.older = undefined
    queue.newer = undefined
    this.#stagedQueues--
  }

  #writeEntries(queue: StagedQueue, from: number, bytes: Uint8Array, count: number): void {
    let done = 0
    while (done < count) {
      const offset = from + done
      const inFile = offset % this.#queueFileEntries
      const run = Math.min(count - done, this.#queueFileEntries - inFile)
      queue.file = this.#files.find(queue.topic, queue.queueId, offset, queue.file)
      assert(queue.file !== undefined, 'a queue file is made when it is missing')
      this.#files.noteChange(queue.file)
      queue.file.file.write(bytes.subarray(done * ENTRY_BYTES, (done + run) * ENTRY_BYTES), inFile * ENTRY_BYTES)
      done += run
    }
  }
}

/** Chunks of one size, cut from slabs and handed round. */
class ChunkPool {
  readonly #entries: number
  readonly #free: Chunk[] = []
  taken = 0

  constructor(entries: number) {
    this.#entries = entries
  }

  take(): Chunk {
    this.taken++
    const free = this.#free.pop()
    if (free !== undefined) return free
    const bytes = this.#entries * ENTRY_BYTES
    const slab = new ArrayBuffer(Math.floor(SLAB_BYTES / bytes) * bytes)
    for (let at = 0; at < slab.byteLength; at += bytes) {
      this.#free.push({
        bytes: new Uint8Array(slab, at, bytes),
        view: new DataView(slab, at, bytes),
        entriesMax: this.#entries
      })
    }
    return this.#free.pop() as Chunk // A slab holds at least one chunk.
  }

  give(chunk: Chunk): void {
    this.taken--
    this.#free.push(chunk)
  }
}
