/** Names of index files: 17 digits, the local time at which a file was made, so that sorting by name sorts by age. */
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
