/**
 * Jobs: pieces of work that may wait for the disk and that any thread can do, because they share nothing with the owner.
 *
 * A job is plain data and so is its result: production sends them to a pool of threads (workers/), tests run them where
 * they stand.
 */
import { dirname } from 'node:path'
import { MiB, unreachable } from '../base/index.ts'
import type { Files } from './files.ts'
import { type IndexRequest, indexLog } from './index-log.ts'
import type { IndexCover } from './key-index.ts'
import { type ScanRequest, type SegmentScan, scanSegment } from './log-scan.ts'
import { findQueueStarts, type QueueStartsRequest } from './queue-minimum.ts'
import { replaceWithBackup } from './replace-file.ts'
import { addDeletedTopic, type DeletedTopic, hashSegment, Seals, saveQueueTable } from './sidecar.ts'
import { performVerifyTask, type VerifyResult, type VerifyTask } from './verify.ts'
import type { ColdRange, FetchedRange } from './warmth.ts'

export type Job =
  | { readonly type: 'scan'; readonly request: ScanRequest }
  /** Puts the keys of records into the index; one such job at a time, while nobody else has the index open. */
  | { readonly type: 'index'; readonly request: IndexRequest }
  | { readonly type: 'fetch'; readonly ranges: readonly ColdRange[] }
  /** The first offset of each queue of which the log still has the record. */
  | { readonly type: 'queueStarts'; readonly request: QueueStartsRequest }
  /** Makes the files derived from the log durable, those of queues that are named or all, then the table that says so. */
  | {
      readonly type: 'saveQueues'
      readonly directory: string
      readonly table: Uint8Array
      readonly changed?: readonly string[] | undefined
    }
  | {
      readonly type: 'markDeleted'
      readonly directory: string
      readonly deleted: DeletedTopic
      readonly firstPosition: number
    }
  /** Hashes a complete segment and keeps the hash; seals of segments that are gone are forgotten. */
  | {
      readonly type: 'seal'
      readonly directory: string
      readonly base: number
      readonly bytes: number
      readonly firstPosition: number
    }
  /** Copies the first `bytes` bytes; the copy is `sizeBytes` long and durable. */
  | {
      readonly type: 'copy'
      readonly from: string
      readonly to: string
      readonly bytes: number
      readonly sizeBytes: number
    }
  /** Looks for damage; changes nothing. */
  | { readonly type: 'verify'; readonly verify: VerifyTask }
  /** Gives the blocks back at once, even while somebody has the file mapped, and removes it. */
  | { readonly type: 'discard'; readonly path: string }
  /** Durably; the content before it stays as `.bak`. */
  | { readonly type: 'replace'; readonly path: string; readonly content: Uint8Array }

  /** Makes files and their names durable. */
  | { readonly type: 'sync'; readonly paths: readonly string[] }

export interface JobResults {
  scan: SegmentScan
  index: IndexCover
  fetch: FetchedRange[]
  queueStarts: number[]
  saveQueues: undefined
  markDeleted: undefined
  seal: undefined
  copy: undefined
  verify: VerifyResult
  discard: undefined
  replace: undefined
  sync: undefined
}

export type RunJob = <T extends Job['type']>(job: Extract<Job, { type: T }>) => Promise<JobResults[T]>

const COPY_BYTES = 4 * MiB

export async function performJob(files: Files, job: Job): Promise<JobResults[Job['type']]> {
  switch (job.type) {
    case 'scan':
      return scanSegment(files, job.request)
    case 'index':
      return indexLog(files, job.request)
    case 'fetch':
      return job.ranges.map(range => fetchRange(files, range))
    case 'queueStarts':
      return findQueueStarts(files, job.request)
    case 'saveQueues':
      return saveQueueTable(files, job.directory, job.table, job.changed)
    case 'markDeleted':
      return addDeletedTopic(files, job.directory, job.deleted, job.firstPosition)
    case 'seal':
      return seal(files, job)
    case 'copy':
      return copyFile(files, job)
    case 'verify':
      return performVerifyTask(files, job.verify)
    case 'discard':
      return discard(files, job.path)
    case 'replace':
      return replaceWithBackup(files, job.path, job.content) as undefined
    case 'sync':
      return syncFiles(files, job.paths)
    default:
      return unreachable(job)
  }
}

function fetchRange(files: Files, range: ColdRange): FetchedRange {
  const file = files.open(range.path, 'read')
  try {
    const copy = new Uint8Array(range.bytes)
    const read = file.read(copy, range.at)
    return { ...range, copy: read === copy.length ? copy : copy.subarray(0, read) }
  } finally {
    file.close()
  }
}

async function seal(
  files: Files,
  { directory, base, bytes, firstPosition }: Extract<Job, { type: 'seal' }>
): Promise<undefined> {
  const hash = await hashSegment(files, directory, base, bytes)
  const seals = new Seals(files, directory)
  try {
    seals.keep({ from: firstPosition, until: Number.POSITIVE_INFINITY })
    seals.add({ base, usedBytes: bytes, hash })
  } finally {
    seals.close()
  }
}

function copyFile(files: Files, { from, to, bytes, sizeBytes }: Extract<Job, { type: 'copy' }>): undefined {
  const source = files.open(from, 'read')
  try {
    const target = files.open(to, 'create')
    try {
      const block = new Uint8Array(Math.min(COPY_BYTES, Math.max(1, bytes)))
      for (let at = 0; at < bytes; at += block.length) {
        const part = block.subarray(0, Math.min(block.length, bytes - at))
        const read = source.read(part, at)
        target.write(part.subarray(0, read), at)
      }
      target.setSize(sizeBytes)
      target.syncAll()
    } finally {
      target.close()
    }
  } finally {
    source.close()
  }
}

function syncFiles(files: Files, paths: readonly string[]): undefined {
  for (const path of paths) {
    const file = files.open(path, 'write')
    try {
      file.syncAll()
    } finally {
      file.close()
    }
  }
  for (const directory of new Set(paths.map(path => dirname(path)))) files.syncDirectory(directory)
}

function discard(files: Files, path: string): undefined {
  // Who tried before has not come to the second step.
  if (files.find(path) === undefined) return files.syncDirectory(dirname(path)) as undefined
  const file = files.open(path, 'write')
  try {
    // The name goes first, for good: a segment of zeros under it would be taken for the end of the log.
    files.remove(path)
    files.syncDirectory(dirname(path))
    file.punchHole(0, file.sizeBytes())
  } finally {
    file.close()
  }
}
