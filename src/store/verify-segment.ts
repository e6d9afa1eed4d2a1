/**
 * Verifying one segment of the log: every record whole, in its own place, its body as its checksum says; with it its
 * queue entry and its keys in the index, and the seal of the segment. Segments are independent, so that several threads
 * can share the work.
 *
 * A stretch without a record is damage if something good is known to follow; else it is where the log ends, and what
 * stands there is the torn tail that the next start of the store will cut.
 *
 * Nothing is changed here.
 */
import { MiB } from '../base/index.ts'
import {
  locate,
  RECORD_BLANK,
  RECORD_HEAD,
  RECORD_WHOLE,
  RecordPositions,
  readText,
  verifyRecordChecksum
} from '../layout/index.ts'
import { checksums } from './checksum.ts'
import type { Files } from './files.ts'
import { findRecord } from './find-record.ts'
import type { IndexShape } from './key-index-items.ts'
import { LogReader } from './log-reader.ts'
import { hashSegment } from './sidecar.ts'
import { IndexCheck } from './verify-index.ts'
import { EntryCheck, type MissingEntries, type QueueCount } from './verify-queue-entries.ts'
import { isRecordOf } from './verify-queues.ts'
import { type DamageFound, DamageList } from './verify-report.ts'

/** Records whose checksums are computed together. */
const BATCH = 1024
/** Read at once when looking for the next record, where files are not mapped: one longer than half of it may be missed. */
const SEARCH_BYTES = 16 * MiB

export interface SegmentTask {
  readonly directory: string
  readonly segmentBytes: number
  readonly base: number
  /** Of the file, where it is shorter than it should be. */
  readonly sizeBytes: number
  /** The log is surely good below this: no record there is torn, it is damaged. */
  readonly goodUntil: number
  /** Where the log is known to end, for it was closed; else infinite. */
  readonly endsAt: number
  readonly seal: { readonly usedBytes: number; readonly hash: bigint } | undefined
  readonly queues:
    | {
        readonly fileEntries: number
        readonly until: number
        readonly known: ReadonlySet<string>
        readonly deleted: ReadonlyMap<string, number>
      }
    | undefined
  readonly index: { readonly shape: IndexShape; readonly from: number; readonly until: number } | undefined
}

export interface SegmentResult {
  readonly base: number
  readonly recordCount: number
  readonly checkedBytes: number
  /** Where the last record ends, or the blank that closes the segment begins. */
  readonly end: number
  /** Whether the log goes on in the next segment. */
  readonly closed: boolean
  readonly lastStoredAtMs: number
  readonly damage: DamageFound
  readonly queueCounts: readonly QueueCount[]
  readonly missing: readonly MissingEntries[]
  readonly pendingCount: number
  readonly orphanCount: number
  readonly unmarkedCount: number
}

export async function verifySegment(files: Files, task: SegmentTask): Promise<SegmentResult> {
  const check = new SegmentCheck(files, task)
  try {
    check.run()
    await check.compareSeal()
    return check.result()
  } finally {
    check.close()
  }
}

class SegmentCheck {
  readonly #files: Files
  readonly #task: SegmentTask
  readonly #until: number
  readonly #damage = new DamageList()
  readonly #reader: LogReader
  /** For looking at records elsewhere in the log. */
  readonly #elsewhere: LogReader
  readonly #entries: EntryCheck | undefined
  readonly #index: IndexCheck | undefined
  readonly #positions = new RecordPositions()
  readonly #starts = new Float64Array(BATCH)
  readonly #ranges = new Float64Array(2 * BATCH)
  readonly #found = new Uint32Array(BATCH)
  #pending = 0
  #at: number
  #recordCount = 0
  #closed = false
  #ended = false
  #lastStoredAtMs = 0

  constructor(files: Files, task: SegmentTask) {
    const { directory, base, segmentBytes, sizeBytes, endsAt, queues, index } = task
    this.#files = files
    this.#task = task
    this.#at = base
    this.#until = Math.max(base, Math.min(base + Math.min(segmentBytes, sizeBytes), endsAt))
    this.#reader = new LogReader(files, task)
    this.#elsewhere = new LogReader(files, task)
    if (queues !== undefined) {
      const { fileEntries, until, known, deleted } = queues
      const isRecordOf = this.#isRecordOf.bind(this)
      const options = { directory, queueFileEntries: fileEntries, queuesUntil: until, known, deleted, isRecordOf }
      this.#entries = new EntryCheck(files, options, this.#damage)
    }
    if (index !== undefined) {
      const options = { directory, shape: index.shape, coveredFrom: index.from, coveredUntil: index.until }
      this.#index = new IndexCheck(files, options, base, this.#damage)
    }
  }

  run(): void {
    const { base, segmentBytes, goodUntil } = this.#task
    while (this.#at < this.#until && !this.#closed && !this.#ended) {
      this.#followRecords()
      if (this.#at >= this.#until || this.#closed || this.#ended) break
      const from = this.#at
      if (from >= goodUntil) break // What follows is the torn tail, or was never written.
      this.#at = Math.min(this.#nextRecord(from + 1), goodUntil, this.#until)
      this.#damage.add({ kind: 'log', problem: 'no valid record', derived: false, from, until: this.#at })
    }
    const segmentEnd = Math.min(base + segmentBytes, Math.max(this.#at, this.#until))
    this.#index?.finish(this.#closed || this.#at >= base + segmentBytes ? segmentEnd : this.#at)
  }

  async compareSeal(): Promise<void> {
    const { seal } = this.#task
    if (seal !== undefined) await verifySeal(this.#files, this.#task, seal, this.#damage)
  }

  result(): SegmentResult {
    return {
      base: this.#task.base,
      recordCount: this.#recordCount,
      checkedBytes: this.#at - this.#task.base,
      end: this.#at,
      closed: this.#closed,
      lastStoredAtMs: this.#lastStoredAtMs,
      damage: this.#damage.found(),
      queueCounts: this.#entries?.counts() ?? [],
      missing: this.#entries?.missing() ?? [],
      pendingCount: this.#entries?.pendingCount ?? 0,
      orphanCount: this.#entries?.orphanCount ?? 0,
      unmarkedCount: this.#entries?.unmarkedCount ?? 0
    }
  }

  close(): void {
    this.#entries?.close()
    this.#reader.close()
    this.#elsewhere.close()
  }

  /** Follows whole records from `#at` until there is none. */
  #followRecords(): void {
    const positions = this.#positions
    let bytesMin = 0
    while (this.#at < this.#until) {
      this.#reader.cover(this.#at, this.#until, bytesMin)
      const { view, bytes, base, until: covered } = this.#reader
      const started = this.#at
      let shape: number = RECORD_WHOLE
      let at = this.#at
      while (at < covered) {
        shape = locate(view, at - base, covered - base, positions)
        if (shape !== RECORD_WHOLE || positions.physicalOffset !== at) break
        this.#starts[this.#pending] = at
        this.#ranges[2 * this.#pending] = positions.bodyAt
        this.#ranges[2 * this.#pending + 1] = positions.bodyAt + positions.bodyBytes
        at += positions.totalBytes
        if (++this.#pending === BATCH && !this.#checkPending(view, bytes, base, covered)) return
      }
      if (!this.#checkPending(view, bytes, base, covered)) return
      if (at < covered && shape === RECORD_BLANK) {
        this.#closed = true
        return
      }
      if (at >= this.#until) return
      const wanted = this.#reader.bytesBeyond(at, this.#until)
      if (wanted === 0 || (at === started && wanted <= bytesMin)) return
      bytesMin = wanted
    }
  }

  /** Everything about the records that were collected. False if the log ends among them. */
  #checkPending(view: DataView, bytes: Uint8Array, base: number, covered: number): boolean {
    const count = this.#pending
    this.#pending = 0
    checksums(bytes, this.#ranges, count, this.#found)
    const positions = this.#positions
    for (let i = 0; i < count; i++) {
      const at = this.#starts[i] as number // Below count, like the next.
      locate(view, at - base, covered - base, positions)
      const problem = this.#problemOf(view, bytes, this.#found[i] as number)
      if (problem !== undefined) {
        if (at >= this.#task.goodUntil) {
          this.#ended = true
          return false
        }
        this.#damage.add({
          kind: 'record',
          problem,
          derived: false,
          from: at,
          until: at + positions.totalBytes,
          topic: readText(bytes, positions.topicAt, positions.topicAt + positions.topicBytes),
          queueId: positions.queueId,
          queueOffset: positions.queueOffset
        })
      }
      this.#recordCount++
      if (positions.storedAtMs > this.#lastStoredAtMs) this.#lastStoredAtMs = positions.storedAtMs
      this.#entries?.record(bytes, positions, at)
      this.#index?.record(bytes, positions, at)
      this.#at = at + positions.totalBytes
    }
    return true
  }

  #problemOf(view: DataView, bytes: Uint8Array, checksum: number): string | undefined {
    const { at, bodyBytes } = this.#positions
    // An empty body has nothing to check, as in Java.
    if (bodyBytes > 0 && (checksum & 0x7fffffff) !== view.getInt32(at + RECORD_HEAD.at.bodyChecksum))
      return 'the body does not match its checksum'
    if (verifyRecordChecksum(bytes, this.#positions) === 'wrong') return 'the record does not match its checksum'
    return undefined
  }

  /** The next whole record, or blank, that stands in its own place; the end of the segment if there is none. */
  #nextRecord(from: number): number {
    let at = from
    while (at < this.#until) {
      this.#reader.cover(at, this.#until, SEARCH_BYTES)
      const { view, base, until: covered } = this.#reader
      const found = base + findRecord(view, at - base, covered - base, base)
      if (found < covered || covered >= this.#until) return found < covered ? found : this.#until
      // A record may begin in this window and end in the next.
      at = Math.max(at + 1, covered - SEARCH_BYTES / 2)
    }
    return this.#until
  }

  #isRecordOf(position: number, topic: string, queueId: number, queueOffset: number): boolean {
    const { directory, segmentBytes } = this.#task
    return isRecordOf(this.#files, this.#elsewhere, { directory, segmentBytes, position, topic, queueId, queueOffset })
  }
}

/** Compares what a full segment hashes to with what it hashed to when it was complete. */
export async function verifySeal(
  files: Files,
  { directory, base, sizeBytes }: { directory: string; base: number; sizeBytes: number },
  { usedBytes, hash }: { usedBytes: number; hash: bigint },
  damage: DamageList
): Promise<void> {
  const until = base + usedBytes
  if (usedBytes > sizeBytes || (await hashSegment(files, directory, base, usedBytes)) !== hash)
    damage.add({
      kind: 'seal',
      problem: 'the segment has changed since it was sealed',
      derived: false,
      from: base,
      until
    })
}
