/**
 * Text of records: UTF-8 to strings and back, as Java reads and writes it.
 *
 * Most of it is short ASCII, for which a loop beats the call into the decoder; the rest goes through the decoder.
 * Malformed bytes read as U+FFFD and a byte order mark is kept, both as in Java.
 */

/** Up to here the loop wins over the decoder. */
const SHORT_TEXT_BYTES = 48

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const encoder = new TextEncoder()

export function readText(bytes: Uint8Array, from: number, until: number): string {
  if (until - from > SHORT_TEXT_BYTES) return decoder.decode(bytes.subarray(from, until))
  let text = ''
  for (let at = from; at < until; at++) {
    const byte = bytes[at] as number // `at` is inside: the caller has checked the range.
    if (byte >= 0x80) return decoder.decode(bytes.subarray(from, until))
    text += String.fromCharCode(byte)
  }
  return text
}

export function encodeText(text: string): Uint8Array {
  return encoder.encode(text)
}

/** How many bytes `writeText` will write. */
export function textBytes(text: string): number {
  for (let unit = 0; unit < text.length; unit++) {
    if (text.charCodeAt(unit) >= 0x80) return Buffer.byteLength(text)
  }
  return text.length
}

/** Writes `text` at `at`, where there must be room for `textBytes(text)`. Returns the position after it. */
export function writeText(bytes: Uint8Array, at: number, text: string): number {
  if (text.length > SHORT_TEXT_BYTES) return at + encoder.encodeInto(text, bytes.subarray(at)).written
  for (let unit = 0; unit < text.length; unit++) {
    const code = text.charCodeAt(unit)
    if (code >= 0x80) return at + encoder.encodeInto(text, bytes.subarray(at)).written
    bytes[at + unit] = code
  }
  return at + text.length
}

/** Copies a few bytes: below some dozens the loop beats `set`, which has to make its checks first. */
export function copyBytes(from: Uint8Array, into: Uint8Array, at: number): void {
  if (from.length > SHORT_TEXT_BYTES) {
    into.set(from, at)
    return
  }
  for (let index = 0; index < from.length; index++) into[at + index] = from[index] as number // In range by the loop.
}
