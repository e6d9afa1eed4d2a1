/**
 * From tokens to a tree: Apache RocketMQ's grammar, and its checks of what may be compared with what.
 *
 * Weakest first: OR, AND, equality (`=`, `<>`, `IS [NOT] NULL`), comparison (order, `[NOT] BETWEEN`, `[NOT] IN`, searches),
 * prefixes (`+`, `-`, `NOT`), then a literal, a name or parentheses. Equality and comparison chain to the left, so `a = b = c`
 * compares a truth with `c`. `NOT` binds tighter than `=`: `NOT a = 5` compares the truth `NOT a` with 5.
 *
 * What follows a complete expression is ignored, as Apache's parser does; `ignoredFrom` tells where it begins, so that the
 * broker can warn. To refuse it would keep consumers from starting that work with Apache's broker.
 *
 * Invariants:
 * - the tree is no higher than DEPTH_MAX and costs no more than COST_MAX, whatever the text is
 */
import { invalidFilter } from './invalid.ts'
import { compareNumbers } from './java-numbers.ts'
import { Lexer, type Token, type TokenKind } from './lexer.ts'
import { COST_MAX, DEPTH_MAX, EXPRESSION_LENGTH_MAX, SEARCH_COST } from './limits.ts'
import {
  type Condition,
  isCondition,
  isNumber,
  type Literal,
  type Operand,
  type Order,
  type SearchPlace
} from './tree.ts'

export interface ParsedExpression {
  readonly condition: Condition
  /** Where text begins that Apache's parser never looks at; undefined if the expression is all there is. */
  readonly ignoredFrom: number | undefined
}

/** @throws VarveError FILTER_INVALID */
export function parseExpression(text: string): ParsedExpression {
  if (text.length > EXPRESSION_LENGTH_MAX) {
    throw invalidFilter(text, EXPRESSION_LENGTH_MAX, `longer than ${EXPRESSION_LENGTH_MAX} characters`)
  }
  return new Parser(text).parse()
}

/** A subtree with its height, and where it begins in the text. */
interface Part<T extends Operand = Operand> {
  readonly tree: T
  readonly height: number
  readonly at: number
}

const MIN_LONG = -(2n ** 63n)
const MAX_LONG = 2n ** 63n - 1n

class Parser {
  readonly #text: string
  readonly #lexer: Lexer
  #cost = 0
  /** Of parentheses and prefixes that are open: what the parser's own calls are nested by. */
  #depth = 0

  constructor(text: string) {
    this.#text = text
    this.#lexer = new Lexer(text)
  }

  parse(): ParsedExpression {
    const condition = this.#asCondition(this.#any()).tree
    const rest = this.#lexer.peek()
    return { condition, ignoredFrom: rest.kind === 'end' ? undefined : rest.at }
  }

  #any(): Part {
    return this.#joined('OR', 'any', () => this.#all())
  }

  #all(): Part {
    return this.#joined('AND', 'all', () => this.#equality())
  }

  #joined(keyword: TokenKind, node: 'all' | 'any', operand: () => Part): Part {
    const first = operand()
    if (!this.#takes(keyword)) return first
    const parts = [this.#asCondition(first)]
    do parts.push(this.#asCondition(operand()))
    while (this.#takes(keyword))
    const height = Math.max(...parts.map(part => part.height))
    return this.#part({ node, conditions: parts.map(({ tree }) => tree) }, height, first.at)
  }

  #equality(): Part {
    let left = this.#comparison()
    for (;;) {
      const { kind, at } = this.#lexer.peek()
      if (kind === '=' || kind === '<>') {
        this.#lexer.take()
        const equal = this.#equal(left, this.#comparison(), at)
        left = kind === '=' ? equal : this.#not(equal)
      } else if (kind === 'IS') {
        this.#lexer.take()
        const isNegated = this.#takes('NOT')
        this.#expect('NULL')
        const nothing: Operand = { node: 'constant', literal: { type: 'null' } }
        const equal = this.#part({ node: 'equal', left: left.tree, right: nothing }, left.height, left.at)
        left = isNegated ? this.#not(equal) : equal
      } else return left
    }
  }

  #equal(left: Part, right: Part, at: number): Part<Condition> {
    const [a, b] = [literalOf(left.tree), literalOf(right.tree)]
    if (a?.type === 'null' || b?.type === 'null') throw this.#invalid(at, 'NULL is equal to nothing; write IS NULL')
    if (a?.type === 'boolean' && b !== undefined && b.type !== 'boolean') {
      throw this.#invalid(at, 'a truth cannot be compared with a literal that is none')
    }
    const height = Math.max(left.height, right.height)
    return this.#part({ node: 'equal', left: left.tree, right: right.tree }, height, left.at)
  }

  #comparison(): Part {
    let left = this.#prefixed()
    for (;;) {
      const compared = this.#comparedOnce(left)
      if (compared === undefined) return left
      left = compared
    }
  }

  #comparedOnce(left: Part): Part | undefined {
    const token = this.#lexer.peek()
    switch (token.kind) {
      case '>':
      case '>=':
      case '<':
      case '<=':
        this.#lexer.take()
        return this.#order(left, token.kind, this.#prefixed())
      case 'NOT':
        // After an operand it can only begin one of the negated comparisons.
        this.#lexer.take()
        return this.#named(left, true) ?? this.#unexpected('BETWEEN, IN, CONTAINS, STARTSWITH or ENDSWITH')
      default:
        return this.#named(left, false)
    }
  }

  /** The comparisons that are words. */
  #named(left: Part, isNegated: boolean): Part | undefined {
    const { kind } = this.#lexer.peek()
    switch (kind) {
      case 'CONTAINS':
      case 'STARTSWITH':
      case 'ENDSWITH':
        this.#lexer.take()
        return this.#search(left, kind, isNegated)
      case 'BETWEEN':
        this.#lexer.take()
        return this.#between(left, isNegated)
      case 'IN':
        this.#lexer.take()
        return this.#in(left, isNegated)
      default:
        return undefined
    }
  }

  #order(left: Part, order: Order, right: Part): Part<Condition> {
    for (const { tree, at } of [left, right]) {
      const literal = literalOf(tree)
      if (isCondition(tree) || (literal !== undefined && !isNumber(literal))) {
        throw this.#invalid(at, 'only numbers and properties have an order')
      }
    }
    const height = Math.max(left.height, right.height)
    return this.#part({ node: 'order', order, left: left.tree, right: right.tree }, height, left.at)
  }

  #search(left: Part, place: SearchPlace, isNegated: boolean): Part<Condition> {
    const text = textOf(this.#text, this.#expect('text'))
    this.#spend(SEARCH_COST - 1)
    return this.#part({ node: 'search', place, operand: left.tree, text, isNegated }, left.height, left.at)
  }

  #between(left: Part, isNegated: boolean): Part<Condition> {
    const low = this.#prefixed()
    this.#expect('AND')
    const high = this.#prefixed()
    if (!isNegated) this.#checkRange(low, high)
    const [below, above] = isNegated ? (['<', '>'] as const) : (['>=', '<='] as const)
    const parts = [this.#order(left, below, low), this.#order(left, above, high)]
    const height = Math.max(...parts.map(part => part.height))
    return this.#part({ node: isNegated ? 'any' : 'all', conditions: parts.map(({ tree }) => tree) }, height, left.at)
  }

  /** Where an end is a literal of another type, `#order` complains. */
  #checkRange(low: Part, high: Part): void {
    const [from, until] = [literalOf(low.tree), literalOf(high.tree)]
    if (from === undefined || until === undefined || !isNumber(from) || !isNumber(until)) return
    if (compareNumbers(from.value, until.value) > 0) {
      throw this.#invalid(low.at, 'the lower end is above the upper one')
    }
  }

  #in(left: Part, isNegated: boolean): Part<Condition> {
    if (left.tree.node !== 'property') throw this.#invalid(left.at, 'IN asks about a property')
    this.#expect('(')
    const texts: string[] = []
    do texts.push(textOf(this.#text, this.#expect('text')))
    while (this.#takes(','))
    this.#expect(')')
    return this.#part({ node: 'in', name: left.tree.name, texts, isNegated }, left.height, left.at)
  }

  #prefixed(): Part {
    const { kind, at } = this.#lexer.peek()
    switch (kind) {
      case '+':
        this.#lexer.take()
        return this.#nested(at, () => this.#prefixed())
      case '-': {
        this.#lexer.take()
        const operand = this.#nested(at, () => this.#prefixed())
        return this.#part({ node: 'negation', operand: operand.tree }, operand.height, at)
      }
      case 'NOT':
        this.#lexer.take()
        return this.#not(this.#asCondition(this.#nested(at, () => this.#prefixed())))
      default:
        return this.#primary()
    }
  }

  #primary(): Part {
    const token = this.#lexer.peek()
    const { kind, at } = token
    switch (kind) {
      case 'text':
        return this.#literal(token, { type: 'text', value: textOf(this.#text, token) })
      case 'integer':
        return this.#literal(token, this.#integer(token))
      case 'decimal':
        return this.#literal(token, this.#decimal(token))
      case 'TRUE':
      case 'FALSE':
        this.#lexer.take()
        return this.#part({ node: 'constant', literal: { type: 'boolean', value: kind === 'TRUE' } }, 0, at)
      case 'NULL':
        this.#lexer.take()
        return this.#part({ node: 'constant', literal: { type: 'null' } }, 0, at)
      case 'name':
        this.#lexer.take()
        return this.#part({ node: 'property', name: this.#text.slice(at, token.until) }, 0, at)
      case '(': {
        this.#lexer.take()
        const inner = this.#nested(at, () => this.#any())
        this.#expect(')')
        return { ...inner, at }
      }
      default:
        return this.#unexpected('a property, a literal or `(`')
    }
  }

  #literal(token: Token, literal: Literal): Part {
    this.#lexer.take()
    return this.#part({ node: 'literal', literal }, 0, token.at)
  }

  #integer({ at, until }: Token): Literal {
    const last = this.#text[until - 1]
    const digits = this.#text.slice(at, last === 'l' || last === 'L' ? until - 1 : until)
    // So long a number needs no conversion to be refused, and converting it takes time.
    const value = digits.length > LONG_DIGITS_MAX ? MAX_LONG + 1n : BigInt(digits)
    if (value < MIN_LONG || value > MAX_LONG) throw this.#invalid(at, 'an integer beyond 64 bits')
    return { type: 'integer', value }
  }

  #decimal({ at, until }: Token): Literal {
    const value = Number(this.#text.slice(at, until))
    // Apache refuses zero, too: it compares with Java's smallest positive double.
    if (value === 0) throw this.#invalid(at, 'a decimal literal must be above zero; write 0 without a point')
    if (value === Number.POSITIVE_INFINITY) throw this.#invalid(at, 'a number beyond the largest double')
    return { type: 'decimal', value }
  }

  #not(part: Part<Condition>): Part<Condition> {
    return this.#part({ node: 'not', condition: part.tree }, part.height, part.at)
  }

  #asCondition(part: Part): Part<Condition> {
    const { tree, height, at } = part
    if (isCondition(tree)) return { tree, height, at }
    if (tree.node === 'property') return this.#part({ node: 'cast', name: tree.name }, height, at)
    throw this.#invalid(at, 'this is neither true nor false')
  }

  /** Every node is made here: what it costs and how high it stands is counted. */
  #part<T extends Operand>(tree: T, heightBelow: number, at: number): Part<T> {
    this.#spend(1)
    const height = heightBelow + 1
    if (height > DEPTH_MAX) throw this.#invalid(at, `nested deeper than ${DEPTH_MAX} levels`)
    return { tree, height, at }
  }

  #spend(cost: number): void {
    this.#cost += cost
    if (this.#cost > COST_MAX) {
      throw this.#invalid(
        this.#lexer.peek().at,
        'too many conditions; IN takes any number of values for the cost of one'
      )
    }
  }

  #nested(at: number, read: () => Part): Part {
    if (++this.#depth > DEPTH_MAX) throw this.#invalid(at, `nested deeper than ${DEPTH_MAX} levels`)
    const part = read()
    this.#depth--
    return part
  }

  #takes(kind: TokenKind): boolean {
    if (this.#lexer.peek().kind !== kind) return false
    this.#lexer.take()
    return true
  }

  #expect(kind: TokenKind): Token {
    if (this.#lexer.peek().kind !== kind) this.#unexpected(kind === 'text' ? 'a text in single quotes' : `\`${kind}\``)
    return this.#lexer.take()
  }

  #unexpected(expected: string): never {
    throw this.#invalid(this.#lexer.peek().at, `${expected} expected`)
  }

  #invalid(at: number, reason: string) {
    return invalidFilter(this.#text, at, reason)
  }
}

/** Of 2^63. */
const LONG_DIGITS_MAX = 19

/** What Apache's checks see as a literal: itself, not with a sign in front of it. */
function literalOf(tree: Operand): Literal | undefined {
  return tree.node === 'literal' || tree.node === 'constant' ? tree.literal : undefined
}

function textOf(expression: string, { at, until }: Token): string {
  return expression.slice(at + 1, until - 1).replaceAll("''", "'")
}
