/**
 * Properties of a message: `name 0x01 value 0x02`, repeated, in UTF-8, without order.
 *
 * Reading follows Java's parser: pieces are cut at each 0x02 (the last may lack it), a name ends at the first 0x01, a
 * piece without a name or with an empty value counts as absent, and of a repeated name the last piece counts. Both
 * separators are ASCII, so the bytes can be searched without decoding them.
 *
 * Not here: which properties mean what to a broker.
 */
import { VarveError } from '../base/index.ts'
import { javaHashOfBytes } from './java-hash.ts'
import { PROPERTIES_BYTES_MAX } from './record.ts'
import { encodeText, readText } from './text.ts'

export const NAME_END = 0x01
export const PROPERTY_END = 0x02

/** Names that the store itself reads or writes. */
export const PROPERTY = {
  TAGS: 'TAGS',
  KEYS: 'KEYS',
  UNIQUE_KEY: 'UNIQ_KEY',
  DELAY_LEVEL: 'DELAY',
  /** Where a message goes that waits in a topic of the broker's. */
  REAL_TOPIC: 'REAL_TOPIC',
  REAL_QUEUE: 'REAL_QID',
  INNER_COUNT: 'INNER_NUM',
  INNER_BASE: 'INNER_BASE'
} as const

/** A part of some bytes; empty where nothing was found. Reused, so that searching allocates nothing. */
export class Span {
  from = 0
  until = 0

  get empty(): boolean {
    return this.from === this.until
  }
}

/** Finds the value of the property whose name is `name`. False, and an empty span, if it is absent. */
export function findProperty(bytes: Uint8Array, from: number, until: number, name: Uint8Array, into: Span): boolean {
  into.from = into.until = from
  let found = false
  let piece = from
  while (piece < until) {
    const end = endOfPiece(bytes, piece, until)
    const value = piece + name.length + 1
    if (value < end && bytes[value - 1] === NAME_END && startsWith(bytes, piece, name)) {
      into.from = value
      into.until = end
      found = true // The search goes on: a later piece of this name would win.
    }
    piece = end + 1
  }
  return found
}

/** The same for several names in one pass. One object serves all messages. */
export class PropertyFinder<Name extends string> {
  /** Of the last `find`. */
  readonly spans: Readonly<Record<Name, Span>>
  readonly #all: readonly Span[]
  /** By the first byte of the name. */
  readonly #named: (readonly { readonly name: Uint8Array; readonly span: Span }[] | undefined)[] = []

  constructor(names: Readonly<Record<Name, Uint8Array>>) {
    const spans: Partial<Record<Name, Span>> = {}
    for (const key of Object.keys(names) as Name[]) {
      const span = new Span()
      const first = names[key][0] ?? 0
      spans[key] = span
      this.#named[first] = [...(this.#named[first] ?? []), { name: names[key], span }]
    }
    this.spans = spans as Record<Name, Span> // One for each name.
    this.#all = Object.values(this.spans)
  }

  find(bytes: Uint8Array, from: number, until: number): void {
    for (const span of this.#all) span.from = span.until = from
    for (let piece = from; piece < until; ) {
      const end = endOfPiece(bytes, piece, until)
      const named = this.#named[bytes[piece] as number] // Inside by the loop.
      if (named !== undefined) {
        for (const { name, span } of named) {
          const value = piece + name.length + 1
          if (value >= end || bytes[value - 1] !== NAME_END || !startsWith(bytes, piece, name)) continue
          span.from = value
          span.until = end
          break
        }
      }
      piece = end + 1
    }
  }
}

/** What the dispatcher and the index need from the properties of one record. One object serves all records. */
export class IndexedProperties {
  readonly tags = new Span()
  readonly keys = new Span()
  readonly uniqueKey = new Span()
  readonly delayLevel = new Span()
}

const TAGS_NAME = encodeText(PROPERTY.TAGS)
const KEYS_NAME = encodeText(PROPERTY.KEYS)
const UNIQUE_KEY_NAME = encodeText(PROPERTY.UNIQUE_KEY)
const DELAY_LEVEL_NAME = encodeText(PROPERTY.DELAY_LEVEL)
const FIRST_OF_TAGS = TAGS_NAME[0]
const FIRST_OF_KEYS = KEYS_NAME[0]
const FIRST_OF_UNIQUE_KEY = UNIQUE_KEY_NAME[0]
const FIRST_OF_DELAY_LEVEL = DELAY_LEVEL_NAME[0]

/** The same as four times `findProperty`, in one pass. */
export function findIndexedProperties(bytes: Uint8Array, from: number, until: number, into: IndexedProperties): void {
  const { tags, keys, uniqueKey, delayLevel } = into
  tags.from = tags.until = keys.from = keys.until = from
  uniqueKey.from = uniqueKey.until = delayLevel.from = delayLevel.until = from

  let piece = from
  while (piece < until) {
    const end = endOfPiece(bytes, piece, until)
    switch (bytes[piece]) {
      case FIRST_OF_TAGS:
        takeValue(bytes, piece, end, TAGS_NAME, tags)
        break
      case FIRST_OF_KEYS:
        takeValue(bytes, piece, end, KEYS_NAME, keys)
        break
      case FIRST_OF_UNIQUE_KEY:
        takeValue(bytes, piece, end, UNIQUE_KEY_NAME, uniqueKey)
        break
      case FIRST_OF_DELAY_LEVEL:
        takeValue(bytes, piece, end, DELAY_LEVEL_NAME, delayLevel)
        break
    }
    piece = end + 1
  }
}

/** The tag code of ordinary topics: the hash of `TAGS`, 0 without it. Sees only the properties it is given. */
export function tagsCodeOf(bytes: Uint8Array, from: number, until: number): number {
  return findProperty(bytes, from, until, TAGS_NAME, tagsSpan) ? tagsHashOf(bytes, tagsSpan) : 0
}
const tagsSpan = new Span()

/** The tag code for a value of `TAGS` already found; 0 for an empty span. */
export function tagsHashOf(bytes: Uint8Array, tags: Span): number {
  return javaHashOfBytes(bytes, tags.from, tags.until)
}

/** Keys stand in `KEYS` side by side, with single spaces between them. */
export const KEY_SEPARATOR = ' '

export function splitKeys(text: string): string[] {
  return text.split(KEY_SEPARATOR).filter(key => key !== '')
}

export function decodeProperties(bytes: Uint8Array, from: number, until: number): Record<string, string> {
  // Without prototype: `__proto__` and `constructor` are names like any other.
  const properties: Record<string, string> = Object.create(null)
  let piece = from
  while (piece < until) {
    const end = endOfPiece(bytes, piece, until)
    const nameEnd = bytes.indexOf(NAME_END, piece)
    if (nameEnd > piece && nameEnd < end - 1) {
      properties[readText(bytes, piece, nameEnd)] = readText(bytes, nameEnd + 1, end)
    }
    piece = end + 1
  }
  return properties
}

/**
 * @throws VarveError MESSAGE_PROPERTY_INVALID if a name or value is empty or has a separator: it would not come back;
 *   MESSAGE_PROPERTIES_TOO_LARGE
 */
export function encodeProperties(properties: Iterable<readonly [name: string, value: string]>): Uint8Array {
  let text = ''
  for (const [name, value] of properties) {
    checkPropertyText(name, name)
    checkPropertyText(name, value)
    text += `${name}\x01${value}\x02`
  }
  const bytes = encodeText(text)
  checkPropertiesSize(bytes.length)
  return bytes
}

/** @throws VarveError MESSAGE_PROPERTY_INVALID if `text`, the name or the value of property `name`, cannot be stored */
export function checkPropertyText(name: string, text: string): void {
  let bad = text === ''
  for (let unit = 0; unit < text.length; unit++) {
    const code = text.charCodeAt(unit)
    if (code === NAME_END || code === PROPERTY_END) bad = true
  }
  if (bad) throw new VarveError('MESSAGE_PROPERTY_INVALID', { property: name })
}

/** @throws VarveError MESSAGE_PROPERTIES_TOO_LARGE */
export function checkPropertiesSize(propertiesBytes: number): void {
  if (propertiesBytes > PROPERTIES_BYTES_MAX) {
    throw new VarveError('MESSAGE_PROPERTIES_TOO_LARGE', { propertiesBytes, propertiesBytesMax: PROPERTIES_BYTES_MAX })
  }
}

/** Four bytes at a time: searching for these ends is most of what a record costs whoever follows the log. */
function endOfPiece(bytes: Uint8Array, piece: number, until: number): number {
  let end = piece
  for (const last = until - 4; end <= last; end += 4) {
    if (bytes[end] === PROPERTY_END) return end
    if (bytes[end + 1] === PROPERTY_END) return end + 1
    if (bytes[end + 2] === PROPERTY_END) return end + 2
    if (bytes[end + 3] === PROPERTY_END) return end + 3
  }
  while (end < until && bytes[end] !== PROPERTY_END) end++
  return end
}

function startsWith(bytes: Uint8Array, at: number, prefix: Uint8Array): boolean {
  for (let index = 0; index < prefix.length; index++) {
    if (bytes[at + index] !== prefix[index]) return false
  }
  return true
}

function takeValue(bytes: Uint8Array, piece: number, end: number, name: Uint8Array, into: Span): void {
  const value = piece + name.length + 1
  if (value >= end || bytes[value - 1] !== NAME_END || !startsWith(bytes, piece, name)) return
  into.from = value
  into.until = end
}
