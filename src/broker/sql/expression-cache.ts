/**
 * The filters that were asked for last, compiled: heartbeats and pulls repeat the same expressions for ever.
 *
 * Refusals are remembered, too, so that a client which insists on a faulty expression costs one look. The least recently
 * used of `EXPRESSIONS_MAX` gives way.
 */
import { VarveError } from '../../base/index.ts'
import { SqlFilter } from './sql-filter.ts'

const EXPRESSIONS_MAX = 100

export class ExpressionCache {
  /** In the order of use, oldest first. */
  readonly #known = new Map<string, SqlFilter | VarveError>()

  /** @throws VarveError FILTER_INVALID */
  filterOf(expression: string): SqlFilter {
    const known = this.#known.get(expression) ?? compiled(expression)
    this.#known.delete(expression)
    this.#known.set(expression, known)
    if (this.#known.size > EXPRESSIONS_MAX) this.#known.delete(this.#known.keys().next().value as string) // Not empty.
    if (known instanceof VarveError) throw known
    return known
  }
}

function compiled(expression: string): SqlFilter | VarveError {
  try {
    return new SqlFilter(expression)
  } catch (error) {
    if (error instanceof VarveError) return error
    throw error
  }
}
