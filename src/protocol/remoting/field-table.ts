/**
 * Where the fields of one header lie: positions in the bytes of the frame, no strings. Made once and filled again for each
 * frame.
 *
 * Invariants: the positions of a field are inside the header; of a repeated name the last one counts.
 */
import type { FieldName } from './field.ts'

/** Numbers that a field takes in the table. */
const KEY_FROM = 0
const KEY_UNTIL = 1
const VALUE_FROM = 2
/** Before `VALUE_FROM` if the sender says that there is no value. */
const VALUE_UNTIL = 3
const STRIDE = 4

/** Most requests have fewer. */
const FIELDS_FIRST = 32

export class FieldTable {
  count = 0
  #bytes: Uint8Array = new Uint8Array(0)
  #cells = new Int32Array(FIELDS_FIRST * STRIDE)

  reset(bytes: Uint8Array): void {
    this.#bytes = bytes
    this.count = 0
  }

  /** The same bytes, in another place. */
  movedTo(bytes: Uint8Array): void {
    this.#bytes = bytes
  }

  add(keyFrom: number, keyUntil: number, valueFrom: number, valueUntil: number): void {
    const at = this.count++ * STRIDE
    if (at === this.#cells.length) this.#grow()
    const cells = this.#cells
    cells[at + VALUE_UNTIL] = valueUntil
    cells[at + KEY_FROM] = keyFrom
    cells[at + KEY_UNTIL] = keyUntil
    cells[at + VALUE_FROM] = valueFrom
  }

  addNull(keyFrom: number, keyUntil: number): void {
    this.add(keyFrom, keyUntil, 0, -1)
  }

  /** The number of the field, or -1 if it is absent or null. */
  find({ bytes: name }: FieldName): number {
    const cells = this.#cells
    const bytes = this.#bytes
    const length = name.length
    for (let index = this.count - 1; index >= 0; index--) {
      const at = index * STRIDE
      const keyFrom = cells[at + KEY_FROM]!
      if (cells[at + KEY_UNTIL]! - keyFrom !== length || !isSame(bytes, keyFrom, name)) continue
      return this.isNull(index) ? -1 : index
    }
    return -1
  }

  isNull(index: number): boolean {
    return this.#cells[index * STRIDE + VALUE_UNTIL]! < 0
  }

  keyFrom(index: number): number {
    return this.#cells[index * STRIDE + KEY_FROM]!
  }

  keyUntil(index: number): number {
    return this.#cells[index * STRIDE + KEY_UNTIL]!
  }

  valueFrom(index: number): number {
    return this.#cells[index * STRIDE + VALUE_FROM]!
  }

  valueUntil(index: number): number {
    return this.#cells[index * STRIDE + VALUE_UNTIL]!
  }

  #grow(): void {
    const cells = new Int32Array(this.#cells.length * 2)
    cells.set(this.#cells)
    this.#cells = cells
  }
}

export function isSame(bytes: Uint8Array, at: number, text: Uint8Array): boolean {
  for (let index = 0; index < text.length; index++) {
    if (bytes[at + index] !== text[index]) return false
  }
  return true
}
