/**
 * Dispatch: hands each request to the handler of its code, and sees to it that every request is answered exactly once,
 * whatever happens: with what the handler wrote, with the refusal it threw, or with "not supported".
 *
 * Invariants:
 * - a oneway request is never answered, not even with an error
 * - what a handler throws, at once or later, ends with that request; a defect of ours is answered SYSTEM_ERROR and logged
 * - a handler reads the request before it first awaits: afterwards the request is somebody else's
 *
 * Not here: what requests mean (the other files of this folder), frames and sockets (protocol).
 */
import type { Clock, Log } from '../../base/index.ts'
import type { Histogram, Registry } from '../../metrics/index.ts'
import {
  RESPONSE,
  type RemotingConnection,
  type RemotingRequest,
  requestName,
  VERSION_GO_AWAY_ABOVE
} from '../../protocol/index.ts'
import { refusalOf } from './refusal.ts'
import { type RequestLatencies, RpcLatency } from './rpc-latency.ts'
import { type Session, sessionOf } from './session.ts'

/** Answers through `session.connection`, at once or later. What it throws is answered for it. */
export type Handler = (request: RemotingRequest, session: Session) => void | Promise<void>

export type Handlers = readonly (readonly [code: number, handler: Handler])[]

export interface DispatchWorld {
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Registry
}

interface Served {
  readonly handler: Handler
  /** Of reading and handling: what is answered later is measured until its handler has let go of the thread. */
  readonly took: Histogram
  readonly latencies: RequestLatencies
}

const MS_PER_SECOND = 1_000

export class Dispatch {
  readonly #served = new Map<number, Served>()
  readonly #clock: Clock
  readonly #log: Log
  readonly #latency: RpcLatency
  #isLeaving = false

  constructor(handlers: Handlers, { clock, log, metrics }: DispatchWorld) {
    this.#clock = clock
    this.#log = log
    this.#latency = new RpcLatency(() => clock.monotonicMs())
    this.#latency.register(metrics)
    for (const [code, handler] of handlers) {
      const took = metrics.histogram({
        name: 'varve_request_seconds',
        help: 'time on the broker thread per request',
        labels: { request: requestName(code).toLowerCase() },
        recordedPerUnit: 1e9
      })
      this.#served.set(code, { handler, took, latencies: this.#latency.ofRequest(code) })
    }
  }

  /** From now on clients that understand it are told to go elsewhere. */
  leave(): void {
    this.#isLeaving = true
  }

  /** For each answer, before it is written. */
  readonly answered = (connection: RemotingConnection, opaque: number, code: number): void =>
    this.#latency.answered(connection, opaque, code)

  readonly handle = (request: RemotingRequest, connection: RemotingConnection): void => {
    const served = this.#served.get(request.code)
    if (served === undefined) return this.#notSupported(request, connection)
    if (this.#isLeaving && request.version > VERSION_GO_AWAY_ABOVE && !request.isOneway) {
      connection.begin(request.opaque, RESPONSE.GO_AWAY, 'please go away').end()
      return
    }
    const { code, opaque, isOneway, begunMs } = request
    const session = sessionOf(connection)
    this.#latency.handling(session, opaque)
    try {
      const later = served.handler(request, session)
      later?.catch(error => this.#refuse(error, code, opaque, isOneway, connection))
    } catch (error) {
      this.#refuse(error, code, opaque, isOneway, connection)
    }
    const endedMs = this.#clock.monotonicMs()
    served.took.record((endedMs - begunMs) * (1e9 / MS_PER_SECOND))
    this.#latency.handled(served.latencies, isOneway, begunMs, endedMs)
    request.begunMs = endedMs
  }

  #notSupported({ code, opaque, isOneway }: RemotingRequest, connection: RemotingConnection): void {
    this.#log.debug('request not supported', { request: requestName(code), from: connection.remote.address })
    if (isOneway) return
    connection.begin(opaque, RESPONSE.REQUEST_CODE_NOT_SUPPORTED, ` request type ${code} not supported`).end()
  }

  #refuse(error: unknown, code: number, opaque: number, isOneway: boolean, connection: RemotingConnection): void {
    const { responseCode, remark, isOurs } = refusalOf(error)
    if (isOurs) this.#log.error('request failed', { request: requestName(code), error: error as Error })
    if (!isOneway) connection.begin(opaque, responseCode, remark).end()
  }
}
