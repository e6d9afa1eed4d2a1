/**
 * The name server: tells clients which broker has a topic. Brokers register; whoever is silent or hangs up is forgotten.
 *
 * It keeps no connection of its own to anybody and knows of no other name server. What it answers is in the request
 * files; the rules of registration are in route-table.ts.
 *
 * Not here: listening (protocol), who brings a broker of this process in (`registerHere`, called by the server).
 */
import { type Clock, type Log, secondMs, VarveError } from '../base/index.ts'
import { RESPONSE, type RemotingConnection, type RemotingRequest } from '../protocol/index.ts'
import { brokerRequests } from './broker-requests.ts'
import { configRequests } from './config-requests.ts'
import { defaultGateways, GatewayHint } from './gateway-hint.ts'
import { forgetfulStorage, KvConfig, type KvStorage } from './kv-config.ts'
import { addressText, LocalAddresses } from './local-addresses.ts'
import { Reply } from './reply.ts'
import { RouteTable } from './route-table.ts'
import type { BrokerIdentity, DataVersion, TopicQueues } from './route-types.ts'
import type { Handler, ServerParts } from './server-parts.ts'
import { NAME_SERVER_DEFAULTS, type NameServerSettings } from './settings.ts'
import { topicRequests } from './topic-requests.ts'

export interface NameServerOptions {
  readonly clock: Clock
  readonly log: Log
  /** What differs from `NAME_SERVER_DEFAULTS`. */
  readonly settings?: Partial<NameServerSettings>
  /** Where the key-value settings are kept. Without it they are forgotten at the end. */
  readonly kvStorage?: KvStorage
  /** Addresses from which port mappings forward; default: the default gateways of this machine. */
  readonly gateways?: Iterable<string>
}

/** A broker of this process. */
export interface BrokerHere {
  readonly cluster: string
  readonly brokerName: string
  readonly brokerId: number
  /** `HOST:PORT` for everybody; without it clients get the end of their own connection and `port`. */
  readonly advertised?: string
  readonly port: number
  /** `HOST:PORT` or, for those who get the end of their connection, a port. */
  readonly haAddress: string | number
}

export interface RegistrationHere {
  /** Topics that are new or have changed, or all of them. */
  tell(version: DataVersion, topics: ReadonlyMap<string, TopicQueues>): void
  /** The broker has deleted it. */
  forget(topic: string): void
  close(): void
}

export class NameServer {
  readonly #log: Log
  readonly #clock: Clock
  readonly #settings: NameServerSettings
  readonly #handlers: ReadonlyMap<number, Handler>
  readonly #parts: ServerParts
  readonly #routes: RouteTable<RemotingConnection>
  readonly #local = new LocalAddresses()
  readonly #gatewayHint: GatewayHint
  readonly #watched = new WeakSet<RemotingConnection>()
  readonly #openedAtMs: number
  readonly #sweeping: NodeJS.Timeout

  constructor({ clock, log, settings, kvStorage = forgetfulStorage, gateways = defaultGateways() }: NameServerOptions) {
    this.#clock = clock
    this.#log = log
    this.#settings = { ...NAME_SERVER_DEFAULTS, ...settings }
    this.#handlers = new Map([...topicRequests, ...brokerRequests, ...configRequests])
    this.#routes = new RouteTable(() => this.#settings)
    this.#gatewayHint = new GatewayHint(gateways, log)
    this.#openedAtMs = clock.monotonicMs()
    this.#parts = {
      routes: this.#routes,
      kv: new KvConfig(kvStorage),
      settings: this.#settings,
      log,
      nowMs: () => clock.monotonicMs(),
      isReady: () => this.#isReady(),
      addressesFor: connection => address => this.#addressFor(address, connection),
      watch: connection => this.#watch(connection)
    }
    this.#sweeping = setInterval(() => this.sweep(), this.#settings.scanNotActiveBrokerInterval).unref()
  }

  get brokerCount(): number {
    return this.#routes.brokerCount
  }

  get topicCount(): number {
    return this.#routes.topicCount
  }

  /** For a listener, or for the broker's own port where both are one. */
  handle(request: RemotingRequest, connection: RemotingConnection): void {
    const reply = new Reply(request, connection)
    const handler = this.#handlers.get(request.code)
    if (handler === undefined) {
      const remark = ` request type ${request.code} not supported`
      return reply.refuse(RESPONSE.REQUEST_CODE_NOT_SUPPORTED, remark)
    }
    try {
      handler(this.#parts, request, reply)?.catch((error: unknown) => this.#failed(error, reply))
    } catch (error) {
      this.#failed(error, reply)
    }
  }

  /** A broker of this process. It never expires; it is gone when told so. */
  registerHere(broker: BrokerHere): RegistrationHere {
    const { cluster, brokerName, brokerId, port, advertised, haAddress } = broker
    const identity: BrokerIdentity = { cluster, brokerName, brokerId, address: advertised ?? this.#local.add(port) }
    const about = {
      ...identity,
      haAddress: typeof haAddress === 'string' ? haAddress : this.#local.add(haAddress),
      timeoutMs: Number.POSITIVE_INFINITY,
      enableActingMaster: false,
      zoneName: undefined,
      mappings: new Map(),
      filterServers: undefined
    }
    return {
      tell: (version, topics) => {
        const outcome = this.#routes.register({ ...about, version, topics }, this.#clock.monotonicMs(), undefined)
        if (outcome.type === 'registered') return
        this.#log.warn('own broker not registered', { brokerName, brokerId, outcome: outcome.type })
      },
      forget: topic => this.#routes.deleteTopicOfBroker(topic, brokerName),
      close: () => this.#routes.unregister(identity)
    }
  }

  /** Forgets brokers that were silent for too long and closes their connections. A timer calls it; a test may. */
  sweep(): void {
    for (const { broker, link } of this.#routes.expire(this.#clock.monotonicMs())) {
      const { brokerName, brokerId, address } = broker
      this.#log.warn('silent broker forgotten', { brokerName, brokerId, address })
      link?.close('the broker has been silent for too long')
    }
  }

  close(): void {
    clearInterval(this.#sweeping)
  }

  #isReady(): boolean {
    const { needWaitForService, waitSecondsForService } = this.#settings
    return !needWaitForService || this.#clock.monotonicMs() - this.#openedAtMs >= waitSecondsForService * secondMs
  }

  #addressFor(address: string, connection: RemotingConnection): string {
    if (!this.#local.isLocal(address)) return address
    const answered = this.#local.resolve(address, connection.local)
    this.#gatewayHint.answered(connection.remote, answered)
    return answered
  }

  #watch(connection: RemotingConnection): void {
    if (this.#watched.has(connection)) return
    this.#watched.add(connection)
    connection.onClosed(() => {
      for (const { brokerName, brokerId, address } of this.#routes.linkClosed(connection)) {
        this.#log.warn('broker gone with its connection', { brokerName, brokerId, address })
      }
    })
  }

  #failed(error: unknown, reply: Reply): void {
    const client = addressText(reply.connection.remote)
    if (!(error instanceof VarveError)) {
      // A defect of ours: whoever asked does not end the process for everybody, as with requests to a broker.
      this.#log.error('request to the name server failed', { client, error: error as Error })
      return reply.refuse(RESPONSE.SYSTEM_ERROR, 'the name server failed; its log says how')
    }
    this.#log.warn('request to the name server refused', { client, error })
    const code = error.code === 'PERMISSION_DENIED' ? RESPONSE.NO_PERMISSION : RESPONSE.SYSTEM_ERROR
    reply.refuse(code, error.message)
  }
}

/** Which requests are a name server's: a broker's port refuses them, and the other way round. */
export const NAME_SERVER_REQUESTS: ReadonlySet<number> = new Set(
  [...topicRequests, ...brokerRequests, ...configRequests].map(([code]) => code)
)
