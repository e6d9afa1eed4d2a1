/**
 * Replacing a small file so that a crash at any point leaves the old content or the new one.
 *
 * The new content becomes durable under a name of its own before it takes the place of the old one. Where the old one
 * stays as `.bak` there is no file between the two renames, and the backup is the old content. Apache RocketMQ, which
 * writes in place after the first rename, reads both in the same order.
 *
 * Not here: reading, and falling back to `.bak` (whoever owns the file).
 */
import { dirname } from 'node:path'
import type { Files } from './files.ts'

export const BACKUP_SUFFIX = '.bak'
/** Left by a crash it means nothing; the next replacement begins it anew. */
const NEW_SUFFIX = '.new'

/** Durable when it returns. The directory is there. */
export function replaceFile(files: Files, path: string, content: Uint8Array): void {
  writeNew(files, path, content)
  putNewInPlace(files, path)
}

/** Durable when it returns, with the directory that holds it; the content before, if any, is its backup. */
export function replaceWithBackup(files: Files, path: string, content: Uint8Array): void {
  const isFirst = files.find(path) === undefined
  if (isFirst) {
    // Also where the directory is there: whoever made it may have been killed before its name was durable.
    files.makeDirectory(dirname(path))
    files.syncDirectory(dirname(dirname(path)))
  }
  writeNew(files, path, content)
  if (!isFirst) files.rename(path, path + BACKUP_SUFFIX)
  putNewInPlace(files, path)
}

/** To a file that was not there: after a failed sync, nothing may rest on what the system still holds of the last one. */
function writeNew(files: Files, path: string, content: Uint8Array): void {
  const temporary = path + NEW_SUFFIX
  files.remove(temporary)
  const file = files.open(temporary, 'create')
  try {
    file.write(content, 0)
    file.syncAll()
  } catch (error) {
    files.remove(temporary) // A full disk needs the room.
    throw error
  } finally {
    file.close()
  }
}

function putNewInPlace(files: Files, path: string): void {
  files.rename(path + NEW_SUFFIX, path)
  files.syncDirectory(dirname(path))
}
