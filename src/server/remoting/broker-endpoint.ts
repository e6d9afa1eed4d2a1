/**
 * Broker endpoint: what a listener needs to serve a broker. It gives every connection a session, hands over requests, and
 * sees to it that a connection that closes leaves nothing behind.
 *
 * Not here: listening (server.ts), what requests mean (broker-requests.ts).
 */
import type { AnswerObserver, RemotingConnection, RequestHandler } from '../../protocol/index.ts'
import { brokerRequests } from './broker-requests.ts'
import type { BrokerWorld } from './broker-world.ts'
import { Dispatch } from './dispatch.ts'
import { Session } from './session.ts'

export class BrokerEndpoint {
  readonly onRequest: RequestHandler
  readonly onAnswer: AnswerObserver
  readonly #world: BrokerWorld
  readonly #dispatch: Dispatch

  constructor(world: BrokerWorld) {
    this.#world = world
    this.#dispatch = new Dispatch(brokerRequests(world), world)
    this.onRequest = this.#dispatch.handle
    this.onAnswer = this.#dispatch.answered
  }

  readonly onConnected = (connection: RemotingConnection): void => {
    const session = new Session(connection)
    connection.onClosed(() => this.#world.broker.closed(session))
  }

  /** From now on clients that understand it are told to go elsewhere. */
  leave(): void {
    this.#dispatch.leave()
  }
}
