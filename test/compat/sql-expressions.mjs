/**
 * Filter expressions and sets of properties to try them on: written by hand where something is known to be peculiar, the
 * rest made from a seed. Many are nonsense on purpose: what is refused must be refused by both sides.
 *
 * Not here: who evaluates them (sql-filter.mjs), what must come out (Apache RocketMQ).
 */
import { seededRandom } from '../../dist/src/base/index.js'

const PROPERTY_NAMES = ['a', 'b', 'c', '$d_1', 'TAGS']

/** Each a message. Values are such that conversions succeed, fail, overflow and meet signs, blanks and letters. */
export const PROPERTY_SETS = [
  {},
  { a: '10', b: '9' },
  { a: '10.5', b: '10' },
  { a: '-1', b: '+7', c: 'true' },
  { a: '0', b: '-0', c: '0.0' },
  { a: '-0.0', b: '0.0', c: 'TRUE' },
  { a: 'hello', b: 'hello', c: 'world', TAGS: 'TagA' },
  { a: 'TRUE', b: 'false', c: 'yes' },
  { a: '3000000000', b: '2147483647', c: '2147483648' },
  { a: '9223372036854775807', b: '9223372036854775808', c: '-9223372036854775808' },
  { a: '9007199254740993', b: '9007199254740992', c: '9007199254740992.5' },
  { a: ' 10 ', b: '10d', c: '1e3' },
  { a: 'NaN', b: 'Infinity', c: '-Infinity' },
  { a: 'nan', b: '1e400', c: '1.' },
  { a: '.5', b: '5.', c: '.' },
  { a: "it's", b: "''", c: 'a\\b' },
  { a: 'größe', b: '漢字', c: '😀 smile' },
  { a: '007', b: '1e', c: '--1' },
  { b: '5', $d_1: 'x' },
  { a: 'xyzzy', c: 'xy', TAGS: 'a||b' },
  { a: 'aaaaaaab', b: 'aab', $d_1: '12' },
  { a: '1', b: '2', c: '3', $d_1: '4', TAGS: '5' },
  { A: '1', _a: '2', a1: '3' },
  { a: '+', b: '-', c: '0x10' }
]

/** What the specification or the code of either side gives reason to look at. */
export const PECULIAR_EXPRESSIONS = [
  'a > 10',
  'a > 10.0',
  'a > 10 OR TRUE',
  'TRUE OR a > 10',
  'a > 10 AND FALSE',
  'FALSE AND a > 10',
  'a = b',
  'a <> b',
  'a < b',
  'a >= b',
  'a = 10',
  '10 = a',
  'a = 10L',
  'a = TRUE',
  'TRUE = a',
  'a <> TRUE',
  "a = 'hello'",
  "'hello' = a",
  "a = 'it''s'",
  'a IS NULL',
  'a IS NOT NULL',
  'NOT a IS NULL',
  'NOT (a IS NULL)',
  '5 IS NULL',
  'NULL IS NULL',
  'TRUE IS NOT NULL',
  'NULL',
  'TRUE',
  'FALSE',
  'a',
  'NOT a',
  'a AND b',
  'a OR TRUE',
  '(a)',
  'NOT a = 5',
  'NOT (a = 5)',
  'a = b = c',
  'a = b IS NULL',
  '(a > 3) = TRUE',
  '(a > 3) = b',
  'b = (a > 3)',
  '(a > 3) = (b > 3)',
  '(a > 3) > 2',
  'a > 3 > 2',
  '-a = 5',
  '-a = -b',
  '-a IS NULL',
  '-(a > 3) IS NULL',
  '- - 5 < a',
  '+a > +5',
  'a > -5',
  'a > - 9223372036854775807',
  'a > 9223372036854775808',
  'a > -9223372036854775808',
  'a >= 9007199254740993',
  'a > 9007199254740992.0',
  'a = 0.0',
  'a = .5',
  'a = 5.',
  'a = 1e3',
  'c = 1E+3',
  'a = 1e400',
  'a = 1e-400',
  'a = 00',
  'a = 007',
  'a = 0L',
  'a = 5l',
  'a BETWEEN 1 AND 10',
  'a BETWEEN 10 AND 1',
  'a BETWEEN 10 AND -1',
  'a NOT BETWEEN 10 AND 1',
  'a NOT BETWEEN 1 AND 10',
  'a BETWEEN b AND c',
  'a BETWEEN 1 AND 10.5',
  'a BETWEEN 10.5 AND 10',
  "a BETWEEN 'a' AND 'b'",
  'a BETWEEN NULL AND 5',
  '5 BETWEEN a AND b',
  '5 BETWEEN 1 AND 10',
  "a IN ('10')",
  "a IN ('hello', 'world', '10')",
  "a NOT IN ('hello', 'world', '10')",
  "a IN ('1','2','3','4','5','6','10')",
  "a NOT IN ('1','2','3','4','5','6','10')",
  'a IN ()',
  'a IN (10)',
  "5 IN ('5')",
  "(a) IN ('10')",
  "-a IN ('10')",
  "a IN ('10') IN ('10')",
  "a CONTAINS 'aab'",
  "a NOT CONTAINS 'aab'",
  "a CONTAINS ''",
  "a NOT CONTAINS ''",
  'a CONTAINS b',
  "5 CONTAINS '5'",
  "'hello' CONTAINS 'ell'",
  "'hello' NOT CONTAINS 'ell'",
  "(a > 3) CONTAINS 'x'",
  "(a > 3) NOT CONTAINS 'x'",
  "a STARTSWITH 'he'",
  "a NOT STARTSWITH 'he'",
  "a ENDSWITH 'lo'",
  "a NOT ENDSWITH 'lo'",
  "a NOT ENDSWITH ''",
  "b CONTAINS '漢'",
  "c STARTSWITH '😀'",
  "c CONTAINS 'smile' AND a = 'größe'",
  'a > 1 -- a comment\n AND b > 1',
  'a > 1 -- a comment',
  '-- a comment\na > 1',
  '-- a comment',
  'a /* in /* the * middle */ > 1',
  'a /**/ > 1',
  'a /*/ > 1',
  'a > 1 /* no end',
  'a > 1 anything goes',
  "a LIKE 'x%'",
  'a > 1)',
  'a > 1;',
  'a != 1',
  'a == 1',
  'a > "1"',
  'a + 1 > 2',
  'a * 2 > 2',
  'a NOT',
  'a NOT 5',
  'a NOT NULL',
  'a IS',
  'a IS 5',
  'a IS NOT 5',
  'a > 1 AND',
  'a > 1 OR',
  'a > 1 AND b > 1 OR c > 1',
  'a > 1 OR b > 1 AND c > 1',
  'a = NULL',
  'a <> NULL',
  'NULL = a',
  'a > NULL',
  'a > TRUE',
  "a > '5'",
  "'5' < a",
  'TRUE = 5',
  '5 = TRUE',
  "'true' = TRUE",
  "TRUE = 'true'",
  'TRUE = TRUE',
  'TRUE <> FALSE',
  '5 = 5.0000',
  '5 < 6',
  "5 = 'abc'",
  "'abc' = 5",
  "'5' = 5",
  'and > 1',
  'not',
  'between = 1',
  'aNd > 1',
  'a aNd b',
  'Is NULL',
  'a-b > 1',
  'a.b > 1',
  '$d_1 = 12',
  '_a = 2 OR a1 = 3',
  'ä > 1',
  '',
  ' ',
  '()',
  '(((a))) > 1',
  '((a > 1)',
  "'",
  "''",
  "'''",
  "a = ''",
  "b = ''''''",
  "TAGS = 'a||b'",
  "TAGS IS NOT NULL AND TAGS STARTSWITH 'Tag'"
]

/** @returns {string[]} so many expressions, the same for the same seed */
export function generatedExpressions(seed, count) {
  const maker = new ExpressionMaker(seed)
  return Array.from({ length: count }, () => maker.expression())
}

const INTEGERS = ['0', '1', '5', '9', '10', '-1', '11L', '2147483647', '2147483648', '9007199254740993']
const DECIMALS = ['10.5', '.5', '1e3', '10.0', '5.', '0.0', '1E-3', '-10.5', '9007199254740992.5']
const TEXTS = ["'hello'", "'10'", "'true'", "''", "'it''s'", "'漢字'", "'aab'", "'xy'", "'TagA'", "'10.5'"]

class ExpressionMaker {
  #random

  constructor(seed) {
    this.#random = seededRandom(seed)
  }

  /** One in ten is damaged afterwards, so that refusals are compared, too. */
  expression() {
    const sound = this.#condition(this.#random.between(0, 3))
    return this.#random.chance(0.1) ? this.#damaged(sound) : sound
  }

  #condition(depth) {
    if (depth === 0) return this.#comparison()
    const below = () => this.#condition(depth - 1)
    return this.#random.pick([
      () => `${below()} AND ${below()}`,
      () => `${below()} OR ${below()}`,
      () => `NOT (${below()})`,
      () => `(${below()})`,
      () => `(${below()} OR ${below()}) AND ${below()}`,
      () => `(${below()}) ${this.#random.pick(['=', '<>'])} ${this.#operand()}`,
      () => `(${below()}) IS ${this.#random.pick(['', 'NOT '])}NULL`,
      below
    ])()
  }

  #comparison() {
    const name = () => this.#random.pick(PROPERTY_NAMES)
    const not = this.#random.pick(['', '', 'NOT '])
    const number = () => this.#random.pick([...INTEGERS, ...DECIMALS])
    const text = () => this.#random.pick(TEXTS)
    const order = this.#random.pick(['>', '>=', '<', '<='])
    const equality = this.#random.pick(['=', '<>'])
    const search = this.#random.pick(['CONTAINS', 'STARTSWITH', 'ENDSWITH'])
    return this.#random.pick([
      () => `${name()} ${order} ${number()}`,
      () => `${name()} ${order} ${name()}`,
      () => `${this.#operand()} ${order} ${this.#operand()}`,
      () => `${name()} ${equality} ${number()}`,
      () => `${name()} ${equality} ${text()}`,
      () => `${this.#operand()} ${equality} ${this.#operand()}`,
      () => `${name()} IS ${not}NULL`,
      () => `${name()} ${not}BETWEEN ${number()} AND ${number()}`,
      () => `${this.#operand()} ${not}BETWEEN ${this.#operand()} AND ${this.#operand()}`,
      () => `${name()} ${not}IN (${Array.from({ length: this.#random.between(1, 7) }, text).join(', ')})`,
      () => `${name()} ${not}${search} ${text()}`,
      () => `${this.#operand()} ${not}${search} ${text()}`,
      () => `NOT ${name()} ${equality} ${this.#operand()}`,
      name
    ])()
  }

  #operand() {
    const operand = this.#random.pick([
      ...PROPERTY_NAMES,
      ...PROPERTY_NAMES,
      ...INTEGERS,
      ...DECIMALS,
      ...TEXTS,
      'TRUE',
      'false',
      'NULL'
    ])
    return this.#random.chance(0.1) ? `${this.#random.pick(['-', '+', '- -'])}${operand}` : operand
  }

  #damaged(text) {
    const words = text.split(' ')
    const at = this.#random.below(words.length)
    const other = this.#random.pick(['AND', 'NOT', '(', ')', "'", '!', '=', 'IS', 'BETWEEN', 'a', '5', '', '--', '/*'])
    words.splice(at, this.#random.below(2), other)
    return words.join(' ')
  }
}
