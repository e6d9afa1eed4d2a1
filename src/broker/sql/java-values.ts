/**
 * Comparing any two values as Apache RocketMQ's filter does: whichever types a peculiar expression brings together.
 *
 * A property is a text and is converted to the type of the other side. Java's own slips are kept where they are visible: a
 * truth on the left never takes a text on the right (a cast fails), while the other way round it does.
 *
 * Not here: the comparisons that nearly all expressions consist of, which compile.ts does without making values.
 */
import { compareDoubles, compareNumbers, javaDouble, plainNumber } from './java-numbers.ts'
import type { Order } from './tree.ts'
import { FAILED, FALSE, NOTHING, TRUE, type Truth, truthOf } from './truth.ts'

/** Integers are bigints, decimals numbers; null is a property that is missing. */
export type Value = null | boolean | string | bigint | number | typeof FAILURE

/** In place of a value whose computation failed. */
export const FAILURE = Symbol('a failure')

/** In place of -1, 0 or 1, where two values cannot be compared. */
const NO_ORDER = Number.NaN

/** What Java answers for two values whose types have nothing in common. */
const FOREIGN = -1

export function equalValues(left: Value, right: Value): Truth {
  if (left === FAILURE || right === FAILURE) return FAILED
  if (left === null) return right === null ? TRUE : NOTHING
  if (right === null) return FALSE
  if (typeof left === 'string' && typeof right === 'string') return truthOf(left === right)
  const compared = compareValues(left, right)
  return Number.isNaN(compared) ? FAILED : truthOf(compared === 0)
}

/** The right side is not even looked at when the left one is missing. */
export function orderedValues(order: Order, left: Value, rightOf: () => Value): Truth {
  if (left === FAILURE) return FAILED
  if (left === null) return NOTHING
  const right = rightOf()
  if (right === FAILURE) return FAILED
  if (right === null) return NOTHING
  const compared =
    typeof left === 'string' && typeof right === 'string' ? compareAsDoubles(left, right) : compareValues(left, right)
  return Number.isNaN(compared) ? FAILED : truthOf(isOrder(order, compared))
}

export function isOrder(order: Order, compared: number): boolean {
  switch (order) {
    case '>':
      return compared > 0
    case '>=':
      return compared >= 0
    case '<':
      return compared < 0
    case '<=':
      return compared <= 0
  }
}

/** NaN where the text is no number that could be compared with this one. */
export function compareTextWithNumber(text: string, number: bigint | number): number {
  const value = typeof number === 'bigint' ? plainNumber(text) : javaDouble(text)
  return value === undefined ? NO_ORDER : compareNumbers(value, number)
}

function compareValues(left: boolean | string | bigint | number, right: boolean | string | bigint | number): number {
  if (typeof left === 'boolean') {
    if (typeof right === 'string') return NO_ORDER
    return typeof right === 'boolean' ? Number(left) - Number(right) : FOREIGN
  }
  if (typeof left === 'string') {
    if (typeof right === 'boolean') return Number(isTrueText(left)) - Number(right)
    return typeof right === 'string' ? Number(left > right) - Number(left < right) : compareTextWithNumber(left, right)
  }
  if (typeof right === 'boolean') return FOREIGN
  return typeof right === 'string' ? -compareTextWithNumber(right, left) : compareNumbers(left, right)
}

const isTrueText = (text: string) => text.toLowerCase() === 'true'

function compareAsDoubles(left: string, right: string): number {
  const [a, b] = [javaDouble(left), javaDouble(right)]
  return a === undefined || b === undefined ? NO_ORDER : compareDoubles(a, b)
}
