/**
 * The bytes of an index file as its writer sees them: the head (header and slots) and a stretch of items, each as a
 * `DataView`, whether the file is mapped or not.
 *
 * Mapped, both are the whole file. Not mapped, the head is a copy in memory, of which changed pages are remembered, and
 * the items are a window that moves forward: `publish` hands both to the system, the header last, so that a file never
 * counts an item that is not in it.
 *
 * Not here: what the bytes mean (key-index-file.ts).
 */
import { assert, KiB, PAGE_BYTES } from '../base/index.ts'
import type { MapperKind, Mapping, OpenFile } from './files.ts'

const WINDOW_BYTES = 256 * KiB

export interface IndexBytes {
  readonly head: DataView
  /** One byte for each page of the head, set to 1 by whoever changes the page; empty where nobody needs to know. */
  readonly changedPages: Uint8Array
  readonly items: DataView
  /** Position in the file of the first byte of `items`, and of the first one after it. */
  readonly itemsFrom: number
  readonly itemsUntil: number
  /** Makes `items` begin at `at`, where nothing has been written yet. */
  moveTo(at: number): void
  /** Hands all changes to the system. `itemsEnd` is where the last item ends. */
  publish(itemsEnd: number): void
  release(): void
}

export function openIndexBytes(
  file: OpenFile,
  mapper: MapperKind,
  headBytes: number,
  fileBytes: number,
  itemsEnd: number
): IndexBytes {
  if (mapper === 'plain') return new BufferedIndexBytes(file, headBytes, itemsEnd)
  return new MappedIndexBytes(file.map(fileBytes, 'write'), fileBytes)
}

class MappedIndexBytes implements IndexBytes {
  readonly head: DataView
  readonly changedPages = new Uint8Array(0)
  readonly items: DataView
  readonly itemsFrom = 0
  readonly itemsUntil: number
  readonly #mapping: Mapping

  constructor(mapping: Mapping, fileBytes: number) {
    this.#mapping = mapping
    this.head = mapping.view
    this.items = mapping.view
    this.itemsUntil = fileBytes
  }

  moveTo(): void {
    assert(false, 'a mapping holds all items')
  }

  publish(): void {}

  release(): void {
    this.#mapping.release()
  }
}

class BufferedIndexBytes implements IndexBytes {
  readonly head: DataView
  readonly changedPages: Uint8Array
  readonly items: DataView
  itemsFrom: number
  readonly #file: OpenFile
  readonly #headBytes: Uint8Array
  readonly #window = new Uint8Array(WINDOW_BYTES)
  #published: number

  constructor(file: OpenFile, headBytes: number, itemsEnd: number) {
    this.#file = file
    this.#headBytes = new Uint8Array(headBytes)
    file.read(this.#headBytes, 0)
    this.head = new DataView(this.#headBytes.buffer)
    this.changedPages = new Uint8Array(Math.ceil(headBytes / PAGE_BYTES))
    this.items = new DataView(this.#window.buffer)
    this.itemsFrom = itemsEnd
    this.#published = itemsEnd
  }

  get itemsUntil(): number {
    return this.itemsFrom + WINDOW_BYTES
  }

  moveTo(at: number): void {
    this.publish(at)
    this.itemsFrom = at
  }

  publish(itemsEnd: number): void {
    if (itemsEnd > this.#published) {
      this.#file.write(
        this.#window.subarray(this.#published - this.itemsFrom, itemsEnd - this.itemsFrom),
        this.#published
      )
      this.#published = itemsEnd
    }
    const { changedPages } = this
    let page = changedPages.indexOf(1, 1)
    while (page !== -1) {
      let end = page + 1
      while (changedPages[end] === 1) end++
      this.#writePages(page, end)
      page = changedPages.indexOf(1, end)
    }
    if (changedPages[0] === 1) this.#writePages(0, 1)
  }

  release(): void {}

  #writePages(from: number, until: number): void {
    this.#file.write(this.#headBytes.subarray(from * PAGE_BYTES, until * PAGE_BYTES), from * PAGE_BYTES)
    this.changedPages.fill(0, from, until)
  }
}
