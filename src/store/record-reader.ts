/**
 * Record reader: from positions in the log to records, checked.
 *
 * Records come as views of the mapped segments; what is not in memory is left alone and noted (warmth.ts). Neighbours
 * in the log are handled together: one look whether they are in memory, one call for all of them (record-run.ts).
 *
 * Invariants:
 * - a record is handed out only if it is whole, stands in its own place, has the queue and offset asked for and a body
 *   that matches its checksum; otherwise its place in the result is empty and an error tells why
 *
 * Not here: where the messages of a queue lie (queue-entries.ts).
 */
import { VarveError } from '../base/index.ts'
import {
  bodyIsIntact,
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
import { checksum } from './checksum.ts'
import type { LogSegment, LogSegments } from './log-segments.ts'
import type { Entries } from './queue-entries.ts'
import { RecordRun } from './record-run.ts'
import type { Queue } from './topics.ts'
import { WarmWindow } from './warm-window.ts'
import { Warmth } from './warmth.ts'

/** Records that lie further apart than this are not looked at together: too much would be fetched in between. */
const HOLE_BYTES_MAX = 64 * 1024

/** What a caller wants of each record, which stands at `at` in both. */
export type Make<Item> = (bytes: Uint8Array, view: DataView, at: number, sizeBytes: number) => Item

export interface ReadRecords<Item> {
  /** One for each entry; undefined where the record is damaged. */
  readonly items: (Item | undefined)[]
  readonly damaged: readonly VarveError[]
}

/** Bytes with records in them: byte p of the log is `bytes[p - base]`. */
interface Source {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly base: number
}

export class RecordReader {
  readonly #segments: LogSegments
  readonly #positions = new RecordPositions()
  readonly #warm = new WarmWindow()
  readonly #run = new RecordRun()

  constructor(segments: LogSegments) {
    this.#segments = segments
  }

  /** The records of `entries`, at least one and then up to `bytesMax`. Undefined if any is cold; all of those are noted. */
  read<Item>(
    queue: Queue,
    entries: Entries,
    bytesMax: number,
    warmth: Warmth,
    make: Make<Item>
  ): ReadRecords<Item> | undefined {
    const damaged: VarveError[] = []
    const count = countWithin(entries, bytesMax)
    const items = new Array<Item | undefined>(count)
    for (let from = 0; from < count; ) {
      const position = entries.positions[from] as number // Below count.
      if (entries.sizes[from] === FILLER_SIZE_BYTES || position < this.#segments.firstPosition) {
        damaged.push(damagedAt(queue, entries, from, 'its record is lost'))
        items[from++] = undefined
        continue
      }
      const segment = this.#segments.at(position)
      const until = this.#runUntil(entries, from, count, segment)
      const source = this.#sourceOf(entries, from, until, segment, warmth)
      if (source !== undefined && !warmth.isCold) {
        this.#readRun(queue, entries, from, until, source, items, damaged, make)
      }
      from = until
    }
    return warmth.isCold ? undefined : { items, damaged }
  }

  /**
   * The record at a position of the log, as a copy. Undefined if it is cold, which is noted.
   * @throws VarveError RECORD_NOT_FOUND, RECORD_DAMAGED
   */
  readAt(position: number, visibleUntil: number, warmth: Warmth): Uint8Array | undefined {
    const segment = this.#segments.at(position)
    const at = position - segment.base
    const roomBytes = Math.min(visibleUntil - position, this.#segments.segmentBytes - at)
    const head = copyOf(segment, at, Math.min(RECORD_HEAD.sizeBytes, roomBytes), warmth)
    if (head === undefined) return undefined
    const headView = viewOf(head)
    const isRecord =
      head.length === RECORD_HEAD.sizeBytes &&
      isRecordMagic(headView.getInt32(RECORD_HEAD.at.magic)) &&
      getInt53(headView, RECORD_HEAD.at.physicalOffset) === position
    if (!isRecord) throw new VarveError('RECORD_NOT_FOUND', { physicalOffset: position })
    const totalBytes = headView.getInt32(RECORD_HEAD.at.totalBytes)
    if (totalBytes < RECORD_BYTES_MIN || totalBytes > roomBytes) {
      throw new VarveError('RECORD_DAMAGED', { physicalOffset: position, problem: 'its size' })
    }
    const record = copyOf(segment, at, totalBytes, warmth)
    if (record === undefined) return undefined
    const whole = locate(viewOf(record), 0, totalBytes, this.#positions) === RECORD_WHOLE
    if (!whole || !bodyIsIntact(record, viewOf(record), this.#positions, checksum)) {
      throw new VarveError('RECORD_DAMAGED', { physicalOffset: position, problem: 'its lengths or its checksum' })
    }
    return record
  }

  /**
   * The same as a view, where it lies in memory; undefined where it does not.
   * @throws VarveError RECORD_NOT_FOUND, RECORD_DAMAGED
   */
  viewAt(position: number, visibleUntil: number): Uint8Array | undefined {
    const segment = this.#segments.at(position)
    const { mapping } = segment
    if (mapping === undefined) return this.readAt(position, visibleUntil, new Warmth())
    const at = position - segment.base
    const until = Math.min(visibleUntil - segment.base, this.#segments.segmentBytes)
    if (!this.#warm.holds(mapping, at, Math.min(RECORD_HEAD.sizeBytes, until - at), until)) return undefined
    const { view, bytes } = mapping
    const totalBytes = view.getInt32(at + RECORD_HEAD.at.totalBytes)
    const isInside = totalBytes >= RECORD_BYTES_MIN && totalBytes <= until - at
    if (isInside && !this.#warm.holds(mapping, at, totalBytes, until)) return undefined
    const isRecord =
      isInside &&
      locate(view, at, at + totalBytes, this.#positions) === RECORD_WHOLE &&
      this.#positions.physicalOffset === position
    if (!isRecord) throw new VarveError('RECORD_NOT_FOUND', { physicalOffset: position })
    if (!bodyIsIntact(bytes, view, this.#positions, checksum)) {
      throw new VarveError('RECORD_DAMAGED', { physicalOffset: position, problem: 'its checksum' })
    }
    return bytes.subarray(at, at + totalBytes)
  }

  /** The entries from `from` on that lie close together in the segment. */
  #runUntil(entries: Entries, from: number, count: number, segment: LogSegment): number {
    const segmentEnd = segment.base + this.#segments.segmentBytes
    let end = (entries.positions[from] as number) + (entries.sizes[from] as number) // Below count, as are those below.
    let until = from + 1
    while (until < count && entries.sizes[until] !== FILLER_SIZE_BYTES) {
      const position = entries.positions[until] as number
      if (position < end || position > end + HOLE_BYTES_MAX || position >= segmentEnd) break
      end = position + (entries.sizes[until] as number)
      until++
    }
    return until
  }

  /** Where the run can be read. Undefined if it is cold, which is noted. */
  #sourceOf(entries: Entries, from: number, until: number, segment: LogSegment, warmth: Warmth): Source | undefined {
    const last = until - 1
    const first = (entries.positions[from] as number) - segment.base
    const end = (entries.positions[last] as number) - segment.base + (entries.sizes[last] as number)
    const bytes = Math.max(1, Math.min(end, this.#segments.segmentBytes) - first)
    const { mapping, file } = segment
    if (mapping?.resident(first, bytes)) return { bytes: mapping.bytes, view: mapping.view, base: segment.base }
    const copy = mapping === undefined ? readCopy(segment, first, bytes) : warmth.find(file.path, first, bytes)
    if (copy !== undefined) return { bytes: copy, view: viewOf(copy), base: segment.base + first }
    warmth.note(file.path, first, bytes)
    return undefined
  }

  /** One record by itself, and those behind it for which that was enough; what is not intact by itself again. */
  #readRun<Item>(
    queue: Queue,
    entries: Entries,
    from: number,
    until: number,
    source: Source,
    items: (Item | undefined)[],
    damaged: VarveError[],
    make: Make<Item>
  ): void {
    const { bytes, view, base } = source
    const { positions, sizes } = entries
    for (let next = from; next < until; ) {
      const problem = this.#problemOf(queue, entries, next, source)
      if (problem !== undefined) {
        damaged.push(damagedAt(queue, entries, next, problem))
        items[next++] = undefined
        continue
      }
      const knownUntil = this.#run.knownUntil(entries, next + 1, until, source, this.#positions)
      // Below count: there is a position and a size.
      for (; next < knownUntil; next++) {
        items[next] = make(bytes, view, (positions[next] as number) - base, sizes[next] as number)
      }
    }
  }

  /** Why the record is not what its entry says; undefined if it is, and then `#positions` tells of it. */
  #problemOf(queue: Queue, entries: Entries, index: number, { bytes, view, base }: Source): string | undefined {
    const located = this.#positions
    const position = entries.positions[index] as number // Below count.
    const at = position - base
    const isWhole =
      at >= 0 && // Entries may be damaged, too.
      at < view.byteLength &&
      locate(view, at, view.byteLength, located) === RECORD_WHOLE &&
      located.physicalOffset === position &&
      located.queueOffset === entries.offset + index &&
      located.queueId === queue.queueId &&
      located.totalBytes === entries.sizes[index] &&
      sameTopic(queue.topic.bytes, bytes, located)
    if (!isWhole) return 'no such record stands there'
    return bodyIsIntact(bytes, view, located, checksum) ? undefined : 'the body does not match its checksum'
  }
}

/** How many entries together reach `bytesMax`. */
function countWithin(entries: Entries, bytesMax: number): number {
  let sum = 0
  for (let i = 0; i < entries.count; i++) {
    const size = entries.sizes[i] as number // Below count.
    if (size !== FILLER_SIZE_BYTES) sum += size
    if (sum >= bytesMax) return i + 1
  }
  return entries.count
}

function copyOf(segment: LogSegment, at: number, bytes: number, warmth: Warmth): Uint8Array | undefined {
  const { mapping, file } = segment
  if (mapping === undefined) return readCopy(segment, at, bytes)
  if (mapping.resident(at, Math.max(1, bytes))) return mapping.bytes.slice(at, at + bytes)
  const copy = warmth.find(file.path, at, bytes)
  if (copy === undefined) warmth.note(file.path, at, bytes)
  return copy
}

/** Where files are not mapped. */
function readCopy({ file }: LogSegment, at: number, bytes: number): Uint8Array {
  const into = new Uint8Array(bytes)
  return into.subarray(0, file.read(into, at))
}

const isRecordMagic = (magic: number): boolean => magic === RECORD_MAGIC_V1 || magic === RECORD_MAGIC_V2

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

function sameTopic(topic: Uint8Array, bytes: Uint8Array, { topicAt, topicBytes }: RecordPositions): boolean {
  if (topic.length !== topicBytes) return false
  for (let i = 0; i < topicBytes; i++) if (topic[i] !== bytes[topicAt + i]) return false
  return true
}

function damagedAt(queue: Queue, entries: Entries, index: number, problem: string): VarveError {
  return new VarveError('RECORD_DAMAGED', {
    topic: queue.topic.name,
    queueId: queue.queueId,
    queueOffset: entries.offset + index,
    physicalOffset: entries.positions[index] as number, // Below the count of entries.
    problem
  })
}
