/** A parsed filter expression: what the parser makes and the compiler turns into functions. */

/** Java's types of a number: `int` and `long` are both integers here, for they compare alike. */
export type NumberLiteral =
  | { readonly type: 'integer'; readonly value: bigint }
  | { readonly type: 'decimal'; readonly value: number }

export type Literal =
  | NumberLiteral
  | { readonly type: 'text'; readonly value: string }
  | { readonly type: 'boolean'; readonly value: boolean }
  | { readonly type: 'null' }

/** What yields a value of some kind. */
export type Operand =
  | { readonly node: 'literal'; readonly literal: Literal }
  | { readonly node: 'property'; readonly name: string }
  | { readonly node: 'negation'; readonly operand: Operand }
  | Condition

/** What yields true, false or nothing. */
export type Condition =
  | { readonly node: 'constant'; readonly literal: Literal & { readonly type: 'boolean' | 'null' } }
  /** A property on its own: nothing if it is missing, else false, for a text is no truth. */
  | { readonly node: 'cast'; readonly name: string }
  | { readonly node: 'not'; readonly condition: Condition }
  | { readonly node: 'all' | 'any'; readonly conditions: readonly Condition[] }
  | { readonly node: 'equal'; readonly left: Operand; readonly right: Operand }
  | { readonly node: 'order'; readonly order: Order; readonly left: Operand; readonly right: Operand }
  | {
      readonly node: 'search'
      readonly place: SearchPlace
      readonly operand: Operand
      readonly text: string
      readonly isNegated: boolean
    }
  | { readonly node: 'in'; readonly name: string; readonly texts: readonly string[]; readonly isNegated: boolean }

export type Order = '>' | '>=' | '<' | '<='
export type SearchPlace = 'CONTAINS' | 'STARTSWITH' | 'ENDSWITH'

export function isCondition(operand: Operand): operand is Condition {
  return operand.node !== 'literal' && operand.node !== 'property' && operand.node !== 'negation'
}

export function isNumber(literal: Literal): literal is NumberLiteral {
  return literal.type === 'integer' || literal.type === 'decimal'
}
