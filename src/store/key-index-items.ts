/**
 * Items of an index file by number, read through a small buffer: chains mostly lead to items close by.
 *
 * Nothing here is believed: a number outside the file is not found, and `plausible` tells whether an item can be one.
 */
import { getInt53, INDEX_ITEM, indexItemAt } from '../layout/index.ts'

const BACKWARD_BYTES = 4096
const FORWARD_BYTES = 64 * 1024

/** How many slots and items an index file has. It does not record them. */
export interface IndexShape {
  readonly slots: number
  readonly items: number
}

/** As `OpenFile.read`, or as `readResident`: undefined if it would have to wait for the disk. */
export type ReadBytes = (into: Uint8Array, at: number) => number | undefined

/** Thrown by a search that must not wait for the disk and would have to. */
export class NotResident extends Error {
  override readonly name = 'NotResident'
}

export class IndexItemWindow {
  number = 0
  keyHash = 0
  physicalOffset = 0
  afterBeginSeconds = 0
  previousItem = 0

  readonly #read: ReadBytes
  readonly #shape: IndexShape
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #backward: boolean
  readonly #firstAt: number
  #from = 0
  #until = 0

  /** Going backward the buffer ends with the item asked for, going forward it begins with it. */
  constructor(read: ReadBytes, shape: IndexShape, direction: 'backward' | 'forward') {
    this.#read = read
    this.#shape = shape
    this.#backward = direction === 'backward'
    this.#bytes = new Uint8Array(this.#backward ? BACKWARD_BYTES : FORWARD_BYTES)
    this.#view = new DataView(this.#bytes.buffer)
    this.#firstAt = indexItemAt(1, shape.slots)
  }

  /** Makes the fields those of item `number`. False, fields unchanged, if the file has no such item. */
  find(number: number): boolean {
    if (number < 1 || number >= this.#shape.items) return false
    const at = indexItemAt(number, this.#shape.slots)
    const end = at + INDEX_ITEM.sizeBytes
    if (at < this.#from || end > this.#until) {
      this.#fill(at, end)
      if (end > this.#until) return false
    }
    const from = at - this.#from
    this.number = number
    this.keyHash = this.#view.getInt32(from + INDEX_ITEM.at.keyHash)
    this.physicalOffset = getInt53(this.#view, from + INDEX_ITEM.at.physicalOffset)
    this.afterBeginSeconds = this.#view.getInt32(from + INDEX_ITEM.at.afterBeginSeconds)
    this.previousItem = this.#view.getInt32(from + INDEX_ITEM.at.previousItem)
    return true
  }

  /** Never written. (An item of hash 0 for the very first record looks the same; it is put again after a crash.) */
  get blank(): boolean {
    return this.keyHash === 0 && this.physicalOffset === 0 && this.afterBeginSeconds === 0 && this.previousItem === 0
  }

  get plausible(): boolean {
    return (
      this.keyHash >= 0 &&
      this.physicalOffset >= 0 &&
      Number.isSafeInteger(this.physicalOffset) &&
      this.afterBeginSeconds >= 0 &&
      this.previousItem >= 0 &&
      this.previousItem < this.number
    )
  }

  #fill(at: number, end: number): void {
    this.#from = this.#backward ? Math.max(this.#firstAt, end - BACKWARD_BYTES) : at
    const wanted = this.#backward ? end - this.#from : this.#bytes.length
    const count = this.#read(this.#bytes.subarray(0, wanted), this.#from)
    if (count === undefined) {
      this.#until = this.#from
      throw new NotResident()
    }
    this.#until = this.#from + count
  }
}
