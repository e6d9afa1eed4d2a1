/**
 * Queue entries, as the owner of the store looks them up: from (queue, offset) to positions in the log.
 *
 * Below what is written they come from the queue's file, from there on from the gap. What is not in memory is left
 * alone and noted (warmth.ts).
 *
 * Not here: the records (record-reader.ts), which offsets a reader may see (store.ts).
 */
import { VarveError } from '../base/index.ts'
import { CONSUME_QUEUE_ENTRY, getInt53 } from '../layout/index.ts'
import type { OpenFile } from './files.ts'
import type { Gap } from './gap.ts'
import type { LogSegments } from './log-segments.ts'
import type { QueueCounts } from './queue-counts.ts'
import type { QueueFiles } from './queue-files.ts'
import type { Queue } from './topics.ts'
import type { Warmth } from './warmth.ts'

const ENTRY_BYTES = CONSUME_QUEUE_ENTRY.sizeBytes
const { physicalOffset: POSITION_AT, sizeBytes: SIZE_AT, tagsCode: TAGS_AT } = CONSUME_QUEUE_ENTRY.at
/** Entries looked up in one go. */
export const READ_COUNT_MAX = 4096
/** No entry has it: it is not a number. */
export const TAG_UNKNOWN = Number.NaN

/** Where the messages of a stretch of a queue lie. One object serves all reads: valid until the next. */
export class Entries {
  readonly positions = new Float64Array(READ_COUNT_MAX)
  readonly sizes = new Int32Array(READ_COUNT_MAX)
  /** Tag codes; TAG_UNKNOWN for those that only their records tell, because they are not in a file yet. */
  readonly tags = new Float64Array(READ_COUNT_MAX)
  /** Of the first entry. */
  offset = 0
  count = 0
}

export interface EntryReaderWorld {
  readonly segments: LogSegments
  readonly files: QueueFiles
  readonly counts: QueueCounts
  readonly gap: Gap
  readonly queueFileEntries: number
}

export class EntryReader {
  readonly #world: EntryReaderWorld
  readonly #entries = new Entries()
  readonly #block = new Uint8Array(READ_COUNT_MAX * ENTRY_BYTES)
  readonly #blockView = new DataView(this.#block.buffer)
  readonly #head = new Uint8Array(4)
  readonly #headView = new DataView(this.#head.buffer)

  constructor(world: EntryReaderWorld) {
    this.#world = world
  }

  /** One above the last offset whose record lies below `visibleUntil`. */
  visibleMax(queue: Queue, visibleUntil: number): number {
    const { counts, gap } = this.#world
    const written = counts.written(queue.index, queue.nextOffset)
    let offset = queue.nextOffset
    let ordinal = queue.newestOrdinal
    while (offset > written && gap.position(ordinal) >= visibleUntil) {
      offset--
      if (offset > written) ordinal = gap.previous(ordinal)
    }
    return offset
  }

  /** The entries `[offset, until)`, at most READ_COUNT_MAX. Undefined if any of them is cold; all of those are noted. */
  find(queue: Queue, offset: number, until: number, warmth: Warmth): Entries | undefined {
    const { counts, queueFileEntries } = this.#world
    const entries = this.#entries
    const end = Math.min(until, offset + READ_COUNT_MAX)
    const inFiles = Math.min(end, counts.written(queue.index, queue.nextOffset))
    entries.offset = offset
    entries.count = Math.max(0, end - offset)
    let at = offset
    while (at < inFiles) {
      const count = Math.min(inFiles - at, queueFileEntries - (at % queueFileEntries))
      this.#fromFile(queue, at, count, warmth)
      at += count
    }
    if (warmth.isCold) return undefined
    this.#fromGap(queue, at, end)
    return entries
  }

  #fromFile(queue: Queue, offset: number, count: number, warmth: Warmth): void {
    const { files, queueFileEntries } = this.#world
    const entries = this.#entries
    const { topic, queueId } = queue
    const found = files.find(topic.name, queueId, offset)
    if (found === undefined) {
      const details = { topic: topic.name, queueId, offset, problem: 'the queue file is gone' }
      throw new VarveError('STORE_FILE_CHANGED', details)
    }
    const into = this.#block.subarray(0, count * ENTRY_BYTES)
    if (!readWarm(found.file, into, (offset % queueFileEntries) * ENTRY_BYTES, warmth)) return
    const view = this.#blockView
    const first = offset - entries.offset
    for (let i = 0; i < count; i++) {
      entries.positions[first + i] = getInt53(view, i * ENTRY_BYTES + POSITION_AT)
      entries.sizes[first + i] = view.getInt32(i * ENTRY_BYTES + SIZE_AT)
      entries.tags[first + i] = getInt53(view, i * ENTRY_BYTES + TAGS_AT)
    }
  }

  /** Walks back from the newest message of the queue. */
  #fromGap(queue: Queue, offset: number, end: number): void {
    if (offset >= end) return
    const { gap } = this.#world
    const entries = this.#entries
    let ordinal = queue.newestOrdinal
    for (let at = queue.nextOffset - 1; at >= offset; at--) {
      if (at < end) {
        const position = gap.position(ordinal)
        entries.positions[at - entries.offset] = position
        entries.sizes[at - entries.offset] = this.#sizeOf(position)
        entries.tags[at - entries.offset] = TAG_UNKNOWN
      }
      if (at > offset) ordinal = gap.previous(ordinal)
    }
  }

  /** From the record itself, which has just been written and is in memory. */
  #sizeOf(position: number): number {
    const { mapping, file, base } = this.#world.segments.at(position)
    if (mapping !== undefined) return mapping.view.getInt32(position - base)
    file.read(this.#head, position - base)
    return this.#headView.getInt32(0)
  }
}

function readWarm(file: OpenFile, into: Uint8Array, at: number, warmth: Warmth): boolean {
  const copy = warmth.find(file.path, at, into.length)
  if (copy !== undefined) {
    into.set(copy)
    return true
  }
  const read = file.readResident(into, at)
  if (read === undefined) {
    warmth.note(file.path, at, into.length)
    return false
  }
  if (read < into.length) {
    const details = { path: file.path, problem: 'the queue file is shorter than its entries' }
    throw new VarveError('STORE_FILE_CHANGED', details)
  }
  return true
}
