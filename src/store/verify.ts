/**
 * Verification: reads everything a store has on disk and says what is wrong with it, changing nothing.
 *
 * | looked at | must be |
 * |---|---|
 * | segments | there, without a gap, of their full size |
 * | records | whole, in their own place, the body (and the record, if it has one) as its checksum says |
 * | seals | the hash of the segment, as it was when the segment was complete |
 * | queue entries | one for each record, with its position, size and tag code, and no other |
 * | key index | an item for each key of each record, no other, and all of them reachable |
 *
 * What the next start of the store does anyway is not damage: a torn tail behind the last good record, and records of
 * the last moments that are not in their queues yet. While another process has the store open only what was surely
 * settled before is looked at.
 *
 * Not here: mending anything (repair.ts). The work is done in jobs (verify-segment.ts, verify-queues.ts,
 * verify-index.ts), by as many threads as the caller has.
 */
import { join } from 'node:path'
import { type Clock, systemClock, unreachable } from '../base/index.ts'
import {
  type Condition,
  type DirectoryFacts,
  type KnownSizes,
  listQueues,
  readDirectoryFacts
} from './directory-facts.ts'
import type { Files } from './files.ts'
import type { RunJob } from './jobs.ts'
import { indexSizeOf, listIndexFiles } from './key-index-names.ts'
import { lastDataIn } from './last-data.ts'
import { firstStoredAt } from './log-scan.ts'
import { indexDirectory, segmentPath } from './paths.ts'
import { endOfQueues } from './queue-recovery.ts'
import { readDeletedTopics, readQueueTable, readSeals } from './sidecar.ts'
import { type IndexExtent, indexExtent, verifyIndexFile } from './verify-index.ts'
import { type QueuesResult, type QueuesTask, verifyQueues } from './verify-queues.ts'
import { type Damage, type DamageFound, DamageList } from './verify-report.ts'
import { type SegmentResult, type SegmentTask, verifySeal, verifySegment } from './verify-segment.ts'

export interface VerifyOptions {
  readonly directory: string
  /** Compares seals only: no record is looked at. Default false. */
  readonly quick?: boolean
  /** Sizes that the files themselves cannot tell. */
  readonly sizes?: KnownSizes
  /** Where jobs run. Default: one after the other in this thread. */
  readonly runJob?: RunJob
  readonly clock?: Clock
  readonly onProgress?: (progress: { readonly doneBytes: number; readonly totalBytes: number }) => void
}

export interface VerifyReport {
  readonly directory: string
  readonly condition: Condition
  /** The log holds `[logStart, logEnd)`. */
  readonly logStart: number
  readonly logEnd: number
  readonly segmentCount: number
  readonly sealedCount: number
  readonly recordCount: number
  readonly queueCount: number
  readonly entryCount: number
  readonly indexFileCount: number
  readonly indexItemCount: number
  readonly checkedBytes: number
  readonly tookMs: number
  /** Bytes behind the end of the log that the next start cuts and keeps in quarantine. */
  readonly tornTailBytes: number
  /** Messages that the next start puts into their queues. */
  readonly pendingCount: number
  /** Messages of deleted topics, which no queue has. */
  readonly orphanCount: number
  /** Of those, the ones that a rebuild would bring back: nothing but the queues says that their topic was deleted. */
  readonly unmarkedCount: number
  readonly damage: readonly Damage[]
  /** All, also those that are not listed. */
  readonly damageCount: number
  /** What was not looked at, and why. */
  readonly notes: readonly string[]
}

export type VerifyTask =
  | { readonly part: 'segment'; readonly task: SegmentTask }
  | { readonly part: 'seal'; readonly task: SealTask }
  | { readonly part: 'queues'; readonly task: QueuesTask }
  | {
      readonly part: 'index'
      readonly path: string
      readonly shape: { readonly slots: number; readonly items: number }
    }

interface SealTask {
  readonly directory: string
  readonly base: number
  readonly sizeBytes: number
  readonly seal: { readonly usedBytes: number; readonly hash: bigint }
}

export type VerifyResult = SegmentResult | QueuesResult | DamageFound

/** One job, in whichever thread. */
export async function performVerifyTask(files: Files, verify: VerifyTask): Promise<VerifyResult> {
  switch (verify.part) {
    case 'segment':
      return verifySegment(files, verify.task)
    case 'seal': {
      const damage = new DamageList()
      await verifySeal(files, verify.task, verify.task.seal, damage)
      return damage.found()
    }
    case 'queues':
      return verifyQueues(files, verify.task)
    case 'index':
      return verifyIndexFile(files, verify.path, verify.shape)
    default:
      return unreachable(verify)
  }
}

/** @throws VarveError STORE_NOT_FOUND, STORE_FORMAT_NEWER, STORE_IO_FAILED */
export function verifyStore(files: Files, options: VerifyOptions): Promise<VerifyReport> {
  return new Verification(files, options).run()
}

/** Queues in one job: enough that its start does not count, few enough that threads share the work. */
const QUEUES_PER_JOB = 512

class Verification {
  readonly #files: Files
  readonly #options: VerifyOptions
  readonly #clock: Clock
  readonly #perform: (verify: VerifyTask) => Promise<VerifyResult>
  readonly #facts: DirectoryFacts
  readonly #damage = new DamageList()
  readonly #notes: string[] = []
  #doneBytes = 0
  #totalBytes = 0

  constructor(files: Files, options: VerifyOptions) {
    this.#files = files
    this.#options = options
    this.#clock = options.clock ?? systemClock
    const { runJob } = options
    this.#perform =
      runJob === undefined ? verify => performVerifyTask(files, verify) : verify => runJob({ type: 'verify', verify })
    this.#facts = readDirectoryFacts(files, options.directory, options.sizes)
  }

  async run(): Promise<VerifyReport> {
    const startedMs = this.#clock.monotonicMs()
    const { directory, quick = false } = this.#options
    const { condition, segments } = this.#facts
    this.#checkSegmentFiles()
    const seals = readSeals(this.#files, directory)
    const parts = quick ? await this.#compareSeals(seals) : await this.#verifyAll(seals)
    const { listed, count } = this.#damage.found()
    return {
      directory,
      condition,
      logStart: segments[0]?.base ?? 0,
      segmentCount: segments.length,
      sealedCount: segments.filter(({ base }) => seals.has(base)).length,
      ...parts,
      tookMs: this.#clock.monotonicMs() - startedMs,
      damage: listed,
      damageCount: count,
      notes: this.#notes
    }
  }

  #checkSegmentFiles(): void {
    const { directory, segments, strayFiles, segmentBytes, goodUntil } = this.#facts
    const wrong = (problem: string, path: string): void =>
      this.#damage.add({ kind: 'segment-file', problem, derived: false, path })
    for (const path of strayFiles) wrong('it does not belong into a commit log', path)
    for (const [i, { base, path, sizeBytes }] of segments.entries()) {
      const before = segments[i - 1]
      // Made, but not yet given its size when the process ended: the next start deletes it.
      const isUnfinished = sizeBytes === 0 && i === segments.length - 1 && i > 0
      if (sizeBytes !== segmentBytes && !isUnfinished)
        wrong(`it has ${sizeBytes} bytes instead of ${segmentBytes}`, path)
      if (before !== undefined && base !== before.base + segmentBytes) wrong('a segment before it is missing', path)
    }
    const last = segments.at(-1)
    const end = last === undefined ? 0 : last.base + segmentBytes
    if (goodUntil > end) wrong(`it is missing: the log was on disk up to ${goodUntil}`, segmentPath(directory, end))
  }

  async #compareSeals(seals: ReturnType<typeof readSeals>): Promise<Parts> {
    const { directory, segments, goodUntil } = this.#facts
    const sealed = segments.flatMap(({ base, sizeBytes }) => {
      const seal = seals.get(base)
      return seal === undefined ? [] : [{ directory, base, sizeBytes, seal }]
    })
    if (sealed.length < segments.length)
      this.#notes.push(
        `${segments.length - sealed.length} of ${segments.length} segments have no seal and were not read`
      )
    this.#totalBytes = sealed.reduce((bytes, { seal }) => bytes + seal.usedBytes, 0)
    await Promise.all(
      sealed.map(async task => {
        this.#damage.addAll((await this.#perform({ part: 'seal', task })) as DamageFound)
        this.#advance(task.seal.usedBytes)
      })
    )
    return { ...NOTHING_CHECKED, logEnd: goodUntil, checkedBytes: this.#totalBytes }
  }

  async #verifyAll(seals: ReturnType<typeof readSeals>): Promise<Parts> {
    const { directory, segments, segmentBytes, condition, state, indexShape } = this.#facts
    const isLive = condition === 'running'
    const readable = segments.filter(({ base, sizeBytes }) => sizeBytes > 0 && base % segmentBytes === 0)
    const table = readQueueTable(this.#files, directory)
    const isClosed = condition === 'clean' || condition === 'foreign'
    const goodUntil = this.#goodUntil(readable.map(({ base }) => base))
    // A running store goes on meanwhile: what it has appended since is not looked at.
    const endsAt = condition === 'clean' || isLive ? (state?.seenUntil ?? goodUntil) : Number.POSITIVE_INFINITY
    const queuesUntil = isClosed ? Number.POSITIVE_INFINITY : (table?.untilPhysicalOffset ?? 0)
    const deleted = new Map(readDeletedTopics(this.#files, directory).map(({ topic, until }) => [topic, until]))
    const known = new Set(table?.queues.map(({ topic, queueId }) => `${topic}/${queueId}`) ?? [])
    const extent = this.#indexExtent()
    if (isLive) this.#notes.push('the store is open in another process: only what was settled before was looked at')

    const inLog = readable.filter(({ base }) => base < endsAt)
    this.#totalBytes = inLog.reduce((bytes, { sizeBytes }) => bytes + sizeBytes, 0)
    const results = await Promise.all(
      inLog.map(async ({ base, sizeBytes }) => {
        const seal = seals.get(base)
        const task: SegmentTask = {
          directory,
          segmentBytes,
          base,
          sizeBytes,
          goodUntil,
          endsAt,
          seal: seal === undefined ? undefined : { usedBytes: seal.usedBytes, hash: seal.hash },
          queues: { fileEntries: this.#facts.queueFileEntries, until: queuesUntil, known, deleted },
          index: indexShape === undefined ? undefined : { shape: indexShape, ...this.#indexCovers(extent, isClosed) }
        }
        const result = (await this.#perform({ part: 'segment', task })) as SegmentResult
        this.#advance(sizeBytes)
        return result
      })
    )
    const joined = this.#join(results, goodUntil)
    const entryCount = await this.#verifyQueues(joined)
    await this.#verifyIndexFiles()
    return {
      logEnd: joined.logEnd,
      recordCount: joined.recordCount,
      queueCount: joined.queueCount,
      entryCount,
      indexFileCount: extent.fileCount,
      indexItemCount: extent.itemCount,
      checkedBytes: joined.checkedBytes,
      tornTailBytes: isLive ? 0 : this.#bytesBehind(joined.logEnd),
      pendingCount: isLive ? 0 : joined.pendingCount,
      orphanCount: joined.orphanCount,
      unmarkedCount: joined.unmarkedCount
    }
  }

  /** Without a watermark of ours, a segment that begins with a record proves that all before it were complete. */
  #goodUntil(bases: readonly number[]): number {
    const { directory, goodUntil, condition } = this.#facts
    if (goodUntil > 0 || condition === 'clean') return goodUntil
    const begun = bases.filter(base => firstStoredAt(this.#files, directory, base) !== undefined)
    const last = begun.at(-1) ?? 0
    return condition === 'foreign' ? Math.max(last, endOfEntries(this.#files, this.#facts)) : last
  }

  #indexExtent(): IndexExtent {
    const { directory, indexShape } = this.#facts
    if (indexShape !== undefined) return indexExtent(this.#files, directory, indexShape)
    const fileCount = listIndexFiles(this.#files, indexDirectory(directory)).length
    if (fileCount > 0) this.#notes.push('the key index was not looked at: how many slots and items it has is not known')
    return { fileCount, itemCount: 0, from: undefined, until: undefined }
  }

  /** Where every key must have an item. */
  #indexCovers({ from, until }: IndexExtent, isClosed: boolean): { from: number; until: number } {
    const { condition, state } = this.#facts
    // Of a store that we closed ourselves the state tells; an index that is switched off ends at 0.
    const untilBefore = state?.indexEndPhysicalOffset ?? 0
    const isGone = from === undefined && untilBefore > 0 && isClosed
    if (condition === 'clean' || isGone) return { from: 0, until: untilBefore + (untilBefore > 0 ? 1 : 0) }
    if (from === undefined || until === undefined) return { from: 0, until: 0 }
    return { from, until: isClosed ? until + 1 : until }
  }

  #join(results: readonly SegmentResult[], goodUntil: number): Joined {
    const { segmentBytes, segments } = this.#facts
    const counts = new Map<string, number>()
    let logEnd = segments[0]?.base ?? 0
    let recordCount = 0
    let checkedBytes = 0
    let pendingCount = 0
    let orphanCount = 0
    let unmarkedCount = 0
    const inLog: SegmentResult[] = []
    for (const result of results) {
      inLog.push(result)
      this.#damage.addAll(result.damage)
      recordCount += result.recordCount
      checkedBytes += result.checkedBytes
      pendingCount += result.pendingCount
      orphanCount += result.orphanCount
      unmarkedCount += result.unmarkedCount
      logEnd = result.closed ? result.base + segmentBytes : result.end
      for (const { topic, queueId, matchedCount } of result.queueCounts) {
        const name = `${topic}/${queueId}`
        counts.set(name, (counts.get(name) ?? 0) + matchedCount)
      }
      // The log ends here, unless something good follows.
      if (!result.closed && result.base + segmentBytes > goodUntil) break
    }
    const restartedCount = this.#reportMissing(inLog)
    orphanCount += restartedCount
    unmarkedCount += restartedCount
    const queueCount = listQueues(this.#files, this.#facts.directory).length
    return { logEnd, recordCount, checkedBytes, pendingCount, orphanCount, unmarkedCount, queueCount, counts }
  }

  /**
   * Messages without an entry are damage, unless the offsets of their queue begin again later in the log: then their
   * topic was deleted and another one of its name was made. Returns how many messages of the latter kind there are.
   */
  #reportMissing(results: readonly SegmentResult[]): number {
    const lowestLater = new Map<string, number>()
    const found: Damage[] = []
    let orphanCount = 0
    for (const { missing, queueCounts } of [...results].reverse()) {
      for (const { topic, queueId, queueOffset, count, from, until } of [...missing].reverse()) {
        if (queueOffset >= (lowestLater.get(`${topic}/${queueId}`) ?? Number.POSITIVE_INFINITY)) orphanCount += count
        else {
          const problem = 'a message has no entry'
          found.push({ kind: 'queue-entry', problem, derived: true, from, until, topic, queueId, queueOffset, count })
        }
      }
      for (const { topic, queueId, lowestOffset } of queueCounts) {
        const name = `${topic}/${queueId}`
        lowestLater.set(name, Math.min(lowestOffset, lowestLater.get(name) ?? lowestOffset))
      }
    }
    for (const damage of found.reverse()) this.#damage.add(damage)
    return orphanCount
  }

  async #verifyQueues({ counts, logEnd }: Joined): Promise<number> {
    const { directory, segmentBytes, segments, queueFileEntries, condition } = this.#facts
    const logStart = segments[0]?.base ?? 0
    const queues = listQueues(this.#files, directory).map(({ topic, queueId }) => ({
      topic,
      queueId,
      // Of a running store entries may have come since: none of them is called stray.
      matchedCount: condition === 'running' ? Number.POSITIVE_INFINITY : (counts.get(`${topic}/${queueId}`) ?? 0)
    }))
    const jobs: QueuesTask[] = []
    for (let from = 0; from < queues.length; from += QUEUES_PER_JOB) {
      const part = queues.slice(from, from + QUEUES_PER_JOB)
      jobs.push({ directory, segmentBytes, queueFileEntries, logStart, logEnd, queues: part })
    }
    let entryCount = 0
    for (const result of await Promise.all(
      jobs.map(task => this.#perform({ part: 'queues', task }) as Promise<QueuesResult>)
    )) {
      this.#damage.addAll(result.damage)
      entryCount += result.entryCount
    }
    return entryCount
  }

  async #verifyIndexFiles(): Promise<void> {
    const { directory, indexShape: shape, condition } = this.#facts
    // The writer may be in the middle of an item.
    if (shape === undefined || condition === 'running') return
    const names = listIndexFiles(this.#files, indexDirectory(directory))
    const found = await Promise.all(
      names.map(name => {
        const path = join(indexDirectory(directory), name)
        return this.#perform({ part: 'index', path, shape }) as Promise<DamageFound>
      })
    )
    // After a crash the next start mends the end of the newest file, if it takes the file at all; it is not damage then.
    const newest = names.at(-1)
    const isMended =
      newest !== undefined &&
      condition !== 'clean' &&
      condition !== 'foreign' &&
      indexSizeOf(this.#files.find(join(indexDirectory(directory), newest))?.sizeBytes ?? 0, shape, true) !== 'wrong'
    for (const damage of isMended ? found.slice(0, -1) : found) this.#damage.addAll(damage)
  }

  /** Bytes from the end of the log to the last one that is not zero, in the segment where the log ends. */
  #bytesBehind(logEnd: number): number {
    const { segments, segmentBytes } = this.#facts
    const segment = segments.find(({ base }) => logEnd >= base && logEnd < base + segmentBytes)
    if (segment === undefined) return 0
    const file = this.#files.open(segment.path, 'read')
    try {
      const end = logEnd - segment.base
      return lastDataIn(file, end, segment.sizeBytes) - end
    } finally {
      file.close()
    }
  }

  #advance(bytes: number): void {
    this.#doneBytes += bytes
    this.#options.onProgress?.({ doneBytes: this.#doneBytes, totalBytes: this.#totalBytes })
  }
}

type Parts = Pick<
  VerifyReport,
  | 'logEnd'
  | 'recordCount'
  | 'queueCount'
  | 'entryCount'
  | 'indexFileCount'
  | 'indexItemCount'
  | 'checkedBytes'
  | 'tornTailBytes'
  | 'pendingCount'
  | 'orphanCount'
  | 'unmarkedCount'
>

interface Joined {
  readonly logEnd: number
  readonly recordCount: number
  readonly checkedBytes: number
  readonly pendingCount: number
  readonly orphanCount: number
  readonly unmarkedCount: number
  readonly queueCount: number
  /** Entries that match a record, by `topic/queueId`. */
  readonly counts: ReadonlyMap<string, number>
}

const NOTHING_CHECKED: Parts = {
  logEnd: 0,
  recordCount: 0,
  queueCount: 0,
  entryCount: 0,
  indexFileCount: 0,
  indexItemCount: 0,
  checkedBytes: 0,
  tornTailBytes: 0,
  pendingCount: 0,
  orphanCount: 0,
  unmarkedCount: 0
}

/** Where the furthest record of any queue entry ends: a store that Apache RocketMQ closed is complete up to there. */
function endOfEntries(files: Files, facts: DirectoryFacts): number {
  const bases = facts.segments.map(({ base }) => base)
  const end = endOfQueues(files, facts, bases)
  const limit = (bases.at(-1) ?? 0) + facts.segmentBytes
  return end > limit ? 0 : end
}
