/** Claims about Varve itself. When one is false we are at fault, so nobody handles it: it is not a `VarveError`. */

export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

/** `claim` states what must be true, not what went wrong. */
export function assert(condition: boolean, claim: string): asserts condition {
  if (!condition) throw new AssertionError(`Varve is at fault: it should hold that ${claim}`)
}

/** The branch that the type checker proves empty: a case added without code for it does not compile. */
export function unreachable(value: never): never {
  throw new AssertionError(`Varve is at fault: no case for ${JSON.stringify(value)}`)
}
