/** Integers as decimal digits in bytes: read without a string, written without one. */

import { readText } from '../../layout/index.ts'

export const INT32_MAX = 2 ** 31 - 1
export const INT32_MIN = -(2 ** 31)
/** One more than the largest integer of 64 bits; as a number the two are the same. */
export const INT64_LIMIT = 2 ** 63

const PLUS = 0x2b
const MINUS = 0x2d
const DIGIT_0 = 0x30
/** Those of 2^63; more are no integer of 64 bits. */
const DIGITS_MAX = 19

/** The integer that `[from, until)` spells, the nearest number beyond 2^53; NaN if it spells none. */
export function integerIn(bytes: Uint8Array, from: number, until: number): number {
  const sign = bytes[from]
  let at = sign === MINUS || sign === PLUS ? from + 1 : from
  if (at >= until || until - at > DIGITS_MAX) return Number.NaN
  let value = 0
  for (; at < until; at++) {
    const digit = bytes[at]! - DIGIT_0
    if (digit < 0 || digit > 9) return Number.NaN
    value = value * 10 + digit
  }
  // Beyond 2^53 each digit has been rounded; the runtime rounds once.
  if (value > Number.MAX_SAFE_INTEGER) return Number(readText(bytes, from, until))
  return sign === MINUS ? -value : value
}

/** A sign and as many digits as an integer within ±2^53 can have. */
export const INTEGER_BYTES_MAX = 17

/** Digits of numbers below it fit arithmetic of 32 bits. */
const BILLION = 1_000_000_000
const BILLION_DIGITS = 9

/** Writes an integer within ±2^53 where there is room for `INTEGER_BYTES_MAX`. Returns the position after it. */
export function writeInteger(bytes: Uint8Array, at: number, value: number): number {
  if (value < 0) {
    bytes[at++] = MINUS
    value = -value
  }
  if (value < BILLION) return writeSmall(bytes, at, value | 0, digitsOf(value | 0))
  const high = Math.floor(value / BILLION)
  at = writeSmall(bytes, at, high, digitsOf(high))
  return writeSmall(bytes, at, value - high * BILLION, BILLION_DIGITS)
}

function writeSmall(bytes: Uint8Array, at: number, value: number, digits: number): number {
  const end = at + digits
  for (let position = end - 1; position >= at; position--) {
    const rest = (value / 10) | 0
    bytes[position] = DIGIT_0 + value - rest * 10
    value = rest
  }
  return end
}

function digitsOf(value: number): number {
  let digits = 1
  for (let limit = 10; value >= limit; limit *= 10) digits++
  return digits
}
