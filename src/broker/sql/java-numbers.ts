/**
 * Numbers as Java reads and orders them: which texts are one, and what comes before what.
 *
 * An integer is a bigint, a decimal (Java's `double`) a number. No RegExp: a text of 32 KiB costs one pass.
 *
 * Not as in Java: digits of other scripts and hexadecimal floating point, which Java also reads, are no numbers here.
 */

/** Of which any integer fits into a number exactly. */
const SAFE_DIGITS_MAX = 15

/** A longer integer would take time to make; and all that is asked is how it stands to a literal of 64 bits at most. */
const BIGINT_LENGTH_MAX = 40

const ZERO = 0x30
const NINE = 0x39
const PLUS = 0x2b
const MINUS = 0x2d
const POINT = 0x2e
const LAST_BLANK = 0x20

/** The integer that bytes `[from, until)` spell in at most 15 digits, with a sign or without; else NaN. */
export function shortInteger(bytes: Uint8Array, from: number, until: number): number {
  const sign = bytes[from]
  const digits = sign === MINUS || sign === PLUS ? from + 1 : from
  if (digits >= until || until - digits > SAFE_DIGITS_MAX) return Number.NaN
  let value = 0
  for (let at = digits; at < until; at++) {
    const digit = (bytes[at] as number) - ZERO // In range by the loop.
    if (digit < 0 || digit > NINE - ZERO) return Number.NaN
    value = value * 10 + digit
  }
  return sign === MINUS ? -value : value
}

/** A plain number: sign, digits, and if it is a decimal a point, an exponent or both. Undefined if it is none. */
export function plainNumber(text: string): bigint | number | undefined {
  const digits = isSign(text.charCodeAt(0)) ? 1 : 0
  if (decimalEnd(text, digits) !== text.length || text.length === digits) return undefined
  const isInteger = digitsEnd(text, digits) === text.length
  // A bigint has no plus sign.
  return isInteger && text.length <= BIGINT_LENGTH_MAX ? BigInt(text[0] === '+' ? text.slice(1) : text) : Number(text)
}

/** What Java's `Double.valueOf` makes of a text; undefined where it throws. */
export function javaDouble(text: string): number | undefined {
  let from = 0
  let until = text.length
  while (from < until && text.charCodeAt(from) <= LAST_BLANK) from++
  while (from < until && text.charCodeAt(until - 1) <= LAST_BLANK) until--
  const sign = text.charCodeAt(from)
  const digits = isSign(sign) ? from + 1 : from
  const factor = sign === MINUS ? -1 : 1

  const word = text.slice(digits, until)
  if (word === 'NaN') return Number.NaN
  if (word === 'Infinity') return factor * Number.POSITIVE_INFINITY
  const end = decimalEnd(text, digits)
  const hasSuffix = end === until - 1 && isFloatSuffix(text.charCodeAt(end))
  return end > digits && (end === until || hasSuffix) ? factor * Number(text.slice(digits, end)) : undefined
}

/** As Java's `Double.compareTo`: -0 before 0, and NaN after everything and equal to itself. */
export function compareDoubles(a: number, b: number): number {
  if (a < b) return -1
  if (a > b) return 1
  if (a === b) return a === 0 ? signOfZero(a) - signOfZero(b) : 0
  return (Number.isNaN(a) ? 1 : 0) - (Number.isNaN(b) ? 1 : 0)
}

/** Integers exactly; as Java does, a decimal and an integer as two decimals. */
export function compareNumbers(a: bigint | number, b: bigint | number): number {
  if (typeof a === 'bigint' && typeof b === 'bigint') return a < b ? -1 : a > b ? 1 : 0
  return compareDoubles(Number(a), Number(b))
}

const signOfZero = (zero: number) => (Object.is(zero, -0) ? 0 : 1)
const isSign = (code: number) => code === PLUS || code === MINUS
const isDigit = (code: number) => code >= ZERO && code <= NINE

/** `d`, `D`, `f` and `F`. */
function isFloatSuffix(code: number): boolean {
  const lower = code | 0x20
  return lower === 0x64 || lower === 0x66
}

function digitsEnd(text: string, from: number): number {
  let at = from
  while (isDigit(text.charCodeAt(at))) at++
  return at
}

/** Behind digits with at most one point among them and an exponent; `from` itself if there are no digits. */
function decimalEnd(text: string, from: number): number {
  const whole = digitsEnd(text, from)
  const hasPoint = text.charCodeAt(whole) === POINT
  const mantissa = hasPoint ? digitsEnd(text, whole + 1) : whole
  if (mantissa - from - (hasPoint ? 1 : 0) === 0) return from
  return exponentEnd(text, mantissa)
}

function exponentEnd(text: string, at: number): number {
  if ((text.charCodeAt(at) | 0x20) !== 0x65) return at
  const digits = isSign(text.charCodeAt(at + 1)) ? at + 2 : at + 1
  const until = digitsEnd(text, digits)
  return until === digits ? at : until
}
