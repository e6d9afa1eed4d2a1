/**
 * The values of the properties that one expression names, found in one pass over the bytes of a record's properties.
 *
 * Nothing is allocated per message: a value is a range of the bytes, and becomes a text only where a comparison cannot do
 * without. The rules of reading are those of `findProperty` (layout): of a repeated name the last piece counts, and a
 * piece with an empty value is none.
 *
 * Not here: what a value means (compile.ts).
 */
import { encodeText, NAME_END, PROPERTY_END, readText } from '../../layout/index.ts'

interface Name {
  readonly bytes: Uint8Array
  readonly index: number
}

export class PropertyValues {
  /** Of the message that is looked at; the ranges below are theirs. */
  bytes: Uint8Array = new Uint8Array(0)
  /** Of value n; -1 where the message has no such property. */
  readonly from: Int32Array
  readonly until: Int32Array
  /** Names of n bytes stand at index n. */
  readonly #byLength: (readonly Name[] | undefined)[] = []

  constructor(names: readonly string[]) {
    this.from = new Int32Array(names.length)
    this.until = new Int32Array(names.length)
    for (const [index, name] of names.entries()) {
      const bytes = encodeText(name)
      this.#byLength[bytes.length] = [...(this.#byLength[bytes.length] ?? []), { bytes, index }]
    }
  }

  /** Takes over the properties that lie in `[from, until)`; the bytes must stay as they are while values are asked for. */
  read(bytes: Uint8Array, from: number, until: number): void {
    this.bytes = bytes
    this.from.fill(-1)
    let piece = from
    while (piece < until) {
      let nameEnd = piece
      while (nameEnd < until && bytes[nameEnd] !== NAME_END && bytes[nameEnd] !== PROPERTY_END) nameEnd++
      let end = nameEnd
      while (end < until && bytes[end] !== PROPERTY_END) end++
      if (end - nameEnd > 1) this.#take(piece, nameEnd, end)
      piece = end + 1
    }
  }

  has(index: number): boolean {
    return this.from[index] !== -1
  }

  /** Of a property that the message has. */
  text(index: number): string {
    return readText(this.bytes, this.from[index] as number, this.until[index] as number) // One of the names.
  }

  #take(piece: number, nameEnd: number, end: number): void {
    const names = this.#byLength[nameEnd - piece]
    if (names === undefined) return
    for (const name of names) {
      if (!equalsAt(this.bytes, piece, name.bytes)) continue
      this.from[name.index] = nameEnd + 1
      this.until[name.index] = end
      return
    }
  }
}

export function equalsAt(bytes: Uint8Array, at: number, wanted: Uint8Array): boolean {
  for (let index = 0; index < wanted.length; index++) {
    if (bytes[at + index] !== wanted[index]) return false
  }
  return true
}
