/**
 * Doubt (`varve/doubt`): a sync failed while the store was open or being opened, and not all has been made durable since.
 *
 * After a failed sync the system holds pages for clean that are not on disk, and the next sync reports success without
 * writing them. So who finds the mark writes everything once more of which it is not known that it had been durable before.
 * Only as long as the system runs does it matter, therefore the mark itself need not be durable.
 */
import { join } from 'node:path'
import { VarveError } from '../base/index.ts'
import type { Files } from './files.ts'
import { sidecarDirectory } from './paths.ts'

/** Leaves the mark if `error` is a failed sync. False if it cannot be left: the error itself is told all the same. */
export function leaveDoubtAfter(error: unknown, files: Files, directory: string): boolean {
  if (!(error instanceof VarveError) || error.code !== 'STORE_SYNC_FAILED') return true
  try {
    files.makeDirectory(sidecarDirectory(directory))
    files.open(doubtPath(directory), 'create').close()
    return true
  } catch {
    return false // On a disk that takes nothing any more.
  }
}

export function isInDoubt(files: Files, directory: string): boolean {
  return files.find(doubtPath(directory)) !== undefined
}

/** Once everything is durable. */
export function clearDoubt(files: Files, directory: string): void {
  files.remove(doubtPath(directory))
}

const doubtPath = (directory: string): string => join(sidecarDirectory(directory), 'doubt')
