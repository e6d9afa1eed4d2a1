/**
 * Texts of JSON as bytes: where one ends, and what it says without its escapes, which are undone where it lies. What is
 * left is never longer, and the bytes of a frame belong to whoever reads it.
 *
 * Escapes are those of JSON and the few more that fastjson writes or reads (`\v`, `\'`, `\0` to `\7`, `\x41`). Half of a
 * surrogate pair becomes `?`, as it does when Java encodes such a text.
 *
 * Four bytes at a time: a word that has neither quote nor backslash in it is passed over, or moved, whole. Byte by byte
 * takes ×2.5 as long (bench/protocol/read-send).
 */

const QUOTE = 0x22
const BACKSLASH = 0x5c
const LETTER_U = 0x75
const LETTER_X = 0x78
const QUESTION_MARK = 0x3f
const UNICODE_DIGITS = 4
const BYTE_DIGITS = 2

const WORD_BYTES = 4
const QUOTES = 0x2222_2222
const BACKSLASHES = 0x5c5c_5c5c
const ONES = 0x0101_0101
const HIGHS = 0x8080_8080

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

/** Where the text that `endOfText` found last ends now that its escapes are undone: a second result without an object. */
export let textUntil = 0

/**
 * Position of the quote that ends the text which begins at `at`; -1 if none does or an escape is none. `view` is of the
 * same bytes.
 */
export function endOfText(bytes: Uint8Array, view: DataView, at: number, until: number): number {
  at = nextMark(bytes, view, at, until)
  if (at === until) return -1
  if (bytes[at] === BACKSLASH) return endOfEscapedText(bytes, view, at, until)
  textUntil = at
  return at
}

/** Position of the first quote or backslash from `at`, or `until`. */
function nextMark(bytes: Uint8Array, view: DataView, at: number, until: number): number {
  for (; at + WORD_BYTES <= until; at += WORD_BYTES) {
    const marks = marksIn(view.getInt32(at, true))
    if (marks !== 0) return at + firstIn(marks)
  }
  while (at < until && bytes[at] !== QUOTE && bytes[at] !== BACKSLASH) at++
  return at
}

/** The highest bit of each byte that is a quote or a backslash; above the first there may be more, below it never. */
function marksIn(word: number): number {
  const quotes = word ^ QUOTES
  const backslashes = word ^ BACKSLASHES
  return (((quotes - ONES) & ~quotes) | ((backslashes - ONES) & ~backslashes)) & HIGHS
}

/** How many bytes of the word, which was read with its first byte lowest, come before the first mark. */
function firstIn(marks: number): number {
  return (31 - Math.clz32(marks & -marks)) >> 3
}

/** From the first backslash on. */
function endOfEscapedText(bytes: Uint8Array, view: DataView, at: number, until: number): number {
  let to = at
  while (at < until) {
    if (bytes[at] === QUOTE) {
      textUntil = to
      return at
    }
    const separator = asciiEscape(bytes, view, at, until)
    if (separator !== -1) {
      bytes[to++] = separator
      at += ASCII_ESCAPE_BYTES
    } else {
      at = endOfEscape(bytes, at, until)
      if (at === -1) return -1
      to = writeCodePoint(bytes, to, codePoint)
    }

    const next = nextMark(bytes, view, at, until)
    to = move(bytes, view, at, next, to)
    at = next
  }
  return -1
}

/** The character that `\u00..` at `at` stands for, as all separators of properties are written; -1 if there is another. */
function asciiEscape(bytes: Uint8Array, view: DataView, at: number, until: number): number {
  if (at + ASCII_ESCAPE_BYTES > until || view.getInt32(at) !== ASCII_ESCAPE) return -1
  const code = HEX[bytes[at + 4]!]! * 16 + HEX[bytes[at + 5]!]! // Above every character if one of them is no digit.
  return code < ASCII_LIMIT ? code : -1
}
const ASCII_ESCAPE = 0x5c75_3030 // Backslash, u, 0, 0.
const ASCII_ESCAPE_BYTES = 6
const ASCII_LIMIT = 0x80

/** Moves the bytes in `[from, until)` to `to`, which is before them. Returns the position after them. */
function move(bytes: Uint8Array, view: DataView, from: number, until: number, to: number): number {
  for (; from + WORD_BYTES <= until; from += WORD_BYTES) {
    view.setInt32(to, view.getInt32(from))
    to += WORD_BYTES
  }
  while (from < until) bytes[to++] = bytes[from++]!
  return to
}

/** What the escape that `endOfEscape` read stands for. */
let codePoint = 0

function endOfEscape(bytes: Uint8Array, at: number, until: number): number {
  if (at + 1 >= until) return -1
  const letter = bytes[at + 1]!
  codePoint = MEANING[letter]!
  if (codePoint !== 0xff) return at + 2
  const digits = letter === LETTER_U ? UNICODE_DIGITS : letter === LETTER_X ? BYTE_DIGITS : 0
  const end = at + 2 + digits
  if (digits === 0 || end > until) return -1
  codePoint = hexAt(bytes, at + 2, end)
  if (codePoint === -1) return -1
  return isHighSurrogate(codePoint) ? endOfPair(bytes, end, until) : end
}

/** Takes the second half of a surrogate pair, if that is what follows. */
function endOfPair(bytes: Uint8Array, at: number, until: number): number {
  const end = at + 2 + UNICODE_DIGITS
  if (end > until || bytes[at] !== BACKSLASH || bytes[at + 1] !== LETTER_U) return at
  const low = hexAt(bytes, at + 2, end)
  if (!isLowSurrogate(low)) return at
  codePoint = 0x10000 + ((codePoint - 0xd800) << 10) + (low - 0xdc00)
  return end
}

const isHighSurrogate = (code: number) => code >= 0xd800 && code < 0xdc00
const isLowSurrogate = (code: number) => code >= 0xdc00 && code < 0xe000

/** -1 if there are not only hexadecimal digits. */
function hexAt(bytes: Uint8Array, at: number, until: number): number {
  let value = 0
  for (; at < until; at++) {
    const digit = HEX[bytes[at]!]!
    if (digit === 0xff) return -1
    value = value * 16 + digit
  }
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
