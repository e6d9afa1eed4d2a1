/**
 * Store: the engine as its users see it. It owns the writer and the readers and keeps the promises between them.
 *
 * Everything here runs in one thread, the owner's. What may wait for the disk is done by others: the allocator, the
 * flusher and the dispatcher (threads.ts), and jobs in a pool. They report through shared numbers (progress.ts).
 *
 * Invariants:
 * - what `append` has returned is read by the next read of its queue (with synchronous flush: once `flushed` says so)
 * - after the first failure nothing is appended and nobody waits any longer: every call says what happened
 * - `close` ends with everything on disk, or says that it is not
 *
 * Not here: opening (open-store.ts), how records are found (queue-reader.ts), what is deleted when (retention.ts).
 */
import { assert, type Clock, type PhysicalOffset, type QueueOffset, VarveError } from '../base/index.ts'
import { DecodedRecord, decodeMessageId, locate, RECORD_WHOLE, RecordPositions, SYS_FLAG } from '../layout/index.ts'
import type { Appended, MessageInput, StoredMessage } from '../model/index.ts'
import type { CommitLog } from './commit-log.ts'
import type { QueueSeed } from './dispatch.ts'
import type { Files } from './files.ts'
import { LogSyncer, syncLog } from './flush.ts'
import { FlushWaiters } from './flush-waiters.ts'
import type { Gap } from './gap.ts'
import { findByKey } from './key-search.ts'
import type { LogSegments } from './log-segments.ts'
import type { MessageEncoder } from './message-encoder.ts'
import { offsetByTime } from './offset-by-time.ts'
import type { ResolvedOptions } from './options.ts'
import { type Progress, SLOT } from './progress.ts'
import type { QueueCounts } from './queue-counts.ts'
import { firstOffsetOf, type QueueMinimum } from './queue-minimum.ts'
import { type ColdRange, type FetchedRange, type QueueReader, READ_COUNT_MAX } from './queue-reader.ts'
import { Retention } from './retention.ts'
import { takeSnapshot } from './snapshot.ts'
import type {
  DamagedRange,
  KeyQuery,
  QueueName,
  ReadRequest,
  ReadResult,
  RecordViews,
  RecoveryReport,
  SegmentFacts,
  SnapshotReport,
  Store,
  StoreInfo
} from './store-api.ts'
import type { QueueTableBytes, StoreThreads } from './threads.ts'
import type { Queue, Topic, Topics } from './topics.ts'

const READ_COUNT_DEFAULT = 32
const READ_BYTES_DEFAULT = 4 * 1024 * 1024
/** A lone waiter is served by the owner itself while syncs take no longer than this; a slow disk must not block its thread. */
const OWN_SYNC_MS_MAX = 2
const OWN_SYNC_BYTES_MAX = 256 * 1024
/** After a slow sync the owner leaves so many to the flusher before it tries again. */
const OWN_SYNC_PAUSE = 64
/** Queues are made durable after so much log, so that recovery has no more than that to dispatch again. */
const QUEUES_DURABLE_BYTES = 1024 ** 3
const QUEUES_DURABLE_INTERVAL_MS = 60_000
const HOUSEKEEPING_INTERVAL_MS = 1_000
const WRITABLE_POLL_MS = 5
const COLD_READS_MAX = 8

/** What open-store.ts has put together. */
export interface StoreWorld {
  readonly files: Files
  readonly clock: Clock
  readonly options: ResolvedOptions
  readonly threads: StoreThreads
  readonly progress: Progress
  readonly counts: QueueCounts
  readonly segments: LogSegments
  readonly log: CommitLog
  readonly gap: Gap
  readonly topics: Topics
  readonly encoder: MessageEncoder
  readonly reader: QueueReader
  readonly minimum: QueueMinimum
  readonly recovery: RecoveryReport
  readonly lastStoredAtMs: number
  /** Everything that must happen after the threads have stopped: clean state, lock, files. */
  readonly finish: (table: QueueTableBytes) => void
  /** Lets go of lock and files after a failure, leaving the directory as a crash would. */
  readonly abandon: () => void
}

export class OpenStore implements Store {
  readonly #world: StoreWorld
  readonly #options: ResolvedOptions
  readonly #progress: Progress
  readonly #threads: StoreThreads
  readonly #clock: Clock
  readonly #log: CommitLog
  readonly #gap: Gap
  readonly #topics: Topics
  readonly #encoder: MessageEncoder
  readonly #reader: QueueReader
  readonly #waiters = new FlushWaiters()
  readonly #ownSyncer: LogSyncer
  readonly #retention: Retention
  readonly #positions = new RecordPositions()
  readonly #damaged: DamagedRange[]
  readonly #followed = new Map<Queue, Set<() => void>>()
  /** The same for queues that do not exist yet, by name. */
  readonly #missing = new Map<string, Set<() => void>>()
  readonly failed: Promise<VarveError>
  #announceFailure: (error: VarveError) => void = () => {}
  #failure: VarveError | undefined
  #closing: Promise<void> | undefined
  #closed = false
  #flushScheduled = false
  #ownSyncPause = 0
  #storedAtMs: number
  #queuesDurableUntil: number
  #queuesDurableMs: number
  #savingQueues: Promise<void> | undefined
  #housekeeping: NodeJS.Timeout | undefined
  #cleaning: Promise<readonly SegmentFacts[]> | undefined
  /** Snapshots under way: no segment is deleted meanwhile. */
  #snapshots = 0
  #diskIsFull = false

  constructor(world: StoreWorld) {
    this.#world = world
    this.#options = world.options
    this.#progress = world.progress
    this.#threads = world.threads
    this.#clock = world.clock
    this.#log = world.log
    this.#gap = world.gap
    this.#topics = world.topics
    this.#encoder = world.encoder
    this.#reader = world.reader
    this.#ownSyncer = new LogSyncer(world.files, world.options)
    this.#retention = new Retention(world.files, world.clock, world.options.retention, world.options.directory)
    this.#damaged = [...world.recovery.damaged]
    this.#storedAtMs = world.lastStoredAtMs
    this.#queuesDurableUntil = world.log.appended
    this.#queuesDurableMs = world.clock.monotonicMs()
    this.failed = new Promise(resolve => {
      this.#announceFailure = resolve
    })
    if (world.threads.kind === 'workers') {
      this.#housekeeping = setInterval(() => this.#keepHouse(), HOUSEKEEPING_INTERVAL_MS)
      this.#housekeeping.unref()
    }
  }

  // Writing

  append(message: MessageInput): Appended {
    this.#checkWritable()
    const known = this.#topics.findQueue(message.topic, message.queueId)
    const queue = known ?? this.#newQueue(message)
    const log = this.#log
    let bytesMax = this.#encoder.bytesMax(message, queue.topic)
    if (bytesMax > log.recordBytesMax) bytesMax = this.#bytesCounted([message], queue.topic)
    const counted = isCounted(message)
    this.#checkRoom(1)
    const physicalOffset = log.reserve(bytesMax)
    const queueOffset = counted ? queue.nextOffset : 0
    this.#place.topic = queue.topic
    this.#place.queueOffset = queueOffset
    this.#place.physicalOffset = physicalOffset
    this.#place.storedAtMs = this.#nowMs()
    const at = physicalOffset - log.base
    const sizeBytes = this.#encodeOrAbandon(at, message, bytesMax)
    this.#encoder.close(log, at, sizeBytes, message.body)
    if (known === undefined) this.#addQueue(queue)
    this.#publish(queue, physicalOffset, sizeBytes, counted ? 1 : 0)
    return { queueOffset: queueOffset as QueueOffset, physicalOffset: physicalOffset as PhysicalOffset, sizeBytes }
  }
  readonly #place = { topic: undefined as unknown as Topic, queueOffset: 0, physicalOffset: 0, storedAtMs: 0 } // Set before each use.

  appendBatch(messages: readonly MessageInput[]): Appended {
    this.#checkWritable()
    const first = messages[0]
    if (first === undefined) throw new VarveError('BATCH_INVALID', { problem: 'it is empty' })
    const known = this.#topics.findQueue(first.topic, first.queueId)
    const queue = known ?? this.#newQueue(first)
    const log = this.#log
    const encoder = this.#encoder
    let bytesMax = 0
    for (const message of messages) {
      if (message.topic !== first.topic || message.queueId !== first.queueId || !isCounted(message)) {
        throw new VarveError('BATCH_INVALID', {
          problem: 'all messages must go to one queue, outside of transactions',
          topic: message.topic,
          queueId: message.queueId
        })
      }
      bytesMax += encoder.bytesMax(message, queue.topic)
    }
    if (bytesMax > log.recordBytesMax) bytesMax = this.#bytesCounted(messages, queue.topic)
    this.#checkRoom(messages.length)
    const physicalOffset = log.reserve(bytesMax)
    const queueOffset = queue.nextOffset
    const from = physicalOffset - log.base
    const place = this.#place
    place.topic = queue.topic
    place.storedAtMs = this.#nowMs()
    let bytes = 0
    let firstBytes = 0
    for (let i = 0; i < messages.length; i++) {
      const message = messages[i] as MessageInput // Below length.
      place.queueOffset = queueOffset + i
      place.physicalOffset = physicalOffset + bytes
      const sizeBytes = this.#encodeOrAbandon(from + bytes, message, bytesMax, from)
      // The size of the first record is written last: until then no record of the batch can be found.
      encoder.close(log, from + bytes, i === 0 ? 0 : sizeBytes, message.body)
      if (i === 0) firstBytes = sizeBytes
      this.#sizes[i] = sizeBytes
      bytes += sizeBytes
    }
    encoder.finish(log, from, firstBytes)
    if (known === undefined) this.#addQueue(queue)
    this.#publishBatch(queue, physicalOffset, bytes, messages.length)
    return {
      queueOffset: queueOffset as QueueOffset,
      physicalOffset: physicalOffset as PhysicalOffset,
      sizeBytes: bytes
    }
  }
  #sizes: number[] = []

  flushed(until: number = this.#log.appended): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#refusal())
    if (!(until <= this.#log.appended))
      return Promise.reject(
        new VarveError('RECORD_NOT_FOUND', { physicalOffset: String(until), appendedUntil: this.#log.appended })
      )
    if (this.#progress.position(SLOT.flushed, this.#log.appended) >= until) return Promise.resolve()
    const answer = this.#waiters.add(until)
    if (!this.#flushScheduled) {
      this.#flushScheduled = true
      queueMicrotask(() => this.#startFlush())
    }
    return answer
  }

  async writable(): Promise<void> {
    for (;;) {
      this.#checkWritable()
      this.#diskIsFull = this.#diskIsFull && this.#retention.diskIsFull()
      this.#threads.wake('allocator')
      this.#threads.wake('flusher')
      this.#threads.wake('dispatcher')
      if (!this.#diskIsFull && this.#log.hasRoom() && this.#gap.hasRoomFor(1, this.#queuesWritten())) return
      await new Promise(resolve => setTimeout(resolve, WRITABLE_POLL_MS))
    }
  }

  // Reading

  async read(request: ReadRequest): Promise<ReadResult> {
    const views = await this.readViews(request)
    const messages: StoredMessage[] = []
    for (const bytes of views.bytes) if (bytes.length > 0) messages.push(this.#decode(bytes))
    return { messages, nextOffset: views.nextOffset, damaged: views.damaged }
  }

  async readViews(request: ReadRequest): Promise<RecordViews> {
    const fetched: FetchedRange[] = []
    for (let tries = 0; ; tries++) {
      const cold: ColdRange[] = []
      const views = this.#readWarm(request, cold, fetched)
      if (views !== undefined) return views
      assert(tries < COLD_READS_MAX, 'each fetch brings what the read before was missing')
      fetched.push(...(await this.#threads.runJob({ type: 'fetch', ranges: cold })))
    }
  }

  readViewsResident(request: ReadRequest): RecordViews | undefined {
    return this.#readWarm(request, [], [])
  }

  async *follow(request: QueueName & { offset: number; signal?: AbortSignal }): AsyncGenerator<StoredMessage> {
    const { topic, queueId, signal } = request
    let offset = request.offset
    const aborted = (): boolean => signal?.aborted === true
    while (!aborted()) {
      if (this.#closing !== undefined) return
      const { messages, nextOffset } = await this.read({ topic, queueId, offset, countMax: 256 })
      for (const message of messages) {
        if (aborted()) return
        yield message
      }
      if (nextOffset > offset) offset = nextOffset
      else if (!(await this.#arrival({ topic, queueId }, offset, signal))) return
    }
  }

  minOffset({ topic, queueId }: QueueName): QueueOffset {
    this.#checkOpen()
    const queue = this.#topics.findQueue(topic, queueId)
    return (queue === undefined ? 0 : this.#minOf(queue)) as QueueOffset
  }

  maxOffset({ topic, queueId }: QueueName): QueueOffset {
    this.#checkOpen()
    const queue = this.#topics.findQueue(topic, queueId)
    return (queue === undefined ? 0 : this.#maxOf(queue)) as QueueOffset
  }

  async offsetAt(request: QueueName & { timeMs: number; boundary?: 'lower' | 'upper' }): Promise<QueueOffset> {
    this.#checkOpen()
    const { topic, queueId, timeMs, boundary = 'lower' } = request
    const queue = this.#topics.findQueue(topic, queueId)
    if (queue === undefined) return 0 as QueueOffset
    const storedAt = async (offset: number): Promise<number> => {
      const views = await this.readViews({ topic, queueId, offset, countMax: 1 })
      const bytes = views.bytes[0]
      return bytes === undefined || bytes.length === 0 ? Number.NEGATIVE_INFINITY : this.#locate(bytes).storedAtMs
    }
    return (await offsetByTime({
      min: this.#minOf(queue),
      max: this.#maxOf(queue),
      timeMs,
      boundary,
      storedAt
    })) as QueueOffset
  }

  async messageAt(physicalOffset: number): Promise<StoredMessage> {
    this.#checkOpen()
    const until = this.#visibleUntil()
    if (
      !Number.isSafeInteger(physicalOffset) ||
      physicalOffset < this.#world.segments.firstPosition ||
      physicalOffset >= until
    ) {
      throw new VarveError('RECORD_NOT_FOUND', { physicalOffset: String(physicalOffset) })
    }
    const fetched: FetchedRange[] = []
    for (let tries = 0; ; tries++) {
      const cold: ColdRange[] = []
      const bytes = this.#reader.recordAt(physicalOffset, until, cold, fetched)
      if (bytes !== undefined) return this.#decode(bytes)
      assert(tries < COLD_READS_MAX, 'each fetch brings what the read before was missing')
      fetched.push(...(await this.#threads.runJob({ type: 'fetch', ranges: cold })))
    }
  }

  messageById(id: string): Promise<StoredMessage> {
    return this.messageAt(decodeMessageId(id).physicalOffset)
  }

  messagesByKey(query: KeyQuery): Promise<StoredMessage[]> {
    this.#checkOpen()
    return findByKey(query, {
      files: this.#world.files,
      options: this.#options,
      dispatched: () => this.#dispatchAll(),
      messageAt: position => this.messageAt(position)
    })
  }

  // Everything else

  topics(): readonly string[] {
    return this.#topics.names()
  }

  queues(topic: string): readonly number[] {
    const found = this.#topics.find(topic)
    return found === undefined ? [] : found.queues.filter(queue => queue !== undefined).map(({ queueId }) => queueId)
  }

  async deleteTopic(topic: string): Promise<void> {
    this.#checkWritable()
    const until = this.#log.appended
    // Before anything is awaited: what is appended from here on belongs to a new topic of the name.
    this.#topics.delete(topic)
    this.#world.minimum.forget(topic)
    const forgotten = this.#threads.forgetTopic(topic, until)
    this.#wakeAll()
    await forgotten
    // The table must cover every record of the topic, or a recovery would put the last of them into a queue again.
    if (this.#options.flush === 'sync') await this.flushed(until)
    await this.#dispatchAll(until)
    await this.#savingQueues
    await this.#saveQueues()
  }

  info(): StoreInfo {
    const appended = this.#log.appended as PhysicalOffset
    const { files, segments } = this.#world
    return {
      directory: this.#options.directory,
      mapper: files.mapper,
      mapperReason: files.mapperReason,
      flush: this.#options.flush,
      threads: this.#threads.kind,
      state: this.#closed ? 'closed' : this.#failure !== undefined ? 'poisoned' : 'open',
      poisonedBy: this.#failure,
      minPhysicalOffset: segments.firstPosition as PhysicalOffset,
      appendedUntil: appended,
      flushedUntil: this.#progress.position(SLOT.flushed, appended) as PhysicalOffset,
      dispatchedUntil: this.#progress.position(SLOT.dispatched, appended) as PhysicalOffset,
      segmentCount: segments.count,
      topicCount: this.#topics.topicCount,
      queueCount: this.#topics.queueCount,
      recovery: { ...this.#world.recovery, damaged: this.#damaged }
    }
  }

  clean({ ignoreHours = false }: { ignoreHours?: boolean } = {}): Promise<readonly SegmentFacts[]> {
    this.#checkWritable()
    this.#cleaning ??= this.#clean(ignoreHours).finally(() => {
      this.#cleaning = undefined
    })
    return this.#cleaning
  }

  async snapshot(directory: string): Promise<SnapshotReport> {
    this.#checkWritable()
    this.#snapshots++
    try {
      return await takeSnapshot(directory, {
        files: this.#world.files,
        options: this.#options,
        runJob: this.#threads.runJob,
        firstPosition: this.#world.segments.firstPosition,
        queueTable: async () => {
          await this.#dispatchAll()
          return this.#threads.queueTable()
        }
      })
    } finally {
      this.#snapshots--
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Told by the threads. */
  readonly events = {
    flushed: (): void => this.#onFlushed(),
    damaged: (range: DamagedRange): void => {
      this.#damaged.push(range)
    },
    failed: (error: VarveError): void => this.#fail(error)
  }

  /** A queue begins to exist with its first message: one that is refused leaves nothing behind. */
  #newQueue({ topic, queueId }: QueueName): Queue {
    return this.#topics.newQueue(this.#topics.open(topic), queueId)
  }

  #addQueue(queue: Queue): void {
    this.#topics.add(queue)
    this.#threads.announce(seedOf(queue))
    this.#wake(this.#missing, nameOf(queue.topic.name, queue.queueId))
  }

  /** @throws VarveError BATCH_INVALID if it still does not fit into a segment */
  #bytesCounted(messages: readonly MessageInput[], topic: Topic): number {
    const bytesMax = this.#log.recordBytesMax
    const bytes = messages.reduce((sum, message) => sum + this.#encoder.bytesCounted(message, topic), 0)
    if (bytes > bytesMax) throw new VarveError('BATCH_INVALID', { bytes, bytesMax })
    return bytes
  }

  #encodeOrAbandon(at: number, message: MessageInput, bytesMax: number, from = at): number {
    try {
      return this.#encoder.encode(this.#log, at, message, this.#place)
    } catch (error) {
      this.#log.abandon(at - from + bytesMax)
      throw error
    }
  }

  #checkRoom(count: number): void {
    if (this.#diskIsFull) throw new VarveError('STORE_DISK_FULL', { directory: this.#options.directory })
    if (this.#gap.hasRoomFor(count, this.#gapWritten)) return
    this.#gapWritten = this.#queuesWritten()
    if (this.#gap.hasRoomFor(count, this.#gapWritten)) return
    this.#progress.addCount(SLOT.writeQueuesNow)
    this.#threads.wake('dispatcher')
    if (this.#gap.hasRoomFor(count, this.#queuesWritten())) return
    const code = this.#progress.count(SLOT.diskFull) === 0 ? 'STORE_BUSY' : 'STORE_DISK_FULL'
    throw new VarveError(code, { undispatchedMessages: this.#gap.count })
  }
  #gapWritten = 0

  #publish(queue: Queue, physicalOffset: number, sizeBytes: number, count: 0 | 1): void {
    if (count === 1) {
      queue.newestOrdinal = this.#gap.push(physicalOffset, queue.newestOrdinal)
      queue.nextOffset++
    }
    this.#progress.appendedAtMs = this.#storedAtMs
    this.#log.publish(sizeBytes)
    this.#threads.wake('dispatcher')
    if (this.#followed.size > 0) this.#wake(this.#followed, queue)
  }

  #publishBatch(queue: Queue, physicalOffset: number, bytes: number, count: number): void {
    let position = physicalOffset
    for (let i = 0; i < count; i++) {
      queue.newestOrdinal = this.#gap.push(position, queue.newestOrdinal)
      position += this.#sizes[i] as number // Below count.
    }
    queue.nextOffset += count
    this.#progress.appendedAtMs = this.#storedAtMs
    this.#log.publish(bytes)
    this.#threads.wake('dispatcher')
    if (this.#followed.size > 0) this.#wake(this.#followed, queue)
  }

  /** Store times do not go back, even if the clock does. */
  #nowMs(): number {
    const nowMs = this.#clock.nowMs()
    if (nowMs > this.#storedAtMs) this.#storedAtMs = nowMs
    return this.#storedAtMs
  }

  /** Everybody who could wait in this turn of the event loop does by now. */
  #startFlush(): void {
    this.#flushScheduled = false
    if (this.#waiters.count === 0 || this.#failure !== undefined) return
    const appended = this.#log.appended
    const flushed = this.#progress.position(SLOT.flushed, appended)
    const alone =
      this.#waiters.count === 1 && appended - flushed <= OWN_SYNC_BYTES_MAX && this.#threads.kind === 'workers'
    if (alone && this.#ownSyncPause === 0) {
      this.#syncMyself(flushed, appended)
      return
    }
    if (alone) this.#ownSyncPause--
    this.#threads.hold(true)
    this.#progress.setCount(SLOT.flushListeners, 1)
    this.#progress.advanceTo(SLOT.flushWanted, this.#waiters.until)
    this.#threads.wake('flusher')
    if (this.#threads.kind === 'none') this.#onFlushed()
  }

  /** A lone waiter should not pay for two changes of thread on top of the disk. */
  #syncMyself(flushed: number, appended: number): void {
    const startedMs = this.#clock.monotonicMs()
    try {
      syncLog(this.#ownSyncer, this.#progress, flushed, appended)
    } catch (error) {
      this.#fail(error as VarveError) // LogSyncer throws nothing else, and an assertion may surface here too.
      return
    }
    if (this.#clock.monotonicMs() - startedMs > OWN_SYNC_MS_MAX) this.#ownSyncPause = OWN_SYNC_PAUSE
    this.#onFlushed()
  }

  #onFlushed(): void {
    const flushed = this.#progress.position(SLOT.flushed, this.#log.appended)
    this.#waiters.answerBelow(flushed)
    if (this.#followed.size > 0 && this.#options.flush === 'sync')
      for (const queue of this.#followed.keys()) this.#wake(this.#followed, queue)
    if (this.#waiters.count > 0) {
      if (this.#progress.position(SLOT.flushWanted, this.#log.appended) < this.#waiters.until) {
        this.#progress.advanceTo(SLOT.flushWanted, this.#waiters.until)
        this.#threads.wake('flusher')
      }
      return
    }
    this.#threads.hold(false)
    if (this.#followed.size === 0) this.#progress.setCount(SLOT.flushListeners, 0)
  }

  #readWarm(request: ReadRequest, cold: ColdRange[], fetched: readonly FetchedRange[]): RecordViews | undefined {
    this.#checkOpen()
    const { topic, queueId, countMax = READ_COUNT_DEFAULT, bytesMax = READ_BYTES_DEFAULT } = request
    const queue = this.#topics.findQueue(topic, queueId)
    if (queue === undefined) return nothingAt(0)
    if (!Number.isSafeInteger(request.offset)) throw invalid('offset', request.offset, 'an integer')
    if (Number.isNaN(countMax)) throw invalid('countMax', countMax, 'a number')
    if (Number.isNaN(bytesMax)) throw invalid('bytesMax', bytesMax, 'a number')
    const offset = Math.max(request.offset, this.#minOf(queue))
    const max = this.#maxOf(queue)
    if (offset >= max || countMax <= 0) return nothingAt(Math.min(offset, max))
    const entries = this.#reader.entries(
      queue,
      offset,
      Math.min(max, offset + Math.min(countMax, READ_COUNT_MAX)),
      cold,
      fetched
    )
    return entries === undefined ? undefined : this.#reader.records(queue, entries, bytesMax, cold, fetched)
  }

  #minOf(queue: Queue): number {
    const first = this.#world.segments.firstPosition
    if (queue.minKnownFor !== first) {
      queue.minOffset = firstOffsetOf(this.#world.minimum, queue, first)
      queue.minKnownFor = first
    }
    return queue.minOffset
  }

  #maxOf(queue: Queue): number {
    return this.#options.flush === 'async' ? queue.nextOffset : this.#reader.visibleMax(queue, this.#visibleUntil())
  }

  #visibleUntil(): number {
    const appended = this.#log.appended
    return this.#options.flush === 'async' ? appended : this.#progress.position(SLOT.flushed, appended)
  }

  #queuesWritten(): number {
    return this.#progress.position(SLOT.queuesWritten, this.#log.appended)
  }

  #decode(bytes: Uint8Array): StoredMessage {
    const positions = this.#locate(bytes)
    return new DecodedRecord(bytes, viewOf(bytes), positions) as unknown as StoredMessage // The same fields, without the units.
  }

  #locate(bytes: Uint8Array): RecordPositions {
    const shape = locate(viewOf(bytes), 0, bytes.length, this.#positions)
    assert(shape === RECORD_WHOLE, 'the reader hands out whole records only')
    return this.#positions
  }

  #wake<Key>(followers: Map<Key, Set<() => void>>, key: Key): void {
    const waiting = followers.get(key)
    if (waiting === undefined) return
    followers.delete(key)
    for (const wake of waiting) wake()
  }

  #wakeAll(): void {
    for (const queue of [...this.#followed.keys()]) this.#wake(this.#followed, queue)
    for (const name of [...this.#missing.keys()]) this.#wake(this.#missing, name)
  }

  /** Resolves when the queue may have a message at `offset`; false when there is nothing more to wait for. */
  async #arrival({ topic, queueId }: QueueName, offset: number, signal: AbortSignal | undefined): Promise<boolean> {
    const queue = this.#topics.findQueue(topic, queueId)
    if (queue !== undefined && this.#maxOf(queue) > offset) return true
    if (this.#failure !== undefined) throw this.#refusal()
    if (this.#closing !== undefined) return false
    if (this.#options.flush === 'sync') this.#progress.setCount(SLOT.flushListeners, 1)
    if (queue === undefined) await sleepAmong(this.#missing, nameOf(topic, queueId), signal)
    else await sleepAmong(this.#followed, queue, signal)
    return true
  }

  /** Waits until the dispatcher has seen, and written out, everything that readers may see. */
  async #dispatchAll(until = this.#visibleUntil()): Promise<void> {
    while (this.#queuesWritten() < until) {
      this.#progress.addCount(SLOT.writeQueuesNow)
      this.#threads.wake('dispatcher')
      if (this.#queuesWritten() >= until) return
      this.#checkWritable()
      await new Promise(resolve => setTimeout(resolve, 1))
    }
  }

  #keepHouse(): void {
    if (this.#failure !== undefined || this.#closing !== undefined) return
    const nowMs = this.#clock.monotonicMs()
    const written = this.#queuesWritten()
    const due =
      nowMs >= this.#queuesDurableMs + QUEUES_DURABLE_INTERVAL_MS ||
      written - this.#queuesDurableUntil >= QUEUES_DURABLE_BYTES
    if (due && written > this.#queuesDurableUntil) this.#saveQueues().catch(error => this.#failUnlessFull(error))
    if (this.#options.retention.intervalMs > 0 && this.#retention.isDue(nowMs)) {
      this.clean().catch(error => this.#failUnlessFull(error))
    }
  }

  /** A full disk passes; whatever else fails in the background ends the store. */
  #failUnlessFull(error: unknown): void {
    if (error instanceof VarveError && (error.code === 'STORE_DISK_FULL' || error.code === 'STORE_CLOSED')) return
    this.#fail(error instanceof VarveError ? error : new VarveError('STORE_THREAD_DIED', {}, { cause: error }))
  }

  #saveQueues(): Promise<void> {
    this.#savingQueues ??= this.#saveQueuesOnce().finally(() => {
      this.#savingQueues = undefined
    })
    return this.#savingQueues
  }

  async #saveQueuesOnce(): Promise<void> {
    const { until, storedAtMs, table } = await this.#threads.queueTable()
    await this.#threads.runJob({ type: 'saveQueues', directory: this.#options.directory, table })
    this.#queuesDurableUntil = until
    this.#queuesDurableMs = this.#clock.monotonicMs()
    this.#progress.queuesDurableAtMs = Math.max(storedAtMs, this.#progress.queuesDurableAtMs)
  }

  async #clean(ignoreHours: boolean): Promise<readonly SegmentFacts[]> {
    const { segments } = this.#world
    const gone: SegmentFacts[] = []
    this.#diskIsFull = this.#retention.diskIsFull()
    for (const segment of this.#retention.choose(segments.deletable(), this.#log.appended, { ignoreHours })) {
      // A segment that is not flushed, dispatched or is being copied stays until the next time.
      if (this.#snapshots > 0 || segment.until > this.#progress.position(SLOT.flushed, this.#log.appended)) break
      if (segment.until > this.#queuesWritten()) break
      segments.dropFirst()
      await this.#threads.runJob({ type: 'discard', path: segment.path })
      gone.push(segment)
    }
    if (gone.length === 0) return gone
    this.#gap.forgetBelow(this.#queuesWritten())
    await this.#threads.deleteIndexBelow(segments.firstPosition)
    for (const queue of this.#topics.all()) this.#world.minimum.deleteBelow(queue, this.#minOf(queue))
    this.#diskIsFull = this.#retention.diskIsFull()
    return gone
  }

  async #close(): Promise<void> {
    clearInterval(this.#housekeeping)
    this.#wakeAll()
    // What runs in the background ends by itself; how it ends is of no interest any more.
    await Promise.allSettled([this.#savingQueues, this.#cleaning])
    try {
      if (this.#failure !== undefined) {
        await this.#threads.kill()
        return
      }
      const table = await this.#threads.stop()
      if (this.#failure !== undefined) throw this.#failure
      this.#onFlushed()
      this.#world.finish(table)
    } finally {
      this.#closed = true
      this.#waiters.failAll(new VarveError('STORE_CLOSED'))
      this.#ownSyncer.close()
      this.#world.segments.close()
      this.#world.abandon()
    }
  }

  #fail(error: VarveError): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    clearInterval(this.#housekeeping)
    this.#progress.setCount(SLOT.failed, 1)
    this.#waiters.failAll(this.#refusal())
    this.#threads.hold(false)
    this.#wakeAll()
    this.#announceFailure(error)
  }

  #refusal(): VarveError {
    assert(this.#failure !== undefined, 'there is a failure to tell of')
    return new VarveError(
      'STORE_POISONED',
      { because: this.#failure.code, ...this.#failure.details },
      { cause: this.#failure }
    )
  }

  #checkOpen(): void {
    if (this.#closed) throw new VarveError('STORE_CLOSED', { directory: this.#options.directory })
  }

  #checkWritable(): void {
    if (this.#closing !== undefined) throw new VarveError('STORE_CLOSED', { directory: this.#options.directory })
    if (this.#failure !== undefined) throw this.#refusal()
  }
}

const invalid = (option: string, value: number, range: string): VarveError =>
  new VarveError('OPTION_INVALID', { option, value: String(value), range })

/** Half and rolled back messages are in no queue. */
function isCounted({ sysFlag = 0 }: MessageInput): boolean {
  const transaction = sysFlag & SYS_FLAG.TRANSACTION_MASK
  return transaction === 0 || transaction === SYS_FLAG.TRANSACTION_COMMIT
}

/** A name that no other queue has: topics contain no space. */
const nameOf = (topic: string, queueId: number): string => `${queueId} ${topic}`

/** Waits to be woken together with all who wait for `key`, or for the signal; leaves nothing behind with either. */
function sleepAmong<Key>(
  sleepers: Map<Key, Set<() => void>>,
  key: Key,
  signal: AbortSignal | undefined
): Promise<void> {
  return new Promise(resolve => {
    const waiting = sleepers.get(key) ?? new Set()
    sleepers.set(key, waiting)
    const wake = (): void => {
      signal?.removeEventListener('abort', wake)
      waiting.delete(wake)
      if (waiting.size === 0 && sleepers.get(key) === waiting) sleepers.delete(key)
      resolve()
    }
    waiting.add(wake)
    signal?.addEventListener('abort', wake)
  })
}

function nothingAt(offset: number): RecordViews {
  return { count: 0, bytes: [], offset: offset as QueueOffset, nextOffset: offset as QueueOffset, damaged: [] }
}

const seedOf = ({ topic, queueId, index, nextOffset }: Queue): QueueSeed => ({
  topic: topic.name,
  queueId,
  index,
  nextOffset,
  empty: nextOffset === 0
})

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
