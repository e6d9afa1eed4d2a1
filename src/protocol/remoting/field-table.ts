/**
 * Where the fields of one header lie: positions in the bytes of the frame, no strings.
 *
 * Made once and filled again for each frame. Escapes in a value are undone where it lies, when it is first asked for: the
 * text without escapes is never longer, and the bytes of a frame belong to whoever reads it.
 *
 * Invariants: the positions of a field are inside the header; of a repeated name the last one counts.
 */
import { VarveError } from '../../base/index.ts'
import { readText } from '../../layout/index.ts'
import type { FieldName } from './field.ts'
import { unescapeInPlace } from './json-text.ts'

/** Numbers that a field takes in the table. */
const KEY_FROM = 0
const KEY_UNTIL = 1
const VALUE_FROM = 2
const VALUE_UNTIL = 3
const MARKS = 4
const STRIDE = 5

const KEY_ESCAPED = 1
const VALUE_ESCAPED = 2
/** The sender says that there is no value. */
const VALUE_NULL = 4

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

  add(keyFrom: number, keyUntil: number, keyEscaped: boolean): void {
    const at = this.count++ * STRIDE
    if (at === this.#cells.length) this.#grow()
    this.#cells[at + KEY_FROM] = keyFrom
    this.#cells[at + KEY_UNTIL] = keyUntil
    this.#cells[at + MARKS] = VALUE_NULL | (keyEscaped ? KEY_ESCAPED : 0)
  }

  /** The value of the field that was added last. Without a call it is null. */
  setValue(from: number, until: number, escaped: boolean): void {
    const at = (this.count - 1) * STRIDE
    this.#cells[at + VALUE_FROM] = from
    this.#cells[at + VALUE_UNTIL] = until
    this.#cells[at + MARKS] = (this.#cells[at + MARKS]! & KEY_ESCAPED) | (escaped ? VALUE_ESCAPED : 0)
  }

  /** The number of the field, or -1. */
  find({ bytes: name }: FieldName): number {
    const cells = this.#cells
    const bytes = this.#bytes
    const length = name.length
    const first = name[0]
    for (let index = this.count - 1; index >= 0; index--) {
      const at = index * STRIDE
      const marks = cells[at + MARKS]!
      if ((marks & KEY_ESCAPED) !== 0) this.#undoKey(index)
      const keyFrom = cells[at + KEY_FROM]!
      if (cells[at + KEY_UNTIL]! - keyFrom !== length || bytes[keyFrom] !== first) continue
      if (!isSame(bytes, keyFrom, name)) continue
      return (marks & VALUE_NULL) === 0 ? index : -1
    }
    return -1
  }

  isNull(index: number): boolean {
    return (this.#cells[index * STRIDE + MARKS]! & VALUE_NULL) !== 0
  }

  keyFrom(index: number): number {
    if ((this.#cells[index * STRIDE + MARKS]! & KEY_ESCAPED) !== 0) this.#undoKey(index)
    return this.#cells[index * STRIDE + KEY_FROM]!
  }

  keyUntil(index: number): number {
    return this.#cells[index * STRIDE + KEY_UNTIL]!
  }

  valueFrom(index: number): number {
    if ((this.#cells[index * STRIDE + MARKS]! & VALUE_ESCAPED) !== 0) this.#undoValue(index)
    return this.#cells[index * STRIDE + VALUE_FROM]!
  }

  /** To be asked for after `valueFrom`, which may move it. */
  valueUntil(index: number): number {
    return this.#cells[index * STRIDE + VALUE_UNTIL]!
  }

  /** Names the field in what it throws. */
  invalid(index: number, expected: string): VarveError {
    const name = readText(this.#bytes, this.keyFrom(index), this.keyUntil(index))
    const value = readText(this.#bytes, this.valueFrom(index), this.valueUntil(index))
    return new VarveError('PARAMETER_INVALID', { field: name, value: value.slice(0, SHOWN_MAX), expected })
  }

  #undoKey(index: number): void {
    const at = index * STRIDE
    this.#cells[at + KEY_UNTIL] = unescapeInPlace(
      this.#bytes,
      this.#cells[at + KEY_FROM]!,
      this.#cells[at + KEY_UNTIL]!
    )
    this.#cells[at + MARKS] = this.#cells[at + MARKS]! & ~KEY_ESCAPED
  }

  #undoValue(index: number): void {
    const at = index * STRIDE
    const from = this.#cells[at + VALUE_FROM]!
    this.#cells[at + VALUE_UNTIL] = unescapeInPlace(this.#bytes, from, this.#cells[at + VALUE_UNTIL]!)
    this.#cells[at + MARKS] = this.#cells[at + MARKS]! & ~VALUE_ESCAPED
  }

  #grow(): void {
    const cells = new Int32Array(this.#cells.length * 2)
    cells.set(this.#cells)
    this.#cells = cells
  }
}

/** So much of a wrong value stands in the error. */
const SHOWN_MAX = 64

export function isSame(bytes: Uint8Array, at: number, text: Uint8Array): boolean {
  for (let index = 0; index < text.length; index++) {
    if (bytes[at + index] !== text[index]) return false
  }
  return true
}
