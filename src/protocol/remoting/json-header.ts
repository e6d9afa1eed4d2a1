/**
 * Reads a header in JSON: one pass over its bytes, no strings, no objects.
 *
 *   {"code":310,"extFields":{"a":"group","b":"topic"},"flag":0,"language":"JAVA","opaque":7,"version":479}
 *
 * Liberal in what standard JSON allows: any order of keys, white space, escapes anywhere, keys that nobody knows, fields
 * that are numbers or nested values (they count as their text). The cost is linear in the bytes whatever they are.
 *
 * Not here: what a field means.
 */
import { encodeText, readText } from '../../layout/index.ts'
import { isSame } from './field-table.ts'
import { CODE, EXT_FIELDS, FLAG, headerKeyAt, LANGUAGE, LAST_INTEGER_KEY, OPAQUE, REMARK } from './header-keys.ts'
import { type HeaderFault, type HeaderParts, MALFORMED, TOO_MANY_FIELDS } from './header-parts.ts'
import { endOfText, textUntil } from './json-text.ts'

const QUOTE = 0x22
const COMMA = 0x2c
const MINUS = 0x2d
const DIGIT_0 = 0x30
const DIGIT_9 = 0x39
const COLON = 0x3a
const BRACKET_OPEN = 0x5b
const BACKSLASH = 0x5c
const BRACKET_CLOSE = 0x5d
const LETTER_A = 0x61
const LETTER_N = 0x6e
const LETTER_Z = 0x7a
const BRACE_OPEN = 0x7b
const BRACE_CLOSE = 0x7d
const SPACE = 0x20
/** Stands for the end of the header: no byte of JSON has this value. */
const END = 0

const NULL = encodeText('null')

/** Fills `parts` from `bytes` in `[from, until)`. Undefined if the header can be read. */
export function readJsonHeader(
  bytes: Uint8Array,
  view: DataView,
  from: number,
  until: number,
  parts: HeaderParts,
  fieldCountMax: number
): HeaderFault | undefined {
  let at = skipSpace(bytes, from, until)
  if (peek(bytes, at, until) !== BRACE_OPEN) return MALFORMED
  at = skipSpace(bytes, at + 1, until)
  if (peek(bytes, at, until) === BRACE_CLOSE) return atEnd(bytes, at + 1, until)

  for (;;) {
    if (peek(bytes, at, until) !== QUOTE) return MALFORMED
    const keyFrom = at + 1
    const keyEnd = endOfText(bytes, view, keyFrom, until)
    if (keyEnd === -1) return MALFORMED
    const key = headerKeyAt(view, keyFrom, textUntil)
    at = skipSpace(bytes, keyEnd + 1, until)
    if (peek(bytes, at, until) !== COLON) return MALFORMED
    at = skipSpace(bytes, at + 1, until)

    if (key <= LAST_INTEGER_KEY) {
      at = readInteger(bytes, at, until)
      takeInteger(parts, key, integer)
    } else if (key === EXT_FIELDS) at = readFields(bytes, view, at, until, parts, fieldCountMax)
    else if (key === LANGUAGE) at = readLanguage(bytes, view, at, until, parts)
    else if (key === REMARK) at = readRemark(bytes, view, at, until, parts)
    else at = endOfValue(bytes, view, at, until)
    if (at < 0) return at === -1 ? MALFORMED : TOO_MANY_FIELDS

    at = skipSpace(bytes, at, until)
    const next = peek(bytes, at, until)
    if (next === BRACE_CLOSE) return atEnd(bytes, at + 1, until)
    if (next !== COMMA) return MALFORMED
    at = skipSpace(bytes, at + 1, until)
  }
}

function takeInteger(parts: HeaderParts, key: number, value: number): void {
  if (key === CODE) parts.code = value
  else if (key === OPAQUE) parts.opaque = value
  else if (key === FLAG) parts.flag = value | 0
  else parts.version = value
}

/** Position after the value, -1 if it is malformed, -2 for too many fields. */
function readFields(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  until: number,
  parts: HeaderParts,
  countMax: number
): number {
  if (peek(bytes, at, until) !== BRACE_OPEN) return endOfNull(bytes, at, until)
  const { fields } = parts
  at = skipSpace(bytes, at + 1, until)
  if (peek(bytes, at, until) === BRACE_CLOSE) return at + 1

  for (;;) {
    if (peek(bytes, at, until) !== QUOTE) return -1
    if (fields.count === countMax) return -2
    const keyFrom = at + 1
    let keyUntil = keyFrom + 1
    if (isOneLetterKey(bytes, view, at, until)) at += ONE_LETTER_KEY_BYTES
    else {
      const keyEnd = endOfText(bytes, view, keyFrom, until)
      if (keyEnd === -1) return -1
      keyUntil = textUntil
      at = skipSpace(bytes, keyEnd + 1, until)
      if (peek(bytes, at, until) !== COLON) return -1
      at = skipSpace(bytes, at + 1, until)
    }

    const first = peek(bytes, at, until)
    if (first === QUOTE) {
      const end = endOfText(bytes, view, at + 1, until)
      if (end === -1) return -1
      fields.add(keyFrom, keyUntil, at + 1, textUntil)
      at = end + 1
    } else {
      const end = endOfValue(bytes, view, at, until)
      if (end === -1) return -1
      if (first === LETTER_N) fields.addNull(keyFrom, keyUntil)
      else fields.add(keyFrom, keyUntil, at, end)
      at = end
    }

    at = skipSpace(bytes, at, until)
    const next = peek(bytes, at, until)
    if (next === BRACE_CLOSE) return at + 1
    if (next !== COMMA) return -1
    at = skipSpace(bytes, at + 1, until)
  }
}

/** Whether `"a":` stands at `at`, with any small letter: what most fields of most requests begin with. */
function isOneLetterKey(bytes: Uint8Array, view: DataView, at: number, until: number): boolean {
  if (at + ONE_LETTER_KEY_BYTES + 1 > until) return false
  const letter = bytes[at + 1]!
  return letter >= LETTER_A && letter <= LETTER_Z && view.getUint16(at + 2) === QUOTE_COLON
}
const ONE_LETTER_KEY_BYTES = 4
const QUOTE_COLON = (QUOTE << 8) | COLON

function readRemark(bytes: Uint8Array, view: DataView, at: number, until: number, parts: HeaderParts): number {
  if (peek(bytes, at, until) !== QUOTE) return endOfNull(bytes, at, until)
  const end = endOfText(bytes, view, at + 1, until)
  if (end === -1) return -1
  parts.hasRemark = true
  parts.remarkFrom = at + 1
  parts.remarkUntil = textUntil
  return end + 1
}

function readLanguage(bytes: Uint8Array, view: DataView, at: number, until: number, parts: HeaderParts): number {
  if (peek(bytes, at, until) !== QUOTE) return endOfValue(bytes, view, at, until)
  const end = endOfText(bytes, view, at + 1, until)
  if (end === -1) return -1
  parts.languageFrom = at + 1
  parts.languageUntil = textUntil
  return end + 1
}

/** What `readInteger` has read; 0 for null. */
let integer = 0

/** An integer within ±2^53, in quotes or not. Position after it, or -1. */
function readInteger(bytes: Uint8Array, at: number, until: number): number {
  integer = 0
  if (peek(bytes, at, until) === LETTER_N) return endOfNull(bytes, at, until)
  const isQuoted = peek(bytes, at, until) === QUOTE
  if (isQuoted) at++
  const isNegative = peek(bytes, at, until) === MINUS
  if (isNegative) at++
  const from = at
  let value = 0
  for (; at < until; at++) {
    const digit = bytes[at]!
    if (digit < DIGIT_0 || digit > DIGIT_9) break
    value = value * 10 + (digit - DIGIT_0)
  }
  if (at === from || value > Number.MAX_SAFE_INTEGER) return -1
  integer = isNegative ? -value : value
  if (!isQuoted) return at
  return peek(bytes, at, until) === QUOTE ? at + 1 : -1
}

function endOfNull(bytes: Uint8Array, at: number, until: number): number {
  return at + NULL.length <= until && isSame(bytes, at, NULL) ? at + NULL.length : -1
}

/** Position after any value. Of a nested one only brackets and texts are looked at: nobody reads it. */
function endOfValue(bytes: Uint8Array, view: DataView, at: number, until: number): number {
  const first = peek(bytes, at, until)
  if (first === QUOTE) {
    const end = endOfText(bytes, view, at + 1, until)
    return end === -1 ? -1 : end + 1
  }
  if (first === BRACE_OPEN || first === BRACKET_OPEN) return endOfNested(bytes, at, until)
  const from = at
  while (at < until && !endsWord(bytes[at]!)) at++
  return at === from || !isWord(readText(bytes, from, at)) ? -1 : at
}

/** Looks only for where it ends, and leaves escapes as they are: the value counts as its text. */
function endOfNested(bytes: Uint8Array, at: number, until: number): number {
  let depth = 0
  let isInText = false
  for (; at < until; at++) {
    const byte = bytes[at]!
    if (byte === QUOTE) isInText = !isInText
    else if (isInText) at += byte === BACKSLASH ? 1 : 0
    else if (byte === BRACE_OPEN || byte === BRACKET_OPEN) depth++
    else if ((byte === BRACE_CLOSE || byte === BRACKET_CLOSE) && --depth === 0) return at + 1
  }
  return -1
}

function endsWord(byte: number): boolean {
  return byte <= SPACE || byte === COMMA || byte === BRACE_CLOSE || byte === BRACKET_CLOSE
}

function isWord(text: string): boolean {
  return text === 'true' || text === 'false' || text === 'null' || NUMBER.test(text)
}
const NUMBER = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/

function atEnd(bytes: Uint8Array, at: number, until: number): HeaderFault | undefined {
  return skipSpace(bytes, at, until) === until ? undefined : MALFORMED
}

function skipSpace(bytes: Uint8Array, at: number, until: number): number {
  while (at < until) {
    const byte = bytes[at]!
    if (byte > SPACE || (byte !== SPACE && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) return at
    at++
  }
  return at
}

function peek(bytes: Uint8Array, at: number, until: number): number {
  return at < until ? bytes[at]! : END
}
