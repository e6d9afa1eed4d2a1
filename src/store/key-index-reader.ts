/**
 * Lookups in the key index, from any thread, while the writer goes on in another.
 *
 * A lookup follows the chain of a slot from its newest item to the oldest, file by file. It believes nothing: numbers
 * outside the file, items that cannot be, and links that do not lead to an older item end the chain, so it always ends.
 *
 * Not here: comparing the text of keys and exact times, for which the records are needed.
 */
import { join } from 'node:path'
import { assert, VarveError } from '../base/index.ts'
import { INDEX_HEADER, INDEX_SLOT_BYTES, indexFileBytes, indexSlotAt, indexSlotOf } from '../layout/index.ts'
import type { Files, OpenFile } from './files.ts'
import { type IndexFileHeader, parseIndexHeader } from './key-index-file.ts'
import { IndexItemWindow, NotResident, type ReadBytes } from './key-index-items.ts'
import { type KeyIndexOptions, listIndexFiles } from './key-index-names.ts'

export const KEY_QUERY_COUNT_MAX = 64

export interface KeyIndexQuery {
  readonly keyHash: number
  /** At most 64. */
  readonly countMax: number
  readonly fromMs: number
  readonly untilMs: number
  /** To go on after an earlier answer: only records before this one. */
  readonly belowPhysicalOffset?: number
}

export interface KeyIndexReader {
  /**
   * Physical offsets, newest first, each once. Among them are records with another key of the same hash, and records up
   * to a second outside the times, because the index keeps whole seconds: compare both with the record.
   */
  query(query: KeyIndexQuery): number[]
  /** The same without waiting for the disk: undefined if it would have to. */
  queryResident(query: KeyIndexQuery): number[] | undefined
  close(): void
}

export function openKeyIndexReader(options: KeyIndexOptions): KeyIndexReader {
  return new IndexReader(options)
}

class IndexReader implements KeyIndexReader {
  readonly #options: KeyIndexOptions
  readonly #files: Files
  readonly #open = new Map<string, OpenFile>()

  constructor(options: KeyIndexOptions) {
    this.#options = options
    this.#files = options.files
  }

  query(query: KeyIndexQuery): number[] {
    return this.#query(query, file => (into, at) => file.read(into, at))
  }

  queryResident(query: KeyIndexQuery): number[] | undefined {
    try {
      return this.#query(query, file => (into, at) => file.readResident(into, at))
    } catch (error) {
      if (error instanceof NotResident) return undefined
      throw error
    }
  }

  close(): void {
    for (const file of this.#open.values()) file.close()
    this.#open.clear()
  }

  #query(query: KeyIndexQuery, readerOf: (file: OpenFile) => ReadBytes): number[] {
    assert(query.keyHash >= 0, 'a key hash has no sign')
    const search: Search = { ...query, countMax: Math.min(query.countMax, KEY_QUERY_COUNT_MAX), found: [] }
    const names = listIndexFiles(this.#files, this.#options.directory)
    this.#closeAllBut(names)
    let newest = true
    for (const name of names.reverse()) {
      const file = this.#find(name)
      if (file === undefined) continue
      const read = readerOf(file)
      const header = this.#readHeader(read)
      if (header === undefined || header.nextItem === 1) continue
      // The writer may be about to change the end of the newest file: there only the items count.
      const overlaps = header.beginAtMs <= search.untilMs && (newest || header.endAtMs >= search.fromMs)
      newest = false
      if (overlaps) this.#followChain(read, header, search)
      if (search.found.length >= search.countMax || header.beginAtMs < search.fromMs) break
    }
    return search.found.sort((a, b) => b - a)
  }

  #followChain(read: ReadBytes, header: IndexFileHeader, search: Search): void {
    const { found, countMax, keyHash, fromMs, untilMs, belowPhysicalOffset = Number.POSITIVE_INFINITY } = search
    const items = new IndexItemWindow(read, this.#options, 'backward')
    // An item that the header does not count yet is whole already: the slot is written after it.
    let number = this.#readSlot(read, indexSlotOf(keyHash, this.#options.slots))
    if (number > header.nextItem) return
    while (found.length < countMax && items.find(number) && items.plausible) {
      // The first item was measured from the end of the file before, but the header begins with its time.
      const earliestMs = header.beginAtMs + (number === 1 ? 0 : items.afterBeginSeconds * 1000)
      if (earliestMs + 999 < fromMs) return
      const { physicalOffset } = items
      if (items.keyHash === keyHash && earliestMs <= untilMs && physicalOffset < belowPhysicalOffset) {
        if (!found.includes(physicalOffset)) found.push(physicalOffset)
      }
      number = items.previousItem
    }
  }

  #readHeader(read: ReadBytes): IndexFileHeader | undefined {
    const bytes = new Uint8Array(INDEX_HEADER.sizeBytes)
    return readWhole(read, bytes, 0) ? parseIndexHeader(bytes, this.#options) : undefined
  }

  #readSlot(read: ReadBytes, slot: number): number {
    const bytes = new Uint8Array(INDEX_SLOT_BYTES)
    return readWhole(read, bytes, indexSlotAt(slot)) ? new DataView(bytes.buffer).getInt32(0) : 0
  }

  /** Undefined for a file that is being made or has just been deleted. */
  #find(name: string): OpenFile | undefined {
    const known = this.#open.get(name)
    if (known !== undefined) return known
    const path = join(this.#options.directory, name)
    const { slots, items } = this.#options
    if (this.#files.find(path)?.sizeBytes !== indexFileBytes(slots, items)) return undefined
    try {
      const file = this.#files.open(path, 'read')
      this.#open.set(name, file)
      return file
    } catch (error) {
      if (error instanceof VarveError && error.details.errno === 'ENOENT') return undefined
      throw error
    }
  }

  #closeAllBut(names: readonly string[]): void {
    for (const [name, file] of this.#open) {
      if (names.includes(name)) continue
      file.close()
      this.#open.delete(name)
    }
  }
}

interface Search extends KeyIndexQuery {
  readonly found: number[]
}

function readWhole(read: ReadBytes, into: Uint8Array, at: number): boolean {
  const count = read(into, at)
  if (count === undefined) throw new NotResident()
  return count === into.length
}
