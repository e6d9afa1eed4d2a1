/**
 * The text of a filter expression as tokens, one ahead of the parser.
 *
 * The longest token wins, and of equally long ones a keyword. What follows from that and looks odd is Apache's too:
 * `007` is three numbers, `0L` a number and a name, and `-- text` at the very end, without a line end, no comment but
 * two signs and names. A character that begins no token is an error when it is reached, not before: the parser never
 * looks at what lies behind the token after the expression.
 *
 * Not here: what a sequence of tokens means (parser.ts).
 */
import { invalidFilter } from './invalid.ts'

const KEYWORDS = [
  'NOT',
  'AND',
  'OR',
  'BETWEEN',
  'IN',
  'TRUE',
  'FALSE',
  'NULL',
  'IS',
  'CONTAINS',
  'STARTSWITH',
  'ENDSWITH'
] as const
type Keyword = (typeof KEYWORDS)[number]

type Symbol = '=' | '<>' | '>' | '>=' | '<' | '<=' | '(' | ')' | ',' | '+' | '-'

export type TokenKind = Keyword | Symbol | 'integer' | 'decimal' | 'text' | 'name' | 'end'

export interface Token {
  readonly kind: TokenKind
  readonly at: number
  readonly until: number
}

const keywords: ReadonlyMap<string, Keyword> = new Map(KEYWORDS.map(keyword => [keyword, keyword]))
const KEYWORD_LENGTH_MAX = Math.max(...KEYWORDS.map(({ length }) => length))

const isBlank = (character: string) =>
  character === ' ' || character === '\t' || character === '\n' || character === '\r' || character === '\f'
const isDigit = (character: string) => character >= '0' && character <= '9' && character.length === 1
const isNameStart = (character: string) =>
  (character >= 'a' && character <= 'z') ||
  (character >= 'A' && character <= 'Z') ||
  character === '_' ||
  character === '$'

export class Lexer {
  readonly text: string
  /** Read, but not yet taken. */
  #next: Token | undefined
  /** Up to here the text has become tokens. */
  #at = 0

  constructor(text: string) {
    this.text = text
  }

  /** @throws VarveError FILTER_INVALID if no token begins here */
  peek(): Token {
    this.#next ??= this.#read()
    return this.#next
  }

  take(): Token {
    const token = this.peek()
    this.#next = undefined
    return token
  }

  #read(): Token {
    this.#skip()
    const at = this.#at
    const kind = this.#kindAt(at)
    return { kind, at, until: this.#at }
  }

  /** Blanks and comments. */
  #skip(): void {
    for (;;) {
      if (isBlank(this.#character(this.#at))) {
        this.#at++
        continue
      }
      const until = this.#commentEnd(this.#at)
      if (until === undefined) return
      this.#at = until
    }
  }

  /** Where the comment ends that begins here; none if it does not end, for then it is none. */
  #commentEnd(at: number): number | undefined {
    const { text } = this
    if (text.startsWith('/*', at)) {
      const end = text.indexOf('*/', at + 2)
      return end === -1 ? undefined : end + 2
    }
    if (!text.startsWith('--', at)) return undefined
    let end = at + 2
    while (end < text.length && text[end] !== '\n' && text[end] !== '\r') end++
    return end === text.length ? undefined : end + 1
  }

  /** Sets `#at` behind the token that begins at `at`. */
  #kindAt(at: number): TokenKind {
    const character = this.#character(at)
    if (character === '') return 'end'
    if (isNameStart(character)) return this.#name(at)
    if (isDigit(character) || (character === '.' && isDigit(this.#character(at + 1)))) return this.#number(at)
    if (character === "'") return this.#quoted(at)
    return this.#symbol(at, character)
  }

  #name(at: number): TokenKind {
    let until = at + 1
    while (isNameStart(this.#character(until)) || isDigit(this.#character(until))) until++
    this.#at = until
    if (until - at > KEYWORD_LENGTH_MAX) return 'name'
    return keywords.get(this.text.slice(at, until).toUpperCase()) ?? 'name'
  }

  #number(at: number): TokenKind {
    const decimalUntil = this.#decimalEnd(at)
    if (decimalUntil !== undefined) {
      this.#at = decimalUntil
      return 'decimal'
    }
    this.#at = at + 1
    if (this.#character(at) === '0') return 'integer'
    this.#at = this.#digitsEnd(at)
    const suffix = this.#character(this.#at)
    if (suffix === 'l' || suffix === 'L') this.#at++
    return 'integer'
  }

  /** Digits with a point, an exponent or both; none if there is neither. */
  #decimalEnd(at: number): number | undefined {
    const whole = this.#digitsEnd(at)
    const point = this.#character(whole) === '.'
    const mantissa = point ? this.#digitsEnd(whole + 1) : whole
    const exponent = this.#exponentEnd(mantissa)
    return point || exponent !== mantissa ? exponent : undefined
  }

  #exponentEnd(at: number): number {
    const letter = this.#character(at)
    if (letter !== 'e' && letter !== 'E') return at
    const sign = this.#character(at + 1)
    const digits = at + (sign === '+' || sign === '-' ? 2 : 1)
    const until = this.#digitsEnd(digits)
    return until === digits ? at : until
  }

  #digitsEnd(at: number): number {
    let until = at
    while (isDigit(this.#character(until))) until++
    return until
  }

  /** Two quotes stand for one, but where the text would otherwise not end, the first of the last two ends it. */
  #quoted(at: number): TokenKind {
    const { text } = this
    let quote = text.indexOf("'", at + 1)
    let last = quote
    while (quote !== -1 && text[quote + 1] === "'") {
      last = quote
      quote = text.indexOf("'", quote + 2)
    }
    const end = quote === -1 ? last : quote
    if (end === -1) throw invalidFilter(text, at, 'the text does not end: a quote is missing')
    this.#at = end + 1
    return 'text'
  }

  #symbol(at: number, character: string): TokenKind {
    this.#at = at + 1
    const next = this.#character(at + 1)
    switch (character) {
      case '<':
        if (next !== '>' && next !== '=') return '<'
        this.#at++
        return next === '>' ? '<>' : '<='
      case '>':
        if (next !== '=') return '>'
        this.#at++
        return '>='
      case '=':
      case '(':
      case ')':
      case ',':
      case '+':
      case '-':
        return character
      default:
        throw invalidFilter(this.text, at, reasonAgainst(character, next))
    }
  }

  /** Empty behind the end. */
  #character(at: number): string {
    return this.text[at] ?? ''
  }
}

/** The mistakes that people make who know other dialects. */
function reasonAgainst(character: string, next: string): string {
  if (character === '!' && next === '=') return '`!=` is not known; write `<>`'
  if (character === '"') return 'texts stand in single quotes'
  if (character === '/') return 'the comment does not end'
  if ('*%|&'.includes(character)) return 'there is no arithmetic; conditions are joined by AND and OR'
  return 'no word, number, text or operator begins with this character'
}
