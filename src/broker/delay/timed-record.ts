/**
 * Timed record: what a record of the timer topic says about when, where and whether it is delivered.
 *
 * One object serves all records. What is read is read from the properties; nothing is copied.
 */
import {
  encodeText,
  locate,
  PROPERTY,
  PropertyFinder,
  RECORD_WHOLE,
  RecordPositions,
  readText,
  TIMER_TOPIC
} from '../../layout/index.ts'
import { REAL_QUEUE, REAL_TOPIC, RealTarget } from './real-target.ts'
import { DELETE_KEY, FIRST_OFFSET, integerIn, OUT_MS, ROLL_TIMES, WANTED, wantedDueMsOf } from './timer-properties.ts'
import { STEP_MS } from './timer-wheel.ts'

const NAMES = {
  ...WANTED,
  out: OUT_MS,
  realTopic: REAL_TOPIC,
  realQueue: REAL_QUEUE,
  deletes: DELETE_KEY,
  rolls: ROLL_TIMES,
  first: FIRST_OFFSET,
  uniqueKey: encodeText(PROPERTY.UNIQUE_KEY)
}
const TOPIC = encodeText(TIMER_TOPIC)
const KEY_SEPARATOR = '+'
const NO_BYTES: Uint8Array = new Uint8Array(0)

export class TimedRecord {
  readonly target = new RealTarget()
  readonly positions = new RecordPositions()
  /** Start of the second that it is delivered in. */
  outMs = 0
  /** When it is due: within that second, or at its end. */
  dueMs = 0
  /** Among equal times that of the lower rank comes first: where in the log the message stood before it went round. */
  rank = 0
  /** It takes another message back. */
  isDelete = false
  /** It was stored anew at least once. */
  hasBeenRound = false
  bytes: Uint8Array = NO_BYTES
  readonly #finder = new PropertyFinder(NAMES)
  #buffer: ArrayBufferLike = NO_BYTES.buffer
  #view = new DataView(NO_BYTES.buffer as ArrayBufferLike)

  /** False if it is no whole record of the timer topic. */
  read(record: Uint8Array): boolean {
    if (record.buffer !== this.#buffer) {
      this.#buffer = record.buffer
      this.bytes = new Uint8Array(record.buffer)
      this.#view = new DataView(record.buffer)
    }
    const { bytes, positions } = this
    const at = record.byteOffset
    if (locate(this.#view, at, at + record.length, positions) !== RECORD_WHOLE) return false
    if (!this.#isOfTimerTopic()) return false
    this.#finder.find(bytes, positions.propertiesAt, positions.propertiesAt + positions.propertiesBytes)
    const { out, realTopic, realQueue, deletes, rolls, first } = this.#finder.spans
    this.outMs = integerIn(bytes, out)
    if (Number.isNaN(this.outMs) || this.outMs % STEP_MS !== 0) return false
    if (!this.target.take(bytes, realTopic, realQueue)) return false
    this.isDelete = !deletes.empty
    this.hasBeenRound = !rolls.empty
    this.dueMs = this.#dueMs()
    const firstOffset = this.hasBeenRound ? integerIn(bytes, first) : Number.NaN
    this.rank = Number.isNaN(firstOffset) ? positions.physicalOffset : firstOffset
    return true
  }

  /** For how long it was to wait when it was stored. */
  get waitMs(): number {
    return Math.max(0, this.dueMs - this.positions.storedAtMs)
  }

  /** By which a delete message names the one that it takes back. */
  get deletes(): string {
    const { from, until } = this.#finder.spans.deletes
    return readText(this.bytes, from, until)
  }

  /** By which it would be named itself. */
  get key(): string {
    const { from, until } = this.#finder.spans.uniqueKey
    return deleteKeyOf(this.target.topic, readText(this.bytes, from, until))
  }

  /** A wait counts from when the message was stored, which is not known any more of one that has gone round. */
  #dueMs(): number {
    const latestMs = this.outMs + STEP_MS
    const { spans } = this.#finder
    if (this.hasBeenRound && !(spans.delaySeconds.empty && spans.delayMs.empty)) return latestMs
    const wantedMs = wantedDueMsOf(this.bytes, spans, this.positions.storedAtMs)
    if (wantedMs === undefined || !(wantedMs > this.outMs)) return latestMs
    return Math.min(wantedMs, latestMs)
  }

  #isOfTimerTopic(): boolean {
    const { topicAt, topicBytes } = this.positions
    if (topicBytes !== TOPIC.length) return false
    for (let i = 0; i < topicBytes; i++) if (this.bytes[topicAt + i] !== TOPIC[i]) return false
    return true
  }
}

export const deleteKeyOf = (topic: string, uniqueKey: string): string => topic + KEY_SEPARATOR + uniqueKey
