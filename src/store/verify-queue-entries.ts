/**
 * Verifying queue entries, from the log's side: each record must have its entry, at the place that its queue offset
 * names, with its position, size and tag code.
 *
 * Entries are read through a window for each queue, because the records of a queue follow each other in the log. Nothing
 * else is needed to show that every entry is right: as no two records share an entry, a queue whose filled entries are
 * as many as were matched has none that points elsewhere (verify-queues.ts counts them).
 */
import {
  CONSUME_QUEUE_ENTRY,
  findProperty,
  getInt53,
  isExtAddress,
  isQueueOffset,
  PROPERTY,
  type RecordPositions,
  readDelayLevel,
  readText,
  SCHEDULE_TOPIC,
  Span,
  SYS_FLAG,
  tagsCodeOf
} from '../layout/index.ts'
import type { Files } from './files.ts'
import { canBeQueue, OFFSET_IMPOSSIBLE, QUEUE_IMPOSSIBLE } from './impossible-heads.ts'
import { QUEUE_ID_MAX_DEFAULT } from './options.ts'
import { queueDirectory, topicDirectory } from './paths.ts'
import { QueueFiles } from './queue-files.ts'
import type { DamageList } from './verify-report.ts'

const ENTRY_BYTES = CONSUME_QUEUE_ENTRY.sizeBytes
const { physicalOffset: POSITION_AT, sizeBytes: SIZE_AT, tagsCode: TAGS_AT } = CONSUME_QUEUE_ENTRY.at
const WINDOW_ENTRIES_MIN = 64
const WINDOW_ENTRIES_MAX = 4096
/** Windows of all queues together; beyond it they are dropped and read again. */
const WINDOW_BYTES_MAX = 64 * 1024 * 1024
const FILES_OPEN_MAX = 256

/** Of a record whose queue has it at another offset than it says itself. */
export const OTHER_OFFSET = 'its queue offset is not the one of its entry'

const DELAY_LEVEL_NAME = new TextEncoder().encode(PROPERTY.DELAY_LEVEL)

/** Of one queue, in one segment of the log. */
export interface QueueCount {
  readonly topic: string
  readonly queueId: number
  recordCount: number
  matchedCount: number
  /** The lowest queue offset of its records here: records before, of a higher one, are of a deleted topic of its name. */
  lowestOffset: number
}

/** Messages side by side in a queue that have no entry. */
export interface MissingEntries {
  readonly topic: string
  readonly queueId: number
  readonly queueOffset: number
  readonly count: number
  readonly from: number
  readonly until: number
}

interface QueueWindow extends QueueCount {
  lastOffset: number
  missing: MissingEntries[]
  bytes: Uint8Array | undefined
  view: DataView
  from: number
  until: number
}

export interface EntryCheckOptions {
  readonly directory: string
  readonly queueFileEntries: number
  /** Records below this surely had their entry; later ones may be put into their queue by the next start. */
  readonly queuesUntil: number
  /** Queues that must be there: `topic/queueId`. Of others whole topics may have been deleted. */
  readonly known: ReadonlySet<string>
  /** Topics that were deleted, as is written down, with where the log ended then. */
  readonly deleted: ReadonlyMap<string, number>
  /** Whether a record that claims this very queue offset stands whole at a position of the log. */
  readonly isRecordOf: (position: number, topic: string, queueId: number, queueOffset: number) => boolean
}

export class EntryCheck {
  /** Records that the next start will put into their queues. */
  pendingCount = 0
  /** Records of topics that have been deleted: no queue has them any more. */
  orphanCount = 0
  /** Of those, the ones of which nothing but the queues says that their topic was deleted. */
  unmarkedCount = 0
  readonly #files: Files
  readonly #options: EntryCheckOptions
  readonly #queueFiles: QueueFiles
  readonly #damage: DamageList
  readonly #topics = new Map<string, QueueWindow[]>()
  readonly #span = new Span()
  #windowBytes = 0
  #lastTopicBytes = new Uint8Array(0)
  #lastTopic = ''
  #lastQueues: QueueWindow[] = []

  constructor(files: Files, options: EntryCheckOptions, damage: DamageList) {
    this.#files = files
    this.#options = options
    this.#damage = damage
    this.#queueFiles = new QueueFiles(files, { ...options, mode: 'read', openMax: FILES_OPEN_MAX })
  }

  /** `at` is the position of the record in the log; `bytes` is what it was located in. */
  record(bytes: Uint8Array, record: RecordPositions, at: number): void {
    const transaction = record.sysFlag & SYS_FLAG.TRANSACTION_MASK
    if (transaction !== 0 && transaction !== SYS_FLAG.TRANSACTION_COMMIT) return
    if ((record.sysFlag & SYS_FLAG.INNER_BATCH) !== 0) return // Its queue has another kind of entries.
    this.#findTopic(bytes, record)
    if (at < (this.#options.deleted.get(this.#lastTopic) ?? 0)) {
      this.orphanCount++
      return
    }
    const queue = this.#lastQueues[record.queueId] ?? this.#newQueue(record.queueId)
    if (queue === undefined) return this.#rotten(QUEUE_IMPOSSIBLE, record, at, record)
    queue.recordCount++
    const { queueOffset } = record
    const expected = queue.lastOffset + 1
    if (queueOffset !== expected && this.#pointsAt(queue, expected, record, at)) {
      queue.lastOffset = expected
      queue.matchedCount++
      return this.#rotten(OTHER_OFFSET, record, at, { queueId: queue.queueId, queueOffset: expected })
    }
    if (!isQueueOffset(queueOffset)) return this.#rotten(OFFSET_IMPOSSIBLE, record, at, record)
    if (queueOffset <= queue.lastOffset) this.#forgetMissing(queue)
    queue.lastOffset = queueOffset
    if (queueOffset < queue.lowestOffset) queue.lowestOffset = queueOffset
    if (queueOffset < queue.from || queueOffset >= queue.until) this.#fill(queue, queueOffset)
    if (queueOffset >= queue.until) return this.#missing(queue, record, at)

    const entryAt = (queueOffset - queue.from) * ENTRY_BYTES
    const { view } = queue
    const position = getInt53(view, entryAt + POSITION_AT)
    const sizeBytes = view.getInt32(entryAt + SIZE_AT)
    if (position === at && sizeBytes === record.totalBytes) {
      queue.matchedCount++
      const tagsCode = getInt53(view, entryAt + TAGS_AT)
      if (!this.#isTagsCode(tagsCode, bytes, record)) this.#wrong('another tag code than the record', queue, record, at)
    } else if (sizeBytes === 0) {
      this.#missing(queue, record, at)
    } else if (position > at && this.#options.isRecordOf(position, queue.topic, queue.queueId, queueOffset)) {
      this.#orphans(1) // The topic was deleted, and a new one of its name began at 0 again.
    } else {
      this.#wrong(`it points at ${position === at ? 'another size' : 'another record'}`, queue, record, at)
    }
  }

  counts(): QueueCount[] {
    return [...this.#topics.values()]
      .flat()
      .filter(queue => queue !== undefined)
      .map(({ topic, queueId, recordCount, matchedCount, lowestOffset }) => ({
        topic,
        queueId,
        recordCount,
        matchedCount,
        lowestOffset
      }))
  }

  /** Messages without an entry, unless a later segment shows that their topic was deleted. */
  missing(): MissingEntries[] {
    return [...this.#topics.values()].flat().flatMap(queue => queue?.missing ?? [])
  }

  close(): void {
    this.#queueFiles.close()
  }

  #findTopic(bytes: Uint8Array, { topicAt, topicBytes }: RecordPositions): void {
    const last = this.#lastTopicBytes
    let same = last.length === topicBytes
    for (let i = 0; same && i < topicBytes; i++) same = last[i] === bytes[topicAt + i]
    if (same) return
    this.#lastTopicBytes = bytes.slice(topicAt, topicAt + topicBytes)
    this.#lastTopic = readText(bytes, topicAt, topicAt + topicBytes)
    let queues = this.#topics.get(this.#lastTopic)
    if (queues === undefined) {
      queues = []
      this.#topics.set(this.#lastTopic, queues)
    }
    this.#lastQueues = queues
  }

  /** Undefined if there can be none: the name of the topic or the number has rotted. */
  #newQueue(queueId: number): QueueWindow | undefined {
    const { directory, known } = this.#options
    const topic = this.#lastTopic
    const isThere = (): boolean =>
      known.has(`${topic}/${queueId}`) || this.#files.find(queueDirectory(directory, topic, queueId)) !== undefined
    if (!canBeQueue(topic, queueId, QUEUE_ID_MAX_DEFAULT, isThere)) return undefined
    const queue: QueueWindow = {
      topic,
      queueId,
      recordCount: 0,
      matchedCount: 0,
      lowestOffset: Number.POSITIVE_INFINITY,
      lastOffset: -1,
      missing: [],
      bytes: undefined,
      view: new DataView(new ArrayBuffer(0)),
      from: 0,
      until: 0
    }
    this.#lastQueues[queueId] = queue
    return queue
  }

  /** Makes the window begin at `offset`; it stays empty where there is no file. */
  #fill(queue: QueueWindow, offset: number): void {
    const { queueFileEntries } = this.#options
    const goesOn = queue.bytes !== undefined && offset === queue.until
    const found = this.#queueFiles.find(queue.topic, queue.queueId, offset)
    queue.from = queue.until = offset
    if (found === undefined) return
    const before = queue.bytes
    const sizeMin = WINDOW_ENTRIES_MIN * ENTRY_BYTES
    const sizeBytes = goesOn ? Math.min(WINDOW_ENTRIES_MAX * ENTRY_BYTES, before!.length * 4) : sizeMin // Checked above.
    if (before === undefined || before.length < sizeBytes) {
      this.#windowBytes += sizeBytes - (before?.length ?? 0)
      if (this.#windowBytes > WINDOW_BYTES_MAX) this.#dropWindows(sizeBytes)
      queue.bytes = new Uint8Array(sizeBytes)
      queue.view = new DataView(queue.bytes.buffer)
    }
    const at = offset % queueFileEntries
    const wanted = Math.min(queue.view.byteLength / ENTRY_BYTES, queueFileEntries - at)
    const read = found.file.read(new Uint8Array(queue.view.buffer, 0, wanted * ENTRY_BYTES), at * ENTRY_BYTES)
    queue.until = offset + Math.floor(read / ENTRY_BYTES)
  }

  #pointsAt(queue: QueueWindow, offset: number, { totalBytes }: RecordPositions, at: number): boolean {
    if (offset < queue.from || offset >= queue.until) this.#fill(queue, offset)
    if (offset >= queue.until) return false
    const entryAt = (offset - queue.from) * ENTRY_BYTES
    return getInt53(queue.view, entryAt + POSITION_AT) === at && queue.view.getInt32(entryAt + SIZE_AT) === totalBytes
  }

  #dropWindows(sizeBytes: number): void {
    for (const queues of this.#topics.values()) {
      for (const queue of queues) {
        if (queue === undefined) continue
        queue.bytes = undefined
        queue.from = queue.until = 0
      }
    }
    this.#windowBytes = sizeBytes
  }

  #isTagsCode(tagsCode: number, bytes: Uint8Array, record: RecordPositions): boolean {
    const { propertiesAt, propertiesBytes, storedAtMs } = record
    if (isExtAddress(tagsCode)) return true
    if (tagsCode === tagsCodeOf(bytes, propertiesAt, propertiesAt + propertiesBytes)) return true
    if (this.#lastTopic !== SCHEDULE_TOPIC) return false
    // The due time; how long the levels are is a setting that no file keeps.
    findProperty(bytes, propertiesAt, propertiesAt + propertiesBytes, DELAY_LEVEL_NAME, this.#span)
    return readDelayLevel(bytes, this.#span) > 0 && tagsCode >= storedAtMs
  }

  #missing(queue: QueueWindow, record: RecordPositions, at: number): void {
    const { directory, known, queuesUntil } = this.#options
    if (at >= queuesUntil) this.pendingCount++
    else if (
      known.has(`${queue.topic}/${queue.queueId}`) ||
      this.#files.find(topicDirectory(directory, queue.topic)) !== undefined
    ) {
      addMissing(queue, record, at)
    } else this.#orphans(1)
  }

  /** The offsets of the queue begin again: what came before is of a topic that was deleted. */
  #forgetMissing(queue: QueueWindow): void {
    for (const { count } of queue.missing) this.#orphans(count)
    queue.missing = []
  }

  #orphans(count: number): void {
    this.orphanCount += count
    this.unmarkedCount += count
  }

  /** The record was right when it was written: it has changed since. */
  #rotten(
    problem: string,
    { totalBytes }: RecordPositions,
    at: number,
    { queueId, queueOffset }: Pick<RecordPositions, 'queueId' | 'queueOffset'>
  ): void {
    this.#damage.add({
      kind: 'record',
      problem,
      derived: false,
      from: at,
      until: at + totalBytes,
      topic: this.#lastTopic,
      queueId,
      queueOffset
    })
  }

  #wrong(problem: string, { topic, queueId }: QueueWindow, record: RecordPositions, at: number): void {
    const { queueOffset, totalBytes } = record
    this.#damage.add({
      kind: 'queue-entry',
      problem,
      derived: true,
      from: at,
      until: at + totalBytes,
      topic,
      queueId,
      queueOffset
    })
  }
}

/** Runs of one queue that are kept apart; beyond that only their number counts. */
const MISSING_RUNS_MAX = 1000

function addMissing(
  { topic, queueId, missing }: QueueWindow,
  { queueOffset, totalBytes }: RecordPositions,
  at: number
): void {
  const last = missing.at(-1)
  const goesOn = last !== undefined && last.queueOffset + last.count === queueOffset
  if (goesOn || (last !== undefined && missing.length === MISSING_RUNS_MAX))
    missing[missing.length - 1] = { ...last, count: last.count + 1, until: at + totalBytes }
  else missing.push({ topic, queueId, queueOffset, count: 1, from: at, until: at + totalBytes })
}
