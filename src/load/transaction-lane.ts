/**
 * One connection that sends messages in transactions and keeps a window of them in flight: a half message, and as soon as
 * it is acknowledged the commit for it, of which the broker says that it is done. What is counted is the pair.
 *
 * Clients of RocketMQ throw their commits and hear nothing. Here each is answered: a broker that took commits faster than
 * it could carry them out would otherwise look quicker than it is.
 */
import { systemClock } from '../base/index.ts'
import type { AnswerSink, Connection } from './connection.ts'
import { EndRequests } from './end-requests.ts'
import { loadFailure } from './failure.ts'
import type { Meter } from './meter.ts'
import { ReadyRequests, type SendShape } from './ready-requests.ts'
import { HALF_PROPERTIES, HALF_SYS_FLAG, OPAQUE_FIRST } from './request-frame.ts'
import { type Answer, fieldName } from './response-scan.ts'

const QUEUE_OFFSET = fieldName('queueOffset')
const MESSAGE_ID = fieldName('msgId')
/** An id is an IPv4 host in 16 digits, then the position in the log. */
const POSITION_AT = 16
const POSITION_DIGITS = 16
/** SYSTEM_BUSY: nothing was done. */
const BUSY = 2
const NOT_IN_FLIGHT = -1
/** Wall time of the moment from which the monotonic time counts. */
const ORIGIN_MS = systemClock.nowMs() - systemClock.monotonicMs()

export class TransactionLane implements AnswerSink {
  readonly #connection: Connection
  readonly #meter: Meter
  readonly #window: number
  readonly #halves: ReadyRequests
  readonly #ends: EndRequests
  /** When the half message in each place was sent. */
  readonly #sentMs: Float64Array
  /** For each place of a commit: the place of its half message. */
  readonly #halfOf: Uint32Array
  /** Where the half message in each place was stored. */
  readonly #offsets: Float64Array
  readonly #positions: Float64Array
  #begun = 0
  #ended = 0
  #written = { halves: 0, ends: 0 }
  #inFlight = 0
  #receivedMs = 0
  #idle: (() => void) | undefined
  committed = 0
  refused = 0

  constructor(connection: Connection, meter: Meter, { shape, lane }: { shape: SendShape; lane: number }) {
    this.#connection = connection
    this.#meter = meter
    this.#window = shape.window
    this.#halves = new ReadyRequests({ ...shape, sysFlag: HALF_SYS_FLAG, properties: HALF_PROPERTIES }, lane)
    this.#ends = new EndRequests(this.#halves.count)
    this.#sentMs = new Float64Array(this.#halves.count).fill(NOT_IN_FLIGHT)
    this.#halfOf = new Uint32Array(this.#halves.count)
    this.#offsets = new Float64Array(this.#halves.count)
    this.#positions = new Float64Array(this.#halves.count)
  }

  start(): void {
    this.#receivedMs = systemClock.monotonicMs()
    this.received()
  }

  answered(answer: Answer, bytes: Buffer): void {
    const isRefused = answer.code === BUSY
    if (answer.code !== 0 && !isRefused) throw loadFailure(`refused: ${answer.header(bytes)}`)
    if (this.#receivedMs === 0) {
      this.#receivedMs = systemClock.monotonicMs()
      this.#meter.tick(this.#receivedMs)
    }
    if (isRefused) this.refused++
    const ended = EndRequests.numberOf(answer.opaque)
    if (ended >= 0) {
      const place = this.#halfOf[ended % this.#halves.count]! // Inside by the remainder.
      if (isRefused) this.#end(place)
      else this.#finish(place, answer, bytes)
      return
    }
    const place = (answer.opaque - OPAQUE_FIRST) % this.#halves.count
    this.#sentAt(place, answer, bytes)
    if (isRefused) {
      this.#free(place)
      this.#meter.begun-- // Another takes its place, so that every broker does the whole work.
      return
    }
    this.#offsets[place] = answer.field(bytes, QUEUE_OFFSET)
    this.#positions[place] = positionIn(answer, bytes)
    this.#end(place)
  }

  received(): void {
    if (this.#receivedMs === 0) return // Half an answer.
    this.#connection.cork()
    this.#written.ends = this.#write(this.#ends, this.#written.ends, this.#ended)
    while (this.#inFlight < this.#window && this.#meter.mayBegin(1) && this.#begin()) this.#meter.begun++
    this.#written.halves = this.#write(this.#halves, this.#written.halves, this.#begun)
    this.#connection.uncork()
    this.#receivedMs = 0
    if (this.#inFlight === 0) this.#idle?.()
  }

  /** Resolves once everything that was begun is committed. */
  async idle(): Promise<void> {
    if (this.#inFlight === 0) return
    await new Promise<void>(resolve => {
      this.#idle = resolve
    })
  }

  /** False where the place of the next one is still taken by a straggler. */
  #begin(): boolean {
    const place = this.#begun % this.#halves.count
    if (this.#sentMs[place] !== NOT_IN_FLIGHT) return false
    this.#sentMs[place] = this.#receivedMs
    this.#halves.prepare(this.#begun++, Math.floor(ORIGIN_MS + this.#receivedMs))
    this.#inFlight++
    return true
  }

  #finish(place: number, answer: Answer, bytes: Buffer): void {
    const sentMs = this.#sentAt(place, answer, bytes)
    this.#free(place)
    this.committed++
    this.#meter.count++
    this.#meter.record(this.#receivedMs - sentMs)
  }

  #free(place: number): void {
    this.#sentMs[place] = NOT_IN_FLIGHT
    this.#inFlight--
  }

  /** The commit for the half message in that place is to go out. */
  #end(place: number): void {
    this.#halfOf[this.#ended % this.#halves.count] = place
    this.#ends.prepare(this.#ended++, this.#offsets[place]!, this.#positions[place]!) // Set with its acknowledgement.
  }

  #sentAt(place: number, answer: Answer, bytes: Buffer): number {
    const sentMs = this.#sentMs[place] ?? NOT_IN_FLIGHT
    if (sentMs === NOT_IN_FLIGHT) throw loadFailure(`an answer to no request: ${answer.header(bytes)}`)
    return sentMs
  }

  /** One piece of memory, or two where the places begin anew. */
  #write(ready: Pick<ReadyRequests, 'count' | 'bytesOf'>, from: number, until: number): number {
    while (from < until) {
      const placesEnd = (Math.floor(from / ready.count) + 1) * ready.count
      const to = Math.min(until, placesEnd)
      this.#connection.write(ready.bytesOf(from, to))
      from = to
    }
    return until
  }
}

/** The position of the record in the log, in hexadecimal at the end of the id. */
function positionIn(answer: Answer, bytes: Buffer): number {
  const at = bytes.indexOf(MESSAGE_ID, answer.headerAt)
  if (at === -1 || at >= answer.bodyAt) throw loadFailure(`an answer without an id: ${answer.header(bytes)}`)
  const from = at + MESSAGE_ID.length + POSITION_AT
  return Number.parseInt(bytes.toString('latin1', from, from + POSITION_DIGITS), 16)
}
