/** The one way in which an expression is refused: where, and why. */
import { VarveError } from '../../base/index.ts'

/** So much of the expression is shown, from the place that is at fault. */
const NEAR_LENGTH_MAX = 24

/** @param at UTF-16 units before the place at fault; people are told the position counted from 1 */
export function invalidFilter(text: string, at: number, reason: string): VarveError {
  const near = at < text.length ? text.slice(at, at + NEAR_LENGTH_MAX) : 'the end'
  return new VarveError('FILTER_INVALID', { position: at + 1, near, reason })
}
