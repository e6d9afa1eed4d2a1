/**
 * Java properties as text: what `broker.conf` is written in, and what administrators send and get.
 *
 * `key=value`, `key: value` or `key value` in a line; a line that ends with a backslash goes on in the next; `#` and `!`
 * begin comments; `\t`, `\n`, `\uXXXX` and the like in keys and values. What we print, Java reads.
 */
import { VarveError } from '../base/index.ts'

const ESCAPES: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' }

/** Of a key that stands twice the last value counts. @throws VarveError CONFIG_INVALID */
export function parseProperties(text: string): Record<string, string> {
  const properties: Record<string, string> = {}
  for (const line of logicalLines(text)) {
    // The key ends before the first separator that no backslash precedes.
    const [, key = '', value = ''] = /^((?:\\.|[^\\=:\s])*)(?:\s*[=:]\s*|\s+)?(.*)$/s.exec(line) ?? []
    Object.defineProperty(properties, unescaped(key), {
      value: unescaped(value),
      enumerable: true,
      configurable: true,
      writable: true
    })
  }
  return properties
}

/** One line for each key, in the order of the object. */
export function printProperties(properties: Readonly<Record<string, string>>): string {
  return Object.entries(properties)
    .map(([key, value]) => `${escaped(key).replace(/[=: ]/g, '\\$&')}=${escaped(value).replace(/^ /, '\\ ')}\n`)
    .join('')
}

/** Without comments, blank lines and leading space, and with what is continued put together. */
function logicalLines(text: string): string[] {
  const lines: string[] = []
  let begun: string | undefined
  for (const natural of text.split(/\r\n|\r|\n/)) {
    const line = natural.trimStart()
    if (begun === undefined && (line === '' || /^[#!]/.test(line))) continue
    const whole: string = (begun ?? '') + line
    const goesOn = /(?:^|[^\\])(?:\\\\)*\\$/.test(whole)
    if (goesOn) begun = whole.slice(0, -1)
    else {
      lines.push(whole)
      begun = undefined
    }
  }
  if (begun !== undefined && begun !== '') lines.push(begun)
  return lines
}

function unescaped(text: string): string {
  return text.replace(/\\(u([0-9a-fA-F]{4})|u|.|$)/gs, (_, sign: string, code: string | undefined) => {
    if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16))
    if (sign === 'u')
      throw new VarveError('CONFIG_INVALID', { text: text.slice(0, 100), reason: '\\u without 4 digits' })
    return ESCAPES[sign] ?? sign
  })
}

function escaped(text: string): string {
  return text
    .replace(/\\/g, '\\\\')
    .replace(/\n/g, '\\n')
    .replace(/\r/g, '\\r')
    .replace(/\t/g, '\\t')
    .replace(/\f/g, '\\f')
    .replace(/^[#!]/, '\\$&')
}
