/**
 * Half message: what the broker goes by in the record of one, read in one pass over its properties. One object serves all
 * records; what it says is valid until the next, and as long as the record is.
 */
import { encodeText, NAME_END, PROPERTY_END, readText, Span } from '../../layout/index.ts'
import type { HostAddress } from '../../model/index.ts'
import { DueMessage } from '../delay/due-message.ts'
import { HALF_TOPIC } from '../system-topics.ts'

export const CHECK_TIMES_PROPERTY = 'TRANSACTION_CHECK_TIMES'
export const FIRST_OFFSET_PROPERTY = 'TRAN_PREPARED_QUEUE_OFFSET'

/** What is read, in the order of the spans that say where it stands. */
const NAMES = ['PGROUP', 'UNIQ_KEY', 'CHECK_IMMUNITY_TIME_IN_SECONDS', CHECK_TIMES_PROPERTY, FIRST_OFFSET_PROPERTY].map(
  encodeText
)
const HALF_TOPIC_NAME = encodeText(HALF_TOPIC)
const GROUP = 0
const UNIQUE_KEY = 1
const IMMUNITY = 2
const CHECK_TIMES = 3
const FIRST_OFFSET = 4
const DELAYS = ['DELAY', 'TIMER_DELAY_SEC', 'TIMER_DELAY_MS', 'TIMER_DELIVER_MS'].map(encodeText)
const MS_PER_SECOND = 1000

export class HalfMessage {
  /** As it is stored once it is committed, but for the bits and the position that say so. */
  readonly due: DueMessage
  /** Whether it says when it wants to be delivered. */
  isDelayed = false
  readonly #spans: readonly Span[] = NAMES.map(() => new Span())
  #properties: Uint8Array = new Uint8Array(0)
  readonly #group = new LastText()

  constructor(storeHost: HostAddress) {
    this.due = new DueMessage(storeHost)
  }

  /** False if it is no whole record, or does not say for which topic it is. */
  take(record: Uint8Array): boolean {
    if (!this.due.take(record)) return false
    const { properties } = this.due.message
    this.#properties = properties
    this.isDelayed = false
    for (const span of this.#spans) span.from = span.until = 0
    for (let from = 0; from < properties.length; ) {
      const end = properties.indexOf(PROPERTY_END, from)
      const until = end < 0 ? properties.length : end
      this.#note(from, properties.indexOf(NAME_END, from), until)
      from = until + 1
    }
    return true
  }

  /** Whether the record that was taken last stands among half messages. */
  isAmongHalves(record: Uint8Array): boolean {
    const { topicAt, topicBytes } = this.due.positions
    const from = topicAt - record.byteOffset
    return isNamed(record, from, from + topicBytes, HALF_TOPIC_NAME)
  }

  get queueOffset(): number {
    return this.due.positions.queueOffset
  }

  get physicalOffset(): number {
    return this.due.positions.physicalOffset
  }

  get storedAtMs(): number {
    return this.due.positions.storedAtMs
  }

  get producerGroup(): string {
    return this.#group.read(this.#properties, this.#span(GROUP))
  }

  get uniqueKey(): string {
    return this.#text(this.#span(UNIQUE_KEY))
  }

  /** How often the producer has been asked. */
  get checkTimes(): number {
    return this.#number(this.#span(CHECK_TIMES)) ?? 0
  }

  /** Of a copy: where the message first stood in the half queue. */
  get firstOffset(): number | undefined {
    return this.#number(this.#span(FIRST_OFFSET))
  }

  /** Apache RocketMQ stores one it asks about again, too, but says in most of its copies only how often it has asked. */
  get isNamelessCopy(): boolean {
    return this.checkTimes > 0 && this.firstOffset === undefined
  }

  /** So long after its birth it is not asked about, `otherwise` at least; undefined if it leaves that to the broker. */
  immunityMs(otherwise: number): number | undefined {
    const span = this.#span(IMMUNITY)
    if (span.empty) return undefined
    return Math.max(otherwise, (this.#number(span) ?? 0) * MS_PER_SECOND)
  }

  #note(from: number, nameEnd: number, until: number): void {
    if (nameEnd <= from || nameEnd >= until - 1) return
    const bytes = this.#properties
    for (let i = 0; i < NAMES.length; i++) {
      if (!isNamed(bytes, from, nameEnd, NAMES[i] as Uint8Array)) continue // Below length.
      const span = this.#span(i)
      span.from = nameEnd + 1
      span.until = until
      return
    }
    for (const name of DELAYS) if (isNamed(bytes, from, nameEnd, name)) this.isDelayed = true
  }

  #span(index: number): Span {
    return this.#spans[index] as Span // One for each name.
  }

  #text({ from, until }: Span): string {
    return readText(this.#properties, from, until)
  }

  /** Undefined unless it is a whole number that is not negative. */
  #number(span: Span): number | undefined {
    const text = this.#text(span)
    return /^\d{1,15}$/.test(text) ? Number(text) : undefined
  }
}

function isNamed(bytes: Uint8Array, from: number, nameEnd: number, name: Uint8Array): boolean {
  if (nameEnd - from !== name.length) return false
  for (let i = 0; i < name.length; i++) if (bytes[from + i] !== name[i]) return false
  return true
}

/** Neighbours mostly say the same: comparing bytes is cheaper than making a text again. */
class LastText {
  #bytes: Uint8Array = new Uint8Array(0)
  #text = ''

  read(bytes: Uint8Array, { from, until }: Span): string {
    if (!isNamed(bytes, from, until, this.#bytes)) {
      this.#bytes = bytes.slice(from, until)
      this.#text = readText(bytes, from, until)
    }
    return this.#text
  }
}
