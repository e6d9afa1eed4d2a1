/**
 * Dispatch: derives consume queues and the key index from the commit log, in order, record by record.
 *
 * The same code follows a live log, catches up after a crash and rebuilds everything from the first segment: what is
 * already in a queue is passed over, so dispatching a range twice changes nothing.
 *
 * Invariants:
 * - `queuesWritten ≤ dispatched ≤ appended` (with synchronous flush `≤ flushed`: readers must not see more)
 * - entry n of a queue is the message with queue offset n; a hole is never closed by shifting
 * - a full disk, or another shortage, is waited out; any other failure ends the store
 *
 * Not here: how entries reach their files (queue-stage.ts), the index files (key-index.ts), the thread
 * (workers/dispatcher.ts).
 */
import { assert, type Clock, MiB, type PhysicalOffset } from '../base/index.ts'
import {
  findIndexedProperties,
  IndexedProperties,
  isQueueOffset,
  type RecordPositions,
  SCHEDULE_TOPIC,
  SYS_FLAG,
  scheduleDueAt,
  tagsHashOf
} from '../layout/index.ts'
import type { Files } from './files.ts'
import { OFFSET_IMPOSSIBLE, QUEUE_IMPOSSIBLE } from './impossible-heads.ts'
import { type KeyIndex, putKeyHashes } from './key-index.ts'
import { LogReader } from './log-reader.ts'
import { LogWalk } from './log-walk.ts'
import { type OffsetClaim, OffsetDoubts } from './offset-doubts.ts'
import { topicDirectory } from './paths.ts'
import { type Progress, SLOT } from './progress.ts'
import type { QueueCounts } from './queue-counts.ts'
import { QueueFiles } from './queue-files.ts'
import { newStagedQueue, QueueStage, type StagedQueue } from './queue-stage.ts'
import { clearShortage, isShortage, noteShortage } from './shortage.ts'
import type { DeletedTopic } from './sidecar.ts'
import type { DamagedRange } from './store-api.ts'
import { type DispatchTopic, TopicTable } from './topic-table.ts'

const STEP_BYTES = 1 * MiB
const SHORTAGE_RETRY_MS = 50

export interface DispatchOptions {
  readonly directory: string
  readonly segmentBytes: number
  readonly queueFileEntries: number
  readonly openFilesMax: number
  /** No entry waits for its file behind more others than that. */
  readonly stagedCountMax: number
  /** Up to where the log may be dispatched: everything appended, only what is flushed, or a fixed end. */
  readonly follow: 'appended' | 'flushed' | number
  readonly delayLevelsMs: readonly number[]
  /** Whether a missing queue offset becomes an entry that readers pass over, instead of ending the dispatch. */
  readonly fillHoles: boolean
  /** Topics of which the log still has messages that must not get into a queue. */
  readonly deleted: readonly DeletedTopic[]
}

/** What the dispatcher must know of a queue before it meets a record of it. */
export interface QueueSeed {
  readonly topic: string
  readonly queueId: number
  readonly index: number
  readonly nextOffset: number
  /** False for a queue that has entries, or had some before offset `nextOffset`. */
  readonly empty: boolean
  /** Entry with which its oldest file begins. */
  readonly firstOffset: number
}

/** With which entry the oldest file of a queue begins. */
export type FirstFile = Pick<QueueSeed, 'topic' | 'queueId' | 'firstOffset'>

export interface DispatchEvents {
  /** A record of a queue that nobody announced. Returns its index; undefined if no queue can have such a name. */
  newQueue(topic: string, queueId: number): number | undefined
  damaged(range: DamagedRange): void
}

/** A queue offset is missing: entries are lost that only a rebuild from the first segment brings back. */
export class QueueHole extends Error {
  override readonly name = 'QueueHole'
}

export class Dispatcher {
  readonly #files: Files
  readonly #progress: Progress
  readonly #options: DispatchOptions
  readonly #events: DispatchEvents
  readonly #reader: LogReader
  readonly #stage: QueueStage
  readonly #queueFiles: QueueFiles
  readonly #index: KeyIndex | undefined
  readonly #counts: QueueCounts
  readonly #topics = new TopicTable()
  readonly #walk: LogWalk
  /** Topics that were deleted, with where the log ended then; looked at until all of that has been passed. */
  readonly #forgotten = new Map<string, number>()
  #forgottenUntil = 0
  readonly #doubts: OffsetDoubts
  #scheduleTopic: DispatchTopic
  readonly #properties = new IndexedProperties()
  #propertiesAreFound = false
  /** Store time of the last record dispatched. */
  #storedAtMs = 0
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
    this.#files = files
    this.#progress = world.progress
    this.#counts = world.counts
    this.#events = world.events
    this.#index = world.index
    this.#options = options
    this.#doubts = new OffsetDoubts(world.events.damaged)
    this.#reader = new LogReader(files, options)
    this.#queueFiles = new QueueFiles(files, { ...options, mode: 'write', openMax: options.openFilesMax })
    this.#stage = new QueueStage(this.#queueFiles, world.counts, world.clock, options)
    this.#scheduleTopic = this.#topics.open(SCHEDULE_TOPIC)
    this.#walk = new LogWalk(this.#reader, from, {
      segmentBytes: options.segmentBytes,
      visit: (bytes, positions) => this.#record(bytes, positions),
      onDamage: range => this.#noteDamage(range)
    })
    this.#written = from
    this.#fulfilled = world.progress.count(SLOT.queuesWrittenRequests)
    for (const queue of queues) this.announce(queue)
    for (const { topic, until } of options.deleted) this.#pass(topic, until)
  }

  /** Must come before the first record of the queue can be met. */
  announce({ topic, queueId, index, nextOffset, empty, firstOffset }: QueueSeed): void {
    const queue = newStagedQueue(topic, queueId, index, nextOffset)
    queue.empty = empty
    queue.firstOffset = firstOffset
    this.#topics.open(topic).queues[queueId] = queue
    this.#counts.publish(index, nextOffset)
  }

  /** Forgets a topic and removes its files. What the log has of it below `until` gets into no queue any more. */
  forget(topic: string, until: number): void {
    for (const queue of this.#topics.delete(topic)?.queues.filter(known => known !== undefined) ?? [])
      this.#stage.forget(queue)
    const directory = topicDirectory(this.#options.directory, topic)
    this.#queueFiles.close(directory)
    this.#files.removeDirectory(directory)
    if (topic === SCHEDULE_TOPIC) this.#scheduleTopic = this.#topics.open(topic)
    this.#pass(topic, until)
  }

  /** Files before these are outdated. */
  setFirstFiles(firstFiles: readonly FirstFile[]): void {
    for (const { topic, queueId, firstOffset } of firstFiles) {
      const queue = this.#topics.open(topic).queues[queueId]
      if (queue !== undefined) queue.firstOffset = firstOffset
    }
  }

  get dispatchedUntil(): number {
    return this.#walk.at
  }

  /** Every queue that exists, with the offset its next message gets. */
  *queues(): Iterable<StagedQueue> {
    for (const topic of this.#topics.all()) for (const queue of topic.queues) if (queue !== undefined) yield queue
  }

  /** Dispatches a stretch of the log. Returns after how many ms to come back unless woken: 0 while there is more. */
  step(): number {
    const limit = this.#limit()
    try {
      if (this.#walk.at < limit) this.#walk.run(limit, this.#walk.at + STEP_BYTES)
      const waitMs = this.#writeOut()
      this.#publish()
      clearShortage(this.#progress, 'dispatcher')
      return this.#walk.at < limit ? 0 : waitMs
    } catch (error) {
      // What was done before is published by the first step for which there is room again.
      if (!isShortage(error)) throw error
      noteShortage(this.#progress, 'dispatcher', error)
      return SHORTAGE_RETRY_MS
    }
  }

  hasWork(): boolean {
    return this.#walk.at < this.#limit() || this.#progress.count(SLOT.writeQueuesNow) !== this.#fulfilled
  }

  /** Store time of the last record dispatched; 0 before the first. */
  get storedAtMs(): number {
    return this.#storedAtMs
  }

  writeAll(): void {
    this.#stage.writeAll()
    this.#publish()
  }

  /** See `QueueFiles.takeChanged`. */
  takeChangedFiles(): readonly string[] | undefined {
    return this.#queueFiles.takeChanged()
  }

  /** The log has ended: nothing more will bear out what is in doubt. */
  finish(): void {
    this.#doubts.finish((queue, claim) => this.#accept(queue, claim))
  }

  /** Writes every staged entry and closes all queue files. The index stays the caller's. */
  close(): void {
    this.writeAll()
    this.#queueFiles.close()
    this.#reader.close()
  }

  #limit(): number {
    const { follow } = this.#options
    if (typeof follow === 'number') return follow
    return this.#progress.positionAhead(follow === 'appended' ? SLOT.appended : SLOT.flushed, this.#walk.at)
  }

  #writeOut(): number {
    const asked = this.#progress.count(SLOT.writeQueuesNow)
    if (asked === this.#fulfilled) return this.#stage.writeDue(this.#walk.at)
    this.#stage.writeAll()
    this.#publish()
    this.#fulfilled = asked
    this.#progress.setCount(SLOT.queuesWrittenRequests, asked)
    this.#progress.notify(SLOT.queuesWrittenRequests)
    return Number.POSITIVE_INFINITY
  }

  #publish(): void {
    this.#index?.publish()
    this.#progress.publish(SLOT.dispatched, this.#walk.at)
    const written = this.#stage.writtenUntil(this.#walk.at)
    assert(written >= this.#written, 'the written position does not go back')
    this.#written = written
    this.#progress.publish(SLOT.queuesWritten, written)
  }

  #record(bytes: Uint8Array, positions: RecordPositions): void {
    this.#propertiesAreFound = false
    const topic = this.#topics.find(bytes, positions.topicAt, positions.topicBytes) ?? this.#newTopic(bytes, positions)
    const transaction = positions.sysFlag & SYS_FLAG.TRANSACTION_MASK
    const counted = transaction === 0 || transaction === SYS_FLAG.TRANSACTION_COMMIT
    if (counted && !this.#isForgotten(topic)) this.#enqueue(topic, bytes, positions)
    this.#storedAtMs = positions.storedAtMs
    if (this.#index !== undefined && transaction !== SYS_FLAG.TRANSACTION_ROLLBACK) {
      putKeyHashes(bytes, positions, this.#propertiesOf(bytes, positions), this.#index, this.#walk.at)
    }
  }

  /** What the log has of the topic below `until` gets into no queue. */
  #pass(topic: string, until: number): void {
    this.#forgotten.set(topic, until)
    this.#forgottenUntil = Math.max(this.#forgottenUntil, until)
  }

  #isForgotten(topic: DispatchTopic): boolean {
    if (this.#walk.at >= this.#forgottenUntil) return false
    return this.#walk.at < (this.#forgotten.get(topic.name) ?? 0)
  }

  #enqueue(topic: DispatchTopic, bytes: Uint8Array, positions: RecordPositions): void {
    const { queueId, queueOffset: offset } = positions
    if (!isQueueOffset(offset)) return this.#passDamaged(positions, OFFSET_IMPOSSIBLE)
    const queue = topic.queues[queueId] ?? this.#newQueue(topic, queueId, offset)
    if (queue === undefined) return this.#passDamaged(positions, QUEUE_IMPOSSIBLE)
    if (this.#options.fillHoles && (offset !== queue.nextOffset || !this.#doubts.isEmpty)) {
      return this.#enqueueDoubtful(topic, queue, bytes, positions)
    }
    if (offset < queue.nextOffset) return // Dispatched before the crash that made us look again.
    if (offset > queue.nextOffset) this.#hole(queue, offset)
    this.#stage.add(queue, this.#walk.at, positions.totalBytes, this.#tagsCode(topic, bytes, positions))
  }

  #enqueueDoubtful(topic: DispatchTopic, queue: StagedQueue, bytes: Uint8Array, positions: RecordPositions): void {
    const { queueOffset, totalBytes: sizeBytes } = positions
    const { at } = this.#walk
    const claims = this.#doubts.judge(queue, {
      queueOffset,
      at,
      sizeBytes,
      tagsCode: this.#tagsCode(topic, bytes, positions)
    })
    for (const accepted of claims) this.#accept(queue, accepted)
  }

  #passDamaged({ totalBytes }: RecordPositions, reason: string): void {
    const { at: from } = this.#walk
    this.#noteDamage({ from: from as PhysicalOffset, until: (from + totalBytes) as PhysicalOffset, reason })
  }

  #noteDamage(range: DamagedRange): void {
    this.#doubts.noteDamage(range.until)
    this.#events.damaged(range)
  }

  #accept(queue: StagedQueue, { queueOffset, at, sizeBytes, tagsCode }: OffsetClaim): void {
    if (queueOffset > queue.nextOffset) this.#hole(queue, queueOffset)
    if (at === this.#walk.at) this.#stage.add(queue, at, sizeBytes, tagsCode)
    else this.#stage.addLate(queue, at, sizeBytes, tagsCode)
  }

  #tagsCode(topic: DispatchTopic, bytes: Uint8Array, positions: RecordPositions): number {
    const tagsCode = tagsHashOf(bytes, this.#propertiesOf(bytes, positions).tags)
    if (topic !== this.#scheduleTopic) return tagsCode
    return scheduleDueAt(bytes, positions, this.#options.delayLevelsMs) ?? tagsCode
  }

  /** Of the record that the walk is at: both its queue and the index need them, and finding them is most of the work. */
  #propertiesOf(bytes: Uint8Array, { propertiesAt, propertiesBytes }: RecordPositions): IndexedProperties {
    if (!this.#propertiesAreFound) {
      findIndexedProperties(bytes, propertiesAt, propertiesAt + propertiesBytes, this.#properties)
      this.#propertiesAreFound = true
    }
    return this.#properties
  }

  #newTopic(bytes: Uint8Array, { topicAt, topicBytes }: RecordPositions): DispatchTopic {
    return this.#topics.open(new TextDecoder().decode(bytes.subarray(topicAt, topicAt + topicBytes)))
  }

  #newQueue(topic: DispatchTopic, queueId: number, offset: number): StagedQueue | undefined {
    const index = this.#events.newQueue(topic.name, queueId)
    if (index === undefined) return undefined
    const announced = topic.queues[queueId]
    if (announced !== undefined) return announced
    const queue = newStagedQueue(topic.name, queueId, index, 0)
    topic.queues[queueId] = queue
    if (offset !== 0 && !this.#options.fillHoles) this.#stage.skipTo(queue, offset)
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
}
