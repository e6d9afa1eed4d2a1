/**
 * What a condition comes to. A failure (a text that should have been a number) is no exception here: it is handed up as a
 * value, for messages that do not fit a filter are everyday life. It ends the whole expression, as Java's exception
 * does, unless an AND or OR was decided before it was reached.
 */
export const FALSE = 0
export const TRUE = 1
/** SQL's unknown, Java's null. */
export const NOTHING = 2
export const FAILED = 3

export type Truth = typeof FALSE | typeof TRUE | typeof NOTHING | typeof FAILED

export type Test = () => Truth

export const truthOf = (isTrue: boolean): Truth => (isTrue ? TRUE : FALSE)

export function not(truth: Truth): Truth {
  return truth === TRUE ? FALSE : truth === FALSE ? TRUE : truth
}
