/** Texts as JSON has them between quotes, written into bytes with the escapes that they need. Most need none. */
import { encodeText } from '../../layout/index.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const CONTROL_LIMIT = 0x20
const ASCII_LIMIT = 0x80

/** For a byte, `\u0001`; no UTF-16 unit takes more either. */
export const ESCAPED_BYTES_MAX = 6

const HEX_DIGITS = encodeText('0123456789abcdef')
const encoder = new TextEncoder()

/** 1 for bytes that stand in JSON as they are: all but quote, backslash and control characters. */
const PLAIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  Number(byte >= CONTROL_LIMIT && byte !== QUOTE && byte !== BACKSLASH)
)

/** Where there is room for `ESCAPED_BYTES_MAX` a unit. Returns the position after it. */
export function writeEscaped(bytes: Uint8Array, at: number, text: string): number {
  for (let unit = 0; unit < text.length; unit++) {
    const code = text.charCodeAt(unit)
    if (code >= ASCII_LIMIT || PLAIN[code] === 0) {
      return at + encoder.encodeInto(JSON.stringify(text).slice(1, -1), bytes.subarray(at)).written
    }
    bytes[at + unit] = code
  }
  return at + text.length
}

/**
 * The same for UTF-8. Nearly always all of it is plain: one look at the end tells, instead of one at each byte, which
 * takes a whole answer to a send from ×0.29 to ×0.25 of JSON.stringify (bench/protocol/write-answer).
 */
export function writeEscapedBytes(
  bytes: Uint8Array,
  at: number,
  text: Uint8Array,
  from: number,
  until: number
): number {
  let isPlain = 1
  for (let index = from, to = at; index < until; index++, to++) {
    const byte = text[index]!
    bytes[to] = byte
    isPlain &= PLAIN[byte]!
  }
  return isPlain === 1 ? at + until - from : writeWithEscapes(bytes, at, text, from, until)
}

function writeWithEscapes(bytes: Uint8Array, at: number, text: Uint8Array, from: number, until: number): number {
  for (let index = from; index < until; index++) {
    const byte = text[index]!
    if (PLAIN[byte] === 1) bytes[at++] = byte
    else at = writeEscape(bytes, at, byte)
  }
  return at
}

function writeEscape(bytes: Uint8Array, at: number, byte: number): number {
  bytes[at] = BACKSLASH
  if (byte >= CONTROL_LIMIT) {
    bytes[at + 1] = byte
    return at + 2
  }
  bytes[at + 1] = 0x75 // The letter u.
  bytes[at + 2] = bytes[at + 3] = 0x30 // Two zeros.
  bytes[at + 4] = HEX_DIGITS[byte >> 4]!
  bytes[at + 5] = HEX_DIGITS[byte & 0xf]!
  return at + ESCAPED_BYTES_MAX
}
