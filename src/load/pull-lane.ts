/**
 * One connection that pulls from its queues, one request in flight for each.
 *
 * Every record that comes is looked at: its size, its magic number, and that its queue offset is the one expected.
 */
import { systemClock } from '../base/index.ts'
import type { AnswerSink, Connection } from './connection.ts'
import { loadFailure } from './failure.ts'
import type { Meter } from './meter.ts'
import { NUMBER_AT } from './ready-requests.ts'
import { type Fields, OPAQUE_FIRST, REQUEST_CODE, requestFrame, type SendTarget } from './request-frame.ts'
import { type Answer, fieldName } from './response-scan.ts'

const FOUND = 0
const NOT_FOUND = 19
/** The broker names another offset to go on from. */
const RETRY_IMMEDIATELY = 20
const OFFSET_MOVED = 21
/** As the clients ask by default. */
const COUNT_MAX = 32
const SUSPEND_MS = 15_000
const PULL_FLAG = { commitOffset: 1, suspend: 2, subscription: 4 } as const
/** In a record with IPv4 addresses. */
const MAGIC = 0xdaa320a7 | 0
const MAGIC_AT = 4
const QUEUE_OFFSET_AT = 20
const BODY_AT = 88

const NEXT_OFFSET = fieldName('nextBeginOffset')

export interface PullFrom extends SendTarget {
  readonly offset: number
  readonly group: string
  readonly waits?: boolean
}

export function pullFields({ topic, queueId, offset, group, waits = false }: PullFrom): Fields {
  return {
    consumerGroup: group,
    topic,
    queueId,
    queueOffset: offset,
    maxMsgNums: COUNT_MAX,
    sysFlag: PULL_FLAG.subscription + (waits ? PULL_FLAG.suspend + PULL_FLAG.commitOffset : 0),
    commitOffset: waits ? offset : 0,
    suspendTimeoutMillis: waits ? SUSPEND_MS : 0,
    subscription: '*',
    subVersion: 0,
    expressionType: 'TAG'
  }
}

export interface PullLaneOptions {
  readonly queues: readonly SendTarget[]
  readonly group: string
  /** Where to begin in each queue; at 0 by default. */
  readonly from?: readonly number[]
  /** What it does at the end of a queue: begins anew, waits for more as a push consumer does, or is done with it. */
  readonly atEnd: 'again' | 'wait' | 'stop'
  /** Called for each message with the number in its body; it then records what is to be measured. */
  readonly received?: (number: number, nowMs: number, queue: SendTarget) => void
  /** Called once for all answers that came together. */
  readonly progressed?: () => void
}

export class PullLane implements AnswerSink {
  readonly #connection: Connection
  readonly #meter: Meter
  readonly #options: PullLaneOptions
  readonly #offsets: number[]
  readonly #sentMs: number[]
  #requestCount = 0
  #inFlight = 0
  #idle: (() => void) | undefined
  /** Messages, answers that had some. */
  messages = 0
  answers = 0
  /** Of their records. */
  bytes = 0

  constructor(connection: Connection, meter: Meter, options: PullLaneOptions) {
    this.#connection = connection
    this.#meter = meter
    this.#options = options
    this.#offsets = options.queues.map((_, queue) => options.from?.[queue] ?? 0)
    this.#sentMs = options.queues.map(() => 0)
  }

  start(): void {
    this.#connection.cork()
    this.#options.queues.forEach((_, queue) => {
      this.#pull(queue)
    })
    this.#connection.uncork()
  }

  answered(answer: Answer, bytes: Buffer): void {
    this.#inFlight--
    const queue = (answer.opaque - OPAQUE_FIRST) % this.#options.queues.length
    const nowMs = systemClock.monotonicMs()
    if (answer.code === FOUND) {
      const found = this.#walk(bytes, { from: answer.bodyAt, until: answer.until, queue, nowMs })
      this.messages += found
      this.answers++
      this.bytes += answer.until - answer.bodyAt
      this.#meter.count += found
      if (this.#options.received === undefined) this.#meter.record(nowMs - this.#sentMs[queue]!) // As many as there are queues.
      this.#offsets[queue] = answer.field(bytes, NEXT_OFFSET)
    } else if (answer.code === RETRY_IMMEDIATELY || answer.code === OFFSET_MOVED) {
      this.#offsets[queue] = answer.field(bytes, NEXT_OFFSET)
    } else if (answer.code !== NOT_FOUND) {
      throw loadFailure(`a pull was refused: ${answer.header(bytes)}`)
    } else if (this.#options.atEnd === 'again') {
      this.#offsets[queue] = 0
    }
    this.#meter.tick(nowMs)
    const { atEnd } = this.#options
    const isDone = answer.code === NOT_FOUND && atEnd === 'stop'
    if (!isDone && (this.#meter.goesOn || atEnd === 'wait')) this.#pull(queue)
    else if (this.#inFlight === 0) this.#idle?.()
  }

  received(): void {
    this.#options.progressed?.()
  }

  async idle(): Promise<void> {
    if (this.#inFlight === 0) return
    await new Promise<void>(resolve => {
      this.#idle = resolve
    })
  }

  #pull(queue: number): void {
    // One request of each queue at a time, so that the opaque can say which queue it is of.
    const opaque = OPAQUE_FIRST + this.#requestCount * this.#options.queues.length + queue
    this.#requestCount++
    const { group, atEnd } = this.#options
    const waits = atEnd === 'wait'
    const fields = pullFields({ ...this.#options.queues[queue]!, offset: this.#offsets[queue]!, group, waits })
    this.#sentMs[queue] = systemClock.monotonicMs()
    this.#inFlight++
    this.#connection.write(requestFrame(REQUEST_CODE.pull, fields, opaque))
  }

  /** Returns how many records there are. */
  #walk(
    bytes: Buffer,
    { from, until, queue, nowMs }: { from: number; until: number; queue: number; nowMs: number }
  ): number {
    const { received } = this.#options
    let expected = this.#offsets[queue]!
    let count = 0
    for (let at = from; at < until; at += bytes.readInt32BE(at)) {
      const queueOffset =
        bytes.readUInt32BE(at + QUEUE_OFFSET_AT) * 2 ** 32 + bytes.readUInt32BE(at + QUEUE_OFFSET_AT + 4)
      if (bytes.readInt32BE(at + MAGIC_AT) !== MAGIC || queueOffset !== expected) {
        throw loadFailure(`record ${expected} of queue ${queue} was expected, ${queueOffset} came`)
      }
      expected++
      count++
      received?.(bytes.readUInt32LE(at + BODY_AT + NUMBER_AT), nowMs, this.#options.queues[queue]!)
    }
    return count
  }
}
