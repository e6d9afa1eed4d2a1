/**
 * Store: the engine as its users see it. It puts the writer, the readers and everything around them together.
 *
 * Everything here runs in one thread, the owner's. What may wait for the disk is done by others: the allocator, the
 * flusher and the dispatcher (threads.ts), and jobs in a pool. They report through shared numbers (progress.ts).
 *
 * Invariants:
 * - what `append` has returned is read by the next read of its queue (with synchronous flush: once `flushed` says so)
 * - after the first failure nothing is appended and nobody waits any longer: every call says what happened
 * - `close` ends with everything on disk, or rejects; after a failure that has been told it only lets go
 *
 * Not here: opening (open-store.ts), appending (writer.ts), waiting for the disk (group-commit.ts), how records are
 * found (queue-reader.ts), what is done in the background (housekeeping.ts).
 */
import { assert, type Clock, MiB, type PhysicalOffset, type QueueOffset, VarveError } from '../base/index.ts'
import { DecodedRecord, decodeMessageId, locate, RecordPositions } from '../layout/index.ts'
import type { Appended, MessageInput, StoredMessage } from '../model/index.ts'
import type { CommitLog } from './commit-log.ts'
import { leaveDoubtAfter } from './doubt.ts'
import type { Files } from './files.ts'
import { Followers } from './followers.ts'
import type { Gap } from './gap.ts'
import { GroupCommit } from './group-commit.ts'
import { Health } from './health.ts'
import { type EverySecond, Housekeeping } from './housekeeping.ts'
import { findByKey } from './key-search.ts'
import type { LogSegments } from './log-segments.ts'
import type { MessageEncoder } from './message-encoder.ts'
import { offsetByTime } from './offset-by-time.ts'
import type { ResolvedOptions } from './options.ts'
import { type Progress, SLOT } from './progress.ts'
import { type EntryReader, READ_COUNT_MAX } from './queue-entries.ts'
import { type QueueMinimum, type ReadEntries, readResident, readWaiting } from './queue-minimum.ts'
import type { Make, ReadRecords, RecordReader } from './record-reader.ts'
import { LogSelection, Selector } from './selection.ts'
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
  Selection,
  SelectRequest,
  SnapshotReport,
  Store,
  StoreInfo
} from './store-api.ts'
import type { QueueTableBytes, StoreThreads } from './threads.ts'
import type { Queue, Topics } from './topics.ts'
import { Warmth } from './warmth.ts'
import { Writer } from './writer.ts'

const READ_COUNT_DEFAULT = 32
const READ_BYTES_DEFAULT = 4 * MiB
const WRITABLE_POLL_MS = 5
/** The start of the queue, entries, records: a fetched copy serves however cold its file has become since. */
const COLD_ROUNDS_MAX = 6

/** What open-store.ts has put together. */
export interface StoreWorld {
  readonly files: Files
  readonly clock: Clock
  readonly options: ResolvedOptions
  readonly threads: StoreThreads
  readonly progress: Progress
  readonly segments: LogSegments
  readonly log: CommitLog
  readonly gap: Gap
  readonly topics: Topics
  readonly encoder: MessageEncoder
  readonly entries: EntryReader
  readonly records: RecordReader
  readonly minimum: QueueMinimum
  readonly everySecond: EverySecond
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
  readonly #log: CommitLog
  readonly #topics: Topics
  readonly #entries: EntryReader
  readonly #records: RecordReader
  readonly #health: Health
  readonly #followers = new Followers()
  readonly #writer: Writer
  readonly #commit: GroupCommit
  readonly #housekeeping: Housekeeping
  readonly #damaged: DamagedRange[]
  readonly #selector: Selector
  readonly #selection = new LogSelection()
  #closing: Promise<void> | undefined

  constructor(world: StoreWorld) {
    const { files, clock, options, threads, progress, log } = world
    this.#world = world
    this.#options = options
    this.#progress = progress
    this.#threads = threads
    this.#log = log
    this.#topics = world.topics
    this.#entries = world.entries
    this.#records = world.records
    this.#selector = new Selector(world.entries, world.records, options.queueFileEntries)
    this.#damaged = [...world.recovery.damaged]
    const health = new Health(options.directory)
    const onFailed = (error: VarveError): void => this.#fail(error)
    this.#health = health
    this.#writer = new Writer({ ...world, followers: this.#followers }, world.lastStoredAtMs)
    this.#commit = new GroupCommit(
      {
        files,
        clock,
        progress,
        threads,
        health,
        appended: () => log.appended,
        onFlushed: () => this.#onFlushed(),
        onFailed
      },
      options
    )
    this.#housekeeping = new Housekeeping({ ...world, onFailed })
    this.#housekeeping.start()
  }

  get failed(): Promise<VarveError> {
    return this.#health.failed
  }

  append(message: MessageInput): Appended {
    this.#health.checkWritable()
    this.#housekeeping.checkDisk()
    return this.#writer.append(message)
  }

  appendBatch(messages: readonly MessageInput[], positions?: number[]): Appended {
    this.#health.checkWritable()
    this.#housekeeping.checkDisk()
    return this.#writer.appendBatch(messages, positions)
  }

  flushed(until: number = this.#log.appended, callers = 1): Promise<void> {
    return this.#commit.flushed(until, callers)
  }

  async writable(): Promise<void> {
    for (;;) {
      this.#health.checkWritable()
      for (const role of ['allocator', 'flusher', 'dispatcher'] as const) this.#threads.wake(role)
      if (!this.#housekeeping.diskIsFull() && this.#log.hasRoom() && this.#writer.hasRoom()) return
      await new Promise(resolve => setTimeout(resolve, WRITABLE_POLL_MS))
    }
  }

  async read(request: ReadRequest): Promise<ReadResult> {
    const found = await this.#readFetching(warmth => this.#readWarm(request, warmth, decode))
    const messages = found.items.filter(message => message !== undefined)
    return { messages, nextOffset: found.nextOffset, damaged: found.damaged }
  }

  async readViews(request: ReadRequest): Promise<RecordViews> {
    return viewsOf(await this.#readFetching(warmth => this.#readWarm(request, warmth, cut)))
  }

  readViewsResident(request: ReadRequest): RecordViews | undefined {
    const found = this.#readWarm(request, new Warmth(), cut)
    return found === undefined ? undefined : viewsOf(found)
  }

  select(request: SelectRequest): Selection | undefined {
    return this.#selectWarm(request, this.#selection, new Warmth())
  }

  selectFetching(request: SelectRequest): Promise<Selection> {
    const selection = new LogSelection()
    return this.#readFetching(warmth => this.#selectWarm(request, selection, warmth))
  }

  async *follow(request: QueueName & { offset: number; signal?: AbortSignal }): AsyncGenerator<StoredMessage> {
    const { topic, queueId, signal } = request
    let offset = request.offset
    const aborted = (): boolean => signal?.aborted === true
    while (!aborted()) {
      if (this.#health.isClosing) return
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
    this.#health.checkOpen()
    const queue = this.#topics.findQueue(topic, queueId)
    return (queue === undefined ? 0 : this.#minOf(queue)) as QueueOffset
  }

  maxOffset({ topic, queueId }: QueueName): QueueOffset {
    this.#health.checkOpen()
    const queue = this.#topics.findQueue(topic, queueId)
    return (queue === undefined ? 0 : this.#maxOf(queue)) as QueueOffset
  }

  async offsetAt(request: QueueName & { timeMs: number; boundary?: 'lower' | 'upper' }): Promise<QueueOffset> {
    this.#health.checkOpen()
    const { topic, queueId, timeMs, boundary = 'lower' } = request
    const queue = this.#topics.findQueue(topic, queueId)
    if (queue === undefined) return 0 as QueueOffset
    const storedAt = async (offset: number): Promise<number> => {
      const { messages } = await this.read({ topic, queueId, offset, countMax: 1 })
      return messages[0]?.storedAtMs ?? Number.NEGATIVE_INFINITY
    }
    return (await offsetByTime({
      min: await this.#readFetching(warmth => this.#minWarm(queue, warmth)),
      max: this.#maxOf(queue),
      timeMs,
      boundary,
      storedAt
    })) as QueueOffset
  }

  async messageAt(physicalOffset: number): Promise<StoredMessage> {
    const bytes = await this.recordAt(physicalOffset)
    return decode(bytes, viewOf(bytes), 0, bytes.length)
  }

  async recordAt(physicalOffset: number): Promise<Uint8Array> {
    const until = this.#readableUntil(physicalOffset)
    return this.#readFetching(warmth => this.#records.readAt(physicalOffset, until, warmth))
  }

  recordViewResident(physicalOffset: number): Uint8Array | undefined {
    return this.#records.viewAt(physicalOffset, this.#readableUntil(physicalOffset))
  }

  messageById(id: string): Promise<StoredMessage> {
    return this.messageAt(decodeMessageId(id).physicalOffset)
  }

  messagesByKey(query: KeyQuery): Promise<StoredMessage[]> {
    this.#health.checkOpen()
    return findByKey(query, {
      files: this.#world.files,
      options: this.#options,
      dispatched: () => this.#dispatchAll(),
      messageAt: position => this.messageAt(position)
    })
  }

  topics(): readonly string[] {
    return this.#topics.names()
  }

  queues(topic: string): readonly number[] {
    const found = this.#topics.find(topic)
    return found === undefined ? [] : found.queues.filter(queue => queue !== undefined).map(({ queueId }) => queueId)
  }

  async deleteTopic(topic: string): Promise<void> {
    this.#health.checkWritable()
    const until = this.#log.appended
    // Before anything is awaited: what is appended from here on belongs to a new topic of the name.
    this.#topics.delete(topic)
    this.#world.minimum.forget(topic)
    const forgotten = this.#threads.forgetTopic(topic, until)
    this.#followers.wakeAll()
    await forgotten
    // What a loss of power takes back must not be marked: other messages would come to stand there.
    await this.flushed(until)
    await this.#housekeeping.markDeleted({ topic, until })
    // The table must cover every record of the topic, or a recovery would look at the last of them again.
    await this.#dispatchAll(until)
    await this.#housekeeping.saveQueuesAnew()
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
      state: this.#health.state,
      poisonedBy: this.#health.failure,
      minPhysicalOffset: segments.firstPosition as PhysicalOffset,
      appendedUntil: appended,
      flushedUntil: this.#progress.position(SLOT.flushed, appended) as PhysicalOffset,
      dispatchedUntil: this.#progress.positionBehind(SLOT.dispatched, appended) as PhysicalOffset,
      queuesWrittenUntil: this.#progress.positionBehind(SLOT.queuesWritten, appended) as PhysicalOffset,
      segmentCount: segments.count,
      topicCount: this.#topics.topicCount,
      queueCount: this.#topics.queueCount,
      recovery: { ...this.#world.recovery, damaged: this.#damaged }
    }
  }

  async clean({ ignoreHours = false }: { ignoreHours?: boolean } = {}): Promise<readonly SegmentFacts[]> {
    this.#health.checkWritable()
    return this.#housekeeping.clean({ ignoreHours })
  }

  async snapshot(directory: string): Promise<SnapshotReport> {
    this.#health.checkWritable()
    const { files, segments } = this.#world
    return this.#housekeeping.whileKeepingSegments(() =>
      takeSnapshot(directory, {
        files,
        options: this.#options,
        runJob: this.#threads.runJob,
        firstPosition: segments.firstPosition,
        queueTable: async () => {
          await this.#dispatchAll()
          return this.#housekeeping.queueTable()
        }
      })
    )
  }

  async replaceFile(path: string, content: Uint8Array): Promise<void> {
    this.#health.checkOpen()
    await this.#threads.runJob({ type: 'replace', path, content })
  }

  async syncFiles(paths: readonly string[]): Promise<void> {
    this.#health.checkOpen()
    await this.#threads.runJob({ type: 'sync', paths })
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
    flushed: (): void => this.#commit.onFlushed(),
    damaged: (range: DamagedRange): void => {
      this.#damaged.push(range)
    },
    failed: (error: VarveError): void => this.#fail(error)
  }

  #onFlushed(): void {
    if (this.#options.flush === 'sync') this.#followers.wakeQueues()
    if (this.#followers.isEmpty) this.#commit.listen(false)
  }

  /** Runs a read until nothing that it needs is cold any more. */
  async #readFetching<Found>(read: (warmth: Warmth) => Found | undefined): Promise<Found> {
    const warmth = new Warmth()
    for (let round = 0; ; round++) {
      const found = read(warmth)
      if (found !== undefined) return found
      assert(round < COLD_ROUNDS_MAX, 'each round brings what the one before was missing')
      const { unplaced } = warmth
      if (unplaced !== undefined) {
        const { segments, minimum } = this.#world
        await minimum.findAll([unplaced], segments.firstPosition, this.#threads.runJob)
      }
      warmth.unplaced = undefined
      if (warmth.isCold) warmth.add(await this.#threads.runJob({ type: 'fetch', ranges: warmth.cold }))
    }
  }

  #readWarm<Item>(request: ReadRequest, warmth: Warmth, make: Make<Item>): Found<Item> | undefined {
    this.#health.checkOpen()
    const { topic, queueId, countMax = READ_COUNT_DEFAULT, bytesMax = READ_BYTES_DEFAULT } = request
    const queue = this.#topics.findQueue(topic, queueId)
    if (queue === undefined) return nothingAt(0)
    if (!Number.isSafeInteger(request.offset)) throw invalid('offset', request.offset, 'an integer')
    if (Number.isNaN(countMax)) throw invalid('countMax', countMax, 'a number')
    if (Number.isNaN(bytesMax)) throw invalid('bytesMax', bytesMax, 'a number')
    const min = this.#minWarm(queue, warmth)
    if (min === undefined) return undefined
    const offset = Math.max(request.offset, min)
    const max = this.#maxOf(queue)
    if (offset >= max || countMax <= 0) return nothingAt(Math.min(offset, max))
    const until = Math.min(max, offset + Math.min(Math.ceil(countMax), READ_COUNT_MAX))
    const entries = this.#entries.find(queue, offset, until, warmth)
    const records = entries && this.#records.read(queue, entries, bytesMax, warmth, make)
    if (entries === undefined || records === undefined) return undefined
    const { length } = records.items
    const tagsCodes = make === cut ? entries.tags.slice(0, length) : NO_TAGS
    return { ...records, tagsCodes, offset, nextOffset: (offset + length) as QueueOffset }
  }

  #selectWarm(request: SelectRequest, selection: LogSelection, warmth: Warmth): Selection | undefined {
    this.#health.checkOpen()
    if (Number.isNaN(request.offset)) throw invalid('offset', request.offset, 'a number')
    const queue = this.#topics.findQueue(request.topic, request.queueId)
    const min = queue === undefined ? 0 : this.#minWarm(queue, warmth)
    if (min === undefined) return undefined
    selection.begin(min, queue === undefined ? 0 : this.#maxOf(queue))
    return this.#selector.select(queue, request, this.#log.appended, selection, warmth) ? selection : undefined
  }

  /** Waits for the disk where it must. */
  #minOf(queue: Queue): number {
    return this.#minKnown(queue, readWaiting) ?? 0 // It has waited.
  }

  /** Undefined, with the queue noted, where it would have to be waited for the disk. */
  #minWarm(queue: Queue, warmth: Warmth): number | undefined {
    const min = this.#minKnown(queue, readResident)
    if (min === undefined) warmth.unplaced = queue
    return min
  }

  #minKnown(queue: Queue, read: ReadEntries): number | undefined {
    const first = this.#world.segments.firstPosition
    if (queue.minKnownFor === first) return queue.minOffset
    return this.#world.minimum.find(queue, first, read)
  }

  #maxOf(queue: Queue): number {
    return this.#options.flush === 'async' ? queue.nextOffset : this.#entries.visibleMax(queue, this.#visibleUntil())
  }

  /** Where the log ends for whoever reads at the position. @throws VarveError RECORD_NOT_FOUND if that is outside of it */
  #readableUntil(physicalOffset: number): number {
    this.#health.checkOpen()
    const until = this.#visibleUntil()
    if (
      !Number.isSafeInteger(physicalOffset) ||
      physicalOffset < this.#world.segments.firstPosition ||
      physicalOffset >= until
    ) {
      throw new VarveError('RECORD_NOT_FOUND', { physicalOffset: String(physicalOffset) })
    }
    return until
  }

  #visibleUntil(): number {
    const appended = this.#log.appended
    return this.#options.flush === 'async' ? appended : this.#progress.position(SLOT.flushed, appended)
  }

  /** Resolves when the queue may have a message at `offset`; false when there is nothing more to wait for. */
  async #arrival({ topic, queueId }: QueueName, offset: number, signal: AbortSignal | undefined): Promise<boolean> {
    const queue = this.#topics.findQueue(topic, queueId)
    if (queue !== undefined && this.#maxOf(queue) > offset) return true
    if (this.#health.failure !== undefined) throw this.#health.refusal()
    if (this.#health.isClosing) return false
    if (this.#options.flush === 'sync') this.#commit.listen(true)
    if (queue === undefined) await this.#followers.sleepUntilExists(topic, queueId, signal)
    else await this.#followers.sleep(queue, signal)
    return true
  }

  /** Waits until the dispatcher has seen, and written out, everything that readers may see. */
  async #dispatchAll(until = this.#visibleUntil()): Promise<void> {
    const isDone = (): boolean => this.#progress.positionBehind(SLOT.queuesWritten, this.#log.appended) >= until
    while (!isDone()) {
      this.#progress.addCount(SLOT.writeQueuesNow)
      this.#threads.wake('dispatcher')
      if (isDone()) return
      this.#health.checkWritable()
      await new Promise(resolve => setTimeout(resolve, 1))
    }
  }

  async #close(): Promise<void> {
    this.#health.beginClosing()
    this.#housekeeping.stop()
    this.#followers.wakeAll()
    await this.#housekeeping.settle()
    try {
      if (this.#health.failure !== undefined) {
        await this.#threads.kill()
        return
      }
      const table = await this.#threads.stop()
      if (this.#health.failure !== undefined) throw this.#health.failure
      this.#commit.onFlushed()
      this.#world.finish(table)
    } catch (error) {
      leaveDoubtAfter(error, this.#world.files, this.#options.directory)
      throw error
    } finally {
      this.#health.endClosing()
      this.#commit.failAll(new VarveError('STORE_CLOSED', { directory: this.#options.directory }))
      this.#commit.close()
      this.#world.segments.close()
      this.#world.abandon()
    }
  }

  #fail(error: VarveError): void {
    if (!this.#health.fail(error)) return
    leaveDoubtAfter(error, this.#world.files, this.#options.directory)
    this.#housekeeping.stop()
    this.#progress.setCount(SLOT.failed, 1)
    this.#commit.failAll(this.#health.refusal())
    this.#followers.wakeAll()
  }
}

/** What was found of a stretch of a queue: one item for each offset, undefined where the record is damaged. */
interface Found<Item> extends ReadRecords<Item> {
  /** Empty where only messages are wanted. */
  readonly tagsCodes: ArrayLike<number>
  readonly offset: number
  readonly nextOffset: QueueOffset
}

function nothingAt<Item>(offset: number): Found<Item> {
  return { items: [], damaged: [], tagsCodes: NO_TAGS, offset, nextOffset: offset as QueueOffset }
}

const NO_BYTES = new Uint8Array(0)
const NO_TAGS = new Float64Array(0)

function viewsOf({ items, damaged, tagsCodes, offset, nextOffset }: Found<Uint8Array>): RecordViews {
  const bytes = damaged.length === 0 ? (items as Uint8Array[]) : items.map(item => item ?? NO_BYTES) // None is missing.
  return { count: items.length, bytes, tagsCodes, offset: offset as QueueOffset, nextOffset, damaged }
}

const cut: Make<Uint8Array> = (_bytes, view, at, sizeBytes) =>
  new Uint8Array(view.buffer, view.byteOffset + at, sizeBytes)

/** The same fields as in the model, without the types of their units. */
const decode: Make<StoredMessage> = (bytes, view, at, sizeBytes) => {
  locate(view, at, at + sizeBytes, positions)
  return new DecodedRecord(bytes, view, positions) as unknown as StoredMessage
}
const positions = new RecordPositions()

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

const invalid = (option: string, value: number, range: string): VarveError =>
  new VarveError('OPTION_INVALID', { option, value: String(value), range })
