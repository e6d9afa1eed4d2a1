/**
 * What is checked of a send before anything of it is read: may this broker store now, what is the topic, which queue. In
 * RocketMQ's order, because the first check that fails is what the client hears.
 *
 * Not here: what the message itself must be (sending.ts).
 */
import { type Clock, type Random, VarveError } from '../base/index.ts'
import { RETRY_TOPIC_PREFIX } from '../layout/index.ts'
import { REJECTED } from './appending.ts'
import type { BrokerConfig } from './config-keys.ts'
import type { GroupTable } from './groups.ts'
import { checkTopic, isRetryTopic } from './names.ts'
import type { SendDraft } from './send-draft.ts'
import { isClosedToClients } from './system-topics.ts'
import { PERM, TOPIC_SYS_FLAG, type TopicConfig } from './topic-config.ts'
import type { TopicTable } from './topics.ts'

export interface SendCheckWorld {
  readonly topics: Pick<TopicTable, 'find' | 'createForSend'>
  readonly groups: Pick<GroupTable, 'findOrCreate'>
  readonly config: BrokerConfig
  readonly clock: Clock
  readonly random: Random
}

/** Names that were checked are remembered, but not so many that clients could fill the memory with them. */
const CHECKED_COUNT_MAX = 10_000

export class SendChecks {
  readonly #world: SendCheckWorld
  readonly #checked = new Set<string>()

  constructor(world: SendCheckWorld) {
    this.#world = world
  }

  /**
   * The topic of the draft, made if it may be.
   * @throws VarveError BROKER_BUSY, BROKER_NOT_ACCEPTING, PERMISSION_DENIED, TOPIC_NAME_INVALID, TOPIC_RESERVED, TOPIC_UNKNOWN,
   *   QUEUE_ID_INVALID, GROUP_UNKNOWN
   */
  topicFor(draft: SendDraft): TopicConfig {
    const { topics, groups, clock, config } = this.#world
    const { topic: name } = draft
    if (config.brokerRole === 'SLAVE') throw new VarveError('BROKER_BUSY', { reason: REJECTED, role: 'SLAVE' })
    const openFromMs = config.startAcceptSendRequestTimeStamp
    if (openFromMs > 0 && clock.nowMs() < openFromMs) throw new VarveError('BROKER_NOT_ACCEPTING', { openFromMs })
    const known = topics.find(name)
    if ((config.brokerPermission & PERM.write) === 0 && known?.isOrdered) {
      throw new VarveError('PERMISSION_DENIED', { reason: 'the broker may not be written to', topic: name })
    }
    if (!this.#checked.has(name)) this.#checkName(name)
    const topic = known ?? this.#create(draft)
    const queueCount = Math.max(topic.writeQueueCount, topic.readQueueCount)
    if (draft.queueId >= queueCount) {
      throw new VarveError('QUEUE_ID_INVALID', { topic: name, queueId: draft.queueId, queueCount })
    }
    if (isRetryTopic(name)) {
      const group = name.slice(RETRY_TOPIC_PREFIX.length)
      if (groups.findOrCreate(group) === undefined) throw new VarveError('GROUP_UNKNOWN', { group })
    }
    return topic
  }

  #checkName(topic: string): void {
    checkTopic(topic)
    if (isClosedToClients(topic)) throw new VarveError('TOPIC_RESERVED', { topic })
    if (this.#checked.size >= CHECKED_COUNT_MAX) this.#checked.clear()
    this.#checked.add(topic)
  }

  #create({ topic, defaultTopic, defaultTopicQueueNums, isUnit }: SendDraft): TopicConfig {
    return this.#world.topics.createForSend({
      topic,
      defaultTopic,
      queueCountMax: defaultTopicQueueNums,
      sysFlag: isUnit ? (isRetryTopic(topic) ? TOPIC_SYS_FLAG.unitSub : TOPIC_SYS_FLAG.unit) : 0
    })
  }

  /** The queue that the draft names, or one by chance. @throws VarveError QUEUE_ID_INVALID for a topic without queues */
  queueIdFor({ queueId, topic }: SendDraft, { writeQueueCount }: TopicConfig): number {
    if (queueId >= 0) return queueId
    if (writeQueueCount > 0) return this.#world.random.below(writeQueueCount)
    throw new VarveError('QUEUE_ID_INVALID', { topic, queueId, queueCount: writeQueueCount })
  }
}
