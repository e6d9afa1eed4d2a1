/**
 * What a store can do, as its users see it: the contract of `openStore`. The implementation is store.ts.
 *
 * One thread owns a store. `append` and the queries for offsets are synchronous and make no system call on their fast
 * path; everything that may have to wait for the disk returns a promise.
 */
import type { Clock, PhysicalOffset, QueueOffset, VarveError } from '../base/index.ts'
import type { Appended, HostAddress, MessageInput, StoredMessage } from '../model/index.ts'
import type { Files, MapperKind } from './files.ts'

export interface StoreOptions {
  readonly directory: string
  /** Make the directory when it is missing. Default true. */
  readonly create?: boolean
  /**
   * What an acknowledgement means (`flushDiskType`). `sync`: readers see and `flushed` answers only what is on disk.
   * `async`: on disk within `flushIntervalMs`; a power cut may lose that much, kill -9 nothing. Default 'async'.
   */
  readonly flush?: 'sync' | 'async'
  /** `flushIntervalCommitLog`. Default 500. */
  readonly flushIntervalMs?: number
  /** Pages that must be dirty before an interval writes (`flushCommitLogLeastPages`). Default 4. */
  readonly flushLeastPages?: number
  /** After this long everything is written, however little (`flushCommitLogThoroughInterval`). Default 10,000. */
  readonly flushThoroughIntervalMs?: number
  /** `mappedFileSizeCommitLog`. A store keeps the size that it was made with. Default 1 GiB. */
  readonly segmentBytes?: number
  /** Entries in one consume-queue file (`mappedFileSizeConsumeQueue` / 20). Default 300,000. */
  readonly queueFileEntries?: number
  /** `maxHashSlotNum`. Default 5,000,000. */
  readonly indexSlots?: number
  /** `maxIndexNum`. Default 20,000,000. */
  readonly indexItems?: number
  /** Whether keys can be searched (`messageIndexEnable`). Default true. */
  readonly index?: boolean
  /** `maxMessageSize`. Default 4 MiB. */
  readonly messageBytesMax?: number
  /** Largest queue number of a topic. Default 65,535. */
  readonly queueIdMax?: number
  /** How many queues the store may hold in all. Default 1,048,576. */
  readonly queueCountMax?: number
  /** Adds a checksum over the whole record to its properties (`enabledAppendPropCRC`). Default false. */
  readonly recordChecksum?: boolean
  /** Written into each record; part of the message id. Default 127.0.0.1:10911. */
  readonly storeHost?: HostAddress
  /** Bytes that may be appended but not yet on disk before `append` throws STORE_BUSY. Default 1 GiB. */
  readonly dirtyBytesMax?: number
  /** Messages that may be appended but not yet in their queue's file before `append` throws STORE_BUSY. Default 4,194,304. */
  readonly undispatchedCountMax?: number
  /** Delay levels, for the due time in the queue entries of `SCHEDULE_TOPIC_XXXX` (`messageDelayLevel`). */
  readonly delayLevels?: string
  readonly retention?: RetentionOptions
  /** Default 'auto': mmap-io where it is built, else the native bindings, else plain reads and writes. */
  readonly mapper?: MapperKind | 'auto'
  /** `none` runs everything in the calling thread, in a fixed order: for tests and small tools. Default 'workers'. */
  readonly threads?: 'workers' | 'none'
  /** Other files than the real ones (a simulated disk); needs `threads: 'none'`. */
  readonly files?: Files
  readonly clock?: Clock
  /** Told from time to time while a long recovery goes on. */
  readonly onProgress?: (progress: RecoveryProgress) => void
}

export interface RecoveryProgress {
  readonly doneBytes: number
  readonly totalBytes: number
}

export interface RetentionOptions {
  /** `fileReservedTime`. Default 72 hours. */
  readonly ageMs?: number
  /** The hours (local) at which expired segments are deleted (`deleteWhen`), or 'always'. Default [4]. */
  readonly hours?: readonly number[] | 'always'
  /** Total size of the commit log above which the oldest segments go, whatever their age. Default none. */
  readonly totalBytesMax?: number
  /** `diskMaxUsedSpaceRatio`: above it expired segments go at any hour. Default 0.75. */
  readonly diskUsedRatioMax?: number
  /** `diskSpaceCleanForciblyRatio`: above it the oldest segments go whatever their age. Default 0.85. */
  readonly diskUsedRatioForced?: number
  /** `diskSpaceWarningLevelRatio`: above it appends fail with STORE_DISK_FULL. Default 0.9. */
  readonly diskUsedRatioFull?: number
  /** `cleanResourceInterval`. 0 means only when `store.clean()` is called. Default 10,000. */
  readonly intervalMs?: number
  /** Asked before a segment goes; false keeps it. The place where a broker protects unread messages. */
  readonly mayDelete?: (segment: SegmentFacts) => boolean
}

export interface SegmentFacts {
  readonly base: PhysicalOffset
  readonly until: PhysicalOffset
  readonly path: string
  readonly modifiedMs: number
}

export interface QueueName {
  readonly topic: string
  readonly queueId: number
}

export interface ReadRequest extends QueueName {
  /** Below the minimum reading starts there; at or above the maximum nothing is found. */
  readonly offset: number
  /** Default 32. */
  readonly countMax?: number
  /** Stops after the first record that reaches it. Default 4 MiB. */
  readonly bytesMax?: number
}

/**
 * Records as they lie in the file, without a copy: record i is `bytes[i]`, of length 0 where it is damaged.
 * Valid until the store is closed, retention removes the segment, or 64 other segments have been read since; the views then
 * have length 0.
 */
export interface RecordViews {
  readonly count: number
  readonly bytes: readonly Uint8Array[]
  /** As the queue's entry has it: a hash, or when a delayed message is due. NaN while the entry is not written yet. */
  readonly tagsCodes: ArrayLike<number>
  /** Of the first record. */
  readonly offset: QueueOffset
  /** Where the next read goes on. */
  readonly nextOffset: QueueOffset
  /** One RECORD_DAMAGED for each damaged record that was passed over. */
  readonly damaged: readonly VarveError[]
}

/** Which messages a reader wants. */
export interface RecordFilter {
  /** Asked with the hash of a message's tag, 0 without one. Other tags may have the same hash. */
  acceptsTag(tagsHash: number): boolean
  /** Asked of a record whose tag is accepted; its properties are `bytes[from, until)`. Absent: the tag alone decides. */
  acceptsRecord?(bytes: Uint8Array, from: number, until: number): boolean
}

export interface SelectRequest extends QueueName {
  readonly offset: number
  /** The first record is selected whatever its size; further ones while neither of the limits is passed. */
  readonly countMax: number
  readonly bytesMax: number
  /** So many messages are looked at, accepted or not. */
  readonly scanMax: number
  /** A record further behind the end of the log than this is taken to be on disk: then the lower of these limits hold. */
  readonly diskDistanceBytes: number
  readonly diskCountMax: number
  readonly diskBytesMax: number
  /** Undefined accepts all. */
  readonly filter: RecordFilter | undefined
}

/**
 * Why a selection is empty, or `found`. `none-accepted`: the filter let nothing pass; `records-gone`: every record looked
 * at is damaged or lost; `entries-gone`: a file of the queue is missing.
 */
export type SelectionStatus =
  | 'found'
  | 'none-accepted'
  | 'records-gone'
  | 'entries-gone'
  | 'queue-unknown'
  | 'queue-empty'
  | 'below-min'
  | 'at-end'
  | 'beyond-end'

/** Records of one queue, chosen but not copied. */
export interface Selection {
  readonly status: SelectionStatus
  readonly count: number
  /** Of all records together. */
  readonly bytes: number
  /** Behind the last message looked at; where there is nothing to look at, where the queue begins or ends. */
  readonly nextOffset: QueueOffset
  readonly minOffset: QueueOffset
  readonly maxOffset: QueueOffset
  /** From the last record looked at to the end of the log; 0 if none was. */
  readonly distanceBytes: number
  /** One RECORD_DAMAGED for each record passed over for that. */
  readonly damaged: readonly VarveError[]
  /** Copies the records back to back to `target[at]` and behind it; returns where they end. */
  copyTo(target: Uint8Array, at: number): number
}

export interface ReadResult {
  readonly messages: readonly StoredMessage[]
  readonly nextOffset: QueueOffset
  readonly damaged: readonly VarveError[]
}

export interface KeyQuery {
  readonly topic: string
  readonly key: string
  /** Default 64, which is also the maximum. */
  readonly countMax?: number
  readonly fromMs?: number
  readonly untilMs?: number
}

export interface StoreInfo {
  readonly directory: string
  readonly mapper: MapperKind
  readonly mapperReason: string
  readonly flush: 'sync' | 'async'
  readonly threads: 'workers' | 'none'
  readonly state: 'open' | 'poisoned' | 'closed'
  readonly poisonedBy: VarveError | undefined
  readonly minPhysicalOffset: PhysicalOffset
  readonly appendedUntil: PhysicalOffset
  readonly flushedUntil: PhysicalOffset
  readonly dispatchedUntil: PhysicalOffset
  /** The queue entries of everything below are in the files of their queues. */
  readonly queuesWrittenUntil: PhysicalOffset
  readonly segmentCount: number
  readonly topicCount: number
  readonly queueCount: number
  readonly recovery: RecoveryReport
}

export interface RecoveryReport {
  readonly kind: 'new' | 'clean' | 'crash' | 'foreign'
  readonly tookMs: number
  readonly scannedBytes: number
  /** Bytes cut from the tail, kept under varve/quarantine. */
  readonly quarantinedBytes: number
  readonly quarantinePath: string | undefined
  readonly damaged: readonly DamagedRange[]
  readonly rebuilt: boolean
}

export interface DamagedRange {
  readonly from: PhysicalOffset
  readonly until: PhysicalOffset
  readonly reason: string
}

export interface SnapshotReport {
  readonly directory: string
  readonly untilPhysicalOffset: PhysicalOffset
  readonly bytes: number
}

export interface Store extends AsyncDisposable {
  /** Appends one message; readers see it at once (with `flush: 'sync'`, once it is on disk). Makes no promise. */
  append(message: MessageInput): Appended
  /**
   * Appends messages of one queue side by side: all or none, in one segment. Offsets are consecutive; where each record
   * lies is written to `positions`.
   */
  appendBatch(messages: readonly MessageInput[], positions?: number[]): Appended
  /**
   * Resolves once everything below `until` (default: all appended so far) is on disk; rejects with the store's failure.
   * Whoever asks once for several callers says for how many: a single one is served without a change of thread, which
   * would keep others waiting.
   */
  flushed(until?: PhysicalOffset | number, callers?: number): Promise<void>
  /** Resolves once `append` would not throw STORE_BUSY, STORE_DISK_FULL, STORE_FILE_LIMIT or STORE_MAP_LIMIT. */
  writable(): Promise<void>

  read(request: ReadRequest): Promise<ReadResult>
  /** Never copies; checks each record's checksum. */
  readViews(request: ReadRequest): Promise<RecordViews>
  /** Like `readViews`, but answers undefined at once if any of it would have to come from the disk. */
  readViewsResident(request: ReadRequest): RecordViews | undefined
  /**
   * Chooses records to be copied as they are, as a broker answers a pull; makes no object per record. Undefined if any of
   * it would have to come from the disk. One selection serves all calls: valid until the next call, within this turn
   * of the event loop.
   */
  select(request: SelectRequest): Selection | undefined
  /** The same, fetching what is cold without holding up this thread. Valid within the turn in which it resolves. */
  selectFetching(request: SelectRequest): Promise<Selection>
  /** Follows a queue from `offset`: ends only when the store closes or the loop is left. */
  follow(request: QueueName & { offset: number; signal?: AbortSignal }): AsyncIterable<StoredMessage>

  /** The first time after opening, and after retention has removed segments, it may wait for the queue's file. */
  minOffset(queue: QueueName): QueueOffset
  /** The offset that the next message of the queue will get; 0 for a queue that does not exist. */
  maxOffset(queue: QueueName): QueueOffset
  /** `lower`: first message stored at or after `timeMs`; `upper`: last one stored at or before it. Within [min, max]. */
  offsetAt(request: QueueName & { timeMs: number; boundary?: 'lower' | 'upper' }): Promise<QueueOffset>
  messageAt(physicalOffset: number): Promise<StoredMessage>
  /** The record at a position, as a copy. @throws VarveError RECORD_NOT_FOUND, RECORD_DAMAGED */
  recordAt(physicalOffset: number): Promise<Uint8Array>
  /**
   * The same without a copy; undefined if it is not in memory. Valid as `readViews` has it.
   * @throws VarveError RECORD_NOT_FOUND, RECORD_DAMAGED
   */
  recordViewResident(physicalOffset: number): Uint8Array | undefined
  messageById(id: string): Promise<StoredMessage>
  /** Newest first. The text of the key is compared, so hash collisions do not show. */
  messagesByKey(query: KeyQuery): Promise<StoredMessage[]>

  topics(): readonly string[]
  queues(topic: string): readonly number[]
  /** Forgets the queues of a topic; its records stay in the log until retention. A new topic of the name starts at 0. */
  deleteTopic(topic: string): Promise<void>

  info(): StoreInfo
  /** Runs retention now. Returns what was deleted. */
  clean(options?: { ignoreHours?: boolean }): Promise<readonly SegmentFacts[]>
  /** A consistent copy of everything appended so far, made while writing goes on. The directory must not exist or be empty. */
  snapshot(directory: string): Promise<SnapshotReport>
  /**
   * Replaces a file beside the store's own durably, in a worker; the old content stays as `.bak`. For what belongs to the
   * store without being messages, such as a broker's tables.
   */
  replaceFile(path: string, content: Uint8Array): Promise<void>
  /** Makes files beside the store's own durable, and their names, in a worker. */
  syncFiles(paths: readonly string[]): Promise<void>
  /** Resolves with the failure that ended writing, if one ever does. */
  readonly failed: Promise<VarveError>
  /**
   * Flushes, dispatches, closes. Every further call returns the same promise. After a failure (`failed`, `info().poisonedBy`)
   * it lets go of the files and leaves them as a crash would.
   */
  close(): Promise<void>
}
