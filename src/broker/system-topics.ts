/** The topics that belong to the broker itself: which names, and what each starts with. */
import { parseDelayLevels, SCHEDULE_TOPIC, TIMER_TOPIC } from '../layout/index.ts'
import type { BrokerConfig } from './config-keys.ts'
import { TEMPLATE_TOPIC } from './names.ts'
import { PERM, PERM_READ_WRITE, type TopicConfig, topicConfig } from './topic-config.ts'

export const HALF_TOPIC = 'RMQ_SYS_TRANS_HALF_TOPIC'
export const HALF_OPERATION_TOPIC = 'RMQ_SYS_TRANS_OP_HALF_TOPIC'
export const CHECK_LIMIT_TOPIC = 'TRANS_CHECK_MAX_TIME_TOPIC'
/** Apache RocketMQ 5.5 keeps transactions in them if told to. Their names are taken, the topics are not made here. */
const ROCKSDB_HALF_TOPICS = ['RMQ_SYS_ROCKSDB_TRANS_HALF_TOPIC', 'RMQ_SYS_ROCKSDB_TRANS_OP_HALF_TOPIC']
const SELF_TEST_TOPIC = 'SELF_TEST_TOPIC'
const BENCHMARK_TOPIC = 'BenchmarkTest'
const OFFSET_MOVED_TOPIC = 'OFFSET_MOVED_EVENT'
const TRACE_TOPIC = 'RMQ_SYS_TRACE_TOPIC'
const CHECKPOINT_TOPIC = 'CHECKPOINT_TOPIC'
const SYSTEM_PREFIX = 'rmq_sys_'

const BENCHMARK_QUEUES = 1024
/** At least, however few levels there are. */
const SCHEDULE_QUEUES = 18
const CLUSTER_QUEUES = 16

/** Names that belong to every broker. */
const KNOWN_TOPICS = [
  TEMPLATE_TOPIC,
  SCHEDULE_TOPIC,
  BENCHMARK_TOPIC,
  HALF_TOPIC,
  HALF_OPERATION_TOPIC,
  CHECK_LIMIT_TOPIC,
  TRACE_TOPIC,
  SELF_TEST_TOPIC,
  OFFSET_MOVED_TOPIC,
  CHECKPOINT_TOPIC,
  ...ROCKSDB_HALF_TOPICS
]

/** What comes into these comes by the broker alone. */
const CLOSED_TOPICS: ReadonlySet<string> = new Set([
  SCHEDULE_TOPIC,
  TIMER_TOPIC,
  HALF_TOPIC,
  HALF_OPERATION_TOPIC,
  CHECK_LIMIT_TOPIC,
  SELF_TEST_TOPIC,
  OFFSET_MOVED_TOPIC,
  ...ROCKSDB_HALF_TOPICS
])

/** Whether clients may not send to it, though they may read it. */
export const isClosedToClients = (topic: string): boolean => CLOSED_TOPICS.has(topic)

export const reviveTopicOf = (cluster: string): string => `${SYSTEM_PREFIX}REVIVE_LOG_${cluster}`
export const replyTopicOf = (cluster: string): string => `${cluster}_REPLY_TOPIC`
const memberTopicOf = (brokerName: string): string => `${SYSTEM_PREFIX}SYNC_BROKER_MEMBER_${brokerName}`

/** What is there from the start, whatever `topics.json` holds; the file wins where it has the topic. */
export function systemTopics(config: BrokerConfig): TopicConfig[] {
  const { brokerClusterName: cluster, brokerName, reviveQueueNum } = config
  const openTo = (isOpen: boolean) => PERM.inherit | (isOpen ? PERM_READ_WRITE : 0)
  return [
    topic(SELF_TEST_TOPIC, 1),
    ...when(config.autoCreateTopicEnable, topic(TEMPLATE_TOPIC, config.defaultTopicQueueNums, openTo(true))),
    topic(BENCHMARK_TOPIC, BENCHMARK_QUEUES),
    topic(cluster, CLUSTER_QUEUES, openTo(config.clusterTopicEnable)),
    topic(brokerName, 1, openTo(config.brokerTopicEnable)),
    topic(OFFSET_MOVED_TOPIC, 1),
    topic(SCHEDULE_TOPIC, Math.max(SCHEDULE_QUEUES, parseDelayLevels(config.messageDelayLevel).length)),
    ...when(config.traceTopicEnable, topic(config.msgTraceTopicName, 1)),
    topic(replyTopicOf(cluster), 1),
    topic(reviveTopicOf(cluster), reviveQueueNum),
    topic(memberTopicOf(brokerName), 1, PERM.inherit),
    topic(HALF_TOPIC, 1),
    topic(HALF_OPERATION_TOPIC, 1),
    ...when(config.timerWheelEnable, topic(TIMER_TOPIC, 1))
  ]
}

export class SystemTopicNames {
  readonly #names: Set<string>

  constructor(config: BrokerConfig) {
    this.#names = new Set([...KNOWN_TOPICS, ...systemTopics(config).map(({ name }) => name)])
  }

  has(topic: string): boolean {
    return this.#names.has(topic) || topic.startsWith(SYSTEM_PREFIX)
  }

  list(): string[] {
    return [...this.#names].sort()
  }
}

const topic = (name: string, queueCount: number, perm: number = PERM_READ_WRITE): TopicConfig =>
  topicConfig(name, { readQueueCount: queueCount, writeQueueCount: queueCount, perm })

const when = (isWanted: boolean, wanted: TopicConfig): TopicConfig[] => (isWanted ? [wanted] : [])
