/**
 * From a tree to functions: one per condition, made once, called for every message.
 *
 * A property against a literal, which is what people write, is compared as bytes: no text, number object or closure is made
 * per message. Everything else goes by way of values (java-values.ts), slower and rarer.
 *
 * Not here: which message is looked at (`PropertyValues`), what may be compared (parser.ts).
 */
import { encodeText, readText } from '../../layout/index.ts'
import { shortInteger } from './java-numbers.ts'
import { compareTextWithNumber, equalValues, FAILURE, isOrder, orderedValues, type Value } from './java-values.ts'
import { equalsAt, type PropertyValues } from './property-values.ts'
import { TextSearch } from './text-search.ts'
import { type Condition, isCondition, isNumber, type Operand, type Order, type SearchPlace } from './tree.ts'
import { FAILED, FALSE, NOTHING, not, type Test, TRUE, type Truth, truthOf } from './truth.ts'

/** Where the values of a message will be, and which name has which number there. */
export interface Properties {
  readonly values: PropertyValues
  readonly indexOf: (name: string) => number
}

/** So many texts of a list are compared one by one, before a set pays off. */
const LISTED_MAX = 4

export function compileCondition(condition: Condition, properties: Properties): Test {
  const { values } = properties
  switch (condition.node) {
    case 'constant': {
      const { literal } = condition
      const truth = literal.type === 'null' ? NOTHING : truthOf(literal.value)
      return () => truth
    }
    case 'cast': {
      const index = properties.indexOf(condition.name)
      return () => (values.has(index) ? FALSE : NOTHING)
    }
    case 'not': {
      const test = compileCondition(condition.condition, properties)
      return () => not(test())
    }
    case 'all':
      return joined(condition.conditions, properties, FALSE)
    case 'any':
      return joined(condition.conditions, properties, TRUE)
    case 'equal':
      return compileEqual(condition.left, condition.right, properties)
    case 'order':
      return compileOrder(condition.order, condition.left, condition.right, properties)
    case 'search':
      return compileSearch(condition, properties)
    case 'in':
      return compileIn(condition, properties)
  }
}

/** AND is decided by the first that is false, OR by the first that is true; a failure before that ends both. */
function joined(conditions: readonly Condition[], properties: Properties, decisive: typeof TRUE | typeof FALSE): Test {
  const tests = conditions.map(condition => compileCondition(condition, properties))
  const undecided = not(decisive)
  return () => {
    let result: Truth = undecided
    for (const test of tests) {
      const truth = test()
      if (truth === decisive || truth === FAILED) return truth
      if (truth === NOTHING) result = NOTHING
    }
    return result
  }
}

function compileEqual(left: Operand, right: Operand, properties: Properties): Test {
  const number = numberOf(right)
  if (left.node === 'property' && number !== undefined) {
    const compare = comparison(left.name, number, properties)
    return () => {
      const compared = compare()
      return compared === MISSING ? NOTHING : Number.isNaN(compared) ? FAILED : truthOf(compared === 0)
    }
  }
  if (left.node === 'property' && isText(right)) return equalText(left.name, right, properties, NOTHING)
  if (right.node === 'property' && isText(left)) return equalText(right.name, left, properties, FALSE)
  if (left.node === 'property' && right.node === 'constant' && right.literal.type === 'null') {
    const index = properties.indexOf(left.name)
    return () => truthOf(!properties.values.has(index))
  }
  const [leftOf, rightOf] = [compileValue(left, properties), compileValue(right, properties)]
  return () => equalValues(leftOf(), rightOf())
}

function compileOrder(order: Order, left: Operand, right: Operand, properties: Properties): Test {
  const number = numberOf(right)
  if (left.node === 'property' && number !== undefined) {
    const compare = comparison(left.name, number, properties)
    return () => {
      const compared = compare()
      return compared === MISSING ? NOTHING : Number.isNaN(compared) ? FAILED : truthOf(isOrder(order, compared))
    }
  }
  const [leftOf, rightOf] = [compileValue(left, properties), compileValue(right, properties)]
  return () => orderedValues(order, leftOf(), rightOf)
}

/** In place of -1, 0 or 1, where the message has no such property. */
const MISSING = 2

/** How a property stands to a number: -1, 0, 1, NaN if it is no number itself, or MISSING. */
function comparison(name: string, number: bigint | number, { values, indexOf }: Properties): () => number {
  const index = indexOf(name)
  // A short integer may be compared as a double with either kind. (No decimal literal is zero, whose sign would count.)
  const plain = typeof number === 'number' || isSafe(number) ? Number(number) : undefined
  return () => {
    if (!values.has(index)) return MISSING
    if (plain !== undefined) {
      const value = shortInteger(values.bytes, values.from[index] as number, values.until[index] as number)
      if (value < plain) return -1
      if (value > plain) return 1
      if (value === plain) return 0
    }
    return compareTextWithNumber(values.text(index), number)
  }
}

function equalText(name: string, text: TextLiteral, properties: Properties, ifMissing: Truth): Test {
  const { values, indexOf } = properties
  const index = indexOf(name)
  const wanted = text.literal.value
  const bytes = bytesOf(wanted)
  if (bytes === undefined) {
    return () => (values.has(index) ? truthOf(values.text(index) === wanted) : ifMissing)
  }
  return () => (values.has(index) ? truthOf(isValue(values, index, bytes)) : ifMissing)
}

function compileSearch(search: Condition & { node: 'search' }, properties: Properties): Test {
  const { place, operand, text, isNegated } = search
  if (text === '') return () => FALSE
  const bytes = bytesOf(text)
  if (operand.node === 'property' && bytes !== undefined) {
    const { values } = properties
    const index = properties.indexOf(operand.name)
    const isFound = searchIn(values, index, place, bytes)
    return () => (values.has(index) ? truthOf(isFound() !== isNegated) : FALSE)
  }
  const read = compileValue(operand, properties)
  return () => {
    const value = read()
    if (value === FAILURE) return FAILED
    return typeof value === 'string' ? truthOf(isFoundIn(value, place, text) !== isNegated) : FALSE
  }
}

function searchIn(values: PropertyValues, index: number, place: SearchPlace, wanted: Uint8Array): () => boolean {
  // Only asked for a property that is there.
  const from = () => values.from[index] as number
  const until = () => values.until[index] as number
  switch (place) {
    case 'CONTAINS': {
      const search = new TextSearch(wanted)
      return () => search.isWithin(values.bytes, from(), until())
    }
    case 'STARTSWITH':
      return () => until() - from() >= wanted.length && equalsAt(values.bytes, from(), wanted)
    case 'ENDSWITH':
      return () => until() - from() >= wanted.length && equalsAt(values.bytes, until() - wanted.length, wanted)
  }
}

function isFoundIn(value: string, place: SearchPlace, text: string): boolean {
  switch (place) {
    case 'CONTAINS':
      return value.includes(text)
    case 'STARTSWITH':
      return value.startsWith(text)
    case 'ENDSWITH':
      return value.endsWith(text)
  }
}

function compileIn({ name, texts, isNegated }: Condition & { node: 'in' }, properties: Properties): Test {
  const { values, indexOf } = properties
  const index = indexOf(name)
  const listed = texts.map(bytesOf)
  if (texts.length > LISTED_MAX || listed.includes(undefined)) {
    const set = new Set(texts)
    return () => (values.has(index) ? truthOf(set.has(values.text(index)) !== isNegated) : NOTHING)
  }
  const wanted = listed.filter(bytes => bytes !== undefined)
  return () => {
    if (!values.has(index)) return NOTHING
    for (const bytes of wanted) if (isValue(values, index, bytes)) return truthOf(!isNegated)
    return truthOf(isNegated)
  }
}

function compileValue(operand: Operand, properties: Properties): () => Value {
  if (operand.node === 'property') {
    const { values, indexOf } = properties
    const index = indexOf(operand.name)
    return () => (values.has(index) ? values.text(index) : null)
  }
  if (operand.node === 'literal') {
    const { literal } = operand
    const value = literal.type === 'null' ? null : literal.value
    return () => value
  }
  if (isCondition(operand)) {
    const test = compileCondition(operand, properties)
    return () => VALUE_OF[test()]
  }
  const number = numberOf(operand)
  if (number !== undefined) return () => number
  // Of anything but a number the negative is nothing, unless making it fails.
  const read = compileValue(operand.operand, properties)
  return () => (read() === FAILURE ? FAILURE : null)
}

const VALUE_OF: Readonly<Record<Truth, Value>> = { [FALSE]: false, [TRUE]: true, [NOTHING]: null, [FAILED]: FAILURE }

type TextLiteral = Operand & { readonly node: 'literal'; readonly literal: { readonly type: 'text' } }

function isText(operand: Operand): operand is TextLiteral {
  return operand.node === 'literal' && operand.literal.type === 'text'
}

/** Of a literal, with any number of signs in front of it. */
function numberOf(operand: Operand): bigint | number | undefined {
  if (operand.node === 'negation') {
    const number = numberOf(operand.operand)
    return number === undefined ? undefined : -number
  }
  return operand.node === 'literal' && isNumber(operand.literal) ? operand.literal.value : undefined
}

const isSafe = (number: bigint) => BigInt(Number(number)) === number

/**
 * The bytes by which the text can be recognised; none if it has what only malformed bytes decode to, or half of a
 * character, for then bytes that differ stand for texts that do not.
 */
function bytesOf(text: string): Uint8Array | undefined {
  const bytes = encodeText(text)
  return text.includes('\ufffd') || readText(bytes, 0, bytes.length) !== text ? undefined : bytes
}

function isValue(values: PropertyValues, index: number, wanted: Uint8Array): boolean {
  const from = values.from[index] as number // A property that is there.
  return (values.until[index] as number) - from === wanted.length && equalsAt(values.bytes, from, wanted)
}
