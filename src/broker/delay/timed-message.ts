/**
 * Timed message: from a record of the timer topic to the message that is stored under its own topic, or in the timer topic
 * once more.
 *
 * Added to its properties, as Apache RocketMQ adds them, is when it was taken into the wheel and out of it, and how often it
 * went round; what stood there of the same from a round before is dropped, so that a long wait makes no long record. What goes
 * round also says where it first stood, which only its order among equal times needs.
 */
import {
  NAME_END,
  PROPERTIES_BYTES_MAX,
  PROPERTY_END,
  PropertyFinder,
  TIMER_TOPIC,
  writeText
} from '../../layout/index.ts'
import type { HostAddress } from '../../model/index.ts'
import type { OutgoingMessage } from '../send-transform.ts'
import { DueMessage } from './due-message.ts'
import { TARGET_NAMES } from './real-target.ts'
import { DEQUEUE_MS, ENQUEUE_MS, FIRST_OFFSET, integerIn, ROLL_TIMES } from './timer-properties.ts'
import { STEP_MS } from './timer-wheel.ts'

const OWN = [ENQUEUE_MS, DEQUEUE_MS, ROLL_TIMES, FIRST_OFFSET]
/** Names, digits and separators of the four. */
const OWN_BYTES_MAX = 192

export class TimedMessage {
  readonly #due: DueMessage
  readonly #finder = new PropertyFinder({ ...TARGET_NAMES, rolls: ROLL_TIMES })
  readonly #properties = new Uint8Array(PROPERTIES_BYTES_MAX + OWN_BYTES_MAX)

  constructor(storeHost: HostAddress) {
    this.#due = new DueMessage(storeHost, this.#finder)
  }

  /** To its own topic. Undefined if the record does not say which. */
  deliver(record: Uint8Array, nowMs: number): OutgoingMessage | undefined {
    if (!this.#due.take(record)) return undefined
    this.#rewrite(nowMs, undefined)
    return this.#due.message
  }

  /** To the timer topic once more; `rank` says where it first stood. */
  goRound(record: Uint8Array, nowMs: number, rank: number): OutgoingMessage | undefined {
    if (!this.#due.take(record)) return undefined
    const { message } = this.#due
    message.topic = TIMER_TOPIC
    message.queueId = 0
    this.#rewrite(nowMs, rank)
    return message
  }

  /** With a rank it goes round. */
  #rewrite(nowMs: number, rank: number | undefined): void {
    const { message, positions } = this.#due
    const from = message.properties
    const bytes = this.#properties
    const { rolls: value } = this.#finder.spans
    const rolls = value.empty ? Number.NaN : integerIn(this.#due.bytes, value)
    const hasBeenRound = !Number.isNaN(rolls)
    let end = hasBeenRound ? copyWithout(from, OWN, bytes) : copyAll(from, bytes)
    end = add(bytes, end, ENQUEUE_MS, Math.floor(positions.storedAtMs / STEP_MS) * STEP_MS)
    end = add(bytes, end, DEQUEUE_MS, nowMs)
    const goesRound = rank !== undefined
    if (goesRound || hasBeenRound) end = add(bytes, end, ROLL_TIMES, (hasBeenRound ? rolls : 0) + (goesRound ? 1 : 0))
    if (goesRound) end = add(bytes, end, FIRST_OFFSET, rank)
    // They serve only who looks into a delay: where there is no room they are left out.
    if (end <= PROPERTIES_BYTES_MAX) message.properties = bytes.subarray(0, end)
  }
}

function copyAll(from: Uint8Array, into: Uint8Array): number {
  into.set(from)
  let end = from.length
  if (end > 0 && into[end - 1] !== PROPERTY_END) into[end++] = PROPERTY_END
  return end
}

function copyWithout(from: Uint8Array, names: readonly Uint8Array[], into: Uint8Array): number {
  let end = 0
  for (let at = 0; at < from.length; ) {
    const close = from.indexOf(PROPERTY_END, at)
    const until = close < 0 ? from.length : close
    if (!names.some(name => isNamed(from, at, until, name))) {
      into.set(from.subarray(at, until), end)
      end += until - at
      into[end++] = PROPERTY_END
    }
    at = until + 1
  }
  return end
}

function isNamed(bytes: Uint8Array, at: number, until: number, name: Uint8Array): boolean {
  if (at + name.length >= until || bytes[at + name.length] !== NAME_END) return false
  for (let i = 0; i < name.length; i++) if (bytes[at + i] !== name[i]) return false
  return true
}

function add(bytes: Uint8Array, at: number, name: Uint8Array, value: number): number {
  bytes.set(name, at)
  let end = at + name.length
  bytes[end++] = NAME_END
  end = writeText(bytes, end, String(value))
  bytes[end++] = PROPERTY_END
  return end
}
