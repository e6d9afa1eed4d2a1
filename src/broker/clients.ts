/**
 * Clients: who is connected, as producer or consumer of which groups.
 *
 * A client says so by heartbeats on a connection; it is forgotten when it unregisters, when its connection closes, or
 * when it has been silent for too long. Members of a clustering group are told at once when others come and go.
 *
 * Invariants:
 * - a group is known exactly while it has a member
 * - a connection that has closed is a member of nothing, and what that costs depends on its own groups alone
 * - listeners hear of a change after the registry has it; the members are told last
 *
 * Not here: sharing queues (clients do that themselves), settings of groups (groups.ts), locks (queue-locks.ts).
 */
import type { Clock, Log } from '../base/index.ts'
import type { ClientLink } from './client-link.ts'
import type { BrokerConfig } from './config-keys.ts'
import { ConsumerGroup, type Member } from './consumer-group.ts'
import type { GroupConfig } from './group-config.ts'
import type { GroupTable } from './groups.ts'
import { BROADCASTING, CONSUME_ACTIVELY, type ConsumerOfClient, type Heartbeat } from './heartbeat.ts'
import type { Subscription } from './subscription.ts'
import type { TopicTable } from './topics.ts'

export type ConsumerEvent =
  /** A heartbeat has been taken in; `isChanged` if it brought a member or other topics. */
  | { readonly type: 'registered'; readonly group: ConsumerGroup; readonly isChanged: boolean }
  | { readonly type: 'left'; readonly group: ConsumerGroup; readonly member: Member }
  /** The last member has left. */
  | { readonly type: 'gone'; readonly group: ConsumerGroup }

export interface HeartbeatOutcome {
  /** Tells clients of the second form of heartbeats to send their subscriptions whole. */
  readonly isSubscriptionChanged: boolean
}

export interface ClientSurroundings {
  readonly topics: TopicTable
  readonly groups: GroupTable
  readonly config: BrokerConfig
  readonly clock: Clock
  readonly log: Log
}

/** What one connection is part of. */
interface Registration {
  readonly link: ClientLink
  readonly consumerGroups: Set<string>
  readonly producerGroups: Set<string>
}

export class ClientRegistry {
  readonly #surroundings: ClientSurroundings
  readonly #registrations = new Map<object, Registration>()
  readonly #consumerGroups = new Map<string, ConsumerGroup>()
  readonly #producerGroups = new Map<string, Map<object, Member>>()
  /** The newest connection of each producing client. */
  readonly #producersById = new Map<string, Member>()
  /** Groups by the topics that they subscribe to. */
  readonly #groupsByTopic = new Map<string, Set<string>>()
  /** Groups whose members have not been told yet, where that is put off. */
  readonly #untold = new Set<string>()
  readonly #listeners: ((event: ConsumerEvent) => void)[] = []

  constructor(surroundings: ClientSurroundings) {
    this.#surroundings = surroundings
  }

  /** Takes in what the client says. Makes the config of its groups and their retry topics where they are missing. */
  heartbeat(link: ClientLink, heartbeat: Heartbeat): HeartbeatOutcome {
    let isSubscriptionChanged = heartbeat.fingerprint === 0
    if (!link.isOpen) return { isSubscriptionChanged }
    for (const consumer of heartbeat.consumers) {
      if (this.#registerConsumer(link, heartbeat, consumer)) isSubscriptionChanged = true
    }
    for (const group of heartbeat.producerGroups) this.#registerProducer(link, heartbeat, group)
    return { isSubscriptionChanged }
  }

  unregister(
    link: ClientLink,
    { producerGroup, consumerGroup }: { readonly clientId: string; producerGroup?: string; consumerGroup?: string }
  ): void {
    if (producerGroup !== undefined) this.#removeProducer(link, producerGroup)
    if (consumerGroup !== undefined) this.#removeConsumer(link, consumerGroup)
  }

  /** The connection is gone. One that nobody knows is no error. */
  closed(link: ClientLink): void {
    const registration = this.#registrations.get(link.key)
    if (registration === undefined) return
    for (const group of [...registration.producerGroups]) this.#removeProducer(link, group)
    for (const group of [...registration.consumerGroups]) this.#removeConsumer(link, group)
  }

  /** Forgets and closes connections whose client was silent for too long in any of its groups. Every 10 s. */
  expire(): void {
    const { clock, config, log } = this.#surroundings
    const oldestMs = clock.monotonicMs() - config.channelExpiredTimeout
    const silent = new Map<object, ClientLink>()
    const look = (member: Member) => {
      if (member.heardAtMs < oldestMs) silent.set(member.link.key, member.link)
    }
    for (const group of this.#consumerGroups.values()) for (const member of group.members()) look(member)
    for (const members of this.#producerGroups.values()) for (const member of members.values()) look(member)
    for (const link of silent.values()) {
      log.warn('silent client forgotten', { address: link.address, timeoutMs: config.channelExpiredTimeout })
      this.closed(link)
      link.close()
    }
  }

  /** Tells members what was put off (`realTimeNotifyConsumerChange=false`). Every 15 s. */
  tellMembers(): void {
    const groups = [...this.#untold]
    this.#untold.clear()
    for (const name of groups) {
      const group = this.#consumerGroups.get(name)
      if (group !== undefined) this.#tell(group)
    }
  }

  /** Client ids, one for each connection; none for a group that nobody is in. */
  consumerIds(group: string): string[] {
    const ids: string[] = []
    for (const { clientId } of this.#consumerGroups.get(group)?.members() ?? []) ids.push(clientId)
    return ids
  }

  consumerGroup(group: string): ConsumerGroup | undefined {
    return this.#consumerGroups.get(group)
  }

  consumerGroups(): Iterable<ConsumerGroup> {
    return this.#consumerGroups.values()
  }

  /** What the group last said about the topic; for pulls without a filter of their own. */
  subscription(group: string, topic: string): Subscription | undefined {
    return this.#consumerGroups.get(group)?.subscription(topic)
  }

  /** Online groups that subscribe to the topic. */
  groupsOf(topic: string): string[] {
    return [...(this.#groupsByTopic.get(topic) ?? [])]
  }

  producers(group: string): Member[] {
    return [...(this.#producerGroups.get(group)?.values() ?? [])]
  }

  /** On which connection a producing client can be reached. */
  producerById(clientId: string): Member | undefined {
    return this.#producersById.get(clientId)
  }

  allProducers(): Iterable<readonly [group: string, members: Iterable<Member>]> {
    return [...this.#producerGroups].map(([group, members]) => [group, members.values()] as const)
  }

  get connectionCount(): number {
    return this.#registrations.size
  }

  onConsumers(listener: (event: ConsumerEvent) => void): void {
    this.#listeners.push(listener)
  }

  /** @returns whether a client of the second form must send its subscriptions whole */
  #registerConsumer(link: ClientLink, heartbeat: Heartbeat, consumer: ConsumerOfClient): boolean {
    const { groups, config } = this.#surroundings
    if (config.rejectPullConsumerEnable && consumer.consumeType === CONSUME_ACTIVELY) return false
    const settings = groups.findOrCreate(consumer.group)
    if (settings === undefined) return false // As RocketMQ: the heartbeat succeeds, pulls then say what is wrong.
    this.#ensureRetryTopic(settings, consumer)

    const known = this.#consumerGroups.get(consumer.group)
    const group = known ?? new ConsumerGroup(consumer)
    if (known === undefined) this.#consumerGroups.set(consumer.group, group)
    const isNew = group.join(this.#member(link, heartbeat), consumer)
    this.#registration(link).consumerGroups.add(consumer.group)
    const isOther = !heartbeat.isWithoutSubscriptions && this.#subscribe(group, consumer.subscriptions)

    this.#tellListeners({ type: 'registered', group, isChanged: isNew || isOther })
    if ((isNew || isOther) && settings.tellsMembers) this.#tellOrPutOff(group)
    return this.#takeFingerprint(group, heartbeat)
  }

  #ensureRetryTopic({ name, retryQueueCount }: GroupConfig, { isUnit, subscriptions }: ConsumerOfClient): void {
    const { topics } = this.#surroundings
    const isOrdered = subscriptions.some(({ topic }) => topics.find(topic)?.isOrdered)
    topics.ensureRetryTopic({ group: name, queueCount: retryQueueCount, isOrdered, isUnit })
  }

  #takeFingerprint(group: ConsumerGroup, { fingerprint, isWithoutSubscriptions }: Heartbeat): boolean {
    const known = group.fingerprint
    group.fingerprint = fingerprint
    // A client that leaves out what nobody here has heard yet, as after a restart of the broker, must send it.
    return known === undefined ? isWithoutSubscriptions : known !== fingerprint
  }

  #subscribe(group: ConsumerGroup, subscriptions: readonly Subscription[]): boolean {
    const { added, removed } = group.subscribe(subscriptions)
    for (const topic of added) {
      const groups = this.#groupsByTopic.get(topic)
      if (groups === undefined) this.#groupsByTopic.set(topic, new Set([group.name]))
      else groups.add(group.name)
    }
    for (const topic of removed) this.#unlinkTopic(group.name, topic)
    return added.length > 0 || removed.length > 0
  }

  #unlinkTopic(group: string, topic: string): void {
    const groups = this.#groupsByTopic.get(topic)
    groups?.delete(group)
    if (groups?.size === 0) this.#groupsByTopic.delete(topic)
  }

  #registerProducer(link: ClientLink, heartbeat: Heartbeat, group: string): void {
    const { enableRegisterProducer, rejectTransactionMessage } = this.#surroundings.config
    if (!enableRegisterProducer && rejectTransactionMessage) return
    const members = this.#producerGroups.get(group) ?? new Map<object, Member>()
    this.#producerGroups.set(group, members)
    const member = this.#member(link, heartbeat)
    members.set(link.key, member)
    this.#producersById.set(member.clientId, member)
    this.#registration(link).producerGroups.add(group)
  }

  #removeProducer(link: ClientLink, group: string): void {
    const members = this.#producerGroups.get(group)
    const member = members?.get(link.key)
    if (members === undefined || member === undefined) return
    members.delete(link.key)
    if (members.size === 0) this.#producerGroups.delete(group)
    const registration = this.#registration(link)
    registration.producerGroups.delete(group)
    const isLast = registration.producerGroups.size === 0
    if (isLast && this.#producersById.get(member.clientId)?.link.key === link.key) {
      this.#producersById.delete(member.clientId)
    }
    this.#forgetIfEmpty(registration)
  }

  #removeConsumer(link: ClientLink, name: string): void {
    const group = this.#consumerGroups.get(name)
    const member = group?.memberOf(link)
    if (group === undefined || member === undefined) return
    group.leave(link)
    const registration = this.#registration(link)
    registration.consumerGroups.delete(name)
    this.#forgetIfEmpty(registration)
    this.#tellListeners({ type: 'left', group, member })
    if (group.isEmpty) {
      this.#consumerGroups.delete(name)
      for (const { topic } of group.subscriptions()) this.#unlinkTopic(name, topic)
      this.#tellListeners({ type: 'gone', group })
    } else if (this.#surroundings.groups.find(name)?.tellsMembers ?? true) {
      this.#tellOrPutOff(group)
    }
  }

  #tellOrPutOff(group: ConsumerGroup): void {
    if (group.messageModel === BROADCASTING) return // Each member reads every queue: there is nothing to share.
    if (this.#surroundings.config.realTimeNotifyConsumerChange) this.#tell(group)
    else this.#untold.add(group.name)
  }

  #tell(group: ConsumerGroup): void {
    if (!this.#surroundings.config.notifyConsumerIdsChangedEnable) return
    for (const { link } of group.members()) link.consumerIdsChanged(group.name)
  }

  #tellListeners(event: ConsumerEvent): void {
    for (const listener of this.#listeners) listener(event)
  }

  #member(link: ClientLink, { clientId, language, version }: Heartbeat): Member {
    const { clock } = this.#surroundings
    return { clientId, language, version, link, seenAtMs: clock.nowMs(), heardAtMs: clock.monotonicMs() }
  }

  #registration(link: ClientLink): Registration {
    const known = this.#registrations.get(link.key)
    if (known !== undefined) return known
    const made = { link, consumerGroups: new Set<string>(), producerGroups: new Set<string>() }
    this.#registrations.set(link.key, made)
    return made
  }

  #forgetIfEmpty({ link, consumerGroups, producerGroups }: Registration): void {
    if (consumerGroups.size === 0 && producerGroups.size === 0) this.#registrations.delete(link.key)
  }
}
