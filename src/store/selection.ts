/**
 * Selection: which records of a queue a reader gets, by count, size and filter, and copying them as they lie in the log.
 *
 * Entries are gone through in order. Those whose tag the filter refuses cost nothing more; the others are handed to the
 * record reader in stretches of neighbours, each as long as it would fit if all of it were accepted. What is selected is
 * remembered as runs of bytes, so that records which lie side by side are copied together.
 *
 * Invariants:
 * - a record is selected only if the record reader found it intact; a damaged one is passed over and reported
 * - `nextOffset` is behind every entry looked at and in front of every other
 * - only if not even the first entry could be decided is a selection cold; otherwise what was reached is the answer
 *
 * Not here: checking records (record-reader.ts), finding entries (queue-entries.ts), what a reader may see (store.ts).
 */
import { type QueueOffset, VarveError } from '../base/index.ts'
import { FILLER_SIZE_BYTES, isExtAddress, locate, RecordPositions, tagsCodeOf } from '../layout/index.ts'
import { Entries, type EntryReader, READ_COUNT_MAX } from './queue-entries.ts'
import type { Make, RecordReader } from './record-reader.ts'
import type { RecordFilter, Selection, SelectionStatus, SelectRequest } from './store-api.ts'
import type { Queue } from './topics.ts'
import type { Warmth } from './warmth.ts'

export class LogSelection implements Selection {
  status: SelectionStatus = 'queue-unknown'
  count = 0
  bytes = 0
  nextOffset = 0 as QueueOffset
  minOffset = 0 as QueueOffset
  maxOffset = 0 as QueueOffset
  distanceBytes = 0
  damaged: VarveError[] = []
  /** Run i is `sources[i]`, from `froms[i]` to `untils[i]`. */
  readonly #sources: Uint8Array[] = []
  readonly #froms: number[] = []
  readonly #untils: number[] = []

  begin(minOffset: number, maxOffset: number): void {
    this.count = 0
    this.bytes = 0
    this.distanceBytes = 0
    this.minOffset = minOffset as QueueOffset
    this.maxOffset = maxOffset as QueueOffset
    if (this.damaged.length > 0) this.damaged = []
    this.#sources.length = this.#froms.length = this.#untils.length = 0
  }

  end(status: SelectionStatus, nextOffset: number): void {
    this.status = status
    this.nextOffset = nextOffset as QueueOffset
  }

  add(source: Uint8Array, from: number, sizeBytes: number): void {
    const last = this.#sources.length - 1
    if (last >= 0 && this.#untils[last] === from && this.#sources[last] === source) {
      this.#untils[last] = from + sizeBytes
    } else {
      this.#sources.push(source)
      this.#froms.push(from)
      this.#untils.push(from + sizeBytes)
    }
    this.count++
    this.bytes += sizeBytes
  }

  /** Takes out again what was added since it had `count` records of `bytes`. */
  takeOut(count: number, bytes: number): void {
    let excess = this.bytes - bytes
    while (excess > 0) {
      const last = this.#sources.length - 1
      const from = this.#froms[last] as number // What is taken out has been added: there is a run.
      const until = this.#untils[last] as number
      const kept = Math.max(from, until - excess)
      excess -= until - kept
      this.#untils[last] = kept
      if (kept === from) this.#sources.length = this.#froms.length = this.#untils.length = last
    }
    this.count = count
    this.bytes = bytes
  }

  copyTo(target: Uint8Array, at: number): number {
    let end = at
    for (let run = 0; run < this.#sources.length; run++) {
      const source = this.#sources[run] as Uint8Array // Below length, as are those below.
      const from = this.#froms[run] as number
      const until = this.#untils[run] as number
      target.set(source.subarray(from, until), end)
      end += until - from
    }
    return end
  }
}

export class Selector {
  readonly #entryReader: EntryReader
  readonly #records: RecordReader
  readonly #queueFileEntries: number
  readonly #stretch = new Entries()
  readonly #positions = new RecordPositions()
  // Of the call under way; objects that callbacks can reach without being made anew for each call.
  #selection: LogSelection = new LogSelection()
  #filter: RecordFilter | undefined
  /** The entries did not tell the tags of this stretch. */
  #tagsUnknown = false
  #someRefused = false

  constructor(entries: EntryReader, records: RecordReader, queueFileEntries: number) {
    this.#entryReader = entries
    this.#records = records
    this.#queueFileEntries = queueFileEntries
  }

  /** Fills `selection`, which has begun with the limits of the queue. False if it is cold; what is missing is noted. */
  select(
    queue: Queue | undefined,
    request: SelectRequest,
    logEnd: number,
    selection: LogSelection,
    warmth: Warmth
  ): boolean {
    const { offset, countMax, scanMax, filter } = request
    const { minOffset, maxOffset } = selection
    if (queue === undefined) return ended(selection, 'queue-unknown', 0)
    if (maxOffset === 0) return ended(selection, 'queue-empty', 0)
    if (offset < minOffset) return ended(selection, 'below-min', minOffset)
    if (offset === maxOffset) return ended(selection, 'at-end', offset)
    if (offset > maxOffset) return ended(selection, 'beyond-end', maxOffset)

    const lookAt = Math.max(1, Math.min(filter === undefined ? countMax : scanMax, scanMax, READ_COUNT_MAX))
    let entries: Entries | undefined
    try {
      entries = this.#entryReader.find(queue, offset, Math.min(maxOffset, offset + lookAt), warmth)
    } catch (error) {
      if (!(error instanceof VarveError) || error.code !== 'STORE_FILE_CHANGED') throw error
      selection.damaged.push(error)
      const nextFile = offset - (offset % this.#queueFileEntries) + this.#queueFileEntries
      return ended(selection, 'entries-gone', Math.min(nextFile, maxOffset))
    }
    if (entries === undefined) return false
    return this.#selectAmong(queue, entries, request, logEnd, selection, warmth)
  }

  #selectAmong(
    queue: Queue,
    entries: Entries,
    request: SelectRequest,
    logEnd: number,
    selection: LogSelection,
    warmth: Warmth
  ): boolean {
    const { filter } = request
    const { count, offset } = entries
    this.#selection = selection
    this.#filter = filter
    this.#someRefused = false
    let at = 0
    while (at < count) {
      if (!hasRoom(request, selection, logEnd - (entries.positions[at] as number), entries.sizes[at] as number)) break // Below count.
      if (filter !== undefined && refusesEntry(filter, entries, at)) {
        this.#someRefused = true
        at++
        continue
      }
      const until = stretchUntil(request, entries, at, count, selection, logEnd)
      if (!this.#selectStretch(queue, this.#cutStretch(entries, at, until), warmth)) {
        if (at === 0) return false
        warmth.cold.length = 0
        break
      }
      at = until
    }
    if (at > 0) selection.distanceBytes = logEnd - (entries.positions[at - 1] as number) // Below count.
    const status = selection.count > 0 ? 'found' : this.#someRefused ? 'none-accepted' : 'records-gone'
    return ended(selection, status, offset + at)
  }

  /** The entries `[from, until)`. */
  #cutStretch(entries: Entries, from: number, until: number): Entries {
    this.#tagsUnknown = Number.isNaN(entries.tags[from])
    const stretch = this.#stretch
    stretch.offset = entries.offset + from
    stretch.count = until - from
    for (let i = from; i < until; i++) {
      stretch.positions[i - from] = entries.positions[i] as number // Below count.
      stretch.sizes[i - from] = entries.sizes[i] as number
    }
    return stretch
  }

  #selectStretch(queue: Queue, stretch: Entries, warmth: Warmth): boolean {
    const { count, bytes } = this.#selection
    // All of it fits: how much was settled when the stretch was cut.
    const found = this.#records.read(queue, stretch, Number.POSITIVE_INFINITY, warmth, this.#take)
    if (found === undefined) {
      // What lies before the cold part has been taken already.
      this.#selection.takeOut(count, bytes)
      return false
    }
    for (const error of found.damaged) this.#selection.damaged.push(error)
    return true
  }

  readonly #take: Make<boolean> = (bytes, view, at, sizeBytes) => {
    if (this.#filter === undefined || this.#accepts(this.#filter, bytes, view, at, sizeBytes)) {
      this.#selection.add(bytes, at, sizeBytes)
      return true
    }
    this.#someRefused = true
    return false
  }

  #accepts(filter: RecordFilter, bytes: Uint8Array, view: DataView, at: number, sizeBytes: number): boolean {
    if (!this.#tagsUnknown && filter.acceptsRecord === undefined) return true
    const positions = this.#positions
    locate(view, at, at + sizeBytes, positions)
    const from = positions.propertiesAt
    const until = from + positions.propertiesBytes
    if (this.#tagsUnknown && !filter.acceptsTag(tagsCodeOf(bytes, from, until))) return false
    return filter.acceptsRecord?.(bytes, from, until) ?? true
  }
}

function ended(selection: LogSelection, status: SelectionStatus, nextOffset: number): true {
  selection.end(status, nextOffset)
  return true
}

/** Where the stretch ends that begins at `from`: before a refused entry, where tags become unknown, or where it is full. */
function stretchUntil(
  request: SelectRequest,
  entries: Entries,
  from: number,
  count: number,
  selected: LogSelection,
  logEnd: number
): number {
  const { filter } = request
  const tagsUnknown = Number.isNaN(entries.tags[from])
  let until = from
  const planned = { count: selected.count, bytes: selected.bytes }
  while (until < count) {
    const sizeBytes = entries.sizes[until] as number // Below count, as is the position.
    if (!hasRoom(request, planned, logEnd - (entries.positions[until] as number), sizeBytes)) break
    if (filter !== undefined) {
      if (Number.isNaN(entries.tags[until]) !== tagsUnknown || refusesEntry(filter, entries, until)) break
    }
    planned.count++
    if (sizeBytes !== FILLER_SIZE_BYTES) planned.bytes += sizeBytes
    until++
  }
  return until
}

/** Whether a record so far behind the end of the log, and of this size, may be added to what is selected. */
function hasRoom(
  { countMax, bytesMax, diskDistanceBytes, diskCountMax, diskBytesMax }: SelectRequest,
  { count, bytes }: { readonly count: number; readonly bytes: number },
  distanceBytes: number,
  sizeBytes: number
): boolean {
  if (count === 0) return true
  const added = sizeBytes === FILLER_SIZE_BYTES ? 0 : sizeBytes
  if (count >= countMax || bytes + added > bytesMax) return false
  return distanceBytes <= diskDistanceBytes || (count < diskCountMax && bytes + added <= diskBytesMax)
}

/** What the tag in an entry decides alone; an address in the queue's extension, and an unknown tag, decide nothing. */
function refusesEntry(filter: RecordFilter, entries: Entries, index: number): boolean {
  const tagsCode = entries.tags[index] as number // Below count.
  if (Number.isNaN(tagsCode) || isExtAddress(tagsCode)) return false
  return !filter.acceptsTag(tagsCode | 0)
}
