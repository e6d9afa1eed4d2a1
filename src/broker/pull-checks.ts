/**
 * What is checked of a pull before anything is read, in RocketMQ's order: the first check that fails is what the client
 * hears.
 *
 * `forbiddenType` in the details of PERMISSION_DENIED tells consumers whose permission is missing.
 *
 * Not here: filters (pull-filters.ts), reading (pulling.ts).
 */
import { VarveError } from '../base/index.ts'
import type { RecordFilter } from '../store/index.ts'
import { REJECTED } from './appending.ts'
import type { ClientRegistry } from './clients.ts'
import type { BrokerConfig } from './config-keys.ts'
import type { GroupConfig } from './group-config.ts'
import { FORBIDDEN_READ_BIT, type GroupTable } from './groups.ts'
import { BROADCASTING, CONSUME_ACTIVELY } from './heartbeat.ts'
import type { PullFilters } from './pull-filters.ts'
import { PULL_FLAG, type PullRequest } from './pull-request.ts'
import type { Subscription } from './subscription.ts'
import { isReadable, PERM, type TopicConfig } from './topic-config.ts'
import type { TopicTable } from './topics.ts'

export interface PullCheckWorld {
  readonly topics: Pick<TopicTable, 'find'>
  readonly groups: Pick<GroupTable, 'findOrCreate' | 'isForbidden'>
  readonly clients: Pick<ClientRegistry, 'consumerGroup'>
  readonly config: BrokerConfig
}

/** Whose permission is missing. */
const FORBIDDEN_TYPE = { broker: 1, group: 2, topic: 3, broadcast: 4, groupAndTopic: 5 } as const

/** What the checks have found; one object for all pulls, valid until the next check. */
export class PullTerms {
  topic!: TopicConfig
  group!: GroupConfig
  /** Undefined accepts all. */
  filter: RecordFilter | undefined
}

export class PullChecks {
  readonly #world: PullCheckWorld
  readonly #filters: PullFilters
  readonly #terms = new PullTerms()

  constructor(world: PullCheckWorld, filters: PullFilters) {
    this.#world = world
    this.#filters = filters
  }

  /**
   * @throws VarveError BROKER_BUSY, PERMISSION_DENIED, GROUP_UNKNOWN, TOPIC_UNKNOWN, QUEUE_ID_INVALID, FILTER_INVALID,
   *   SUBSCRIPTION_UNKNOWN, SUBSCRIPTION_STALE, FILTER_DATA_MISSING, FILTER_DATA_STALE, FILTER_DISABLED
   */
  check(request: PullRequest): PullTerms {
    const terms = this.#terms
    const { config } = this.#world
    if (config.brokerRole === 'SLAVE' && !config.slaveReadEnable) {
      throw new VarveError('BROKER_BUSY', { reason: REJECTED, role: 'SLAVE' })
    }
    if ((config.brokerPermission & PERM.read) === 0) {
      throw forbidden(request, FORBIDDEN_TYPE.broker, 'the broker may not be read from')
    }
    if ((request.sysFlag & PULL_FLAG.lite) !== 0 && !config.litePullMessageEnable) {
      throw forbidden(request, FORBIDDEN_TYPE.broker, 'lite pull consumers may not pull')
    }
    terms.group = this.#group(request)
    terms.topic = this.#topic(request)
    const isOwn = (request.sysFlag & PULL_FLAG.hasSubscription) !== 0
    const subscription = isOwn ? this.#filters.parse(request) : this.#subscription(request, terms.group)
    terms.filter = this.#filters.filterOf(subscription, request, isOwn)
    if (config.rejectPullConsumerEnable) this.#checkRegistered(request)
    return terms
  }

  #group(request: PullRequest): GroupConfig {
    const group = this.#world.groups.findOrCreate(request.group)
    if (group === undefined) throw new VarveError('GROUP_UNKNOWN', { group: request.group })
    if (!group.mayConsume) throw forbidden(request, FORBIDDEN_TYPE.group, 'the group may not consume')
    return group
  }

  #topic(request: PullRequest): TopicConfig {
    const { topic: name, queueId } = request
    const topic = this.#world.topics.find(name)
    if (topic === undefined) throw new VarveError('TOPIC_UNKNOWN', { topic: name })
    if (!isReadable(topic)) throw forbidden(request, FORBIDDEN_TYPE.topic, 'the topic may not be read')
    if (!(queueId >= 0 && queueId < topic.readQueueCount)) {
      throw new VarveError('QUEUE_ID_INVALID', { topic: name, queueId, queueCount: topic.readQueueCount })
    }
    return topic
  }

  /** What the group's last heartbeat said. */
  #subscription(request: PullRequest, settings: GroupConfig): Subscription {
    const { clients, groups } = this.#world
    const { group, topic, subscriptionVersion } = request
    const consumers = clients.consumerGroup(group)
    if (consumers === undefined)
      throw new VarveError('SUBSCRIPTION_UNKNOWN', { group, topic, reason: 'nobody is in the group' })
    if (!settings.mayBroadcast && consumers.messageModel === BROADCASTING) {
      throw forbidden(request, FORBIDDEN_TYPE.broadcast, 'the group may not consume by broadcast')
    }
    if (groups.isForbidden(group, topic, FORBIDDEN_READ_BIT)) {
      throw forbidden(request, FORBIDDEN_TYPE.groupAndTopic, 'the group may not read the topic')
    }
    const subscription = consumers.subscription(topic)
    if (subscription === undefined) throw new VarveError('SUBSCRIPTION_UNKNOWN', { group, topic })
    if (subscription.version < subscriptionVersion) {
      const details = { group, topic, known: subscription.version, asked: subscriptionVersion }
      throw new VarveError('SUBSCRIPTION_STALE', details)
    }
    return subscription
  }

  /** Where pull consumers are not wanted, only members of a push group may pull. */
  #checkRegistered({ group, topic, link }: PullRequest): void {
    const consumers = this.#world.clients.consumerGroup(group)
    if (consumers !== undefined && consumers.consumeType !== CONSUME_ACTIVELY && consumers.memberOf(link)) return
    throw new VarveError('SUBSCRIPTION_UNKNOWN', { group, topic, reason: 'the consumer is not registered' })
  }
}

function forbidden({ group, topic }: PullRequest, forbiddenType: number, reason: string): VarveError {
  return new VarveError('PERMISSION_DENIED', { reason, group, topic, forbiddenType })
}
