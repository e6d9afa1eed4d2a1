/**
 * One connection that sends: it keeps a window of requests in flight (closed loop), or sends each when it is due whatever
 * the broker does (open loop), with a latency that counts from when it was due.
 *
 * Invariants: an answer belongs to a request that is in flight; what the meter counts as begun was acknowledged or is in
 * flight, for a message that was refused is begun again as another.
 */
import { systemClock } from '../base/index.ts'
import type { AnswerSink, Connection } from './connection.ts'
import { loadFailure } from './failure.ts'
import type { Meter } from './meter.ts'
import { ReadyRequests, type SendShape } from './ready-requests.ts'
import { OPAQUE_FIRST } from './request-frame.ts'
import type { Answer } from './response-scan.ts'

/** SYSTEM_BUSY: the message was not stored. */
const BUSY = 2
const NOT_IN_FLIGHT = -1
/** Wall time of the moment from which the monotonic time counts. */
const ORIGIN_MS = systemClock.nowMs() - systemClock.monotonicMs()

export interface SendLaneOptions {
  readonly shape: SendShape
  /** Which of the connections this is. */
  readonly lane: number
  /** The number of the next message, to be written into its body. */
  readonly numberOf?: (nowMs: number) => number
  /** Whether to wait for others, until `resume` is called. */
  readonly isHeld?: () => boolean
}

export class SendLane implements AnswerSink {
  readonly #connection: Connection
  readonly #meter: Meter
  readonly #shape: SendShape
  readonly #numberOf: ((nowMs: number) => number) | undefined
  readonly #ready: ReadyRequests
  /** When the request in each place was due. */
  readonly #dueMs: Float64Array
  readonly #isHeld: () => boolean
  #isClosedLoop = false
  #waitsForOthers = false
  #begun = 0
  #written = 0
  #inFlight = 0
  /** When each request was due that found no room in the window, the oldest first. */
  #overdueMs: number[] = []
  #receivedMs = 0
  #idle: (() => void) | undefined
  acknowledged = 0
  refused = 0

  constructor(connection: Connection, meter: Meter, { shape, lane, numberOf, isHeld }: SendLaneOptions) {
    this.#connection = connection
    this.#meter = meter
    this.#shape = shape
    this.#numberOf = numberOf
    this.#isHeld = isHeld ?? (() => false)
    this.#ready = new ReadyRequests(shape, lane)
    this.#dueMs = new Float64Array(this.#ready.count).fill(NOT_IN_FLIGHT)
  }

  /** Keeps the window full for as long as the meter goes on. */
  start(): void {
    this.#isClosedLoop = true
    this.#receivedMs = systemClock.monotonicMs()
    this.#fill()
    this.#receivedMs = 0 // Nothing has been received: the first answer looks at the clock anew.
  }

  /** Goes on if it was held and is no more. */
  resume(): void {
    if (!this.#waitsForOthers) return
    this.#look()
    this.received()
  }

  /** One request of an open loop. It goes out at the next `flush`, or when the window has room again. */
  sendDue(dueMs: number): void {
    if (this.#overdueMs.length > 0 || !this.#begin(dueMs)) this.#overdueMs.push(dueMs)
  }

  /** Writes what was begun since the last time: one piece of memory, or two where the places begin anew. */
  flush(): void {
    while (this.#written < this.#begun) {
      const placesEnd = (Math.floor(this.#written / this.#ready.count) + 1) * this.#ready.count
      const until = Math.min(this.#begun, placesEnd)
      this.#connection.write(this.#ready.bytesOf(this.#written, until))
      this.#written = until
    }
  }

  answered(answer: Answer, bytes: Buffer): void {
    const place = (answer.opaque - OPAQUE_FIRST) % this.#ready.count
    const dueMs = this.#dueMs[place] ?? NOT_IN_FLIGHT
    if (dueMs === NOT_IN_FLIGHT) throw loadFailure(`an answer to no request: ${answer.header(bytes)}`)
    if (this.#receivedMs === 0) this.#look()
    this.#dueMs[place] = NOT_IN_FLIGHT
    this.#inFlight--
    const { batchCount } = this.#shape
    if (answer.code === 0) {
      this.acknowledged += batchCount
      this.#meter.count += batchCount
      this.#meter.record(this.#receivedMs - dueMs)
    } else if (answer.code === BUSY) {
      this.refused += batchCount
      this.#meter.begun -= batchCount // Another takes its place, so that every broker does the whole work.
    } else {
      throw loadFailure(`a message was refused: ${answer.header(bytes)}`)
    }
  }

  received(): void {
    if (this.#receivedMs === 0) return // Half an answer.
    if (this.#isClosedLoop) this.#fill()
    else this.#catchUp()
    this.#receivedMs = 0
    if (this.#isIdle) this.#idle?.()
  }

  /** Resolves once everything that was begun has been answered. */
  async idle(): Promise<void> {
    if (this.#isIdle) return
    await new Promise<void>(resolve => {
      this.#idle = resolve
    })
  }

  get #isIdle(): boolean {
    return this.#inFlight === 0 && this.#overdueMs.length === 0 && !this.#waitsForOthers
  }

  #fill(): void {
    const { batchCount } = this.#shape
    let isHeld = false
    while (this.#meter.mayBegin(batchCount)) {
      isHeld = this.#isHeld()
      if (isHeld || !this.#begin(this.#receivedMs)) break
      this.#meter.begun += batchCount
    }
    this.#waitsForOthers = isHeld
    this.flush()
  }

  #catchUp(): void {
    if (this.#overdueMs.length === 0) return
    let caughtUp = 0
    while (caughtUp < this.#overdueMs.length && this.#begin(this.#overdueMs[caughtUp]!)) caughtUp++ // Inside by the loop.
    this.#overdueMs = this.#overdueMs.slice(caughtUp)
    this.flush()
  }

  /** False where the window is full, or the place of the next request is still taken by a straggler. */
  #begin(dueMs: number): boolean {
    const place = this.#begun % this.#ready.count
    if (this.#inFlight === this.#shape.window || this.#dueMs[place] !== NOT_IN_FLIGHT) return false
    this.#dueMs[place] = dueMs
    const nowMs = Math.floor(ORIGIN_MS + dueMs)
    this.#ready.prepare(this.#begun, nowMs, this.#numberOf?.(dueMs))
    this.#begun++
    this.#inFlight++
    return true
  }

  /** Once for all answers that came together. */
  #look(): void {
    this.#receivedMs = systemClock.monotonicMs()
    this.#meter.tick(this.#receivedMs)
  }
}
