/**
 * One index file, as its writer has it: puts items, and mends what a crash left.
 *
 * The items are the truth: each is written once, in the order of the log, and what a slot holds follows from the items
 * before. So the slots can be rolled back from the items, or built anew.
 *
 * Invariants:
 * - an item is written before the slot that points at it, the slot before the header counts it: after kill -9 at most
 *   the end of the file is uncounted, and `open` takes that back
 * - what follows the last item is zeros, so that nothing old can be taken for an item written before a crash
 * - blocks are there before bytes are written: a full disk is an error of `put`, which then has changed nothing
 * - an item points at an older one: a chain of items ends
 *
 * Not here: rotation and the set of files (key-index.ts), queries (key-index-reader.ts).
 */
import { assert, MiB, PAGE_BYTES } from '../base/index.ts'
import {
  INDEX_HEADER,
  INDEX_ITEM,
  indexFileBytes,
  indexItemAt,
  indexSlotAt,
  indexSlotOf,
  setInt53
} from '../layout/index.ts'
import type { Files, OpenFile } from './files.ts'
import { type IndexBytes, openIndexBytes } from './key-index-bytes.ts'
import { IndexItemWindow, type IndexShape } from './key-index-items.ts'

const ALLOCATE_STEP_BYTES = 4 * MiB
const SECONDS_MAX = 0x7fff_ffff

/** The header of a file, with what it means where nothing has been put yet. */
export interface IndexFileHeader {
  beginAtMs: number
  endAtMs: number
  beginPhysicalOffset: number
  endPhysicalOffset: number
  usedSlotCount: number
  /** From 1. */
  nextItem: number
}

/** Undefined if the numbers cannot be those of a header, for example because the file is shorter. */
export function readIndexHeader(file: OpenFile, shape: IndexShape): IndexFileHeader | undefined {
  const bytes = new Uint8Array(INDEX_HEADER.sizeBytes)
  if (file.read(bytes, 0) < bytes.length) return undefined
  return parseIndexHeader(bytes, shape)
}

export function parseIndexHeader(bytes: Uint8Array, { slots, items }: IndexShape): IndexFileHeader | undefined {
  const header: IndexFileHeader = INDEX_HEADER.read(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0)
  if (header.nextItem === 0) header.nextItem = 1
  const plausible =
    Object.values(header).every(value => Number.isSafeInteger(value) && value >= 0) &&
    header.beginPhysicalOffset <= header.endPhysicalOffset &&
    header.nextItem <= items &&
    header.usedSlotCount <= Math.min(slots, header.nextItem - 1)
  return plausible ? header : undefined
}

/** Makes an empty file of full size, durable under its name. Its header goes on where the file before it ended. */
export function createIndexFile(
  files: Files,
  path: string,
  shape: IndexShape,
  before: { endAtMs: number; endPhysicalOffset: number }
): void {
  const file = files.open(path, 'create')
  try {
    file.setSize(indexFileBytes(shape.slots, shape.items))
    file.allocate(0, indexSlotAt(shape.slots), { keepSize: true })
    const header = new DataView(new ArrayBuffer(INDEX_HEADER.sizeBytes))
    INDEX_HEADER.write(header, 0, emptyAfter(before))
    file.write(new Uint8Array(header.buffer), 0)
    file.syncAll()
  } catch (error) {
    files.remove(path)
    throw error
  } finally {
    file.close()
  }
}

export const emptyAfter = ({
  endAtMs,
  endPhysicalOffset
}: {
  endAtMs: number
  endPhysicalOffset: number
}): IndexFileHeader => ({
  beginAtMs: endAtMs,
  endAtMs,
  beginPhysicalOffset: endPhysicalOffset,
  endPhysicalOffset,
  usedSlotCount: 0,
  nextItem: 1
})

export class KeyIndexFile {
  readonly path: string
  readonly #files: Files
  readonly #file: OpenFile
  readonly #slots: number
  readonly #items: number
  readonly #firstItemAt: number
  readonly #fileBytes: number
  #header: IndexFileHeader
  /** Opened with the first put: an index that is only read maps nothing. */
  #bytes: IndexBytes | undefined
  /** Items up to here can be written without asking the system for anything. */
  #writableUntil = 0
  #allocatedUntil = 0
  /** First item of the record that was put last. */
  #recordFrom: number
  #changed = false
  #syncedUntil: number

  constructor(files: Files, path: string, shape: IndexShape, header: IndexFileHeader) {
    this.#files = files
    this.path = path
    this.#slots = shape.slots
    this.#items = shape.items
    this.#firstItemAt = indexItemAt(0, shape.slots)
    this.#fileBytes = indexFileBytes(shape.slots, shape.items)
    this.#header = header
    this.#file = files.open(path, 'write')
    this.#syncedUntil = this.#firstItemAt
    this.#recordFrom = header.nextItem
    try {
      this.#takeBackUncounted()
      this.#recordFrom = this.#firstItemOfLastRecord()
    } catch (error) {
      this.#file.close()
      throw error
    }
  }

  get header(): Readonly<IndexFileHeader> {
    return this.#header
  }

  get full(): boolean {
    return this.#header.nextItem >= this.#items
  }

  /** The caller has seen to it that the file is not full and the record not older than the last one. */
  put(keyHash: number, physicalOffset: number, storedAtMs: number): void {
    const header = this.#header
    const number = header.nextItem
    const itemAt = this.#itemAt(number)
    if (itemAt + INDEX_ITEM.sizeBytes > this.#writableUntil) this.#makeWritable(itemAt)
    const bytes = this.#bytes as IndexBytes // Made by `makeWritable`, which the first put calls.
    const { head, items, changedPages } = bytes

    const slotAt = indexSlotAt(indexSlotOf(keyHash, this.#slots))
    let previous = head.getInt32(slotAt)
    if (previous < 0 || previous >= number) previous = 0
    if (physicalOffset !== header.endPhysicalOffset) this.#recordFrom = number
    else if (previous >= this.#recordFrom && this.#holds(keyHash, previous)) return

    const elapsed = header.beginAtMs === 0 ? 0 : Math.floor((storedAtMs - header.beginAtMs) / 1000)
    const at = itemAt - bytes.itemsFrom
    items.setInt32(at + INDEX_ITEM.at.keyHash, keyHash)
    setInt53(items, at + INDEX_ITEM.at.physicalOffset, physicalOffset)
    items.setInt32(at + INDEX_ITEM.at.afterBeginSeconds, Math.min(Math.max(elapsed, 0), SECONDS_MAX))
    items.setInt32(at + INDEX_ITEM.at.previousItem, previous)
    head.setInt32(slotAt, number)

    if (number === 1) {
      header.beginAtMs = storedAtMs
      header.beginPhysicalOffset = physicalOffset
      setInt53(head, INDEX_HEADER.at.beginAtMs, storedAtMs)
      setInt53(head, INDEX_HEADER.at.beginPhysicalOffset, physicalOffset)
    }
    if (storedAtMs !== header.endAtMs || number === 1) {
      header.endAtMs = storedAtMs
      setInt53(head, INDEX_HEADER.at.endAtMs, storedAtMs)
    }
    if (physicalOffset !== header.endPhysicalOffset || number === 1) {
      header.endPhysicalOffset = physicalOffset
      setInt53(head, INDEX_HEADER.at.endPhysicalOffset, physicalOffset)
    }
    header.nextItem = number + 1
    head.setInt32(INDEX_HEADER.at.nextItem, number + 1)
    if (previous === 0) head.setInt32(INDEX_HEADER.at.usedSlotCount, ++header.usedSlotCount)
    if (changedPages.length > 0) {
      changedPages[0] = 1
      changedPages[Math.floor(slotAt / PAGE_BYTES)] = 1
    }
    this.#changed = true
  }

  publish(): void {
    this.#bytes?.publish(this.#itemAt(this.#header.nextItem))
  }

  /** @throws STORE_SYNC_FAILED */
  flush(): void {
    if (!this.#changed && this.#syncedUntil > this.#firstItemAt) return
    this.publish()
    const itemsEnd = this.#itemAt(this.#header.nextItem)
    this.#file.sync(this.#syncedUntil, itemsEnd - this.#syncedUntil)
    this.#file.sync(0, this.#firstItemAt)
    this.#syncedUntil = itemsEnd
    this.#changed = false
  }

  /** Forgets the records at or beyond `physicalOffset`. False if then none would be left, and the file is of no use. */
  truncateTo(physicalOffset: number): boolean {
    const header = this.#header
    if (header.endPhysicalOffset < physicalOffset) return true
    this.publish()
    const window = this.#window()
    let kept = header.nextItem - 1
    while (kept > 0 && window.find(kept) && window.physicalOffset >= physicalOffset) kept--
    if (kept === 0) return false
    this.#takeBack(kept + 1, header.nextItem - 1)
    this.#endAt(kept)
    return true
  }

  /**
   * Believes only the items of records below `durableUntil`, each checked, and builds the slots anew. Returns from where
   * records must be put again (the last item, if nothing is known to be durable or an item does not fit), or undefined if the header does not fit the items and the file is of no use.
   */
  rebuild(durableUntil: number): number | undefined {
    const bytes = this.#openBytes()
    const { head } = bytes
    new Uint8Array(head.buffer, head.byteOffset, this.#firstItemAt).fill(0, INDEX_HEADER.sizeBytes)
    bytes.changedPages.fill(1)
    let last = 0
    let lastPhysicalOffset = this.#header.beginPhysicalOffset
    let usedSlotCount = 0
    let cutShort = durableUntil === Number.POSITIVE_INFINITY
    const window = this.#window('forward')
    while (last + 1 < this.#items && window.find(last + 1)) {
      if (window.blank || window.physicalOffset >= durableUntil) break
      const slotAt = indexSlotAt(indexSlotOf(Math.max(window.keyHash, 0), this.#slots))
      if (
        !window.plausible ||
        window.physicalOffset < lastPhysicalOffset ||
        window.previousItem !== head.getInt32(slotAt)
      ) {
        cutShort = true
        break
      }
      if (last === 0 && window.physicalOffset !== this.#header.beginPhysicalOffset) return undefined
      last++
      lastPhysicalOffset = window.physicalOffset
      if (window.previousItem === 0) usedSlotCount++
      head.setInt32(slotAt, last)
    }
    if (last === 0) return undefined
    this.#header.usedSlotCount = usedSlotCount
    this.#endAt(last)
    return cutShort ? lastPhysicalOffset : durableUntil
  }

  /** Publishes and lets go of the file; does not flush. */
  close(): void {
    this.publish()
    this.#bytes?.release()
    this.#bytes = undefined
    this.#file.close()
  }

  /** Whether the key is already there for the record that was put last: then dispatch is repeating itself. */
  #holds(keyHash: number, newest: number): boolean {
    const window = this.#window()
    this.publish()
    let number = newest
    while (number >= this.#recordFrom && window.find(number)) {
      if (window.keyHash === keyHash) return true
      number = window.previousItem
    }
    return false
  }

  #firstItemOfLastRecord(): number {
    const window = this.#window()
    let first = this.#header.nextItem
    while (first > 1 && window.find(first - 1) && window.physicalOffset === this.#header.endPhysicalOffset) first--
    return first
  }

  /** A process that died in the middle of a put has left items, and slots that point at them, which the header does not count. */
  #takeBackUncounted(): void {
    const first = this.#header.nextItem
    const window = this.#window('forward')
    let last = first - 1
    while (last + 1 < this.#items && window.find(last + 1) && !window.blank) {
      if (!window.plausible || window.physicalOffset < this.#header.endPhysicalOffset) break
      last++
    }
    if (last < first) return
    this.#takeBack(first, last)
    this.#endAt(first - 1)
  }

  /** Makes the slots what they were before the items `[first, last]`. */
  #takeBack(first: number, last: number): void {
    const { head, changedPages } = this.#openBytes()
    const window = this.#window()
    for (let number = last; number >= first && window.find(number); number--) {
      const slotAt = indexSlotAt(indexSlotOf(Math.max(window.keyHash, 0), this.#slots))
      if (head.getInt32(slotAt) !== number) continue
      head.setInt32(slotAt, window.previousItem)
      if (window.previousItem === 0 && number < this.#header.nextItem) this.#header.usedSlotCount--
      if (changedPages.length > 0) changedPages[Math.floor(slotAt / PAGE_BYTES)] = 1
    }
  }

  /** Writes the header for a file whose last item is `last`, and zeros after it. The slots are right already. */
  #endAt(last: number): void {
    const header = this.#header
    const bytes = this.#openBytes()
    if (last > 0 && last + 1 !== header.nextItem) {
      const window = this.#window()
      assert(window.find(last), 'the last item is in the file')
      header.endPhysicalOffset = window.physicalOffset
      // Items keep whole seconds: the later end of that second, so that a search by time does not pass the file over.
      header.endAtMs = last === 1 ? header.beginAtMs : header.beginAtMs + window.afterBeginSeconds * 1000 + 999
    }
    header.nextItem = last + 1
    INDEX_HEADER.write(bytes.head, 0, header)
    if (bytes.changedPages.length > 0) bytes.changedPages[0] = 1
    bytes.publish(bytes.itemsFrom)
    bytes.release()
    this.#bytes = undefined
    this.#writableUntil = 0
    this.#allocatedUntil = 0
    this.#syncedUntil = this.#firstItemAt
    this.#changed = true
    this.#clearFrom(this.#itemAt(last + 1))
    this.#recordFrom = this.#firstItemOfLastRecord()
  }

  #clearFrom(at: number): void {
    const pageEnd = Math.min(Math.ceil(at / PAGE_BYTES) * PAGE_BYTES, this.#fileBytes)
    if (pageEnd > at) this.#file.write(new Uint8Array(pageEnd - at), at)
    if (pageEnd < this.#fileBytes) this.#file.punchHole(pageEnd, this.#fileBytes - pageEnd)
  }

  #openBytes(): IndexBytes {
    if (this.#bytes !== undefined) return this.#bytes
    // A file that Apache RocketMQ made is sparse, and so is the slot table after a hole was punched into it.
    this.#file.allocate(0, this.#firstItemAt, { keepSize: true })
    const itemsEnd = this.#itemAt(this.#header.nextItem)
    this.#bytes = openIndexBytes(this.#file, this.#files.mapper, this.#firstItemAt, this.#fileBytes, itemsEnd)
    return this.#bytes
  }

  /** Sees to it that the item at `at` can be written. @throws STORE_DISK_FULL */
  #makeWritable(at: number): void {
    const bytes = this.#openBytes()
    if (this.#allocatedUntil === 0) {
      INDEX_HEADER.write(bytes.head, 0, this.#header)
      this.#allocatedUntil = at
    }
    const itemEnd = at + INDEX_ITEM.sizeBytes
    if (itemEnd > this.#allocatedUntil) {
      const until = Math.min(this.#allocatedUntil + ALLOCATE_STEP_BYTES, this.#fileBytes)
      this.#file.allocate(this.#allocatedUntil, until - this.#allocatedUntil, { keepSize: true })
      this.#file.startWriting(Math.max(this.#firstItemAt, at - ALLOCATE_STEP_BYTES), ALLOCATE_STEP_BYTES)
      this.#allocatedUntil = until
    }
    if (itemEnd > bytes.itemsUntil) bytes.moveTo(at)
    this.#writableUntil = Math.min(this.#allocatedUntil, bytes.itemsUntil)
  }

  #window(direction: 'backward' | 'forward' = 'backward'): IndexItemWindow {
    return new IndexItemWindow(
      (into, at) => this.#file.read(into, at),
      { slots: this.#slots, items: this.#items },
      direction
    )
  }

  #itemAt(number: number): number {
    return this.#firstItemAt + number * INDEX_ITEM.sizeBytes
  }
}
