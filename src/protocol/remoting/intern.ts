/**
 * Strings for bytes that come again and again: names of topics and groups, one of which stands in nearly every request.
 * The same bytes give the same string, already hashed for the maps it is looked up in.
 *
 * A table of fixed size in which a new text takes the place of the one that has its slot: bounded whatever is sent. Texts
 * are hashed and compared in words of four bytes; the last word overlaps the one before it.
 */
import { readText } from '../../layout/index.ts'

/** A power of two. */
const SLOTS = 4096
/** Names are shorter; longer texts are decoded each time. */
const TEXT_BYTES_MAX = 255
const WORD_BYTES = 4

interface Slot {
  readonly length: number
  readonly words: Int32Array
  readonly text: string
}

const EMPTY: Slot = { length: 0, words: new Int32Array(0), text: '' }

export class InternTable {
  readonly #slots = new Array<Slot>(SLOTS).fill(EMPTY)

  /** `view` is of the same bytes. */
  text(bytes: Uint8Array, view: DataView, from: number, until: number): string {
    const length = until - from
    if (length < WORD_BYTES || length > TEXT_BYTES_MAX) return readText(bytes, from, until)

    const last = until - WORD_BYTES
    let hash = Math.imul(length ^ view.getInt32(last), FACTOR)
    for (let at = from; at < last; at += WORD_BYTES) hash = Math.imul(hash ^ (hash >>> 15) ^ view.getInt32(at), FACTOR)
    const index = (hash ^ (hash >>> 15)) & (SLOTS - 1)
    const slot = this.#slots[index]!
    if (slot.length === length && isSame(view, from, last, slot.words)) return slot.text

    const text = readText(bytes, from, until)
    this.#slots[index] = { length, words: wordsOf(view, from, last), text }
    return text
  }
}

/** Odd, with bits all over it. */
const FACTOR = 0x9e37_79b1 | 0

function isSame(view: DataView, from: number, last: number, words: Int32Array): boolean {
  let index = 0
  for (let at = from; at < last; at += WORD_BYTES) if (view.getInt32(at) !== words[index++]) return false
  return view.getInt32(last) === words[index]
}

function wordsOf(view: DataView, from: number, last: number): Int32Array {
  const words: number[] = []
  for (let at = from; at < last; at += WORD_BYTES) words.push(view.getInt32(at))
  return Int32Array.of(...words, view.getInt32(last))
}
