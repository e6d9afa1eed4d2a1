/**
 * Key index: which records have a key, so that a message can be found by it. The writer's side.
 *
 * A set of files in the order of the log, named by the local time of their making; only the newest is written to. The
 * index is derived: whatever is wrong with it is thrown away and put again from the log.
 *
 * Invariants:
 * - `endPhysicalOffset`: every key of a record below it is in the index
 * - the same key of the same record is there once, however often the log is dispatched
 * - files hold ascending stretches of the log
 *
 * Not here: one file (key-index-file.ts), queries (key-index-reader.ts), finding a record's keys (record-keys.ts).
 */
import { basename, dirname, join } from 'node:path'
import { assert, type Clock, VarveError } from '../base/index.ts'
import { indexFileBytes } from '../layout/index.ts'
import type { Files } from './files.ts'
import { createIndexFile, emptyAfter, type IndexFileHeader, KeyIndexFile, readIndexHeader } from './key-index-file.ts'
import { IndexItemWindow } from './key-index-items.ts'
import { indexFileName, indexSizeOf, type KeyIndexOptions, listIndexFiles } from './key-index-names.ts'

export type { KeyIndexOptions } from './key-index-names.ts'
export { type KeyIndexQuery, type KeyIndexReader, openKeyIndexReader } from './key-index-reader.ts'
export { forEachKeyHash, type KeySink, putKeyHashes } from './record-keys.ts'

/** What stretch of the log an index is of, and in how many files. All 0 of an empty one. */
export interface IndexCover {
  readonly fileCount: number
  /** The first and the last record of the oldest file. */
  readonly firstBegin: number
  readonly firstEnd: number
  /** `KeyIndex.endPhysicalOffset` */
  readonly end: number
}

export const NO_INDEX: IndexCover = { fileCount: 0, firstBegin: 0, firstEnd: 0, end: 0 }

/** One thread, while the store is locked. */
export interface KeyIndex {
  /**
   * Every key of records below this is in the index, and perhaps some of the record that begins here; 0 if it is empty.
   * Dispatch may start anywhere at or below it: what is there already is passed over.
   */
  readonly endPhysicalOffset: number
  /** Set if files were thrown away because they were wrong: records from here on must be put again. */
  readonly rebuildFrom: number | undefined
  /** Store time of the last item of the newest full file that is on disk, 0 if none: for the checkpoint. */
  readonly fullFilesStoredAtMs: number
  /** By which the loss of a file is noticed later. */
  readonly cover: IndexCover
  /** @throws STORE_DISK_FULL; then nothing has changed and the same call may be made again. */
  put(keyHash: number, physicalOffset: number, storedAtMs: number): void
  /** Hands what was put to the system, so that other threads can read it. Where files are mapped it already is. */
  publish(): void
  /** Makes everything put so far durable. @throws STORE_SYNC_FAILED; for good: every later call throws it again. */
  flush(): void
  /** Forgets the records at or beyond `physicalOffset`, where the log was cut. Not for after a crash of the system. */
  truncateTo(physicalOffset: number): void
  /**
   * After a crash of the system: believes only items of records below `durableUntil`, which a flush had covered, and
   * builds the slots anew from them. Returns from where records must be put again. Costs a scan of the newest file.
   * `Infinity`, where no flush is known of (Apache RocketMQ crashed): believes the items as far as they fit together.
   */
  rebuildTo(durableUntil: number): number
  /** Deletes files, never the newest, that have only records below it. Returns how many. */
  deleteBelow(minPhysicalOffset: number): number
  /** Publishes and lets go of the files. Does not flush. */
  close(): void
}

/**
 * Takes back what a process that died left half done. Files whose header cannot be right are deleted, with all newer ones.
 * @throws STORE_LAYOUT_FOREIGN if a file has another size than `slots` and `items` ask for; nothing has changed then
 */
export function openKeyIndex(options: KeyIndexOptions & { readonly clock: Clock }): KeyIndex {
  return new IndexFiles(options)
}

type IndexEnd = Pick<IndexFileHeader, 'endAtMs' | 'endPhysicalOffset'>

interface OlderFile {
  readonly name: string
  readonly header: Readonly<IndexFileHeader>
}

class IndexFiles implements KeyIndex {
  readonly #options: KeyIndexOptions & { readonly clock: Clock }
  readonly #files: Files
  /** All but the newest, oldest first. */
  readonly #older: OlderFile[] = []
  #newest: KeyIndexFile | undefined
  /** Among `#older`: those that may have bytes that are not on disk. */
  #unsynced: KeyIndexFile[] = []
  #end = 0
  #rebuildFrom: number | undefined
  #fullFilesStoredAtMs = 0
  #namesChanged = false
  #syncFailure: unknown

  constructor(options: KeyIndexOptions & { readonly clock: Clock }) {
    const { files, slots, items } = options
    assert(slots > 0 && items > 1, 'an index file has room for slots and items')
    this.#options = options
    this.#files = files
    const names = this.#namesOfRightSize(indexFileBytes(slots, items))
    const headers = this.#readHeaders(names)
    for (const name of names.slice(headers.length)) this.#remove(name)
    if (headers.length < names.length) this.#rebuildFrom = headers.at(-1)?.header.endPhysicalOffset ?? 0
    for (const older of headers.slice(0, -1)) {
      this.#older.push(older)
      // Whoever had the index open before may have left it unsynced; there are few such files.
      this.#unsynced.push(this.#open(older))
    }
    const newest = headers.at(-1)
    if (newest !== undefined) this.#newest = this.#open(newest)
    this.#end = this.#newest?.header.endPhysicalOffset ?? 0
  }

  get endPhysicalOffset(): number {
    return this.#end
  }

  get rebuildFrom(): number | undefined {
    return this.#rebuildFrom
  }

  get fullFilesStoredAtMs(): number {
    return this.#fullFilesStoredAtMs
  }

  get cover(): IndexCover {
    const oldest = this.#older[0]?.header ?? this.#newest?.header
    if (oldest === undefined) return NO_INDEX
    const { beginPhysicalOffset: firstBegin, endPhysicalOffset: firstEnd } = oldest
    return { fileCount: this.#older.length + 1, firstBegin, firstEnd, end: this.#end }
  }

  put(keyHash: number, physicalOffset: number, storedAtMs: number): void {
    assert(keyHash >= 0, 'a key hash has no sign')
    if (physicalOffset < this.#end) return
    let file = this.#newest
    if (file === undefined || file.full) file = this.#addFile()
    file.put(keyHash, physicalOffset, storedAtMs)
    this.#end = physicalOffset
  }

  publish(): void {
    this.#newest?.publish()
  }

  flush(): void {
    if (this.#syncFailure !== undefined) throw this.#syncFailure
    try {
      while (this.#unsynced.length > 0) {
        const file = this.#unsynced[0] as KeyIndexFile // The list is not empty.
        file.flush()
        if (file.full) this.#fullFilesStoredAtMs = file.header.endAtMs
        file.close()
        this.#unsynced.shift()
      }
      this.#newest?.flush()
      if (this.#newest?.full) this.#fullFilesStoredAtMs = this.#newest.header.endAtMs
      if (this.#namesChanged) this.#files.syncDirectory(this.#options.directory)
      this.#namesChanged = false
    } catch (error) {
      this.#syncFailure = error
      throw error
    }
  }

  truncateTo(physicalOffset: number): void {
    for (let file = this.#newest; file !== undefined; file = this.#newest) {
      if (hasRecordBelow(file.header, physicalOffset) && file.truncateTo(physicalOffset)) break
      this.#dropNewest()
    }
    this.#end = this.#newest?.header.endPhysicalOffset ?? 0
  }

  rebuildTo(durableUntil: number): number {
    let trusted = durableUntil
    for (;;) {
      const file = this.#newest
      if (file === undefined) break
      const first = this.#firstRecordOf(file.path)
      if (first !== undefined && first < durableUntil) {
        const rebuilt = file.rebuild(durableUntil)
        if (rebuilt !== undefined) {
          trusted = Math.min(trusted, rebuilt)
          break
        }
        trusted = this.#older.at(-1)?.header.endPhysicalOffset ?? 0
      }
      this.#dropNewest()
    }
    this.#end = this.#newest?.header.endPhysicalOffset ?? 0
    if (trusted === Number.POSITIVE_INFINITY) trusted = this.#end
    return Math.min(trusted, this.#rebuildFrom ?? trusted)
  }

  deleteBelow(minPhysicalOffset: number): number {
    let count = 0
    for (;;) {
      const oldest = this.#older[0]
      if (oldest === undefined || oldest.header.endPhysicalOffset >= minPhysicalOffset) return count
      this.#forgetUnsynced(oldest.name)
      this.#remove(oldest.name)
      this.#older.shift()
      count++
    }
  }

  close(): void {
    for (const file of this.#unsynced) file.close()
    this.#unsynced = []
    this.#newest?.close()
    this.#newest = undefined
  }

  /** @throws STORE_LAYOUT_FOREIGN */
  #namesOfRightSize(fileBytes: number): string[] {
    const names = listIndexFiles(this.#files, this.#options.directory)
    const whole: string[] = []
    const unused: string[] = []
    for (const [i, name] of names.entries()) {
      const path = this.#path(name)
      const sizeBytes = this.#files.find(path)?.sizeBytes ?? 0
      const size = indexSizeOf(sizeBytes, this.#options, i === names.length - 1)
      if (size === 'wrong') throw new VarveError('STORE_LAYOUT_FOREIGN', { path, sizeBytes, expectedBytes: fileBytes })
      if (size === 'cut') this.#lengthen(name, fileBytes)
      if (size === 'unused') unused.push(name)
      else whole.push(name)
    }
    for (const name of unused) this.#remove(name)
    return whole
  }

  #lengthen(name: string, fileBytes: number): void {
    const file = this.#files.open(this.#path(name), 'write')
    try {
      file.setSize(fileBytes)
      file.syncAll()
    } finally {
      file.close()
    }
  }

  /** Of the files up to the first that is wrong: a header that cannot be, or records that other files have. */
  #readHeaders(names: readonly string[]): OlderFile[] {
    const headers: OlderFile[] = []
    for (const name of names) {
      const file = this.#files.open(this.#path(name), 'read')
      const header = readIndexHeader(file, this.#options)
      file.close()
      if (header === undefined) break
      const before = headers.at(-1)?.header
      if (before !== undefined && header.nextItem === 1) {
        // A crash may have left it without a header.
        header.beginAtMs = header.endAtMs = before.endAtMs
        header.beginPhysicalOffset = header.endPhysicalOffset = before.endPhysicalOffset
      }
      if (before !== undefined && header.beginPhysicalOffset < before.endPhysicalOffset) break
      headers.push({ name, header })
    }
    return headers
  }

  #open({ name, header }: OlderFile): KeyIndexFile {
    return new KeyIndexFile(this.#files, this.#path(name), this.#options, { ...header })
  }

  #addFile(): KeyIndexFile {
    const { directory, clock } = this.#options
    const before = this.#newest
    const name = indexFileName(clock.nowMs(), before === undefined ? undefined : nameOf(before.path))
    if (this.#files.find(directory) === undefined) {
      this.#files.makeDirectory(directory)
      this.#files.syncDirectory(dirname(directory))
    }
    const header = before?.header ?? { endAtMs: 0, endPhysicalOffset: 0 }
    const added = this.#make(name, header, before)
    if (before !== undefined) {
      this.#older.push({ name: nameOf(before.path), header: before.header })
      this.#unsynced.push(before)
    }
    this.#newest = added
    return added
  }

  /** Whatever fails leaves everything as it was: a file that is in two places would be closed twice. */
  #make(name: string, header: IndexEnd, before: KeyIndexFile | undefined): KeyIndexFile {
    createIndexFile(this.#files, this.#path(name), this.#options, header)
    try {
      this.#files.syncDirectory(this.#options.directory)
      before?.publish()
      return this.#open({ name, header: emptyAfter(header) })
    } catch (error) {
      this.#files.remove(this.#path(name))
      throw error
    }
  }

  #dropNewest(): void {
    const file = this.#newest as KeyIndexFile // The callers have one.
    this.#newest = undefined // Before anything can fail: a file must not be closed twice.
    file.close()
    this.#remove(nameOf(file.path))
    const previous = this.#older.pop()
    if (previous === undefined) return
    const unsynced = this.#unsynced.at(-1)
    if (unsynced !== undefined && nameOf(unsynced.path) === previous.name) this.#newest = this.#unsynced.pop()
    else this.#newest = this.#open(previous)
  }

  #forgetUnsynced(name: string): void {
    const file = this.#unsynced.find(unsynced => nameOf(unsynced.path) === name)
    file?.close()
    this.#unsynced = this.#unsynced.filter(unsynced => unsynced !== file)
  }

  /** From the items, whatever the header says; undefined if there is none. */
  #firstRecordOf(path: string): number | undefined {
    const file = this.#files.open(path, 'read')
    const window = new IndexItemWindow((into, at) => file.read(into, at), this.#options, 'backward')
    const found = window.find(1) && !window.blank
    file.close()
    return found ? window.physicalOffset : undefined
  }

  #remove(name: string): void {
    this.#files.remove(this.#path(name))
    this.#namesChanged = true
  }

  #path(name: string): string {
    return join(this.#options.directory, name)
  }
}

const hasRecordBelow = (header: Readonly<IndexFileHeader>, physicalOffset: number): boolean =>
  header.nextItem > 1 && header.beginPhysicalOffset < physicalOffset

const nameOf = (path: string): string => basename(path)
