/**
 * Where a message goes that waits in a topic of the broker's: `REAL_TOPIC` and `REAL_QID` among its properties.
 */
import { encodeText, PROPERTY, PropertyFinder, readText, type Span } from '../../layout/index.ts'
import type { PropertyPass } from '../properties.ts'
import type { OutgoingMessage } from '../send-transform.ts'

export const REAL_TOPIC = encodeText(PROPERTY.REAL_TOPIC)
export const REAL_QUEUE = encodeText(PROPERTY.REAL_QUEUE)
export const TARGET_NAMES = { topic: REAL_TOPIC, queue: REAL_QUEUE }
const ZERO = 0x30
const DIGITS_MAX = 9

/** Sends the message to a queue of the broker's instead, and notes in its properties where it was to go. */
export function divert(message: OutgoingMessage, properties: PropertyPass, topic: string, queueId: number): void {
  properties.add(REAL_TOPIC, message.topic)
  properties.add(REAL_QUEUE, String(message.queueId))
  message.topic = topic
  message.queueId = queueId
  message.properties = properties.view()
}

/** Reads targets of records. One object serves all of them; of neighbours with one target the name is read once. */
export class RealTarget {
  topic = ''
  queueId = 0
  readonly #finder: PropertyFinder<keyof typeof TARGET_NAMES>
  #topicBytes = new Uint8Array(0)

  /** A finder may look for more in the same pass. */
  constructor(finder: PropertyFinder<keyof typeof TARGET_NAMES> = new PropertyFinder(TARGET_NAMES)) {
    this.#finder = finder
  }

  /** False if the properties `[from, until)` do not say where the message goes. */
  read(bytes: Uint8Array, from: number, until: number): boolean {
    this.#finder.find(bytes, from, until)
    return this.take(bytes, this.#finder.spans.topic, this.#finder.spans.queue)
  }

  /** The same, from the values of `REAL_TOPIC` and `REAL_QID`. */
  take(bytes: Uint8Array, topic: Span, queue: Span): boolean {
    if (topic.empty || queue.empty) return false
    const queueId = digitsOf(bytes, queue)
    if (queueId === undefined) return false
    if (!this.#isLastTopic(bytes, topic)) {
      this.topic = readText(bytes, topic.from, topic.until)
      this.#topicBytes = bytes.slice(topic.from, topic.until)
    }
    this.queueId = queueId
    return true
  }

  #isLastTopic(bytes: Uint8Array, { from, until }: Span): boolean {
    const last = this.#topicBytes
    if (until - from !== last.length) return false
    for (let i = 0; i < last.length; i++) if (bytes[from + i] !== last[i]) return false
    return true
  }
}

function digitsOf(bytes: Uint8Array, { from, until }: Span): number | undefined {
  if (until - from > DIGITS_MAX) return undefined
  let value = 0
  for (let at = from; at < until; at++) {
    const digit = (bytes[at] as number) - ZERO // In range by the loop.
    if (digit < 0 || digit > 9) return undefined
    value = value * 10 + digit
  }
  return value
}
