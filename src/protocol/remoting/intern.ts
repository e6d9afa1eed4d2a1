/**
 * Strings for bytes that come again and again: names of topics and groups, one of which stands in nearly every request.
 * The same bytes give the same string, already hashed for the maps it is looked up in.
 *
 * A table of fixed size in which a new text takes the place of the one that has its slot: bounded whatever is sent.
 */
import { readText } from '../../layout/index.ts'
import { isSame } from './field-table.ts'

/** A power of two. */
const SLOTS = 4096
/** Names are shorter; longer texts are decoded each time. */
const TEXT_BYTES_MAX = 255

export class InternTable {
  readonly #keys = new Array<Uint8Array | undefined>(SLOTS).fill(undefined)
  readonly #texts = new Array<string>(SLOTS).fill('')

  text(bytes: Uint8Array, from: number, until: number): string {
    const length = until - from
    if (length > TEXT_BYTES_MAX) return readText(bytes, from, until)
    let hash = FNV_START
    for (let at = from; at < until; at++) hash = Math.imul(hash ^ bytes[at]!, FNV_FACTOR)
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1)
    const key = this.#keys[slot]
    if (key !== undefined && key.length === length && isSame(bytes, from, key)) return this.#texts[slot]!

    const text = readText(bytes, from, until)
    this.#keys[slot] = bytes.slice(from, until)
    this.#texts[slot] = text
    return text
  }
}

/** FNV-1a: quick for short names, and no one gains by making them collide. */
const FNV_START = 0x811c9dc5 | 0
const FNV_FACTOR = 0x01000193
