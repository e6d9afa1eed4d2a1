/**
 * Queue reader: from (queue, offset) to records, for the owner of the store.
 *
 * Entries come from the queue's file, and above what is written there from the gap; records from the mapped segments,
 * as views. Whatever is not in memory is left alone: the call answers "cold" and says which ranges of which files it
 * would have to wait for, so that a worker fetches them (store.ts).
 *
 * Invariants:
 * - a record is handed out only if it is whole, stands in its own place, has the queue offset asked for and a body that
 *   matches its checksum; otherwise its place in the result is empty and an error tells why
 * - nothing at or beyond `visibleUntil` is read: with synchronous flush, what is not on disk does not exist yet
 */
import { type QueueOffset, VarveError } from '../base/index.ts'
import {
  bodyIsIntact,
  CONSUME_QUEUE_ENTRY,
  FILLER_SIZE_BYTES,
  getInt53,
  locate,
  RECORD_BYTES_MIN,
  RECORD_HEAD,
  RECORD_MAGIC_V1,
  RECORD_MAGIC_V2,
  RECORD_WHOLE,
  RecordPositions
} from '../layout/index.ts'
import { checksums } from './checksum.ts'
import type { OpenFile } from './files.ts'
import type { Gap } from './gap.ts'
import type { LogSegment, LogSegments } from './log-segments.ts'
import type { QueueCounts } from './queue-counts.ts'
import type { QueueFiles } from './queue-files.ts'
import type { RecordViews } from './store-api.ts'
import type { Queue } from './topics.ts'

const ENTRY_BYTES = CONSUME_QUEUE_ENTRY.sizeBytes
const { physicalOffset: POSITION_AT, sizeBytes: SIZE_AT, tagsCode: TAGS_AT } = CONSUME_QUEUE_ENTRY.at
const BODY_CHECKSUM_AT = RECORD_HEAD.at.bodyChecksum
/** Entries looked up in one go. */
export const READ_COUNT_MAX = 4096
const EMPTY = new Uint8Array(0)

/** Ranges that must be brought into memory before the read can go on. */
export interface ColdRange {
  readonly path: string
  readonly at: number
  readonly bytes: number
}

/** Copies of cold ranges, fetched by a worker: found by path and position. */
export interface FetchedRange extends ColdRange {
  readonly copy: Uint8Array
}

/** Where the messages of a stretch of a queue lie. Reused: valid until the next call. */
export class Entries {
  readonly positions = new Float64Array(READ_COUNT_MAX)
  readonly sizes = new Int32Array(READ_COUNT_MAX)
  readonly tagsCodes = new Float64Array(READ_COUNT_MAX)
  /** Of the first entry. */
  offset = 0
  count = 0
}

export class QueueReader {
  readonly #segments: LogSegments
  readonly #files: QueueFiles
  readonly #counts: QueueCounts
  readonly #gap: Gap
  readonly #queueFileEntries: number
  readonly #entries = new Entries()
  readonly #positions = new RecordPositions()
  readonly #block = new Uint8Array(READ_COUNT_MAX * ENTRY_BYTES)
  readonly #blockView = new DataView(this.#block.buffer)
  readonly #head = new Uint8Array(4)
  readonly #headView = new DataView(this.#head.buffer)
  readonly #ranges = new Float64Array(2 * READ_COUNT_MAX)
  readonly #checksums = new Uint32Array(READ_COUNT_MAX)
  readonly #expected = new Uint32Array(READ_COUNT_MAX)
  readonly #checked = new Int32Array(READ_COUNT_MAX)

  constructor(world: {
    segments: LogSegments
    files: QueueFiles
    counts: QueueCounts
    gap: Gap
    queueFileEntries: number
  }) {
    this.#segments = world.segments
    this.#files = world.files
    this.#counts = world.counts
    this.#gap = world.gap
    this.#queueFileEntries = world.queueFileEntries
  }

  /** One above the last offset whose record lies below `visibleUntil`. */
  visibleMax(queue: Queue, visibleUntil: number): number {
    const written = this.#counts.written(queue.index, queue.nextOffset)
    let offset = queue.nextOffset
    let ordinal = queue.newestOrdinal
    while (offset > written && this.#gap.position(ordinal) >= visibleUntil) {
      offset--
      if (offset > written) ordinal = this.#gap.previous(ordinal)
    }
    return offset
  }

  /**
   * Looks up the entries `[offset, until)`, at most READ_COUNT_MAX. Undefined, with the range in `cold`, if the file
   * would have to be read from disk. With `cold` undefined it is read all the same.
   */
  entries(
    queue: Queue,
    offset: number,
    until: number,
    cold: ColdRange[] | undefined,
    fetched: readonly FetchedRange[] = []
  ): Entries | undefined {
    const entries = this.#entries
    const written = this.#counts.written(queue.index, queue.nextOffset)
    const end = Math.min(until, offset + READ_COUNT_MAX)
    const inFiles = Math.min(end, written)
    entries.offset = offset
    entries.count = Math.max(0, end - offset)
    let warm = true
    let at = offset
    while (at < inFiles) {
      // All that is cold is asked for at once.
      const count = Math.min(inFiles - at, this.#queueFileEntries - (at % this.#queueFileEntries))
      warm = this.#fromFile(queue, at, count, cold, fetched) && warm
      at += count
    }
    if (!warm) return undefined
    this.#fromGap(queue, at, end)
    return entries
  }

  /**
   * The records of `entries`, up to `bytesMax`. Undefined, with what is missing in `cold`, if any of it is not in
   * memory; `fetched` copies serve in its place.
   */
  records(
    queue: Queue,
    entries: Entries,
    bytesMax: number,
    cold: ColdRange[],
    fetched: readonly FetchedRange[]
  ): RecordViews | undefined {
    const bytes: Uint8Array[] = []
    const damaged: VarveError[] = []
    const from = entries.offset
    const count = this.#countWithin(entries, bytesMax)
    let done = 0
    while (done < count) {
      const position = entries.positions[done] as number // Below count.
      if (entries.sizes[done] === FILLER_SIZE_BYTES || position < this.#segments.firstPosition) {
        damaged.push(recordError('RECORD_DAMAGED', queue, from + done, position, 'its record is lost'))
        bytes.push(EMPTY)
        done++
        continue
      }
      const segment = this.#segments.at(position)
      const run = this.#runWithin(entries, done, count, segment)
      if (!this.#run(queue, entries, done, run, segment, bytes, damaged, cold, fetched)) return undefined
      done += run
    }
    return { count, bytes, offset: from as QueueOffset, nextOffset: (from + count) as QueueOffset, damaged }
  }

  /**
   * The record at a position of the log. Undefined, with what is missing in `cold`, if it is not in memory.
   * @throws VarveError RECORD_NOT_FOUND, RECORD_DAMAGED
   */
  recordAt(
    position: number,
    visibleUntil: number,
    cold: ColdRange[],
    fetched: readonly FetchedRange[]
  ): Uint8Array | undefined {
    const segment = this.#segments.at(position)
    const at = position - segment.base
    const roomBytes = Math.min(visibleUntil - position, this.#segments.segmentBytes - at)
    const head = this.#copyOf(segment, at, Math.min(RECORD_HEAD.sizeBytes, roomBytes), cold, fetched)
    if (head === undefined) return undefined
    const headView = viewOf(head)
    const isRecord =
      head.length === RECORD_HEAD.sizeBytes &&
      isRecordMagic(headView.getInt32(RECORD_HEAD.at.magic)) &&
      getInt53(headView, RECORD_HEAD.at.physicalOffset) === position
    if (!isRecord) throw new VarveError('RECORD_NOT_FOUND', { physicalOffset: position })
    const totalBytes = headView.getInt32(RECORD_HEAD.at.totalBytes)
    if (totalBytes < RECORD_BYTES_MIN || totalBytes > roomBytes)
      throw new VarveError('RECORD_DAMAGED', { physicalOffset: position, problem: 'its size' })
    const record = this.#copyOf(segment, at, totalBytes, cold, fetched)
    if (record === undefined) return undefined
    const whole = locate(viewOf(record), 0, totalBytes, this.#positions) === RECORD_WHOLE
    if (!whole || !bodyIsIntact(record, viewOf(record), this.#positions)) {
      throw new VarveError('RECORD_DAMAGED', { physicalOffset: position, problem: 'its lengths or its checksum' })
    }
    return record
  }

  #copyOf(
    segment: LogSegment,
    at: number,
    bytes: number,
    cold: ColdRange[],
    fetched: readonly FetchedRange[]
  ): Uint8Array | undefined {
    const copy = fetched.find(
      range => range.path === segment.file.path && range.at <= at && range.at + range.bytes >= at + bytes
    )
    if (copy !== undefined) return copy.copy.subarray(at - copy.at, at - copy.at + bytes)
    if (segment.mapping === undefined) {
      const into = new Uint8Array(bytes)
      return into.subarray(0, segment.file.read(into, at))
    }
    if (segment.mapping.resident(at, Math.max(1, bytes))) return segment.mapping.bytes.slice(at, at + bytes)
    cold.push({ path: segment.file.path, at, bytes })
    return undefined
  }

  #fromFile(
    queue: Queue,
    offset: number,
    count: number,
    cold: ColdRange[] | undefined,
    fetched: readonly FetchedRange[]
  ): boolean {
    const entries = this.#entries
    const inFile = offset % this.#queueFileEntries
    const file = this.#files.find(queue.topic.name, queue.queueId, offset)
    if (file === undefined) {
      throw new VarveError('STORE_FILE_CHANGED', {
        topic: queue.topic.name,
        queueId: queue.queueId,
        offset,
        problem: 'the queue file is gone'
      })
    }
    const into = this.#block.subarray(0, count * ENTRY_BYTES)
    if (!readWarm(file, into, inFile * ENTRY_BYTES, cold, fetched)) return false
    const view = this.#blockView
    const first = offset - entries.offset
    for (let i = 0; i < count; i++) {
      const at = i * ENTRY_BYTES
      entries.positions[first + i] = getInt53(view, at + POSITION_AT)
      entries.sizes[first + i] = view.getInt32(at + SIZE_AT)
      entries.tagsCodes[first + i] = getInt53(view, at + TAGS_AT)
    }
    return true
  }

  /** Walks back from the newest message of the queue. Tags are not known here: they stand in the records. */
  #fromGap(queue: Queue, offset: number, end: number): void {
    if (offset >= end) return
    const entries = this.#entries
    let ordinal = queue.newestOrdinal
    for (let at = queue.nextOffset - 1; at >= offset; at--) {
      if (at < end) {
        const position = this.#gap.position(ordinal)
        const i = at - entries.offset
        entries.positions[i] = position
        entries.sizes[i] = this.#sizeOf(position)
        entries.tagsCodes[i] = Number.NaN
      }
      if (at > offset) ordinal = this.#gap.previous(ordinal)
    }
  }

  #countWithin(entries: Entries, bytesMax: number): number {
    let sum = 0
    for (let i = 0; i < entries.count; i++) {
      const size = entries.sizes[i] as number // Below count.
      if (size !== FILLER_SIZE_BYTES) sum += size
      if (sum >= bytesMax) return i + 1
    }
    return entries.count
  }

  /** How many entries from `from` on lie in the segment. */
  #runWithin(entries: Entries, from: number, until: number, segment: LogSegment): number {
    const end = segment.base + this.#segments.segmentBytes
    let i = from
    while (i < until && (entries.positions[i] as number) >= segment.base && (entries.positions[i] as number) < end) {
      if (entries.sizes[i] === FILLER_SIZE_BYTES) break
      i++
    }
    return Math.max(1, i - from)
  }

  #run(
    queue: Queue,
    entries: Entries,
    from: number,
    count: number,
    segment: LogSegment,
    bytes: Uint8Array[],
    damaged: VarveError[],
    cold: ColdRange[],
    fetched: readonly FetchedRange[]
  ): boolean {
    const first = (entries.positions[from] as number) - segment.base
    const last = from + count - 1
    const lastAt = (entries.positions[last] as number) - segment.base
    const until = lastAt + (entries.sizes[last] as number)
    const spread = until - first > 4 * count * (1 << 16)
    let view: DataView
    let source: Uint8Array
    let base: number
    const copy = fetched.find(
      range => range.path === segment.file.path && range.at <= first && range.at + range.bytes >= until
    )
    if (copy !== undefined) {
      source = copy.copy
      view = new DataView(source.buffer, source.byteOffset, source.length)
      base = copy.at
    } else if (segment.mapping === undefined) {
      return this.#runByPosition(queue, entries, from, count, segment, bytes, damaged)
    } else {
      source = segment.mapping.bytes
      view = segment.mapping.view
      base = 0
      if (!this.#resident(entries, from, count, segment, spread ? undefined : { first, until }, cold)) return false
    }
    this.#take(queue, entries, from, count, segment.base + base, source, view, bytes, damaged)
    return true
  }

  /** Without mappings each record is read into a buffer of its own. */
  #runByPosition(
    queue: Queue,
    entries: Entries,
    from: number,
    count: number,
    segment: LogSegment,
    bytes: Uint8Array[],
    damaged: VarveError[]
  ): boolean {
    for (let i = from; i < from + count; i++) {
      const position = entries.positions[i] as number // Below count.
      const room = segment.base + this.#segments.segmentBytes - position
      const buffer = new Uint8Array(Math.max(0, Math.min(entries.sizes[i] as number, room)))
      segment.file.read(buffer, position - segment.base)
      this.#take(queue, entries, i, 1, position, buffer, new DataView(buffer.buffer), bytes, damaged)
    }
    return true
  }

  #sizeOf(position: number): number {
    const { mapping, file, base } = this.#segments.at(position)
    if (mapping !== undefined) return mapping.view.getInt32(position - base)
    file.read(this.#head, position - base)
    return this.#headView.getInt32(0)
  }

  #resident(
    entries: Entries,
    from: number,
    count: number,
    segment: LogSegment,
    together: { first: number; until: number } | undefined,
    cold: ColdRange[]
  ): boolean {
    const mapping = segment.mapping
    if (mapping === undefined) return true
    if (together !== undefined) {
      const bytes = Math.max(1, together.until - together.first)
      if (mapping.resident(together.first, bytes)) return true
      cold.push({ path: segment.file.path, at: together.first, bytes })
      return false
    }
    let resident = true
    for (let i = from; i < from + count; i++) {
      const at = (entries.positions[i] as number) - segment.base
      const bytes = Math.max(1, entries.sizes[i] as number)
      if (mapping.resident(at, bytes)) continue
      cold.push({ path: segment.file.path, at, bytes })
      resident = false
    }
    return resident
  }

  /** Checks the records and adds views of them. `base` is the position in the log of the first byte of `source`. */
  #take(
    queue: Queue,
    entries: Entries,
    from: number,
    count: number,
    base: number,
    source: Uint8Array,
    view: DataView,
    bytes: Uint8Array[],
    damaged: VarveError[]
  ): void {
    const positions = this.#positions
    const ranges = this.#ranges
    let bodies = 0
    for (let i = from; i < from + count; i++) {
      const position = entries.positions[i] as number // Below count.
      const size = entries.sizes[i] as number
      const at = position - base
      const whole =
        at >= 0 &&
        at < view.byteLength &&
        locate(view, at, view.byteLength, positions) === RECORD_WHOLE &&
        positions.physicalOffset === position &&
        positions.queueOffset === entries.offset + i &&
        positions.queueId === queue.queueId &&
        positions.totalBytes === size &&
        sameTopic(queue.topic.bytes, source, positions)
      if (!whole) {
        damaged.push(recordError('RECORD_DAMAGED', queue, entries.offset + i, position, 'no such record stands there'))
        bytes.push(EMPTY)
        continue
      }
      if (positions.bodyBytes > 0) {
        ranges[2 * bodies] = positions.bodyAt
        ranges[2 * bodies + 1] = positions.bodyAt + positions.bodyBytes
        this.#expected[bodies] = view.getInt32(at + BODY_CHECKSUM_AT)
        this.#checked[bodies] = bytes.length
        bodies++
      }
      bytes.push(source.subarray(at, at + positions.totalBytes))
    }
    checksums(source, ranges, bodies, this.#checksums)
    for (let i = 0; i < bodies; i++) {
      if (((this.#checksums[i] as number) & 0x7fffffff) === this.#expected[i]) continue
      const index = this.#checked[i] as number
      damaged.push(
        recordError(
          'RECORD_DAMAGED',
          queue,
          entries.offset + index,
          entries.positions[index] as number,
          'the body does not match its checksum'
        )
      )
      bytes[index] = EMPTY
    }
  }
}

const isRecordMagic = (magic: number): boolean => magic === RECORD_MAGIC_V1 || magic === RECORD_MAGIC_V2

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

function sameTopic(topic: Uint8Array, bytes: Uint8Array, { topicAt, topicBytes }: RecordPositions): boolean {
  if (topic.length !== topicBytes) return false
  for (let i = 0; i < topicBytes; i++) if (topic[i] !== bytes[topicAt + i]) return false
  return true
}

function readWarm(
  file: OpenFile,
  into: Uint8Array,
  at: number,
  cold: ColdRange[] | undefined,
  fetched: readonly FetchedRange[]
): boolean {
  const copy = fetched.find(range => range.path === file.path && range.at === at && range.bytes === into.length)
  if (copy !== undefined) {
    into.set(copy.copy)
    return true
  }
  const read = cold === undefined ? file.read(into, at) : file.readResident(into, at)
  if (read === undefined) {
    cold?.push({ path: file.path, at, bytes: into.length })
    return false
  }
  if (read < into.length)
    throw new VarveError('STORE_FILE_CHANGED', {
      path: file.path,
      problem: 'the queue file is shorter than its entries'
    })
  return true
}

function recordError(
  code: 'RECORD_DAMAGED',
  queue: Queue,
  queueOffset: number,
  physicalOffset: number,
  problem: string
): VarveError {
  return new VarveError(code, { topic: queue.topic.name, queueId: queue.queueId, queueOffset, physicalOffset, problem })
}
