/**
 * Properties of a message on their way into the store: one pass over their bytes drops what a client may not say and what
 * no reader would see, notes what the broker goes by, and adds the broker's own. No string is made.
 *
 * Invariants:
 * - what is stored reads as the client sent it, except POP_CK and the checksum of a record, which are dropped, and
 *   MSG_REGION, TRACE_ON and CLUSTER, which are the broker's
 * - every stored piece has a name, a value and its closing byte
 *
 * Not here: what follows from what was noted (sending.ts, send-transform.ts).
 */
import { VarveError } from '../base/index.ts'
import {
  encodeProperties,
  encodeText,
  NAME_END,
  PROPERTIES_BYTES_MAX,
  PROPERTY_END,
  RECORD_CHECKSUM_PROPERTY,
  readDelayLevel,
  Span,
  writeText
} from '../layout/index.ts'
import { TIMER_PROPERTIES } from './delay/timer-properties.ts'

const name = (text: string): Uint8Array => encodeText(text)
const KEYS = name('KEYS')
const WAIT = name('WAIT')
const DELAY = name('DELAY')
const POP_CHECK = name('POP_CK')
const CLUSTER = name('CLUSTER')
const UNIQUE_KEY = name('UNIQ_KEY')
const TRANSACTION = name('TRAN_MSG')
const TRACE_ON = name('TRACE_ON')
const RECORD_CHECKSUM = name(RECORD_CHECKSUM_PROPERTY)
const INNER_COUNT = name('INNER_NUM')
const REGION = name('MSG_REGION')

const SPACE = 0x20
/** What is longer before it is cleaned is refused unread; POP_CK and the like are short. */
const INPUT_BYTES_MAX = 2 * PROPERTIES_BYTES_MAX
/** Room for the broker's own properties, whatever region and cluster are called; and once more for a UNIQ_KEY. */
const OWN_BYTES_MAX = 4096
/** Views of so many first bytes of the result are kept, one for each length: making one costs as much as the pass. */
const VIEW_BYTES_MAX = 2048

export interface OwnProperties {
  readonly region: string
  readonly isTraced: boolean
  readonly cluster: string
}

/** One object serves all messages: the result of a pass is valid until the next. */
export class PropertyPass {
  readonly bytes = new Uint8Array(INPUT_BYTES_MAX + 2 * OWN_BYTES_MAX)
  length = 0
  /** The client's UNIQ_KEY, or the one that was added; a part of `bytes`. */
  readonly uniqueKey = new Span()
  /** Whether the client waits until the message is safe: unless it says that it does not. */
  waits = true
  hasKeys = false
  delayLevel = 0
  isTransaction = false
  isTimed = false
  isInnerBatch = false
  readonly #value = new Span()
  readonly #views: Uint8Array[] = []
  #own: OwnProperties | undefined
  #ownBytes: Uint8Array = new Uint8Array(0)

  /** Whether it is to be delivered later than at once. */
  get isDelayed(): boolean {
    return this.delayLevel > 0 || this.isTimed
  }

  /**
   * Cleans `properties` and notes what they say.
   * @throws VarveError MESSAGE_PROPERTIES_TOO_LARGE if they are far beyond what a record can hold
   */
  read(properties: Uint8Array): void {
    if (properties.length > INPUT_BYTES_MAX) throw tooLarge(properties.length)
    this.uniqueKey.from = this.uniqueKey.until = 0
    this.waits = true
    this.hasKeys = this.isTransaction = this.isTimed = this.isInnerBatch = false
    this.delayLevel = 0

    const { bytes } = this
    const until = properties.length
    let end = 0
    for (let at = 0; at < until; at++) {
      const from = end
      let nameEnd = -1
      for (; at < until; at++) {
        const byte = properties[at] as number // Below the length.
        if (byte === PROPERTY_END) break
        if (byte === NAME_END && nameEnd < 0) nameEnd = end
        bytes[end++] = byte
      }
      const isWhole = nameEnd > from && nameEnd < end - 1
      if (isWhole && this.#take(from, nameEnd, end)) bytes[end++] = PROPERTY_END
      else end = from
    }
    this.length = end
  }

  /** Adds what the broker says of every message. */
  addOwn(own: OwnProperties): void {
    const last = this.#own
    if (last === undefined || !isSame(last, own)) {
      this.#own = { ...own }
      this.#ownBytes = encodeOwn(own)
    }
    this.bytes.set(this.#ownBytes, this.length)
    this.length += this.#ownBytes.length
  }

  /** Adds a UNIQ_KEY: `write` puts its value at a place and returns where it ends. */
  addUniqueKey(write: { write(into: Uint8Array, at: number): number }): void {
    const { bytes, uniqueKey } = this
    bytes.set(UNIQUE_KEY, this.length)
    let end = this.length + UNIQUE_KEY.length
    bytes[end++] = NAME_END
    uniqueKey.from = end
    uniqueKey.until = write.write(bytes, end)
    bytes[uniqueKey.until] = PROPERTY_END
    this.length = uniqueKey.until + 1
  }

  /** Adds a property, behind all others: a reader takes it for the only one of the name. Neither part may be empty. */
  add(name: Uint8Array, value: string): void {
    if (this.length + name.length + 3 * value.length + 2 > this.bytes.length) throw tooLarge(this.length + value.length)
    this.bytes.set(name, this.length)
    const valueAt = this.length + name.length + 1
    this.bytes[valueAt - 1] = NAME_END
    const end = writeText(this.bytes, valueAt, value)
    this.bytes[end] = PROPERTY_END
    this.length = end + 1
  }

  /** Takes out every property of these names. */
  drop(names: readonly Uint8Array[]): void {
    const { bytes, length, uniqueKey } = this
    let end = 0
    for (let from = 0; from < length; ) {
      const until = bytes.indexOf(PROPERTY_END, from) + 1 // Every piece has its closing byte.
      const isDropped = names.some(name => bytes[from + name.length] === NAME_END && this.#isNamed(from, name))
      if (!isDropped) {
        bytes.copyWithin(end, from, until)
        if (uniqueKey.from > from && uniqueKey.from < until) {
          uniqueKey.from -= from - end
          uniqueKey.until -= from - end
        }
        end += until - from
      }
      from = until
    }
    this.length = end
  }

  /** The result, as a view of `bytes`. @throws VarveError MESSAGE_PROPERTIES_TOO_LARGE */
  view(): Uint8Array {
    const { length } = this
    if (length > PROPERTIES_BYTES_MAX) throw tooLarge(length)
    if (length >= VIEW_BYTES_MAX) return this.bytes.subarray(0, length)
    const views = this.#views
    while (views.length <= length) views.push(this.bytes.subarray(0, views.length))
    return views[length] as Uint8Array // Just made, if it was not there.
  }

  /** A copy of the result without any UNIQ_KEY. */
  withoutUniqueKey(): Uint8Array {
    const { bytes, length } = this
    const kept = new Uint8Array(length)
    let end = 0
    for (let from = 0; from < length; ) {
      const until = bytes.indexOf(PROPERTY_END, from) + 1 // Every piece has its closing byte.
      const isKey = bytes[from + UNIQUE_KEY.length] === NAME_END && this.#isNamed(from, UNIQUE_KEY)
      if (!isKey) {
        kept.set(bytes.subarray(from, until), end)
        end += until - from
      }
      from = until
    }
    return kept.subarray(0, end)
  }

  /** Notes what the piece says; false if it is not to be stored. */
  #take(from: number, nameEnd: number, until: number): boolean {
    const value = this.#value
    value.from = nameEnd + 1
    value.until = until
    switch (nameEnd - from) {
      case KEYS.length: // WAIT is as long.
        if (this.#isNamed(from, WAIT)) this.waits = this.#isTrue(value)
        else if (this.#isNamed(from, KEYS)) this.hasKeys = this.#isNotBlank(value)
        return true
      case DELAY.length:
        if (this.#isNamed(from, DELAY)) this.delayLevel = readDelayLevel(this.bytes, value)
        return true
      case POP_CHECK.length:
        return !this.#isNamed(from, POP_CHECK)
      case CLUSTER.length:
        return !this.#isNamed(from, CLUSTER)
      case UNIQUE_KEY.length: // TRAN_MSG, TRACE_ON and the checksum are as long.
        return this.#takeOfEight(from, value)
      case INNER_COUNT.length:
        if (this.#isNamed(from, INNER_COUNT)) this.isInnerBatch = true
        return true
      case REGION.length:
        return !this.#isNamed(from, REGION)
      default:
        for (const timer of TIMER_PROPERTIES)
          if (timer.length === nameEnd - from && this.#isNamed(from, timer)) this.isTimed = true
        return true
    }
  }

  #takeOfEight(from: number, value: Span): boolean {
    if (this.#isNamed(from, UNIQUE_KEY)) {
      this.uniqueKey.from = value.from
      this.uniqueKey.until = value.until
      return true
    }
    if (this.#isNamed(from, TRANSACTION)) {
      this.isTransaction = this.#isTrue(value)
      return true
    }
    return !this.#isNamed(from, TRACE_ON) && !this.#isNamed(from, RECORD_CHECKSUM)
  }

  /** Lengths are equal. */
  #isNamed(from: number, wanted: Uint8Array): boolean {
    for (let i = 0; i < wanted.length; i++) if (this.bytes[from + i] !== wanted[i]) return false
    return true
  }

  /** As Java reads it: `true` in any case, and nothing else. */
  #isTrue({ from, until }: Span): boolean {
    if (until - from !== TRUE.length) return false
    for (let i = 0; i < TRUE.length; i++) if (((this.bytes[from + i] as number) | CASE_BIT) !== TRUE[i]) return false
    return true
  }

  #isNotBlank({ from, until }: Span): boolean {
    for (let at = from; at < until; at++) if ((this.bytes[at] as number) > SPACE) return true
    return false
  }
}

const TRUE = encodeText('true')
/** Set in lower-case letters of ASCII. */
const CASE_BIT = 0x20

const isSame = (a: OwnProperties, b: OwnProperties): boolean =>
  a.region === b.region && a.cluster === b.cluster && a.isTraced === b.isTraced

function encodeOwn({ region, isTraced, cluster }: OwnProperties): Uint8Array {
  const bytes = encodeProperties([
    ['MSG_REGION', region],
    ['TRACE_ON', String(isTraced)],
    ['CLUSTER', cluster]
  ])
  if (bytes.length > OWN_BYTES_MAX) throw tooLarge(bytes.length)
  return bytes
}

const tooLarge = (bytes: number): VarveError =>
  new VarveError('MESSAGE_PROPERTIES_TOO_LARGE', { propertiesBytes: bytes, propertiesBytesMax: PROPERTIES_BYTES_MAX })
