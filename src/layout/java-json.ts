/**
 * JSON as Java's broker writes it into config/ and as its clients put it into requests, and JSON for them to read.
 *
 * Its writer (fastjson) leaves integer keys without quotes, uses objects as keys, writes 64-bit integers out, and in older
 * versions replaces an object that occurs twice by `{"$ref":"$.path"}`. `JSON.parse` refuses the first two, rounds the
 * third and does not know the fourth. Other clients quote with single quotes, or not at all where a key is a plain name.
 * What we write into files is standard JSON, which Java reads.
 *
 * An object that stands as a key becomes its own compact JSON text.
 *
 * Not here: which files there are and what they mean (the broker).
 */
import { VarveError } from '../base/index.ts'

/** Integers that a number cannot hold exactly come as bigint. Objects have no prototype: any key is just a key. */
export type JavaJson = null | boolean | number | bigint | string | JavaJson[] | { [key: string]: JavaJson }

/** Deeper than any file of the broker, and far from the end of the stack. */
const DEPTH_MAX = 200

/** A sign and the digits of 2^63. What is longer is no number of Java, and its digits could take for ever to read. */
const LONG_DIGITS_MAX = 20

/** @throws VarveError JSON_INVALID */
export function parseJavaJson(text: string): JavaJson {
  const parser = new Parser(text)
  const root = parser.parse()
  return parser.sawReference ? new References(root).resolve(root) : root
}

/** Standard JSON, keys sorted as Java's writer does; bigints become integers, members that are undefined are left out. */
export function printJavaJson(value: unknown): string {
  return print(value, '')
}

function print(value: unknown, indent: string): string {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const inner = `${indent}\t`
  if (Array.isArray(value)) {
    if (value.length === 0) return '[]'
    return `[\n${value.map(element => inner + print(element, inner)).join(',\n')}\n${indent}]`
  }
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => `${inner}${JSON.stringify(key)}:${print(member, inner)}`)
  return members.length === 0 ? '{}' : `{\n${members.join(',\n')}\n${indent}}`
}

function compact(value: JavaJson): string {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(compact).join(',')}]`
  return `{${Object.entries(value)
    .map(([key, member]) => `${JSON.stringify(key)}:${compact(member)}`)
    .join(',')}}`
}

const REFERENCE = '$ref'

class Parser {
  sawReference = false
  readonly #text: string
  #at = 0
  #depth = 0

  constructor(text: string) {
    this.#text = text
  }

  parse(): JavaJson {
    const value = this.#value()
    this.#space()
    if (this.#at < this.#text.length) throw this.#invalid('text after the end')
    return value
  }

  #value(): JavaJson {
    this.#space()
    switch (this.#text[this.#at]) {
      case '{':
        return this.#nested(() => this.#object())
      case '[':
        return this.#nested(() => this.#array())
      case '"':
      case "'":
        return this.#string()
      case 't':
        return this.#word('true', true)
      case 'f':
        return this.#word('false', false)
      case 'n':
        return this.#word('null', null)
      default:
        return this.#number()
    }
  }

  #nested<T>(read: () => T): T {
    if (++this.#depth > DEPTH_MAX) throw this.#invalid('too deep')
    this.#at++ // The opening bracket.
    const value = read()
    this.#depth--
    return value
  }

  #object(): JavaJson {
    const members: { [key: string]: JavaJson } = Object.create(null)
    if (this.#takes('}')) return members
    do {
      const key = this.#key()
      if (!this.#takes(':')) throw this.#invalid('`:` expected')
      if (key === REFERENCE) this.sawReference = true
      members[key] = this.#value()
    } while (this.#takes(','))
    if (!this.#takes('}')) throw this.#invalid('`,` or `}` expected')
    return members
  }

  #array(): JavaJson {
    const elements: JavaJson[] = []
    if (this.#takes(']')) return elements
    do elements.push(this.#value())
    while (this.#takes(','))
    if (!this.#takes(']')) throw this.#invalid('`,` or `]` expected')
    return elements
  }

  #key(): string {
    this.#space()
    const first = this.#text[this.#at]
    if (first === '"' || first === "'") return this.#string()
    if (first === '{') return compact(this.#nested(() => this.#object()))
    return this.#match(/-?\d+|[A-Za-z_$][\w$]*/y) ?? this.#fail('a key expected')
  }

  /** Escapes and their faults are those of standard JSON. */
  #string(): string {
    const from = this.#at
    this.#at = this.#endOfString(from)
    const quoted = this.#text.slice(from, this.#at)
    try {
      return JSON.parse(inDoubleQuotes(quoted)) as string // What stands in quotes can only be a string.
    } catch (cause) {
      throw new VarveError('JSON_INVALID', { at: from, reason: 'not a string of JSON' }, { cause })
    }
  }

  /** Not by a pattern: one that steps over escapes runs out of stack on a text of some megabytes. */
  #endOfString(from: number): number {
    const quote = this.#text[from] as string // The caller has seen it.
    let at = from
    do at = this.#text.indexOf(quote, at + 1)
    while (at !== -1 && this.#isEscaped(at))
    return at === -1 ? this.#fail('the text does not end') : at + 1
  }

  /** Whether an odd number of backslashes stands before `at`. */
  #isEscaped(at: number): boolean {
    let from = at
    while (this.#text[from - 1] === '\\') from--
    return (at - from) % 2 === 1
  }

  #number(): number | bigint {
    const digits = this.#match(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y) ?? this.#fail('a value expected')
    const value = Number(digits)
    const isLong = digits.length <= LONG_DIGITS_MAX && /^-?\d+$/.test(digits)
    return isLong && !Number.isSafeInteger(value) ? BigInt(digits) : value
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw this.#invalid('a value expected')
    this.#at += word.length
    return value
  }

  #takes(character: string): boolean {
    this.#space()
    if (this.#text[this.#at] !== character) return false
    this.#at++
    return true
  }

  #space(): void {
    this.#match(/[ \t\r\n]*/y)
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0]
    this.#at += found?.length ?? 0
    return found
  }

  #fail(reason: string): never {
    throw this.#invalid(reason)
  }

  #invalid(reason: string): VarveError {
    return new VarveError('JSON_INVALID', { at: this.#at, reason })
  }
}

/** `'it\'s "so"'` as `"it's \"so\""`. */
function inDoubleQuotes(quoted: string): string {
  if (quoted.startsWith('"')) return quoted
  const inside = quoted
    .slice(1, -1)
    .replace(/\\.|"/gs, found => (found === '"' ? '\\"' : found === "\\'" ? "'" : found))
  return `"${inside}"`
}

/** Puts the object itself in the place of `{"$ref":"$.path"}`. */
class References {
  readonly #root: JavaJson
  /** What is being resolved, from the root inwards: a reference to one of these would make the value endless. */
  readonly #around = new Set<JavaJson>()

  constructor(root: JavaJson) {
    this.#root = root
  }

  resolve(value: JavaJson): JavaJson {
    if (typeof value !== 'object' || value === null) return value
    const path = Array.isArray(value) ? undefined : value[REFERENCE]
    if (typeof path === 'string') return this.#target(path)

    this.#around.add(value)
    const members = value as Record<string, JavaJson> // Of an array, too: its indices are its keys.
    for (const [key, member] of Object.entries(members)) members[key] = this.resolve(member)
    this.#around.delete(value)
    return value
  }

  #target(path: string): JavaJson {
    let target: JavaJson | undefined = this.#root
    for (const step of stepsOf(path)) {
      const inside: JavaJson | undefined = target
      target = typeof inside !== 'object' || inside === null ? undefined : (inside as Record<string, JavaJson>)[step]
    }
    const refersOn = typeof target === 'object' && target !== null && REFERENCE in target
    if (target === undefined || refersOn || this.#around.has(target)) {
      throw new VarveError('JSON_INVALID', { reference: path, reason: 'the reference leads nowhere' })
    }
    return target
  }
}

/** `$.table.a\.b[0]` as `table`, `a.b`, `0`: before a character that is no letter or digit stands a backslash. */
function stepsOf(path: string): string[] {
  const steps = path.match(/\.(?:[^\\.[\]]|\\.)+|\[\d+\]/gsu) ?? []
  if (`$${steps.join('')}` !== path) {
    throw new VarveError('JSON_INVALID', { reference: path, reason: 'not a path of this kind' })
  }
  return steps.map(step => (step.startsWith('[') ? step.slice(1, -1) : step.slice(1).replace(/\\(.)/gsu, '$1')))
}
