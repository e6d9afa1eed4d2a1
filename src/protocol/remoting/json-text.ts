/**
 * Texts of JSON as bytes: where one ends, and what it says without its escapes.
 *
 * Escapes are those of JSON and the few more that fastjson writes or reads (`\v`, `\'`, `\0` to `\7`, `\x41`). Half of a
 * surrogate pair becomes `?`, as it does when Java encodes such a text.
 */

const QUOTE = 0x22
const BACKSLASH = 0x5c
const LETTER_U = 0x75
const LETTER_X = 0x78
const QUESTION_MARK = 0x3f
const UNICODE_DIGITS = 4
const BYTE_DIGITS = 2

/** What a one-letter escape stands for; 0xff for none. `\u` and `\x` are not among them. */
const MEANING = new Uint8Array(256).fill(0xff)
for (const [letter, meaning] of Object.entries({ b: 8, t: 9, n: 10, v: 11, f: 12, F: 12, r: 13 })) {
  MEANING[letter.charCodeAt(0)] = meaning
}
for (const itself of ['"', "'", '\\', '/']) MEANING[itself.charCodeAt(0)] = itself.charCodeAt(0)
for (let digit = 0; digit <= 7; digit++) MEANING[0x30 + digit] = digit

/** Values of hexadecimal digits; 0xff for every other byte. */
const HEX = new Uint8Array(256).fill(0xff)
for (let digit = 0; digit < 16; digit++) {
  HEX[digit.toString(16).charCodeAt(0)] = digit
  HEX[digit.toString(16).toUpperCase().charCodeAt(0)] = digit
}

/** Whether the text that `endOfText` found last has escapes: a second result without an object. */
export let textHasEscapes = false

/** Position of the quote that ends the text which begins at `at`; -1 if none does or an escape is none. */
export function endOfText(bytes: Uint8Array, at: number, until: number): number {
  textHasEscapes = false
  while (at < until) {
    const byte = bytes[at]
    if (byte === QUOTE) return at
    if (byte === BACKSLASH) {
      textHasEscapes = true
      at = endOfEscape(bytes, at, until)
      if (at === -1) return -1
    } else {
      at++
    }
  }
  return -1
}

function endOfEscape(bytes: Uint8Array, at: number, until: number): number {
  if (at + 1 >= until) return -1
  const letter = bytes[at + 1]!
  if (MEANING[letter] !== 0xff) return at + 2
  const digits = letter === LETTER_U ? UNICODE_DIGITS : letter === LETTER_X ? BYTE_DIGITS : 0
  const end = at + 2 + digits
  if (digits === 0 || end > until) return -1
  for (let digit = at + 2; digit < end; digit++) {
    if (HEX[bytes[digit]!] === 0xff) return -1
  }
  return end
}

/** Undoes the escapes of a text that `endOfText` has checked. Returns its new end, never after the old one. */
export function unescapeInPlace(bytes: Uint8Array, from: number, until: number): number {
  let to = from
  let at = from
  while (at < until) {
    const byte = bytes[at]!
    if (byte !== BACKSLASH) {
      bytes[to++] = byte
      at++
      continue
    }
    const letter = bytes[at + 1]!
    if (letter === LETTER_U || letter === LETTER_X) {
      const digits = letter === LETTER_U ? UNICODE_DIGITS : BYTE_DIGITS
      let code = hexAt(bytes, at + 2, digits)
      at += 2 + digits
      if (isHighSurrogate(code) && at + 2 + UNICODE_DIGITS <= until) {
        const low = bytes[at] === BACKSLASH && bytes[at + 1] === LETTER_U ? hexAt(bytes, at + 2, UNICODE_DIGITS) : 0
        if (isLowSurrogate(low)) {
          code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00)
          at += 2 + UNICODE_DIGITS
        }
      }
      to = writeCodePoint(bytes, to, code)
    } else {
      bytes[to++] = MEANING[letter]!
      at += 2
    }
  }
  return to
}

const isHighSurrogate = (code: number) => code >= 0xd800 && code < 0xdc00
const isLowSurrogate = (code: number) => code >= 0xdc00 && code < 0xe000

function hexAt(bytes: Uint8Array, at: number, digits: number): number {
  let value = 0
  for (let digit = 0; digit < digits; digit++) value = value * 16 + HEX[bytes[at + digit]!]!
  return value
}

function writeCodePoint(bytes: Uint8Array, at: number, code: number): number {
  if (code < 0x80) {
    bytes[at] = code
    return at + 1
  }
  if (code < 0x800) {
    bytes[at] = 0xc0 | (code >> 6)
    bytes[at + 1] = 0x80 | (code & 0x3f)
    return at + 2
  }
  if (isHighSurrogate(code) || isLowSurrogate(code)) {
    bytes[at] = QUESTION_MARK
    return at + 1
  }
  if (code < 0x10000) {
    bytes[at] = 0xe0 | (code >> 12)
    bytes[at + 1] = 0x80 | ((code >> 6) & 0x3f)
    bytes[at + 2] = 0x80 | (code & 0x3f)
    return at + 3
  }
  bytes[at] = 0xf0 | (code >> 18)
  bytes[at + 1] = 0x80 | ((code >> 12) & 0x3f)
  bytes[at + 2] = 0x80 | ((code >> 6) & 0x3f)
  bytes[at + 3] = 0x80 | (code & 0x3f)
  return at + 4
}
