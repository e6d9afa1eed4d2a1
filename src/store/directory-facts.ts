/**
 * Directory facts: what a store directory says about itself, read without opening the store.
 *
 * Nothing is changed and no lock is taken, so it works while another process has the store open, and on directories
 * of Apache RocketMQ, which record none of their sizes: those are taken from the files themselves.
 *
 * Not here: whether the contents are right (verify.ts).
 */
import { join } from 'node:path'
import { VarveError } from '../base/index.ts'
import {
  CONSUME_QUEUE_ENTRY,
  FILLER_SIZE_BYTES,
  getInt53,
  locate,
  parseSegmentName,
  RECORD_BLANK,
  RECORD_WHOLE,
  RecordPositions,
  segmentName
} from '../layout/index.ts'
import { isInDoubt } from './doubt.ts'
import { lockHolder } from './file-lock.ts'
import type { DiskSpace, Files } from './files.ts'
import { findIndexShape } from './index-shape.ts'
import type { IndexShape } from './key-index-items.ts'
import { listIndexFiles } from './key-index-names.ts'
import { LogReader } from './log-reader.ts'
import { firstStoredAt } from './log-scan.ts'
import { SIZES_DEFAULT } from './options.ts'
import {
  abortPath,
  commitLogDirectory,
  consumeQueueDirectory,
  indexDirectory,
  lockPath,
  quarantineDirectory,
  queueDirectory,
  segmentPath,
  sidecarDirectory,
  topicDirectory
} from './paths.ts'
import { queueFileBases } from './queue-minimum.ts'
import { currentRun, ownerToken, readState, type StoreState } from './sidecar.ts'

const ENTRY_BYTES = CONSUME_QUEUE_ENTRY.sizeBytes
const { physicalOffset: POSITION_AT, sizeBytes: SIZE_AT } = CONSUME_QUEUE_ENTRY.at

/**
 * How the store was left. `clean`: closed by Varve, untouched since. `crashed`: by Varve, not closed. `foreign`: closed
 * by Apache RocketMQ, or the sidecar is lost; `foreign-crashed`: the same, and it was not closed. `running`: somebody
 * has it open.
 */
export type Condition = 'running' | 'clean' | 'crashed' | 'foreign' | 'foreign-crashed'

export interface SegmentFile {
  readonly base: number
  readonly path: string
  readonly sizeBytes: number
  readonly allocatedBytes: number
  readonly modifiedMs: number
}

export interface DirectoryFacts {
  readonly directory: string
  readonly condition: Condition
  /** Who has the store open; undefined if nobody has, 0 if it cannot be known. */
  readonly holderPid: number | undefined
  readonly segmentBytes: number
  readonly queueFileEntries: number
  /** Undefined if there are no index files, or none from which their shape can be told. */
  readonly indexShape: IndexShape | undefined
  readonly segments: readonly SegmentFile[]
  /** Files in commitlog/ that are no segments: Apache RocketMQ would not open the store. */
  readonly strayFiles: readonly string[]
  readonly state: StoreState | undefined
  /** The log was surely good below this; 0 where nothing says so. */
  readonly goodUntil: number
  readonly hasAbortFile: boolean
  readonly space: DiskSpace
}

/** Sizes that the caller knows better; what is left out is found out. */
export interface KnownSizes {
  readonly segmentBytes?: number
  readonly queueFileEntries?: number
  readonly indexSlots?: number
  readonly indexItems?: number
}

/** @throws VarveError STORE_NOT_FOUND, STORE_FORMAT_NEWER */
export function readDirectoryFacts(files: Files, directory: string, known: KnownSizes = {}): DirectoryFacts {
  if (files.find(commitLogDirectory(directory))?.isDirectory !== true)
    throw new VarveError('STORE_NOT_FOUND', { directory })
  const state = readState(files, directory)
  const holderPid = lockHolder(lockPath(directory))
  const hasAbortFile = files.find(abortPath(directory)) !== undefined
  const { segments, strayFiles } = listSegmentFiles(files, directory)
  const segmentBytes = known.segmentBytes ?? state?.segmentBytes ?? segmentBytesOf(segments)
  const isOurs = state !== undefined && state.ownerToken === ownerToken(files, directory)
  return {
    directory,
    condition: conditionOf({ holderPid, state, isOurs, isInDoubt: isInDoubt(files, directory), hasAbortFile }),
    holderPid,
    segmentBytes,
    queueFileEntries: known.queueFileEntries ?? state?.queueFileEntries ?? queueFileEntriesOf(files, directory),
    indexShape: indexShapeOf(files, directory, known, state),
    segments,
    strayFiles,
    state,
    goodUntil: goodUntilOf(files, directory, isOurs ? state : undefined),
    hasAbortFile,
    space: files.space(directory)
  }
}

export interface QueueFacts {
  readonly topic: string
  readonly queueId: number
  /** First message that the log still has; equal to `maxOffset` if there is none. */
  readonly minOffset: number
  readonly maxOffset: number
  readonly fileCount: number
}

/** Every queue on disk, sorted by topic. `logStart` is the first position of the log. Costs a few reads a queue. */
export function* readQueueFacts(files: Files, facts: DirectoryFacts, logStart: number): Generator<QueueFacts> {
  for (const { topic, queueId } of listQueues(files, facts.directory)) {
    const parent = queueDirectory(facts.directory, topic, queueId)
    const bases = queueFileBases(files, parent)
    const entries = new EntryReader(files, parent, facts.queueFileEntries)
    try {
      const first = (bases[0] ?? 0) / ENTRY_BYTES
      const last = (bases.at(-1) ?? 0) / ENTRY_BYTES + facts.queueFileEntries
      const maxOffset = halve(first, last, offset => entries.read(offset)?.sizeBytes !== 0)
      // Fillers stand before the first message, and in the place of messages that the log has lost: they tell nothing,
      // so the next entry that is none decides.
      const minOffset = halve(first, maxOffset, offset => {
        const next = entries.read(entries.skipFillers(offset, maxOffset))
        return next === undefined || next.sizeBytes === FILLER_SIZE_BYTES || next.position < logStart
      })
      const minFilled = entries.skipFillers(minOffset, maxOffset)
      yield { topic, queueId, minOffset: minFilled, maxOffset, fileCount: bases.length }
    } finally {
      entries.close()
    }
  }
}

/** Names of all queues that have a directory, sorted by topic and number. */
export function listQueues(files: Files, directory: string): { topic: string; queueId: number }[] {
  return files
    .list(consumeQueueDirectory(directory))
    .filter(topic => files.find(topicDirectory(directory, topic))?.isDirectory === true)
    .flatMap(topic =>
      files
        .list(topicDirectory(directory, topic))
        .filter(name => /^\d{1,9}$/.test(name)) // Apache RocketMQ passes over other names too.
        .map(name => ({ topic, queueId: Number(name) }))
        .sort((a, b) => a.queueId - b.queueId)
    )
}

/**
 * Where the log ends: known of a store that was closed, else found by following records from the last place that is
 * surely good. Bodies are not checked.
 */
export function findLogEnd(files: Files, facts: DirectoryFacts): number {
  const { condition, state, goodUntil, segments, segmentBytes, directory } = facts
  if (condition === 'clean' && state !== undefined) return state.seenUntil
  const filled = segments.filter(({ sizeBytes }) => sizeBytes === segmentBytes)
  const last = filled.filter(({ base }) => firstStoredAt(files, directory, base) !== undefined).at(-1)
  if (last === undefined) return segments[0]?.base ?? 0
  const until = last.base + segmentBytes
  const reader = new LogReader(files, facts)
  const positions = new RecordPositions()
  try {
    let at = Math.max(last.base, Math.min(goodUntil, until))
    let bytesMin = 0
    while (at < until) {
      if (at >= reader.until || bytesMin > 0) reader.cover(at, until, bytesMin)
      const shape = locate(reader.view, at - reader.base, reader.until - reader.base, positions)
      if (shape === RECORD_BLANK) return until
      if (shape === RECORD_WHOLE && positions.physicalOffset === at) {
        at += positions.totalBytes
        bytesMin = 0
        continue
      }
      const wanted = reader.bytesBeyond(at, until)
      if (wanted <= bytesMin) return at
      bytesMin = wanted
    }
    return at
  } finally {
    reader.close()
  }
}

/** What was cut from the tail of the log in earlier recoveries. */
export function listQuarantine(files: Files, directory: string): { path: string; sizeBytes: number }[] {
  const parent = quarantineDirectory(directory)
  return files.list(parent).map(name => {
    const path = join(parent, name)
    return { path, sizeBytes: files.find(path)?.sizeBytes ?? 0 }
  })
}

export const hasSidecar = (files: Files, directory: string): boolean =>
  files.find(sidecarDirectory(directory)) !== undefined

function conditionOf(found: {
  holderPid: number | undefined
  state: StoreState | undefined
  isOurs: boolean
  isInDoubt: boolean
  hasAbortFile: boolean
}): Condition {
  if (found.holderPid !== undefined) return 'running'
  if (found.isOurs) return found.state?.clean === true && !found.isInDoubt ? 'clean' : 'crashed'
  return found.hasAbortFile ? 'foreign-crashed' : 'foreign'
}

function goodUntilOf(files: Files, directory: string, state: StoreState | undefined): number {
  if (state === undefined) return 0
  const sameRun = state.run !== '' && state.run === currentRun(files, directory) && !isInDoubt(files, directory)
  return state.clean || sameRun ? Math.max(state.seenUntil, state.durableUntil) : state.durableUntil
}

function listSegmentFiles(files: Files, directory: string): { segments: SegmentFile[]; strayFiles: string[] } {
  const segments: SegmentFile[] = []
  const strayFiles: string[] = []
  const parent = commitLogDirectory(directory)
  for (const name of files.list(parent)) {
    const path = join(parent, name)
    const facts = files.find(path)
    if (facts === undefined || facts.isDirectory) continue
    const base = parseSegmentName(name)
    if (base === undefined) strayFiles.push(path)
    else {
      const { sizeBytes, allocatedBytes, modifiedMs } = facts
      segments.push({ base, path: segmentPath(directory, base), sizeBytes, allocatedBytes, modifiedMs })
    }
  }
  return { segments, strayFiles }
}

/** All segments have one size; a file that was shortened is outvoted. */
function segmentBytesOf(segments: readonly SegmentFile[]): number {
  const distances = segments.slice(1).map(({ base }, i) => base - (segments[i]?.base ?? 0))
  const votes = [...segments.map(({ sizeBytes }) => sizeBytes), ...distances]
  return mostFrequent(votes) ?? SIZES_DEFAULT.segmentBytes
}

const QUEUE_FILES_ASKED_MAX = 256

function queueFileEntriesOf(files: Files, directory: string): number {
  const sizes: number[] = []
  for (const { topic, queueId } of listQueues(files, directory)) {
    const parent = queueDirectory(directory, topic, queueId)
    for (const base of queueFileBases(files, parent)) {
      sizes.push(files.find(join(parent, segmentName(base)))?.sizeBytes ?? 0)
      if (base > 0) sizes.push(base)
    }
    if (sizes.length >= QUEUE_FILES_ASKED_MAX) break
  }
  const bytes = mostFrequent(sizes.filter(size => size % ENTRY_BYTES === 0))
  return bytes === undefined ? SIZES_DEFAULT.queueFileEntries : bytes / ENTRY_BYTES
}

function indexShapeOf(
  files: Files,
  directory: string,
  known: KnownSizes,
  state: StoreState | undefined
): IndexShape | undefined {
  const slots = known.indexSlots ?? state?.indexSlots
  const items = known.indexItems ?? state?.indexItems
  if (slots !== undefined && items !== undefined) return { slots, items }
  const parent = indexDirectory(directory)
  for (const name of listIndexFiles(files, parent)) {
    const shape = findIndexShape(files, join(parent, name))
    if (shape !== undefined) return shape
  }
  return undefined
}

/** The value that stands there most often, the larger one if there are two; zeros do not count. */
function mostFrequent(values: readonly number[]): number | undefined {
  const counts = new Map<number, number>()
  for (const value of values) if (value > 0) counts.set(value, (counts.get(value) ?? 0) + 1)
  const ranked = [...counts].sort(([a, ofA], [b, ofB]) => ofB - ofA || b - a)
  return ranked[0]?.[0]
}

/** The first number from `from` on for which `holds` no longer does; it holds up to some number, then never again. */
function halve(from: number, until: number, holds: (number: number) => boolean): number {
  let low = from
  let high = until
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2)
    if (holds(middle)) low = middle + 1
    else high = middle
  }
  return low
}

/** Single entries of one queue, from whichever of its files holds them, through a small window. */
class EntryReader {
  readonly #files: Files
  readonly #parent: string
  readonly #fileEntries: number
  readonly #view = new DataView(new ArrayBuffer(WINDOW_ENTRIES * ENTRY_BYTES))
  #base = -1
  #file: ReturnType<Files['open']> | undefined
  #from = 0
  #until = 0

  constructor(files: Files, parent: string, fileEntries: number) {
    this.#files = files
    this.#parent = parent
    this.#fileEntries = fileEntries
  }

  /** Past the end of a file that is too short all entries are empty; undefined where the whole file is missing. */
  read(offset: number): { position: number; sizeBytes: number } | undefined {
    if (offset < this.#from || offset >= this.#until) this.#fill(offset)
    if (this.#file === undefined) return undefined
    const at = (offset - this.#from) * ENTRY_BYTES
    return { position: getInt53(this.#view, at + POSITION_AT), sizeBytes: this.#view.getInt32(at + SIZE_AT) }
  }

  /** The first offset from `offset` on, below `until`, whose entry is no filler; `until` if there is none. */
  skipFillers(offset: number, until: number): number {
    let at = offset
    while (at < until && this.read(at)?.sizeBytes === FILLER_SIZE_BYTES) at++
    return at
  }

  close(): void {
    this.#file?.close()
    this.#file = undefined
    this.#base = -1
  }

  #fill(offset: number): void {
    const base = offset - (offset % this.#fileEntries)
    if (base !== this.#base) this.#open(base)
    const bytes = new Uint8Array(this.#view.buffer)
    bytes.fill(0)
    this.#from = offset
    this.#until = Math.min(offset + WINDOW_ENTRIES, base + this.#fileEntries)
    this.#file?.read(bytes.subarray(0, (this.#until - offset) * ENTRY_BYTES), (offset - base) * ENTRY_BYTES)
  }

  #open(base: number): void {
    this.close()
    this.#base = base
    const path = join(this.#parent, segmentName(base * ENTRY_BYTES))
    if (this.#files.find(path) !== undefined) this.#file = this.#files.open(path, 'read')
  }
}

const WINDOW_ENTRIES = 256
