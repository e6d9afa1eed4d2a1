/**
 * SQL92 filters: which messages a subscription with an expression takes, by the properties of each message.
 *
 * An expression is compiled once and then asked for every message; both must cost little whatever people write (limits.ts).
 * Types, three-valued logic and oddities are those of Apache RocketMQ's filter module, and test/compat compares the
 * two over generated expressions.
 *
 * Where we differ, each time with its reason:
 * - **Integers and decimals compare as numbers.** With `a > 10` Apache cannot take `a=10.5`, or `a=3000000000`: its conversion
 *   to a Java int fails, and with it the whole expression. Here it matches. Nobody can lose a message by that: where
 *   Apache has an answer ours is the same, and where it has none it delivers nothing.
 * - **Texts that Java reads as numbers, but nobody writes**, digits of other scripts and hexadecimal floating point, are no
 *   numbers here.
 * - **Size is limited** (limits.ts), far above what people write.
 *
 * Where we could differ for the better and do not, because a consumer that works with Apache's broker would notice:
 * - **Text after a complete expression is ignored**, not refused: refusing it, with an error that official clients turn
 *   into a failing start, would stop consumers that run today. `ignoredFrom` lets the broker log a warning.
 * - **A bare property never matches**, `TRUE = a` fails while `a = TRUE` does not, `0.0` is refused, `NOT STARTSWITH` is false for a
 *   missing property: people may have expressions that were made to work around exactly this.
 *
 * What a raw pull with an expression that does not parse gets is decided where pulls are answered; here it is an error.
 * (Official clients check the expression when they start, so refusing costs them nothing.)
 */
import type { RecordFilter } from '../../store/index.ts'
import { compileCondition } from './compile.ts'
import { invalidFilter } from './invalid.ts'
import { PROPERTY_COUNT_MAX } from './limits.ts'
import { parseExpression } from './parser.ts'
import { PropertyValues } from './property-values.ts'
import type { Operand } from './tree.ts'
import { FAILED, FALSE, NOTHING, type Test, TRUE, type Truth } from './truth.ts'

export type Outcome = 'true' | 'false' | 'nothing' | 'failed'

const OUTCOMES: Readonly<Record<Truth, Outcome>> = {
  [TRUE]: 'true',
  [FALSE]: 'false',
  [NOTHING]: 'nothing',
  [FAILED]: 'failed'
}

export class SqlFilter implements RecordFilter {
  readonly expression: string
  /** Where text begins that is not part of the expression and has no effect; undefined if there is none. */
  readonly ignoredFrom: number | undefined
  readonly #values: PropertyValues
  readonly #test: Test

  /** @throws VarveError FILTER_INVALID with the position and the reason */
  constructor(expression: string) {
    const { condition, ignoredFrom } = parseExpression(expression)
    const names = [...namesOf(condition)]
    if (names.length > PROPERTY_COUNT_MAX) {
      throw invalidFilter(expression, 0, `it asks for more than ${PROPERTY_COUNT_MAX} properties`)
    }
    const indexes = new Map(names.map((name, index) => [name, index]))
    this.expression = expression
    this.ignoredFrom = ignoredFrom
    this.#values = new PropertyValues(names)
    this.#test = compileCondition(condition, {
      values: this.#values,
      indexOf: name => indexes.get(name) as number // All names of the tree are in the map.
    })
  }

  /** Tags are properties like others. */
  acceptsTag(): boolean {
    return true
  }

  /** Whether a message with these properties, as they lie in its record, is to be delivered. A failure is a no. */
  acceptsRecord(bytes: Uint8Array, from: number, until: number): boolean {
    this.#values.read(bytes, from, until)
    return this.#test() === TRUE
  }

  /** The same, told in full: for tests and for people who ask why a message did not come. */
  evaluate(bytes: Uint8Array, from: number, until: number): Outcome {
    this.#values.read(bytes, from, until)
    return OUTCOMES[this.#test()]
  }
}

function namesOf(tree: Operand, names = new Set<string>()): Set<string> {
  switch (tree.node) {
    case 'property':
    case 'cast':
    case 'in':
      return names.add(tree.name)
    case 'literal':
    case 'constant':
      return names
    case 'negation':
    case 'search':
      return namesOf(tree.operand, names)
    case 'not':
      return namesOf(tree.condition, names)
    case 'all':
    case 'any':
      for (const condition of tree.conditions) namesOf(condition, names)
      return names
    case 'equal':
    case 'order':
      namesOf(tree.left, names)
      return namesOf(tree.right, names)
  }
}
