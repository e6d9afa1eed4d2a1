/**
 * The broker in the routes: it registers with every name server, ours in this process and any others, Apache's or ours.
 *
 * All topics at the start, after ten seconds, then every `registerNameServerPeriod`; a topic that has changed at once. The
 * address that others are told is the configured one, or else this end of the connection to the name server: that is
 * how the broker is seen from there.
 *
 * Not here: the conversation with one name server (name-server-link.ts), what is told (topic-report.ts).
 */
import { type Clock, type Log, secondMs, VarveError } from '../base/index.ts'
import type { BrokerConfig, TopicConfig, TopicTable } from '../broker/index.ts'
import { parseJavaJson } from '../layout/index.ts'
import type { HostAddress } from '../model/index.ts'
import { addressText, type NameServer, type RegistrationHere, type TopicQueues } from '../nameserver/index.ts'
import { connectRemoting, type RemotingAnswer, type RemotingConnection } from '../protocol/index.ts'
import { type BrokerFields, NameServerLink } from './name-server-link.ts'
import { TopicReports } from './topic-report.ts'

const SECOND_REGISTRATION_MS = 10 * secondMs
/** Between which `registerNameServerPeriod` is held, as in Apache's broker. */
const PERIOD_MS = { min: 10 * secondMs, max: 60 * secondMs }
const CONNECT_MS_MAX = 3 * secondMs

const NAME_SERVER_PORT = 9876

export interface RegistrationOptions {
  readonly config: BrokerConfig
  readonly topics: TopicTable
  /** The ports on which this process really listens. */
  readonly port: number
  readonly haPort: number
  /** Where every client reaches the broker (`--advertise`, brokerIP1); undefined leaves it to each connection. */
  readonly advertised?: HostAddress
  readonly nameServers: readonly HostAddress[]
  /** The name server of this process. */
  readonly here?: NameServer
  readonly clock: Clock
  readonly log: Log
  readonly connect?: (nameServer: HostAddress) => Promise<RemotingConnection>
}

export class Registration {
  readonly #options: RegistrationOptions
  readonly #reports: TopicReports
  readonly #here: RegistrationHere | undefined
  #links: readonly NameServerLink[] = []
  #timer: NodeJS.Timeout | undefined
  #isStarted = false
  #isClosed = false

  constructor(options: RegistrationOptions) {
    const { config, topics, here } = options
    this.#options = options
    this.#reports = new TopicReports(topics, () => config.brokerPermission)
    this.#here = here?.registerHere(this.#brokerHere())
    this.#links = options.nameServers.map(nameServer => this.#link(nameServer))
    topics.onChanged(({ type, topic }) => this.#topicChanged(type, topic))
  }

  /** Resolves when every name server has taken the registration or has failed to, which is logged and tried again. */
  async start(): Promise<void> {
    this.#isStarted = true
    await this.registerAll()
    this.#registerIn(SECOND_REGISTRATION_MS)
  }

  /** Tells everything to everybody: at its time, or when what is told changes without a topic (`brokerPermission`). */
  async registerAll(): Promise<void> {
    if (this.#isClosed) return
    this.#here?.tell(this.#reports.version, this.#queuesOf(this.#options.topics.all()))
    await Promise.all(this.#links.map(link => link.registerAll()))
  }

  /** Other name servers from now on (`namesrvAddr`); those that stay keep their connection. */
  async setNameServers(nameServers: readonly HostAddress[]): Promise<void> {
    const wanted = new Set(nameServers.map(addressText))
    const left = this.#links.filter(({ nameServer }) => !wanted.has(addressText(nameServer)))
    const kept = this.#links.filter(link => !left.includes(link))
    const known = new Set(kept.map(({ nameServer }) => addressText(nameServer)))
    const added = nameServers.filter(address => !known.has(addressText(address))).map(address => this.#link(address))
    this.#links = [...kept, ...added]
    await Promise.all([...left.map(link => link.close()), ...added.map(link => link.registerAll())])
  }

  /** Which name servers have taken the last registration. */
  state(): { readonly nameServer: string; readonly isUp: boolean }[] {
    return this.#links.map(({ nameServer, isUp }) => ({ nameServer: addressText(nameServer), isUp }))
  }

  /** Takes the broker out of all routes. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#here?.close()
    await Promise.all(this.#links.map(link => link.close()))
  }

  #topicChanged(type: 'created' | 'updated' | 'deleted', topic: TopicConfig): void {
    // The start tells everything.
    if (!this.#isStarted || this.#isClosed) return
    if (type === 'deleted') {
      // Other name servers are told by who deletes the topic: registrations cannot take a topic away.
      this.#here?.forget(topic.name)
      return
    }
    this.#here?.tell(this.#reports.version, this.#queuesOf([topic]))
    for (const link of this.#links) link.topicChanged(topic.name)
  }

  #registerIn(ms: number): void {
    if (this.#isClosed) return
    this.#timer = setTimeout(() => {
      void this.registerAll()
      this.#registerIn(this.#periodMs())
    }, ms).unref()
  }

  #periodMs(): number {
    return Math.min(Math.max(this.#options.config.registerNameServerPeriod, PERIOD_MS.min), PERIOD_MS.max)
  }

  #link(nameServer: HostAddress): NameServerLink {
    const { config, log, connect = address => this.#connect(address) } = this.#options
    return new NameServerLink({
      nameServer,
      connect,
      fieldsFor: connection => this.#fieldsFor(connection),
      reports: this.#reports,
      timeoutMs: () => config.registerBrokerTimeoutMills,
      retryMsMax: this.#periodMs(),
      onAnswer: answer => this.#takeAnswer(answer),
      log
    })
  }

  #connect({ address, port }: HostAddress): Promise<RemotingConnection> {
    const { clock, log } = this.#options
    return connectRemoting({ host: address, port, connectTimeoutMs: CONNECT_MS_MAX, clock, log })
  }

  #fieldsFor(connection: RemotingConnection): BrokerFields {
    const { config, port, haPort, advertised } = this.#options
    const end = connection.local.address
    const haHost = config.brokerIP2 === '' ? (advertised?.address ?? end) : config.brokerIP2
    return {
      clusterName: config.brokerClusterName,
      brokerName: config.brokerName,
      brokerId: config.brokerId,
      brokerAddr: addressText(advertised ?? { address: end, port }),
      haServerAddr: addressText({ address: haHost, port: haPort })
    }
  }

  #brokerHere() {
    const { config, port, haPort, advertised } = this.#options
    const haHost = config.brokerIP2 === '' ? advertised?.address : config.brokerIP2
    return {
      cluster: config.brokerClusterName,
      brokerName: config.brokerName,
      brokerId: config.brokerId,
      port,
      haAddress: haHost === undefined ? haPort : addressText({ address: haHost, port: haPort }),
      ...(advertised === undefined ? {} : { advertised: addressText(advertised) })
    }
  }

  /** The name server may list topics as ordered. */
  #takeAnswer({ body }: RemotingAnswer): void {
    if (body.length === 0) return
    const answer = parseJavaJson(new TextDecoder().decode(body))
    const isObject = typeof answer === 'object' && answer !== null && !Array.isArray(answer)
    const table = isObject ? answer.table : undefined
    if (typeof table === 'object' && table !== null) this.#options.topics.markOrdered(Object.keys(table))
  }

  #queuesOf(topics: Iterable<TopicConfig>): Map<string, TopicQueues> {
    const queues = new Map<string, TopicQueues>()
    for (const topic of topics) {
      const { name, readQueueCount, writeQueueCount, perm, sysFlag } = this.#reports.narrowed(topic)
      queues.set(name, { readQueueNums: readQueueCount, writeQueueNums: writeQueueCount, perm, topicSysFlag: sysFlag })
    }
    return queues
  }
}

/** `host:port;host:port`, as `namesrvAddr` has it; a port that is left out is 9876. @throws VarveError CONFIG_INVALID */
export function parseNameServers(text: string): HostAddress[] {
  return text
    .split(';')
    .map(part => part.trim())
    .filter(part => part !== '')
    .map(part => parseAddress(part, NAME_SERVER_PORT, 'namesrvAddr'))
}

/** `HOST`, `HOST:PORT`, `[IPv6]:PORT`. @throws VarveError CONFIG_INVALID, naming the setting `key` */
export function parseAddress(text: string, portOtherwise: number, key: string, portMin = 1): HostAddress {
  const bracketed = /^\[([0-9a-fA-F:.%\w]+)\](?::(\d+))?$/.exec(text)
  const plain = /^([^:\s[\]]+)(?::(\d+))?$/.exec(text)
  const [, address, digits] = bracketed ?? plain ?? []
  const port = digits === undefined ? portOtherwise : Number(digits)
  if (address === undefined || port < portMin || port > 65_535) {
    throw new VarveError('CONFIG_INVALID', { key, value: text, reason: 'not HOST:PORT' })
  }
  return { address, port }
}
