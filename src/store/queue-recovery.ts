/**
 * Queue recovery: what the files of consume queues say by themselves, where no table of ours can be trusted.
 *
 * Entries of a queue follow each other without a gap until the first that is all zeros, so its end is found by halving.
 * Not here: putting missing entries back (dispatch.ts, driven by recovery.ts).
 */
import { join } from 'node:path'
import { PAGE_BYTES } from '../base/index.ts'
import { CONSUME_QUEUE_ENTRY, FILLER_SIZE_BYTES, getInt53, segmentName } from '../layout/index.ts'
import type { QueueSeed } from './dispatch.ts'
import type { Files, OpenFile } from './files.ts'
import { isZero } from './last-data.ts'
import { consumeQueueDirectory, queueDirectory, topicDirectory } from './paths.ts'
import { queueFileBases } from './queue-minimum.ts'
import type { QueueRow } from './sidecar.ts'

const ENTRY_BYTES = CONSUME_QUEUE_ENTRY.sizeBytes
const BLOCK_ENTRIES = 16_384
const { physicalOffset: POSITION_AT, sizeBytes: SIZE_AT } = CONSUME_QUEUE_ENTRY.at

interface QueueFileOptions {
  readonly directory: string
  readonly queueFileEntries: number
}

interface Entry {
  readonly position: number
  readonly sizeBytes: number
}

/** Every queue on disk, with what it holds below the end of the log. */
export function findQueues(files: Files, options: QueueFileOptions, logEnd: number): QueueRow[] {
  const rows: QueueRow[] = []
  for (const topic of files.list(consumeQueueDirectory(options.directory))) {
    for (const name of files.list(topicDirectory(options.directory, topic))) {
      if (!/^\d{1,9}$/.test(name)) continue // Apache RocketMQ passes over such directories too.
      const row = findQueue(files, options, topic, Number(name), logEnd)
      if (row !== undefined) rows.push(row)
    }
  }
  return rows
}

/** The furthest record that any queue has an entry for ends here; 0 if there is none. */
export function endOfQueues(files: Files, options: QueueFileOptions, bases: readonly number[]): number {
  const first = bases[0] ?? 0
  const rows = findQueues(files, options, Number.MAX_SAFE_INTEGER)
  return rows.reduce((end, row) => Math.max(end, row.maxPhysicalEnd), first)
}

/** Whether each queue has all of its files, from the first to the one with its last entry, in their size. */
export function queueFilesAreThere(
  files: Files,
  { directory, queueFileEntries }: QueueFileOptions,
  rows: readonly QueueRow[]
): boolean {
  const isThere = (parent: string, offset: number): boolean =>
    files.find(join(parent, segmentName(offset * ENTRY_BYTES)))?.sizeBytes === queueFileEntries * ENTRY_BYTES
  return rows.every(({ topic, queueId, firstOffset, maxOffset }) => {
    const parent = queueDirectory(directory, topic, queueId)
    for (let offset = firstOffset; offset < maxOffset; offset += queueFileEntries) {
      if (!isThere(parent, offset)) return false
    }
    return true
  })
}

/** Removes the queues that nothing durable speaks of: what their files hold may be of records that the log has lost. */
export function dropOtherQueues(files: Files, { directory }: QueueFileOptions, known: readonly QueueSeed[]): void {
  const paths = new Set(known.map(({ topic, queueId }) => queueDirectory(directory, topic, queueId)))
  for (const topic of files.list(consumeQueueDirectory(directory))) {
    for (const name of files.list(topicDirectory(directory, topic))) {
      const path = join(topicDirectory(directory, topic), name)
      if (/^\d{1,9}$/.test(name) && !paths.has(path)) files.removeDirectory(path)
    }
  }
}

/** Clears entries beyond the end of each queue, of records that the log has lost. */
export function trimQueues(files: Files, options: QueueFileOptions, seeds: readonly QueueSeed[]): void {
  for (const { topic, queueId, nextOffset } of seeds) {
    const parent = queueDirectory(options.directory, topic, queueId)
    for (const base of queueFileBases(files, parent)) {
      const firstOffset = base / ENTRY_BYTES
      if (firstOffset + options.queueFileEntries <= nextOffset) continue
      const path = join(parent, segmentName(base))
      if (firstOffset > nextOffset) {
        files.remove(path)
        continue
      }
      const file = files.open(path, 'write')
      try {
        const from = nextOffset - firstOffset
        // Pages without blocks hold nothing: most files end in the page of their last entry.
        const usedBytes = Math.ceil((from * ENTRY_BYTES) / PAGE_BYTES) * PAGE_BYTES
        const sparse = (files.find(path)?.allocatedBytes ?? 0) <= usedBytes
        const until = sparse ? Math.ceil(usedBytes / ENTRY_BYTES) : options.queueFileEntries
        // The last page of a file is not full: clearing it to its end would make the file longer.
        clearEntries(file, from, Math.min(until, options.queueFileEntries))
      } finally {
        file.close()
      }
    }
  }
}

function findQueue(
  files: Files,
  options: QueueFileOptions,
  topic: string,
  queueId: number,
  logEnd: number
): QueueRow | undefined {
  const parent = queueDirectory(options.directory, topic, queueId)
  const bases = queueFileBases(files, parent)
  if (bases.length === 0) return undefined
  const firstOffset = (bases[0] as number) / ENTRY_BYTES // There is at least one file.
  // Later files may be empty, or hold only entries of records that the log has lost.
  for (const base of bases.reverse()) {
    const file = files.open(join(parent, segmentName(base)), 'read')
    try {
      const count = countEntries(
        file,
        Math.min(options.queueFileEntries, Math.floor(file.sizeBytes() / ENTRY_BYTES)),
        logEnd
      )
      if (count === 0) continue
      const last = readEntry(file, count - 1)
      const isFiller = last.sizeBytes === FILLER_SIZE_BYTES
      const maxOffset = base / ENTRY_BYTES + count
      return { topic, queueId, firstOffset, maxOffset, maxPhysicalEnd: isFiller ? 0 : last.position + last.sizeBytes }
    } finally {
      file.close()
    }
  }
  return { topic, queueId, firstOffset, maxOffset: firstOffset, maxPhysicalEnd: 0 }
}

/** How many entries from the start on are filled and point below `logEnd`: found by halving, as both hold up to some entry. */
function countEntries(file: OpenFile, entries: number, logEnd: number): number {
  let low = 0
  let high = entries
  while (low < high) {
    const middle = (low + high) >>> 1
    const { position, sizeBytes } = readEntry(file, middle)
    if (sizeBytes > 0 && position < logEnd) low = middle + 1
    else high = middle
  }
  return low
}

function readEntry(file: OpenFile, index: number): Entry {
  const bytes = new Uint8Array(ENTRY_BYTES)
  file.read(bytes, index * ENTRY_BYTES)
  const view = new DataView(bytes.buffer)
  return { position: getInt53(view, POSITION_AT), sizeBytes: view.getInt32(SIZE_AT) }
}

/** Clears what is not zero in `[from, until)`: pages that reached the disk although earlier ones did not. */
function clearEntries(file: OpenFile, from: number, until: number): void {
  const block = new Uint8Array(BLOCK_ENTRIES * ENTRY_BYTES)
  for (let at = from; at < until; at += BLOCK_ENTRIES) {
    const part = block.subarray(0, Math.min(block.length, (until - at) * ENTRY_BYTES))
    file.read(part, at * ENTRY_BYTES)
    if (!isZero(part, 0, part.length)) file.write(new Uint8Array(part.length), at * ENTRY_BYTES)
  }
}
