/**
 * Java's `String.hashCode`, the hash behind tag codes and the key index: over UTF-16 units, h = 31 h + unit, modulo
 * 2^32, read as a signed number. From bytes it is computed without making the string.
 */
import { readText } from './text.ts'

/** `seed` is the hash of the text before `text`, so that a hash can be continued. */
export function javaHash(text: string, seed = 0): number {
  let hash = seed
  for (let unit = 0; unit < text.length; unit++) hash = (Math.imul(hash, 31) + text.charCodeAt(unit)) | 0
  return hash
}

/** The hash of the string that UTF-8 bytes `[from, until)` stand for. */
export function javaHashOfBytes(bytes: Uint8Array, from: number, until: number, seed = 0): number {
  let hash = seed
  for (let at = from; at < until; at++) {
    const byte = bytes[at] as number // Inside the range, as are the indices below.
    if (byte >= 0x80) return hashOfWideText(bytes, at, until, hash)
    hash = (Math.imul(hash, 31) + byte) | 0
  }
  return hash
}

/** Goes on where the text stops being ASCII. What is not well-formed is left to the decoder, which replaces it. */
function hashOfWideText(bytes: Uint8Array, from: number, until: number, seed: number): number {
  let hash = seed
  let at = from
  while (at < until) {
    const lead = bytes[at] as number
    const length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0
    if (length === 0 || at + length > until) return javaHash(readText(bytes, at, until), hash)
    let point = length === 1 ? lead : lead & (0xff >> (length + 1))
    for (let index = 1; index < length; index++) {
      const next = bytes[at + index] as number
      if ((next & 0xc0) !== 0x80) return javaHash(readText(bytes, at, until), hash)
      point = (point << 6) | (next & 0x3f)
    }
    if (!isWellFormed(point, length)) return javaHash(readText(bytes, at, until), hash)
    if (point >= 0x10000) {
      hash = (Math.imul(hash, 31) + 0xd800 + ((point - 0x10000) >> 10)) | 0
      hash = (Math.imul(hash, 31) + 0xdc00 + ((point - 0x10000) & 0x3ff)) | 0
    } else {
      hash = (Math.imul(hash, 31) + point) | 0
    }
    at += length
  }
  return hash
}

/** Neither longer than it need be, nor half of a surrogate pair, nor beyond Unicode. */
function isWellFormed(point: number, length: number): boolean {
  if (length === 3) return point >= 0x800 && (point < 0xd800 || point > 0xdfff)
  if (length === 4) return point >= 0x10000 && point <= 0x10ffff
  return true
}
