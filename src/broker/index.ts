/** What a broker does with what the store holds; the same whatever protocol asks for it. */
export { ExpressionCache } from './sql/expression-cache.ts'
export { SqlFilter } from './sql/sql-filter.ts'
