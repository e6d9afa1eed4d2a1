/**
 * How long requests take until their answer is written, as RocketMQ's exporter has it (`rocketmq_rpc_latency`, in ms): by request,
 * by response, and apart from others those that waited for a message to arrive.
 *
 * Most answers are written while their request is handled, and cost two comparisons and a count. What is answered later is kept
 * by its number, beside its connection; of a request that never is nothing is counted.
 *
 * Not here: time on the thread (dispatch.ts).
 */
import type { Registry, Sample } from '../../metrics/index.ts'
import { REQUEST, type RemotingConnection, requestName, responseName } from '../../protocol/index.ts'
import { type Session, sessionOf } from './session.ts'

/** Of the buckets, in ms, as there. */
const BOUNDS = [1, 3, 5, 7, 10, 100, 1000, 2000, 3000] as const
/** Of one connection. A peer that asks for what is never answered costs no more. */
const OPEN_COUNT_MAX = 4096
const PROTOCOL = { protocol_type: 'remoting' }

/** A request that was handled and is not answered. */
export interface OpenRequest {
  readonly latencies: RequestLatencies
  readonly begunMs: number
}

export class RpcLatency {
  readonly #requests: RequestLatencies[] = []
  readonly #nowMs: () => number
  #session: Session | undefined
  #opaque = 0
  #answeredCode = -1

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  ofRequest(code: number): RequestLatencies {
    const latencies = new RequestLatencies(code)
    this.#requests.push(latencies)
    return latencies
  }

  register(registry: Registry): void {
    const help = 'ms from a request to its answer, by request and response.'
    registry.sampled({ name: 'rocketmq_rpc_latency', help }, 'histogram', () => this.#samples())
  }

  /** A request is being handled; what is written to its connection under its number until `handled` is its answer. */
  handling(session: Session, opaque: number): void {
    this.#session = session
    this.#opaque = opaque
    this.#answeredCode = -1
  }

  /** For each answer, before it is written. */
  answered(connection: RemotingConnection, opaque: number, code: number): void {
    if (opaque === this.#opaque && connection === this.#session?.connection) this.#answeredCode = code
    else this.#answeredLater(connection, opaque, code)
  }

  handled(latencies: RequestLatencies, isOneway: boolean, begunMs: number, endedMs: number): void {
    const session = this.#session as Session // Set by `handling`, which came before.
    this.#session = undefined
    if (isOneway) latencies.oneway.record(endedMs - begunMs)
    else if (this.#answeredCode >= 0) latencies.answered(this.#answeredCode).record(endedMs - begunMs)
    else if (session.open.size < OPEN_COUNT_MAX) session.open.set(this.#opaque, { latencies, begunMs })
  }

  #answeredLater(connection: RemotingConnection, opaque: number, code: number): void {
    const { open } = sessionOf(connection)
    const request = open.get(opaque)
    if (request === undefined) return
    open.delete(opaque)
    request.latencies.answeredLater(code).record(this.#nowMs() - request.begunMs)
  }

  *#samples(): Iterable<Sample> {
    for (const latencies of this.#requests) yield* latencies.samples()
  }
}

/** Of one kind of request. */
export class RequestLatencies {
  readonly oneway = new Latency()
  readonly #code: number
  readonly #isPull: boolean
  readonly #answered = new Map<number, Latency>()
  /** Of pulls that were parked. */
  readonly #longPolled = new Map<number, Latency>()

  constructor(code: number) {
    this.#code = code
    this.#isPull = code === REQUEST.PULL_MESSAGE || code === REQUEST.LITE_PULL_MESSAGE
  }

  answered(responseCode: number): Latency {
    return member(this.#answered, responseCode)
  }

  answeredLater(responseCode: number): Latency {
    return member(this.#isPull ? this.#longPolled : this.#answered, responseCode)
  }

  *samples(): Iterable<Sample> {
    const of = { ...PROTOCOL, request_code: requestName(this.#code).toLowerCase() }
    for (const [latencies, is_long_polling] of [
      [this.#answered, 'false'],
      [this.#longPolled, 'true']
    ] as const)
      for (const [code, latency] of latencies) {
        const response_code = responseName(code).toLowerCase()
        yield* latency.samples({ ...of, response_code, is_long_polling, result: 'success' })
      }
    if (this.oneway.count > 0) yield* this.oneway.samples({ ...of, is_long_polling: 'false', result: 'oneway' })
  }
}

class Latency {
  readonly #counts = new Float64Array(BOUNDS.length + 1)
  #sumMs = 0
  count = 0

  record(ms: number): void {
    let bucket = 0
    while (bucket < BOUNDS.length && ms > BOUNDS[bucket]!) bucket++
    this.#counts[bucket]!++
    this.#sumMs += ms
    this.count++
  }

  *samples(labels: Readonly<Record<string, string>>): Iterable<Sample> {
    let value = 0
    for (const [bucket, bound] of [...BOUNDS, '+Inf'].entries()) {
      value += this.#counts[bucket]!
      yield { suffix: '_bucket', labels: { ...labels, le: String(bound) }, value }
    }
    yield { suffix: '_sum', labels, value: this.#sumMs }
    yield { suffix: '_count', labels, value: this.count }
  }
}

function member(latencies: Map<number, Latency>, code: number): Latency {
  const known = latencies.get(code)
  if (known !== undefined) return known
  const made = new Latency()
  latencies.set(code, made)
  return made
}
