/**
 * Deleted topics (`varve/deleted`): which topics were deleted, and where the log ended then. The log keeps their messages
 * until retention removes them; without this a rebuild of the queues would bring the topics back.
 *
 * Not here: how the lines are written (sidecar-lines.ts).
 */
import { join } from 'node:path'
import type { Files } from './files.ts'
import { sidecarDirectory } from './paths.ts'
import { isPosition, makeSidecarDirectory } from './sidecar-files.ts'
import { readLines, writeLines } from './sidecar-lines.ts'

export interface DeletedTopic {
  readonly topic: string
  /** Messages of the topic below this position of the log are deleted; others are of a new topic of its name. */
  readonly until: number
}

export function readDeletedTopics(files: Files, directory: string): DeletedTopic[] {
  const topics = readLines(files, deletedPath(directory)) as DeletedTopic[] // Checksums say that they were written below.
  return topics.filter(({ topic, until }) => typeof topic === 'string' && isPosition(until))
}

/** Adds one, and forgets those of which a log that begins at `firstPosition` has nothing. Durable when it returns. */
export function addDeletedTopic(
  files: Files,
  directory: string,
  added: DeletedTopic,
  firstPosition: number
): undefined {
  const known = readDeletedTopics(files, directory)
  const kept = known.filter(({ topic, until }) => topic !== added.topic && until > firstPosition)
  save(files, directory, [...kept, added])
}

/**
 * Those of a log that ends at `logEnd`. It may have been cut by others since: messages that come to stand beyond its end
 * are not those that were deleted, so the marks end there too, durably.
 */
export function trimDeletedTopics(files: Files, directory: string, logEnd: number): DeletedTopic[] {
  const known = readDeletedTopics(files, directory)
  const trimmed = trimmedTo(known, logEnd)
  if (known.some(({ until }) => until > logEnd)) save(files, directory, trimmed)
  return trimmed
}

/** For a copy of the log up to `logEnd`. */
export function copyDeletedTopics(files: Files, from: string, to: string, logEnd: number): void {
  const topics = trimmedTo(readDeletedTopics(files, from), logEnd)
  if (topics.length > 0) save(files, to, topics)
}

function trimmedTo(topics: readonly DeletedTopic[], logEnd: number): DeletedTopic[] {
  return topics.map(({ topic, until }) => ({ topic, until: Math.min(until, logEnd) })).filter(({ until }) => until > 0)
}

function save(files: Files, directory: string, topics: readonly DeletedTopic[]): void {
  makeSidecarDirectory(files, directory)
  writeLines(
    files,
    deletedPath(directory),
    topics.map(({ topic, until }) => ({ topic, until }))
  )
}

const deletedPath = (directory: string): string => join(sidecarDirectory(directory), 'deleted')
