/**
 * Dispatch: derives consume queues and the key index from the commit log, in order, record by record.
 *
 * The same code follows a live log, catches up after a crash and rebuilds everything from the first segment: what is
 * already in a queue is passed over, so dispatching a range twice changes nothing.
 *
 * Invariants:
 * - `queuesWritten ≤ dispatched ≤ appended` (with synchronous flush `≤ flushed`: readers must not see more)
 * - entry n of a queue is the message with queue offset n; a hole is never closed by shifting
 * - a full disk is waited out, any other failure ends the store
 *
 * Not here: how entries reach their files (queue-stage.ts), the index files (key-index.ts), the thread
 * (workers/dispatcher.ts).
 */
import { assert, type Clock, MiB, type PhysicalOffset } from '../base/index.ts'
import {
  BLANK_MAGIC,
  locate,
  RECORD_BLANK,
  RECORD_HEAD,
  RECORD_MAGIC_V1,
  RECORD_MAGIC_V2,
  RECORD_WHOLE,
  RecordPositions,
  SCHEDULE_TOPIC,
  SYS_FLAG,
  scheduleDueAt,
  tagsCodeOf
} from '../layout/index.ts'
import type { Files } from './files.ts'
import { forEachKeyHash, type KeyIndex } from './key-index.ts'
import { LogReader } from './log-reader.ts'
import { type Progress, SLOT } from './progress.ts'
import type { QueueCounts } from './queue-counts.ts'
import { QueueFiles } from './queue-files.ts'
import { isDiskFull, newStagedQueue, QueueStage, type StagedQueue } from './queue-stage.ts'
import type { DamagedRange } from './store-api.ts'
import { type DispatchTopic, TopicTable } from './topic-table.ts'

const STEP_BYTES = 1 * MiB
const DISK_FULL_RETRY_MS = 50
export const DISK_FULL_FOR_QUEUES = 2

export interface DispatchOptions {
  readonly directory: string
  readonly segmentBytes: number
  readonly queueFileEntries: number
  readonly openFilesMax: number
  /** Up to where the log may be dispatched: everything appended, or only what is flushed. */
  readonly follow: 'appended' | 'flushed'
  readonly delayLevelsMs: readonly number[]
  /** Whether a missing queue offset becomes an entry that readers pass over, instead of ending the dispatch. */
  readonly fillHoles: boolean
}

/** What the dispatcher must know of a queue before it meets a record of it. */
export interface QueueSeed {
  readonly topic: string
  readonly queueId: number
  readonly index: number
  readonly nextOffset: number
  /** False for a queue that has entries, or had some before offset `nextOffset`. */
  readonly empty: boolean
}

export interface DispatchEvents {
  /** A record of a queue that nobody announced. Returns its index. */
  newQueue(topic: string, queueId: number): number
  damaged(range: DamagedRange): void
}

/** A queue offset is missing: entries are lost that only a rebuild from the first segment brings back. */
export class QueueHole extends Error {
  override readonly name = 'QueueHole'
}

export class Dispatcher {
  readonly #progress: Progress
  readonly #options: DispatchOptions
  readonly #events: DispatchEvents
  readonly #reader: LogReader
  readonly #stage: QueueStage
  readonly #queueFiles: QueueFiles
  readonly #index: KeyIndex | undefined
  readonly #counts: QueueCounts
  readonly #topics = new TopicTable()
  readonly #positions = new RecordPositions()
  readonly #scheduleTopic: DispatchTopic
  /** Store time of the last record dispatched. */
  #storedAtMs = 0
  #at: number
  #written: number
  #fulfilled: number

  constructor(
    files: Files,
    world: {
      progress: Progress
      counts: QueueCounts
      clock: Clock
      index: KeyIndex | undefined
      events: DispatchEvents
    },
    from: number,
    queues: Iterable<QueueSeed>,
    options: DispatchOptions
  ) {
    this.#progress = world.progress
    this.#counts = world.counts
    this.#events = world.events
    this.#index = world.index
    this.#options = options
    this.#reader = new LogReader(files, options)
    this.#queueFiles = new QueueFiles(files, { ...options, mode: 'write', openMax: options.openFilesMax })
    this.#stage = new QueueStage(this.#queueFiles, world.counts, world.clock, options.queueFileEntries)
    this.#scheduleTopic = this.#topics.open(SCHEDULE_TOPIC)
    this.#at = from
    this.#written = from
    this.#fulfilled = world.progress.count(SLOT.queuesWrittenRequests)
    for (const queue of queues) this.announce(queue)
  }

  /** Must come before the first record of the queue can be met. */
  announce({ topic, queueId, index, nextOffset, empty }: QueueSeed): void {
    const queue = newStagedQueue(topic, queueId, index, nextOffset)
    queue.empty = empty
    this.#topics.open(topic).queues[queueId] = queue
    this.#counts.publish(index, nextOffset)
  }

  /** Forgets a topic; its queue files are closed and may be removed. */
  forget(topic: string, directory: string): void {
    for (const queue of this.#topics.delete(topic)?.queues.filter(known => known !== undefined) ?? [])
      this.#stage.forget(queue)
    this.#queueFiles.close(directory)
  }

  get dispatchedUntil(): number {
    return this.#at
  }

  /** Every queue that exists, with the offset its next message gets. */
  *queues(): Iterable<StagedQueue> {
    for (const topic of this.#topics.all()) for (const queue of topic.queues) if (queue !== undefined) yield queue
  }

  /** Dispatches a stretch of the log. Returns after how many ms to come back unless woken: 0 while there is more. */
  step(): number {
    const limit = this.#limit()
    try {
      if (this.#at < limit) this.#dispatch(limit, this.#at + STEP_BYTES)
      const waitMs = this.#writeOut()
      this.#progress.clearBits(SLOT.diskFull, DISK_FULL_FOR_QUEUES)
      return this.#at < limit ? 0 : waitMs
    } catch (error) {
      if (!isDiskFull(error)) throw error
      this.#progress.setBits(SLOT.diskFull, DISK_FULL_FOR_QUEUES)
      return DISK_FULL_RETRY_MS
    } finally {
      this.#publish()
    }
  }

  hasWork(): boolean {
    return this.#at < this.#limit() || this.#progress.count(SLOT.writeQueuesNow) !== this.#fulfilled
  }

  /** Store time of the last record dispatched; 0 before the first. */
  get storedAtMs(): number {
    return this.#storedAtMs
  }

  writeAll(): void {
    this.#stage.writeAll()
    this.#publish()
  }

  /** Writes every staged entry and closes all queue files. The index stays the caller's. */
  close(): void {
    this.writeAll()
    this.#queueFiles.close()
    this.#reader.close()
  }

  #limit(): number {
    return this.#progress.position(this.#options.follow === 'appended' ? SLOT.appended : SLOT.flushed, this.#at)
  }

  #writeOut(): number {
    const asked = this.#progress.count(SLOT.writeQueuesNow)
    if (asked === this.#fulfilled) return this.#stage.writeAged()
    this.#stage.writeAll()
    this.#publish()
    this.#fulfilled = asked
    this.#progress.setCount(SLOT.queuesWrittenRequests, asked)
    this.#progress.notify(SLOT.queuesWrittenRequests)
    return Number.POSITIVE_INFINITY
  }

  #publish(): void {
    this.#index?.publish()
    this.#progress.publish(SLOT.dispatched, this.#at)
    const written = this.#stage.writtenUntil(this.#at)
    assert(written >= this.#written, 'the written position does not go back')
    this.#written = written
    this.#progress.publish(SLOT.queuesWritten, written)
    if (this.#stage.isEmpty) this.#progress.queuesWrittenAtMs = this.#storedAtMs
  }

  /** Dispatches until `until`, where a record ends, or until it has passed `enough`. */
  #dispatch(until: number, enough: number): void {
    const { segmentBytes } = this.#options
    const positions = this.#positions
    let bytesMin = 0
    while (this.#at < until && this.#at < enough) {
      const segmentEnd = nextSegment(this.#at, segmentBytes)
      this.#reader.cover(this.#at, until, bytesMin)
      const { bytes, view, base, until: covered } = this.#reader
      let shape: number = RECORD_WHOLE
      while (this.#at < covered && this.#at < enough) {
        shape = locate(view, this.#at - base, covered - base, positions)
        if (shape !== RECORD_WHOLE) break
        this.#record(bytes, positions)
        this.#at += positions.totalBytes
        bytesMin = 0
      }
      if (shape === RECORD_BLANK) this.#at = segmentEnd
      else if (shape !== RECORD_WHOLE) {
        // Where files are not mapped the record may only go on beyond the buffer: look again with all of the rest.
        if (covered < Math.min(until, segmentEnd) && bytesMin === 0) bytesMin = Math.min(until, segmentEnd) - this.#at
        else this.#passDamage(view, base, covered)
      }
    }
  }

  #record(bytes: Uint8Array, positions: RecordPositions): void {
    const topic = this.#topics.find(bytes, positions.topicAt, positions.topicBytes) ?? this.#newTopic(bytes, positions)
    const transaction = positions.sysFlag & SYS_FLAG.TRANSACTION_MASK
    if (transaction === 0 || transaction === SYS_FLAG.TRANSACTION_COMMIT) this.#enqueue(topic, bytes, positions)
    this.#storedAtMs = positions.storedAtMs
    if (this.#index !== undefined && transaction !== SYS_FLAG.TRANSACTION_ROLLBACK) {
      forEachKeyHash(bytes, positions, this.#index, this.#at)
    }
  }

  #enqueue(topic: DispatchTopic, bytes: Uint8Array, positions: RecordPositions): void {
    const { queueId } = positions
    const queue = topic.queues[queueId] ?? this.#newQueue(topic, queueId, positions.queueOffset)
    const offset = positions.queueOffset
    if (offset < queue.nextOffset) return // Dispatched before the crash that made us look again.
    if (offset > queue.nextOffset) this.#hole(queue, offset)
    let tagsCode = tagsCodeOf(bytes, positions.propertiesAt, positions.propertiesAt + positions.propertiesBytes)
    if (topic === this.#scheduleTopic) {
      tagsCode = scheduleDueAt(bytes, positions, this.#options.delayLevelsMs) ?? tagsCode
    }
    this.#stage.add(queue, this.#at, positions.totalBytes, tagsCode)
  }

  #newTopic(bytes: Uint8Array, { topicAt, topicBytes }: RecordPositions): DispatchTopic {
    return this.#topics.open(new TextDecoder().decode(bytes.subarray(topicAt, topicAt + topicBytes)))
  }

  #newQueue(topic: DispatchTopic, queueId: number, offset: number): StagedQueue {
    const index = this.#events.newQueue(topic.name, queueId)
    const announced = topic.queues[queueId]
    if (announced !== undefined) return announced
    const queue = newStagedQueue(topic.name, queueId, index, 0)
    topic.queues[queueId] = queue
    if (offset !== 0) this.#stage.skipTo(queue, offset)
    return queue
  }

  /** Messages of the queue are missing between what it holds and `offset`. */
  #hole(queue: StagedQueue, offset: number): void {
    if (!queue.empty && !this.#options.fillHoles) {
      throw new QueueHole(
        `queue ${queue.topic}/${queue.queueId} has ${queue.nextOffset} entries, the log goes on with ${offset}`
      )
    }
    this.#stage.skipTo(queue, offset)
    this.#counts.publish(queue.index, offset)
  }

  /** Goes on after a damaged stretch: at the next record that is whole and stands where it says. */
  #passDamage(view: DataView, base: number, until: number): void {
    const from = this.#at
    this.#at = base + findRecord(view, from - base + 1, until - base, base)
    this.#events.damaged({
      from: from as PhysicalOffset,
      until: this.#at as PhysicalOffset,
      reason: 'no valid record'
    })
  }
}

const nextSegment = (position: number, segmentBytes: number): number =>
  position - (position % segmentBytes) + segmentBytes

/**
 * The first position from `from` on where a whole record, or the blank that closes a segment, stands in its own place;
 * `until` if there is none. `base` is the position in the log of the first byte of the view.
 */
export function findRecord(view: DataView, from: number, until: number, base: number): number {
  const { magic, physicalOffset } = RECORD_HEAD.at
  const positions = new RecordPositions()
  const last = Math.min(until, view.byteLength) - RECORD_HEAD.sizeBytes
  for (let at = from; at <= last; at++) {
    const found = view.getInt32(at + magic)
    if (found !== RECORD_MAGIC_V1 && found !== RECORD_MAGIC_V2) {
      if (found === BLANK_MAGIC && view.getInt32(at) === view.byteLength - at) return at
      continue
    }
    if (view.getInt32(at + physicalOffset) * 2 ** 32 + view.getUint32(at + physicalOffset + 4) !== base + at) continue
    if (locate(view, at, until, positions) === RECORD_WHOLE) return at
  }
  return until
}
