/**
 * A file of `config/`: reading it with the fall-back to its backup, and saving it for many waiters at once.
 *
 * Whoever changes the table calls `changed`; whoever must not answer before the change is on disk awaits `saved`. One
 * save covers every change made before it began, so that ten thousand topics created at once cost a few saves, not ten
 * thousand: the group commit of configuration. A save runs where `SaveFile` says, in production in a worker, because
 * the thread that serves clients must not wait for the disk.
 *
 * Invariants:
 * - a crash at any call leaves the old content or the new one (store: replaceWithBackup)
 * - `saved` resolves only after a save that printed the table after the change
 * - a failed save fails those who wait for it, and the change stays unsaved: the next save writes all of it to a new
 *   file, so that nothing rests on pages that the system may have dropped
 *
 * Not here: what the files hold (topics.ts, groups.ts, offsets.ts).
 */
import { dirname } from 'node:path'
import { VarveError } from '../base/index.ts'
import { type JavaJson, parseJavaJson } from '../layout/index.ts'
import { BACKUP_SUFFIX, type Files, replaceWithBackup } from '../store/index.ts'

/** Replaces a file durably; its old content stays as `.bak`. */
export type SaveFile = (path: string, content: Uint8Array) => Promise<void>

/** Saves in the calling thread: for tests and small tools. */
export const saveHere =
  (files: Files): SaveFile =>
  async (path, content) =>
    replaceWithBackup(files, path, content)

const DAMAGED_SUFFIX = '.damaged'

export interface ConfigContent {
  readonly json: JavaJson
  readonly source: 'file' | 'backup'
}

/**
 * What the file holds; of a missing, empty or unreadable file, what its backup holds; undefined if there is neither. An
 * unreadable file is put aside as `.damaged`, so that the next save cannot make it the backup.
 *
 * What was found is made durable: a process that was killed may have left names that only the system knows, and what the
 * broker has acted upon must not be lost to a later power cut.
 * @throws VarveError CONFIG_FILE_DAMAGED when what is there can be read from neither
 */
export function readConfigFile(files: Files, path: string): ConfigContent | undefined {
  const backup = path + BACKUP_SUFFIX
  const found = parsed(files, path)
  if (found !== undefined && 'json' in found) {
    files.syncDirectory(dirname(path))
    return { json: found.json, source: 'file' }
  }
  const older = parsed(files, backup)
  const error = older !== undefined && 'error' in older ? older.error : older === undefined ? found?.error : undefined
  if (error !== undefined)
    throw new VarveError('CONFIG_FILE_DAMAGED', { path, backup }, { cause: found?.error ?? error })
  if (older === undefined || 'error' in older) return undefined
  if (found !== undefined) files.rename(path, path + DAMAGED_SUFFIX)
  files.syncDirectory(dirname(path))
  return { json: older.json, source: 'backup' }
}

/** Undefined where there is nothing to read: an empty file is what a crash of Apache RocketMQ leaves. */
function parsed(files: Files, path: string): { json: JavaJson } | { error: VarveError } | undefined {
  const facts = files.find(path)
  if (facts === undefined || facts.sizeBytes === 0) return undefined
  const file = files.open(path, 'write') // Only to sync it.
  try {
    const bytes = new Uint8Array(file.sizeBytes())
    const text = new TextDecoder().decode(bytes.subarray(0, file.read(bytes, 0)))
    const json = parseJavaJson(text)
    file.syncAll()
    return { json }
  } catch (error) {
    if (error instanceof VarveError && error.code === 'JSON_INVALID') return { error }
    throw error
  } finally {
    file.close()
  }
}

export interface ConfigFileOptions {
  readonly path: string
  readonly save: SaveFile
  /** The whole content as of now. May take several turns of the event loop, and then has changes made meanwhile. */
  readonly print: () => Uint8Array | Promise<Uint8Array>
  /** Told once for each save that fails, also when nobody waits for it. */
  readonly onFailure: (error: unknown) => void
}

export class ConfigFile {
  readonly path: string
  readonly #options: ConfigFileOptions
  #changeCount = 0
  #savedChangeCount = 0
  /** The save that has begun, and the changes that it covers. */
  #running: { readonly promise: Promise<void>; readonly changeCount: number } | undefined
  /** The save that begins after it, which covers every change until then. */
  #next: Promise<void> | undefined
  #saveCount = 0

  constructor(options: ConfigFileOptions) {
    this.path = options.path
    this.#options = options
  }

  get isSaved(): boolean {
    return this.#savedChangeCount === this.#changeCount
  }

  /** How often the file was written since it was opened. */
  get saveCount(): number {
    return this.#saveCount
  }

  /** The next save has it. */
  changed(): void {
    this.#changeCount++
  }

  /** The same, and the save begins at the end of this turn or when the running one ends. */
  changedAndSave(): void {
    this.changed()
    this.saveSoon()
  }

  /** Saves what is not saved yet; for those who do not wait for it. */
  saveSoon(): void {
    if (this.#next === undefined) this.saved().catch(() => undefined) // `onFailure` has heard of it.
  }

  /** Saves what is not saved yet. Resolves once every change made so far is on disk. */
  saved(): Promise<void> {
    if (this.isSaved) return Promise.resolve()
    if (this.#running?.changeCount === this.#changeCount) return this.#running.promise
    this.#next ??= this.#saveNext(this.#running?.promise)
    return this.#next
  }

  async #saveNext(running: Promise<void> | undefined): Promise<void> {
    // Its own waiters hear of a failure; here it only ends.
    await running?.then(undefined, () => undefined)
    await endOfTurn()
    const promise = this.#next!
    const changeCount = this.#changeCount
    this.#next = undefined
    this.#running = { promise, changeCount }
    try {
      await this.#options.save(this.path, await this.#options.print())
      this.#saveCount++
      this.#savedChangeCount = changeCount
    } catch (error) {
      this.#options.onFailure(error)
      throw error
    } finally {
      this.#running = undefined
    }
  }
}

/** All requests that arrived together are handled before a save begins, so that it covers them all. */
const endOfTurn = () => new Promise<void>(resolve => setImmediate(resolve))
