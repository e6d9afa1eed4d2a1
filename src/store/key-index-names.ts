/** Index files from outside: their sizes, and their names: 17 digits, the local time at which a file was made, so that sorting by name sorts by age. */
import { PAGE_BYTES } from '../base/index.ts'
import { indexFileBytes, indexItemAt } from '../layout/index.ts'
import type { Files } from './files.ts'
import type { IndexShape } from './key-index-items.ts'

export interface KeyIndexOptions extends IndexShape {
  readonly files: Files
  /** The directory `index`. */
  readonly directory: string
}

/** Names of index files, oldest first. Other names are not ours; Apache RocketMQ passes them over too. */
export function listIndexFiles(files: Files, directory: string): string[] {
  return files.list(directory).filter(name => /^\d{17}$/.test(name))
}

/** `yyyyMMddHHmmssSSS` in local time; later than `before`, also when the clock was set back. */
export function indexFileName(nowMs: number, before: string | undefined): string {
  const now = new Date(nowMs)
  const parts: [number, number][] = [
    [now.getFullYear(), 4],
    [now.getMonth() + 1, 2],
    [now.getDate(), 2],
    [now.getHours(), 2],
    [now.getMinutes(), 2],
    [now.getSeconds(), 2],
    [now.getMilliseconds(), 3]
  ]
  const name = parts.map(([value, digits]) => String(value).padStart(digits, '0')).join('')
  if (before === undefined || name > before) return name
  return String(BigInt(before) + 1n).padStart(17, '0')
}

/**
 * What opening does with an index file of so many bytes. Unused: made just before a crash. Cut: where holes cannot be
 * punched, the end of the newest file is cleared by cutting it off and lengthening the file again, and a process may
 * have died in between; files of other settings do not end with a page.
 */
export function indexSizeOf(
  sizeBytes: number,
  shape: IndexShape,
  isNewest: boolean
): 'whole' | 'unused' | 'cut' | 'wrong' {
  const wholeBytes = indexFileBytes(shape.slots, shape.items)
  if (sizeBytes === wholeBytes) return 'whole'
  if (sizeBytes === 0) return 'unused'
  const isCut = sizeBytes < wholeBytes && sizeBytes % PAGE_BYTES === 0 && sizeBytes >= indexItemAt(1, shape.slots)
  return isNewest && isCut ? 'cut' : 'wrong'
}
