/**
 * Recovery: from a directory as it was left, by Varve or by Apache RocketMQ, cleanly or not, to a store that can go on.
 *
 * | found | the log is scanned from | queues are taken from |
 * |---|---|---|
 * | nothing | - | - |
 * | clean close by Varve, untouched since | nowhere: its end is known | the queue table |
 * | crash of the process, same run of the system | what the system had been handed | the queue table, then the log |
 * | crash of the system | what was surely on disk | the queue table, then the log |
 * | a sync that failed, in whoever had the store open or tried to open it | what was surely on disk; all of it is written again | the queue table, then the log |
 * | anything else: Apache RocketMQ was here, or the sidecar is lost | the last entry of the queues, or the checkpoint | the queue files, then the log |
 *
 * Invariants:
 * - nothing that parses is deleted: what is cut from the tail is first kept in varve/quarantine, durably
 * - below the durable watermark nothing is cut at all: what does not parse there is reported as damage and passed over
 * - a crash during recovery leaves a directory from which recovery does the same again
 *
 * Not here: scanning (log-scan.ts), finding the ends of queue files (queue-recovery.ts), putting entries into queues
 * (dispatch.ts).
 */
import { type Clock, MiB, VarveError } from '../base/index.ts'
import { prepareSegment } from './allocate.ts'
import { readCheckpoint } from './checkpoint.ts'
import { Dispatcher, type DispatchOptions, QueueHole, type QueueSeed } from './dispatch.ts'
import { isInDoubt } from './doubt.ts'
import type { Files } from './files.ts'
import { canBeQueue } from './impossible-heads.ts'
import type { RunJob } from './jobs.ts'
import { type IndexCover, type KeyIndex, NO_INDEX, openKeyIndex } from './key-index.ts'
import { firstStoredAt, joinScans, type LogEnd, type ScanRequest, type SegmentScan } from './log-scan.ts'
import { listSegments } from './log-segments.ts'
import {
  abortPath,
  commitLogDirectory,
  consumeQueueDirectory,
  indexDirectory,
  queueDirectory,
  segmentPath,
  topicDirectory
} from './paths.ts'
import { Progress } from './progress.ts'
import { cutTail } from './quarantine.ts'
import { QueueCounts } from './queue-counts.ts'
import { dropOtherQueues, endOfQueues, findQueues, queueFilesAreThere, trimQueues } from './queue-recovery.ts'
import { shortageOf } from './shortage.ts'
import {
  currentRun,
  type DeletedTopic,
  ownerToken,
  type QueueRow,
  type QueueTable,
  readDamage,
  readQueueTable,
  readState,
  Seals,
  type StoreState,
  trimDeletedTopics,
  writeDamage
} from './sidecar.ts'
import type { DamagedRange, RecoveryProgress, RecoveryReport } from './store-api.ts'

export interface RecoveryOptions extends Omit<DispatchOptions, 'follow' | 'fillHoles' | 'deleted'> {
  readonly queueCountMax: number
  readonly queueIdMax: number
  readonly index: boolean
  readonly indexSlots: number
  readonly indexItems: number
  /** Told from time to time while a long recovery goes on. */
  readonly onProgress: ((progress: RecoveryProgress) => void) | undefined
}

export interface Recovered {
  readonly report: RecoveryReport
  readonly firstSegment: number
  readonly appended: number
  readonly lastStoredAtMs: number
  readonly queues: readonly QueueSeed[]
  readonly index: IndexCover
}

type Situation = {
  /** After a failed sync, or where one cannot be ruled out, what the system has in memory need not be on disk. */
  readonly isInDoubt: boolean
} & (
  | { readonly kind: 'clean' | 'crash'; readonly state: StoreState }
  | { readonly kind: 'foreign'; readonly state: StoreState | undefined }
)

/** Without pause a long recovery would block everything else in the process. */
const STEPS_BETWEEN_PAUSES = 16

export class Recovery {
  readonly #files: Files
  readonly #clock: Clock
  readonly #runJob: RunJob
  readonly #options: RecoveryOptions

  constructor(files: Files, world: { clock: Clock; runJob: RunJob }, options: RecoveryOptions) {
    this.#files = files
    this.#clock = world.clock
    this.#runJob = world.runJob
    this.#options = options
  }

  async run(): Promise<Recovered> {
    const startedMs = this.#clock.monotonicMs()
    const { directory, segmentBytes } = this.#options
    const bases = listSegments(this.#files, directory, segmentBytes)
    if (bases.length === 0) return this.#startNew(startedMs)
    this.#checkChain(bases)

    const situation = this.#situation()
    const end = await this.#findEnd(situation, bases)
    const cut = this.#cut(situation, bases, end)
    const damaged = this.#keepDamage(readDamage(this.#files, directory), end.damaged)
    prepareSegment(this.#files, this.#options, end.end - (end.end % segmentBytes))
    if (situation.kind !== 'clean') {
      this.#writeAgain(situation, bases, end.end)
      this.#makeDurable(bases)
      this.#keepSeals(bases, end)
    }

    const derived = await this.#derive(situation, bases[0] as number, end.end) // There is at least one segment.
    return {
      report: {
        kind: situation.kind,
        tookMs: this.#clock.monotonicMs() - startedMs,
        scannedBytes: end.scannedBytes,
        quarantinedBytes: cut?.bytes ?? 0,
        quarantinePath: cut?.path,
        damaged: this.#keepDamage(damaged, derived.damaged),
        rebuilt: derived.rebuilt
      },
      firstSegment: (bases[0] as number) / segmentBytes, // There is at least one.
      appended: end.end,
      lastStoredAtMs: end.lastStoredAtMs,
      queues: derived.queues,
      index: this.#indexCover()
    }
  }

  #startNew(startedMs: number): Recovered {
    const { directory } = this.#options
    // Queues without a log point nowhere. Apache RocketMQ destroys them too.
    this.#files.removeDirectory(consumeQueueDirectory(directory))
    this.#withIndex(index => index.truncateTo(0))
    trimDeletedTopics(this.#files, directory, 0)
    prepareSegment(this.#files, this.#options, 0)
    const report: RecoveryReport = {
      kind: 'new',
      tookMs: this.#clock.monotonicMs() - startedMs,
      scannedBytes: 0,
      quarantinedBytes: 0,
      quarantinePath: undefined,
      damaged: [],
      rebuilt: false
    }
    return { report, firstSegment: 0, appended: 0, lastStoredAtMs: 0, queues: [], index: NO_INDEX }
  }

  #checkChain(bases: readonly number[]): void {
    const { directory, segmentBytes } = this.#options
    for (const [i, base] of bases.entries()) {
      const path = segmentPath(directory, base)
      const sizeBytes = this.#files.find(path)?.sizeBytes ?? 0
      // Made, but not yet given its size when the process ended. Apache RocketMQ deletes it as well.
      const unfinished = sizeBytes === 0 && i === bases.length - 1 && i > 0
      if (unfinished) this.#files.remove(path)
      else if (sizeBytes !== segmentBytes)
        throw new VarveError('STORE_LAYOUT_FOREIGN', { path, sizeBytes, segmentBytes })
      const previous = bases[i - 1]
      if (previous !== undefined && base !== previous + segmentBytes) {
        throw new VarveError('STORE_LAYOUT_FOREIGN', {
          path,
          problem: 'a segment before it is missing',
          expected: previous + segmentBytes
        })
      }
    }
  }

  #situation(): Situation {
    const { directory } = this.#options
    const state = readState(this.#files, directory)
    const syncFailed = isInDoubt(this.#files, directory)
    if (state === undefined || state.ownerToken !== ownerToken(this.#files, directory))
      return { kind: 'foreign', state, isInDoubt: syncFailed }
    return { kind: state.clean && !syncFailed ? 'clean' : 'crash', state, isInDoubt: syncFailed || state.run === '' }
  }

  /** Whether what the system was handed before the crash is still in its hands, or on disk. */
  #isSameRun({ kind, state, isInDoubt }: Situation): boolean {
    return kind !== 'foreign' && !isInDoubt && state?.run === currentRun(this.#files, this.#options.directory)
  }

  /** Where the log ends, and what is damaged before that. */
  async #findEnd(situation: Situation, bases: readonly number[]): Promise<LogEnd> {
    if (situation.kind === 'clean') return this.#knownEnd(situation.state, bases)
    const { from, goodUntil, goodStoredAtMs } = this.#scanStart(situation, bases)
    const { directory, segmentBytes } = this.#options
    const requests = bases
      .filter(base => base + segmentBytes > from)
      .map(
        (base): ScanRequest => ({
          directory,
          segmentBytes,
          from: Math.max(base, from),
          until: base + segmentBytes,
          goodUntil,
          goodStoredAtMs
        })
      )
    if (requests.length === 0)
      return { end: from, lastStoredAtMs: 0, lastRecordAt: undefined, damaged: [], scannedBytes: 0 }
    const scans = await Promise.all(requests.map(request => this.#runJob({ type: 'scan', request })))
    // Without a watermark of ours, a later segment that begins with a valid record proves that this one was complete.
    const isGood = (scan: SegmentScan): boolean => situation.kind === 'foreign' || scan.from < goodUntil
    return joinScans(scans, segmentBytes, isGood)
  }

  #knownEnd(state: StoreState, bases: readonly number[]): LogEnd {
    const last = bases[bases.length - 1] as number // There is at least one segment.
    const end = state.seenUntil
    if (end > last + this.#options.segmentBytes || end < (bases[0] as number)) {
      throw new VarveError('STORE_FILE_CHANGED', {
        problem: 'segments are missing',
        expectedUntil: end,
        foundUntil: last + this.#options.segmentBytes
      })
    }
    const { logStoredAtMs } = readCheckpoint(this.#files, this.#options.directory)
    return { end, lastStoredAtMs: logStoredAtMs, lastRecordAt: undefined, damaged: [], scannedBytes: 0 }
  }

  #scanStart(
    situation: Situation,
    bases: readonly number[]
  ): { from: number; goodUntil: number; goodStoredAtMs: number } {
    const first = bases[0] as number // There is at least one segment.
    if (situation.kind === 'crash') {
      const { state } = situation
      const { durableUntil, seenUntil } = state
      const from = Math.max(first, this.#isSameRun(situation) ? Math.max(seenUntil, durableUntil) : durableUntil)
      return { from, goodUntil: from, goodStoredAtMs: 0 }
    }
    const { logStoredAtMs, queuesStoredAtMs } = readCheckpoint(this.#files, this.#options.directory)
    const crashed = this.#files.find(abortPath(this.#options.directory)) !== undefined
    const from = crashed
      ? this.#segmentBefore(bases, Math.min(logStoredAtMs, queuesStoredAtMs) - 3000)
      : Math.max(first, endOfQueues(this.#files, this.#options, bases))
    return { from, goodUntil: 0, goodStoredAtMs: logStoredAtMs }
  }

  /** What is known, with what has been found: that is written down, so that nobody need find it again. */
  #keepDamage(known: readonly DamagedRange[], found: readonly DamagedRange[]): readonly DamagedRange[] {
    const isKnown = ({ from, until }: DamagedRange): boolean =>
      known.some(range => range.from <= from && range.until >= until)
    const all = [...known, ...found.filter(range => !isKnown(range))]
    if (all.length > known.length) writeDamage(this.#files, this.#options.directory, all)
    return all
  }

  /** The last segment whose first record was stored by `storedAtMs`: Apache RocketMQ begins there too. */
  #segmentBefore(bases: readonly number[], storedAtMs: number): number {
    for (const base of [...bases].reverse()) {
      const found = firstStoredAt(this.#files, this.#options.directory, base)
      if (found !== undefined && found <= storedAtMs) return base
    }
    return bases[0] as number // There is at least one segment.
  }

  /** Cuts what follows the end of the log, keeping it in quarantine, so that it can never be taken for records again. */
  #cut(situation: Situation, bases: readonly number[], end: LogEnd): { bytes: number; path: string } | undefined {
    if (situation.kind === 'clean') return undefined
    const { directory, segmentBytes } = this.#options
    const cut = cutTail(this.#files, { directory, segmentBytes, from: end.end, bases })
    this.#files.syncDirectory(commitLogDirectory(directory))
    return cut
  }

  /** What has been scanned again may have changed since it was sealed. */
  #keepSeals(bases: readonly number[], { end, scannedBytes }: LogEnd): void {
    const { directory, segmentBytes } = this.#options
    const scannedFrom = end - scannedBytes
    const seals = new Seals(this.#files, directory)
    seals.keep({ from: bases[0] as number, until: scannedFrom - (scannedFrom % segmentBytes) }) // There is at least one.
    seals.close()
  }

  /** In doubt the system may show pages that it believes to be on disk; only what is written again the next sync writes. */
  #writeAgain(situation: Situation, bases: readonly number[], end: number): void {
    if (!situation.isInDoubt) return
    const { directory, segmentBytes } = this.#options
    // How much of a log of others had been on disk nobody knows.
    const durableUntil = situation.kind === 'crash' ? situation.state.durableUntil : 0
    const block = new Uint8Array(MiB)
    for (const base of bases) {
      const until = Math.min(segmentBytes, end - base)
      let at = Math.max(0, durableUntil - base)
      if (at >= until) continue
      const file = this.#files.open(segmentPath(directory, base), 'write')
      try {
        for (; at < until; at += block.length) {
          const part = block.subarray(0, Math.min(block.length, until - at))
          file.write(part.subarray(0, file.read(part, at)), at)
        }
      } finally {
        file.close()
      }
    }
  }

  /** Whoever wrote the log may have died before it was synced; from now on all of it counts as durable. */
  #makeDurable(bases: readonly number[]): void {
    const { directory } = this.#options
    if (this.#files.syncFileSystem(directory)) return
    for (const base of bases) {
      const path = segmentPath(directory, base)
      if (this.#files.find(path) === undefined) continue
      const file = this.#files.open(path, 'write')
      try {
        file.syncAll()
      } finally {
        file.close()
      }
    }
    this.#files.syncDirectory(commitLogDirectory(directory))
  }

  async #derive(situation: Situation, first: number, end: number): Promise<Derived> {
    const { directory } = this.#options
    const sameRun = this.#isSameRun(situation)
    const deleted = trimDeletedTopics(this.#files, directory, end)
    const table = situation.kind === 'foreign' ? undefined : readQueueTable(this.#files, directory)
    try {
      const rows = table === undefined ? [] : this.#withoutDeleted(table, deleted)
      if (
        table !== undefined &&
        table.untilPhysicalOffset <= end &&
        queueFilesAreThere(this.#files, this.#options, rows)
      ) {
        const seeds = seedsOf(rows)
        if (situation.kind === 'crash' && !sameRun) {
          dropOtherQueues(this.#files, this.#options, seeds)
          trimQueues(this.#files, this.#options, seeds)
        }
        const from = Math.max(first, table.untilPhysicalOffset)
        const indexFrom = this.#indexFrom(situation, { sameRun, first, from, end, before: table.index })
        return await this.#catchUp({ seeds, deleted, from, indexFrom, first, end, rebuilding: false })
      }
      // In doubt their files need not be on disk either, and no table says which of their entries are.
      if (situation.kind === 'foreign' && !situation.isInDoubt) {
        const durableUntil = this.#foreignDurableUntil(first, end)
        const rows = findQueues(this.#files, this.#options, durableUntil ?? end)
        if (rows.length > 0) {
          const from = durableUntil ?? Math.max(first, Math.min(end, furthestOf(rows)))
          const seeds = seedsOf(rows)
          trimQueues(this.#files, this.#options, seeds)
          const known = { sameRun: durableUntil === undefined, first, from, end, before: NO_INDEX }
          const indexFrom = this.#indexFrom(situation, known)
          return await this.#catchUp({ seeds, deleted, from, indexFrom, first, end, rebuilding: false })
        }
      }
    } catch (error) {
      if (!(error instanceof QueueHole)) throw error
    }
    this.#files.removeDirectory(consumeQueueDirectory(directory))
    this.#files.makeDirectory(consumeQueueDirectory(directory))
    this.#withIndex(index => index.truncateTo(0))
    return this.#catchUp({ seeds: [], deleted, from: first, indexFrom: first, first, end, rebuilding: true })
  }

  /** The table may be from before a topic was deleted. What its files hold since is put again from the log. */
  #withoutDeleted({ queues, untilPhysicalOffset }: QueueTable, deleted: readonly DeletedTopic[]): QueueRow[] {
    const gone = new Set(deleted.filter(({ until }) => until >= untilPhysicalOffset).map(({ topic }) => topic))
    for (const topic of gone) this.#files.removeDirectory(topicDirectory(this.#options.directory, topic))
    return queues.filter(({ topic }) => !gone.has(topic))
  }

  /**
   * After a crash of whoever was here: up to where queues were surely on disk, if the checkpoint is right. Beyond that a
   * loss of power may have left holes between entries, so they are put again. Undefined after a clean end.
   */
  #foreignDurableUntil(first: number, end: number): number | undefined {
    const { directory, segmentBytes } = this.#options
    if (this.#files.find(abortPath(directory)) === undefined) return undefined
    const { logStoredAtMs, queuesStoredAtMs } = readCheckpoint(this.#files, directory)
    const bases = listSegments(this.#files, directory, segmentBytes)
    return Math.max(first, Math.min(end, this.#segmentBefore(bases, Math.min(logStoredAtMs, queuesStoredAtMs) - 3000)))
  }

  /** From where the index must be filled: it may have lost files, or what was not synced. */
  #indexFrom(situation: Situation, { sameRun, first, from: queuesFrom, end, before }: IndexKnown): number {
    let from = queuesFrom
    this.#withIndex(index => {
      if (hasLostFiles(index.cover, before, first)) {
        index.truncateTo(0)
        from = first
        return
      }
      index.truncateTo(end)
      if (index.rebuildFrom !== undefined) from = Math.min(from, index.rebuildFrom)
      if (situation.kind !== 'clean' && !sameRun) {
        // How much of its index Apache RocketMQ had on disk is not known.
        const durableUntil = situation.kind === 'foreign' ? Number.POSITIVE_INFINITY : queuesFrom
        from = Math.min(from, index.rebuildTo(durableUntil))
      }
      // Nobody tells where a foreign index ended: there may be none, although messages have keys.
      const endThen =
        situation.kind === 'foreign' ? queuesFrom : Math.max(before.end, situation.state.indexEndPhysicalOffset)
      const expectedEnd = Math.min(endThen, queuesFrom)
      if (index.endPhysicalOffset < expectedEnd) from = Math.min(from, index.endPhysicalOffset)
    })
    return from
  }

  #indexCover(): IndexCover {
    let cover = NO_INDEX
    this.#withIndex(index => {
      cover = index.cover
    })
    return cover
  }

  #withIndex(use: (index: KeyIndex) => void): void {
    const { directory, index, indexSlots: slots, indexItems: items } = this.#options
    if (!index) return
    const files = this.#files
    const opened = openKeyIndex({ files, clock: this.#clock, directory: indexDirectory(directory), slots, items })
    try {
      use(opened)
    } finally {
      opened.close()
    }
  }

  /** Brings queues and index up to the end of the log, side by side. */
  async #catchUp(work: CatchUp): Promise<Derived> {
    const { indexFrom, first, end } = work
    const { directory, segmentBytes, index, indexSlots, indexItems } = this.#options
    const indexing =
      index && indexFrom < end
        ? this.#runJob({
            type: 'index',
            request: { directory, segmentBytes, indexSlots, indexItems, from: Math.max(first, indexFrom), until: end }
          })
        : undefined
    // Both must have ended, whatever became of them, before anybody opens these files again.
    const [queues, indexed] = await Promise.allSettled([this.#fillQueues(work), indexing])
    if (queues.status === 'rejected') throw queues.reason
    if (indexed.status === 'rejected') throw indexed.reason
    return queues.value
  }

  async #fillQueues({ seeds, deleted, from, end, rebuilding }: CatchUp): Promise<Derived> {
    if (from >= end) return { queues: seeds, damaged: [], rebuilt: rebuilding }
    const { queueCountMax, onProgress } = this.#options
    const damaged: DamagedRange[] = []
    const progress = new Progress()
    let queueCount = seeds.length
    const dispatcher = new Dispatcher(
      this.#files,
      {
        progress,
        counts: QueueCounts.sized(queueCountMax),
        clock: this.#clock,
        index: undefined,
        events: {
          newQueue: (topic, queueId) => (this.#canBeQueue(topic, queueId) ? queueCount++ : undefined),
          damaged: range => damaged.push(range)
        }
      },
      from,
      seeds,
      // Where records are damaged, offsets are missing for good.
      { ...this.#options, follow: end, fillHoles: rebuilding || this.#damageIsKnown(from), deleted }
    )
    try {
      for (let step = 0; dispatcher.dispatchedUntil < end; step++) {
        dispatcher.step()
        const shortage = shortageOf(progress)
        if (shortage !== undefined) throw new VarveError(shortage, { doing: 'bringing the queues up to the log' })
        if (step % STEPS_BETWEEN_PAUSES !== 0) continue
        onProgress?.({ doneBytes: dispatcher.dispatchedUntil - from, totalBytes: end - from })
        await new Promise(resolve => setImmediate(resolve))
      }
      dispatcher.finish()
      return { queues: Array.from(dispatcher.queues(), seedOf), damaged, rebuilt: rebuilding }
    } finally {
      dispatcher.close()
    }
  }

  /** One with files that is beyond the limit is refused when it is opened. */
  #canBeQueue(topic: string, queueId: number): boolean {
    const { directory, queueIdMax } = this.#options
    const hasFiles = (): boolean => this.#files.find(queueDirectory(directory, topic, queueId)) !== undefined
    return canBeQueue(topic, queueId, queueIdMax, hasFiles)
  }

  #damageIsKnown(from: number): boolean {
    return readDamage(this.#files, this.#options.directory).some(range => range.until > from)
  }
}

interface CatchUp {
  readonly seeds: readonly QueueSeed[]
  readonly deleted: readonly DeletedTopic[]
  readonly from: number
  readonly indexFrom: number
  /** Where the log begins. */
  readonly first: number
  readonly end: number
  readonly rebuilding: boolean
}

interface IndexKnown {
  /** Whether the index is as whoever wrote it has left it. */
  readonly sameRun: boolean
  readonly first: number
  /** The queues are filled from here on. */
  readonly from: number
  readonly end: number
  /** What the index covered when the queue table was saved. */
  readonly before: IndexCover
}

interface Derived {
  readonly queues: readonly QueueSeed[]
  readonly damaged: readonly DamagedRange[]
  readonly rebuilt: boolean
}

const seedOf = ({ topic, queueId, index, nextOffset, empty, firstOffset }: QueueSeed): QueueSeed => ({
  topic,
  queueId,
  index,
  nextOffset,
  empty,
  firstOffset
})

const furthestOf = (rows: readonly QueueRow[]): number =>
  rows.reduce((until, row) => Math.max(until, row.maxPhysicalEnd), 0)

const seedsOf = (rows: readonly QueueRow[]): QueueSeed[] =>
  rows.map((row, index) => ({
    topic: row.topic,
    queueId: row.queueId,
    index,
    nextOffset: row.maxOffset,
    empty: row.maxOffset === 0,
    firstOffset: row.firstOffset
  }))

/**
 * Whether files are missing that retention cannot have deleted: it takes the oldest, and none that has a record beyond
 * `first`. Of the oldest alone it is known what it held, so more than one file less counts as lost.
 */
function hasLostFiles(now: IndexCover, before: IndexCover, first: number): boolean {
  if (before.fileCount === 0) return false
  const firstIsGone = now.fileCount === 0 || now.firstBegin !== before.firstBegin
  const outdated = firstIsGone && before.firstEnd < first ? 1 : 0
  return now.fileCount < before.fileCount - outdated || (firstIsGone && outdated === 0)
}
