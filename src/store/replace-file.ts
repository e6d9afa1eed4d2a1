/**
 * Replacing a small file so that a crash at any point leaves the old content or the new one.
 *
 * The new content becomes durable under a name of its own before it takes the place of the old one, which stays as
 * `.bak`: between the two renames there is no file, and the backup is the old content. Apache RocketMQ, which writes in
 * place after the first rename, reads both in the same order.
 *
 * Not here: reading, and falling back to `.bak` (whoever owns the file).
 */
import { dirname } from 'node:path'
import type { Files } from './files.ts'

export const BACKUP_SUFFIX = '.bak'
/** Left by a crash it means nothing; the next replacement writes over it. */
const NEW_SUFFIX = '.new'

export function replaceFile(files: Files, path: string, content: Uint8Array): void {
  const directory = dirname(path)
  if (files.find(directory) === undefined) {
    files.makeDirectory(directory)
    files.syncDirectory(dirname(directory))
  }
  writeDurably(files, path + NEW_SUFFIX, content)
  if (files.find(path) !== undefined) files.rename(path, path + BACKUP_SUFFIX)
  files.rename(path + NEW_SUFFIX, path)
  files.syncDirectory(directory)
}

function writeDurably(files: Files, path: string, content: Uint8Array): void {
  const file = files.open(path, 'create')
  try {
    file.setSize(0)
    file.write(content, 0)
    file.syncAll()
  } finally {
    file.close()
  }
}
