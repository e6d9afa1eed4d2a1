/**
 * The route table: which broker is where and has which topics, by the rules by which Apache RocketMQ's brokers register.
 *
 * Invariants:
 * - a broker's address stands under one id at most; a name without addresses is gone, and its topics with it
 * - what a registration is refused for is found before anything changes
 * - a connection that closes takes along only those that registered over it last
 *
 * Times are handed in; nothing here reads a clock, opens a connection or prints an answer.
 */
import { BrokerTable, hasMaster, smallestIdOf } from './broker-table.ts'
import { type LiveBroker, LiveBrokers } from './live-brokers.ts'
import {
  type BrokerIdentity,
  type BrokerRegistration,
  type BrokerRoute,
  type DataVersion,
  isSameVersion,
  MASTER_ID,
  PERM_WRITE,
  type QueueRoute,
  type TopicQueues,
  type TopicRoute
} from './route-types.ts'
import { TopicRoutes } from './topic-routes.ts'

export interface RouteRules {
  /** Topics that a registration leaves out are dropped: for clusters whose brokers always tell all of them. */
  readonly deleteTopicWithBrokerRegistration: boolean
  /** The slave with the smallest id stands in for a missing master, to be read from. */
  readonly supportActingMaster: boolean
}

export type RegistrationOutcome =
  /** What a slave is told of its master. */
  | {
      readonly type: 'registered'
      readonly isNew: boolean
      /** The address that had the same name and id until now. */
      readonly replaced: string | undefined
      readonly masterAddress?: string
      readonly haAddress?: string
    }
  /** Another broker, with a newer state, holds the same name and id. */
  | { readonly type: 'outranked'; readonly by: string }
  /** The first registration has to bring all topics; one with a single topic is a change to what is not known. */
  | { readonly type: 'refused' }

export class RouteTable<Link> {
  readonly #rules: () => RouteRules
  readonly #brokers = new BrokerTable()
  readonly #topics = new TopicRoutes()
  readonly #live = new LiveBrokers<Link>()
  /** By address of the broker. */
  readonly #filterServers = new Map<string, readonly string[]>()

  /** @param rules asked each time, because they can be changed while the server runs */
  constructor(rules: () => RouteRules) {
    this.#rules = rules
  }

  get brokerCount(): number {
    return this.#brokers.count
  }

  get topicCount(): number {
    return this.#topics.count
  }

  register(registration: BrokerRegistration, nowMs: number, link: Link | undefined): RegistrationOutcome {
    const { cluster, brokerName, brokerId, address, topics, version } = registration
    const known = this.#brokers.find(brokerName)?.addresses.get(brokerId)
    const by = known === undefined || known === address ? undefined : this.#live.find(cluster, known)
    if (by !== undefined && by.version.stateVersion > version.stateVersion) {
      this.#live.remove(cluster, address)
      return { type: 'outranked', by: by.address }
    }
    if (known === undefined && topics.size === 1) return { type: 'refused' }

    const entry = this.#brokers.register(registration)
    const isFirst = known === undefined
    if (brokerId === MASTER_ID || this.#isPrimeSlave(registration, entry)) this.#takeTopics(registration, isFirst)
    const isNew = this.#live.find(cluster, address) === undefined
    this.#live.set({
      cluster,
      address,
      version,
      haAddress: registration.haAddress,
      timeoutMs: registration.timeoutMs,
      link,
      heardAtMs: nowMs
    })
    this.#takeFilterServers(registration)
    const replaced = known === address ? undefined : known
    return { type: 'registered', isNew, replaced, ...this.#masterOf(registration, entry) }
  }

  unregister(broker: BrokerIdentity): void {
    this.#live.remove(broker.cluster, broker.address)
    this.#filterServers.delete(broker.address)
    if (this.#brokers.remove(broker)) return this.#topics.removeBroker(broker.brokerName)
    const rest = this.#brokers.find(broker.brokerName)
    // Until the master is back, whoever stands in for it can be read from only.
    if (rest?.enableActingMaster && !hasMaster(rest)) this.#topics.wipeWrite(broker.brokerName)
  }

  /** The connection is closed. @returns the brokers that are gone with it */
  linkClosed(link: Link): BrokerIdentity[] {
    return this.#live.ofLink(link).flatMap(broker => this.#drop(broker))
  }

  /** @returns the brokers that were silent for too long, each with the connection that it used */
  expire(nowMs: number): { broker: BrokerIdentity; link: Link | undefined }[] {
    return this.#live.silentAt(nowMs).flatMap(live => this.#drop(live).map(broker => ({ broker, link: live.link })))
  }

  /** A sign of life without topics. Of a broker that is not known it means nothing. */
  heard(cluster: string, address: string, nowMs: number): void {
    const broker = this.#live.find(cluster, address)
    if (broker !== undefined) broker.heardAtMs = nowMs
  }

  versionOf(cluster: string, address: string): DataVersion | undefined {
    return this.#live.find(cluster, address)?.version
  }

  /** Undefined if no broker that is there has the topic. */
  routeOf(topic: string): TopicRoute | undefined {
    const queues = this.#topics.queuesOf(topic)
    const brokers: BrokerRoute[] = []
    for (const { brokerName } of queues) {
      const entry = this.#brokers.find(brokerName)
      if (entry !== undefined) brokers.push(this.#withActingMaster(entry, queues))
    }
    if (brokers.length === 0) return undefined
    return { brokers, queues, filterServers: this.#filterServersOf(brokers), mappings: this.#topics.mappingsOf(topic) }
  }

  brokers(): readonly BrokerRoute[] {
    return this.#brokers.brokers()
  }

  findBroker(brokerName: string): BrokerRoute | undefined {
    return this.#brokers.find(brokerName)
  }

  clusters(): [cluster: string, brokerNames: string[]][] {
    return this.#brokers.clusters()
  }

  topicNames(): string[] {
    return this.#topics.names()
  }

  topicNamesOf(cluster: string): string[] {
    const brokers = new Set(this.#brokers.brokerNamesOf(cluster))
    return this.#topics.namesWhere(({ brokerName }) => brokers.has(brokerName))
  }

  topicNamesWhere(isWanted: (queues: QueueRoute) => boolean): string[] {
    return this.#topics.namesWhere(isWanted)
  }

  /** False, and nothing done, if one of the brokers is not known. */
  setTopic(topic: string, queues: readonly QueueRoute[]): boolean {
    if (queues.some(({ brokerName }) => this.#brokers.find(brokerName) === undefined)) return false
    for (const route of queues) this.#topics.set(topic, route.brokerName, route)
    return true
  }

  /** From the brokers of one cluster, or from all. */
  deleteTopic(topic: string, cluster?: string): void {
    if (cluster === undefined) return this.#topics.remove(topic)
    for (const brokerName of this.#brokers.brokerNamesOf(cluster)) this.#topics.removeFrom(topic, brokerName)
  }

  deleteTopicOfBroker(topic: string, brokerName: string): void {
    this.#topics.removeFrom(topic, brokerName)
  }

  wipeWrite(brokerName: string): number {
    return this.#topics.wipeWrite(brokerName)
  }

  addWrite(brokerName: string): number {
    return this.#topics.addWrite(brokerName)
  }

  #isPrimeSlave({ enableActingMaster, brokerId }: BrokerRegistration, entry: BrokerRoute): boolean {
    return enableActingMaster !== undefined && brokerId === smallestIdOf(entry)
  }

  #takeTopics(registration: BrokerRegistration, isFirst: boolean): void {
    const { cluster, address, brokerName, topics, mappings, version, brokerId } = registration
    if (this.#rules().deleteTopicWithBrokerRegistration && mappings.size === 0) {
      this.#topics.keepOnly(brokerName, topics)
    }
    const before = this.versionOf(cluster, address)
    const isChanged = isFirst || before === undefined || !isSameVersion(before, version)
    const isReadOnly = brokerId !== MASTER_ID && registration.enableActingMaster === true
    for (const [topic, queues] of topics) {
      if (!isChanged && this.#topics.has(topic, brokerName)) continue
      this.#topics.set(topic, brokerName, isReadOnly ? withoutWrite(queues) : queues)
    }
    if (!isChanged) return
    for (const [topic, { brokerName, mapping }] of mappings) this.#topics.setMapping(topic, brokerName, mapping)
  }

  #takeFilterServers({ address, filterServers }: BrokerRegistration): void {
    if (filterServers === undefined) return
    if (filterServers.length === 0) this.#filterServers.delete(address)
    else this.#filterServers.set(address, filterServers)
  }

  #masterOf({ cluster, brokerId }: BrokerRegistration, { addresses }: BrokerRoute) {
    const masterAddress = addresses.get(MASTER_ID)
    if (brokerId === MASTER_ID || masterAddress === undefined) return {}
    const master = this.#live.find(cluster, masterAddress)
    return master === undefined ? {} : { masterAddress, haAddress: master.haAddress }
  }

  #drop({ cluster, address }: LiveBroker<Link>): BrokerIdentity[] {
    const broker = this.#brokers.findByAddress(cluster, address)
    this.#live.remove(cluster, address)
    if (broker === undefined) return []
    this.unregister(broker)
    return [broker]
  }

  /** With the slave of the smallest id in the place of a missing master, if the broker wants that and its topic is read only. */
  #withActingMaster(entry: BrokerRoute, queues: readonly QueueRoute[]): BrokerRoute {
    const isWanted = this.#rules().supportActingMaster && entry.enableActingMaster && !hasMaster(entry)
    const perm = queues.find(({ brokerName }) => brokerName === entry.brokerName)?.perm ?? PERM_WRITE
    if (!isWanted || (perm & PERM_WRITE) !== 0) return entry
    const addresses = new Map(entry.addresses)
    const actingId = smallestIdOf(entry)
    const acting = addresses.get(actingId) as string // An entry has at least one address.
    addresses.delete(actingId)
    return { ...entry, addresses: addresses.set(MASTER_ID, acting) }
  }

  #filterServersOf(brokers: readonly BrokerRoute[]): ReadonlyMap<string, readonly string[]> {
    const found = new Map<string, readonly string[]>()
    for (const { addresses } of brokers) {
      for (const address of addresses.values()) {
        const servers = this.#filterServers.get(address)
        if (servers !== undefined) found.set(address, servers)
      }
    }
    return found
  }
}

const withoutWrite = (queues: TopicQueues): TopicQueues => ({ ...queues, perm: queues.perm & ~PERM_WRITE })
