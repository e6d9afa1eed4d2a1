/**
 * Verifying the key index. From the log's side: each key of each record must have its item, and each item its record;
 * as items stand in the order of the log, both are walked side by side. And each file in itself: the chains that lead
 * from a slot to all of its items.
 *
 * After a crash Apache RocketMQ deletes index files: what lies outside of the positions that the index covers is not
 * missed.
 */
import { join } from 'node:path'
import {
  findIndexedProperties,
  INDEX_SLOT_BYTES,
  IndexedProperties,
  indexFileBytes,
  indexKeyHash,
  indexSlotAt,
  indexSlotOf,
  javaHash,
  javaHashOfBytes,
  type RecordPositions,
  SYS_FLAG
} from '../layout/index.ts'
import type { Files, OpenFile } from './files.ts'
import { readIndexHeader } from './key-index-file.ts'
import { IndexItemWindow, type IndexShape } from './key-index-items.ts'
import { listIndexFiles } from './key-index-names.ts'
import { indexDirectory } from './paths.ts'
import { forEachKeyHash, type KeySink } from './record-keys.ts'
import { type DamageFound, DamageList } from './verify-report.ts'

export interface IndexCheckOptions {
  readonly directory: string
  readonly shape: IndexShape
  /** Every key of the records in `[from, until)` is in the index. */
  readonly coveredFrom: number
  readonly coveredUntil: number
}

/** Walks the items that belong to one stretch of the log, beside its records. */
export class IndexCheck implements KeySink {
  readonly #options: IndexCheckOptions
  readonly #damage: DamageList
  readonly #items: IndexCursor
  readonly #properties = new IndexedProperties()
  readonly #expected: number[] = []
  readonly #run: number[] = []

  /** `from` is where the stretch begins. */
  constructor(files: Files, options: IndexCheckOptions, from: number, damage: DamageList) {
    this.#options = options
    this.#damage = damage
    this.#items = new IndexCursor(files, options)
    this.#items.seek(from)
  }

  record(bytes: Uint8Array, record: RecordPositions, at: number): void {
    this.#passTo(at)
    this.#expected.length = 0
    this.#run.length = 0
    const { coveredFrom, coveredUntil } = this.#options
    const isIndexed = (record.sysFlag & SYS_FLAG.TRANSACTION_MASK) !== SYS_FLAG.TRANSACTION_ROLLBACK
    if (isIndexed) forEachKeyHash(bytes, record, this, at)
    for (; this.#items.position === at; this.#items.next()) this.#run.push(this.#items.keyHash)
    const expected = this.#expected
    const missing = expected.some(hash => !this.#run.includes(hash))
    const surplus = this.#run.some(hash => !expected.includes(hash))
    if (missing && at >= coveredFrom && at < coveredUntil && this.#isKeyMissing(bytes, record))
      this.#wrong('keys of messages have no item', at, at + record.totalBytes)
    if (surplus) this.#wrong('items have a key that their message does not have', at, at + record.totalBytes)
  }

  /** Nothing follows in this stretch. */
  finish(until: number): void {
    this.#passTo(until)
    this.#items.close()
  }

  /** As the sink of the keys of one record. */
  put(keyHash: number): void {
    this.#expected.push(keyHash)
  }

  #passTo(at: number): void {
    for (; this.#items.position < at; this.#items.next())
      this.#wrong('items belong to no message', this.#items.position, this.#items.position + 1)
  }

  /** Before 5.5 Apache RocketMQ did not put tags into the index, so nobody misses them. */
  #isKeyMissing(bytes: Uint8Array, { topicAt, topicBytes, propertiesAt, propertiesBytes }: RecordPositions): boolean {
    findIndexedProperties(bytes, propertiesAt, propertiesAt + propertiesBytes, this.#properties)
    const { tags } = this.#properties
    const seed = javaHash('#T#', javaHashOfBytes(bytes, topicAt, topicAt + topicBytes))
    const tagHash = tags.empty ? undefined : indexKeyHash(seed, bytes, tags.from, tags.until)
    return this.#expected.some(hash => hash !== tagHash && !this.#run.includes(hash))
  }

  #wrong(problem: string, from: number, until: number): void {
    this.#damage.add({ kind: 'index', problem, derived: true, from, until })
  }
}

export interface IndexExtent {
  readonly fileCount: number
  readonly itemCount: number
  /** Records of the first and the last item; undefined if there is none. */
  readonly from: number | undefined
  readonly until: number | undefined
}

/** What the headers say. */
export function indexExtent(files: Files, directory: string, shape: IndexShape): IndexExtent {
  const names = listIndexFiles(files, indexDirectory(directory))
  let itemCount = 0
  let from: number | undefined
  let until: number | undefined
  for (const name of names) {
    const file = files.open(join(indexDirectory(directory), name), 'read')
    try {
      const header = readIndexHeader(file, shape)
      if (header === undefined || header.nextItem === 1) continue
      itemCount += header.nextItem - 1
      from ??= header.beginPhysicalOffset
      until = header.endPhysicalOffset
    } finally {
      file.close()
    }
  }
  return { fileCount: names.length, itemCount, from, until }
}

/** Follows no chain, needs no log: whether all items of a file can be found through its slots. */
export function verifyIndexFile(files: Files, path: string, shape: IndexShape): DamageFound {
  const damage = new DamageList()
  const wrong = (problem: string): void => damage.add({ kind: 'index-file', problem, derived: true, path })
  const sizeBytes = files.find(path)?.sizeBytes ?? 0
  const expectedBytes = indexFileBytes(shape.slots, shape.items)
  if (sizeBytes !== expectedBytes) {
    wrong(`it has ${sizeBytes} bytes instead of ${expectedBytes}`)
    return damage.found()
  }
  const file = files.open(path, 'read')
  try {
    const header = readIndexHeader(file, shape)
    if (header === undefined) wrong('its header cannot be right')
    else verifyChains(file, header.nextItem, shape, wrong)
    return damage.found()
  } finally {
    file.close()
  }
}

function verifyChains(file: OpenFile, nextItem: number, shape: IndexShape, wrong: (problem: string) => void): void {
  const newest = new Int32Array(shape.slots)
  const items = new IndexItemWindow((into, at) => file.read(into, at), shape, 'forward')
  let position = 0
  let brokenLinks = 0
  for (let number = 1; number < nextItem; number++) {
    if (!items.find(number) || !items.plausible || items.physicalOffset < position) {
      wrong(`item ${number} of ${nextItem - 1} cannot be right`)
      return
    }
    position = items.physicalOffset
    const slot = indexSlotOf(items.keyHash, shape.slots)
    if (items.previousItem !== newest[slot]) brokenLinks++
    newest[slot] = number
  }
  if (brokenLinks > 0) wrong(`${brokenLinks} items do not lead to the one before them in their slot`)
  const lost = countDifferentSlots(file, newest)
  if (lost > 0) wrong(`${lost} slots do not name their newest item`)
}

function countDifferentSlots(file: OpenFile, newest: Int32Array): number {
  const block = new DataView(new ArrayBuffer(1 << 18))
  const blockSlots = block.byteLength / INDEX_SLOT_BYTES
  let count = 0
  for (let from = 0; from < newest.length; from += blockSlots) {
    const slots = Math.min(blockSlots, newest.length - from)
    file.read(new Uint8Array(block.buffer, 0, slots * INDEX_SLOT_BYTES), indexSlotAt(from))
    for (let i = 0; i < slots; i++) if (block.getInt32(i * INDEX_SLOT_BYTES) !== newest[from + i]) count++
  }
  return count
}

/** All items in the order of the log, over all files. */
class IndexCursor {
  /** Record of the item; infinite behind the last one. */
  position = Number.POSITIVE_INFINITY
  keyHash = 0
  readonly #files: Files
  readonly #options: IndexCheckOptions
  readonly #names: string[]
  #file: OpenFile | undefined
  #window: IndexItemWindow | undefined
  #number = 0
  #nextItem = 1

  constructor(files: Files, options: IndexCheckOptions) {
    this.#files = files
    this.#options = options
    this.#names = listIndexFiles(files, indexDirectory(options.directory))
  }

  /** To the first item of a record at or after `position`. */
  seek(position: number): void {
    while (this.#openNext()) {
      let low = 1
      let high = this.#nextItem
      while (low < high) {
        const middle = (low + high) >>> 1
        this.#take(middle)
        if (this.position < position) low = middle + 1
        else high = middle
      }
      this.#number = low - 1
      if (low < this.#nextItem) break
    }
    this.next()
  }

  next(): void {
    this.#number++
    while (this.#number >= this.#nextItem) {
      if (!this.#openNext()) {
        this.position = Number.POSITIVE_INFINITY
        return
      }
      this.#number = 1
    }
    this.#take(this.#number)
  }

  close(): void {
    this.#file?.close()
    this.#file = undefined
  }

  #take(number: number): void {
    const window = this.#window
    if (window?.find(number) !== true) {
      this.position = Number.POSITIVE_INFINITY
      return
    }
    this.position = window.physicalOffset
    this.keyHash = window.keyHash
  }

  /** False if there is no file left. One that is damaged holds no items here; `verifyIndexFile` reports it. */
  #openNext(): boolean {
    this.close()
    const { directory, shape } = this.#options
    const name = this.#names.shift()
    this.#number = 0
    this.#nextItem = 1
    if (name === undefined) return false
    const file = this.#files.open(join(indexDirectory(directory), name), 'read')
    this.#file = file
    const isWhole = file.sizeBytes() === indexFileBytes(shape.slots, shape.items)
    const header = isWhole ? readIndexHeader(file, shape) : undefined
    this.#nextItem = header?.nextItem ?? 1
    this.#window = new IndexItemWindow((into, at) => file.read(into, at), shape, 'forward')
    return true
  }
}
