/** The broker: topics, groups, offsets and clients over a store, whatever the protocol. */

export type { Files, Store } from '../store/index.ts'
export { Appending, type Arrivals } from './appending.ts'
export { type AttributeChange, attributeChange, parseAttributeChanges } from './attributes.ts'
export { Broker, type BrokerOptions, configUpdatesPath } from './broker.ts'
export type { ClientLink } from './client-link.ts'
export { ClientRegistry, type ConsumerEvent, type HeartbeatOutcome } from './clients.ts'
export {
  brokerConfig,
  type ConfigExplanation,
  type ConfigLayer,
  Configuration,
  parseBrokerConf,
  resolveConfig
} from './config.ts'
export { ConfigFile, readConfigFile, type SaveFile, saveHere } from './config-file.ts'
export { BROKER_KEYS, type BrokerConfig, type BrokerKey, type ConfigEffect, type ConfigKey } from './config-keys.ts'
export { checkStoreOptions, storeOptionsOf } from './config-store-options.ts'
export { ConsumerGroup, type Member } from './consumer-group.ts'
export { type DataVersion, isSameVersion, readVersion } from './data-version.ts'
export { type Alarm, systemAlarm } from './deadlines.ts'
export { DelayedMessages, type DelayedWorld, type LevelFacts } from './delay/delayed-messages.ts'
export { draftOfRecall, type RecallHandle, readRecallHandle, recallHandleOf } from './delay/recall.ts'
export { type TimedCounts, WAIT_LIMITS_MS } from './delay/timer-counts.ts'
export { type GroupConfig, groupConfig, groupConfigJson, readGroupConfig } from './group-config.ts'
export { FORBIDDEN_READ_BIT, type GroupChange, GroupTable, TRANSACTION_GROUP } from './groups.ts'
export {
  BROADCASTING,
  CLUSTERING,
  CONSUME_ACTIVELY,
  CONSUME_PASSIVELY,
  type ConsumerOfClient,
  type Heartbeat,
  readHeartbeat
} from './heartbeat.ts'
export { booleanOf, integerOf, type JsonObject, listOf, objectOf, textOf, textsOf } from './json-fields.ts'
export { LongPolling, type LongPollingWorld } from './long-polling.ts'
export {
  checkGroup,
  checkTopic,
  DEAD_LETTER_TOPIC_PREFIX,
  deadLetterTopicOf,
  isDeadLetterTopic,
  isRetryTopic,
  RETRY_TOPIC_PREFIX,
  retryTopicOf,
  TEMPLATE_TOPIC,
  TOOLS_GROUP
} from './names.ts'
export { OffsetRequests, type OffsetReset, type QueueFacts } from './offset-requests.ts'
export { ConsumerOffsets, type QueueOfGroup } from './offsets.ts'
export { PropertyPass } from './properties.ts'
export { parseProperties, printProperties } from './properties-text.ts'
export type { ExpressionFilters } from './pull-filters.ts'
export {
  PULL_FLAG,
  type PullAnswer,
  type PullFound,
  type PullRequest,
  type PullStatus,
  type PullVerdict
} from './pull-request.ts'
export { Pulling, type PullingWorld } from './pulling.ts'
export { type KeyAnswer, type KeyRequest, Queries, type QueriesWorld } from './queries.ts'
export { type LockedQueue, QueueLocks } from './queue-locks.ts'
export { DEAD_LETTER_ORIGIN, ORIGIN_ID_PROPERTY, RETRY_TOPIC_PROPERTY } from './retries/dead-letter.ts'
export { SendBack, type SendBackRequest } from './retries/send-back.ts'
export { RuntimeStats } from './runtime-stats.ts'
export { emptyDraft, type SendDraft, Sent } from './send-draft.ts'
export type { DurableAnswer } from './send-durability.ts'
export type { SendAnswer } from './send-queue.ts'
export {
  firstMeant,
  type OutgoingMessage,
  type SendKind,
  type SendTransform
} from './send-transform.ts'
export { Sending, type SendingWorld } from './sending.ts'
export { ExpressionCache } from './sql/expression-cache.ts'
export { SqlFilter } from './sql/sql-filter.ts'
export { BrokerStats, type EventName, type StatsView, type StatsWindow, Traffic } from './stats.ts'
export {
  ALL_TAGS,
  parseSubscription,
  readSubscription,
  SQL_EXPRESSION,
  type Subscription,
  subscriptionJson,
  TAG_EXPRESSION
} from './subscription.ts'
export { HALF_TOPIC, isClosedToClients, replyTopicOf, reviveTopicOf } from './system-topics.ts'
export { type BrokerTables, openTables, type RecurringWork } from './tables.ts'
export { TagFilter } from './tag-filter.ts'
export {
  isReadable,
  isWritable,
  PERM,
  PERM_READ_WRITE,
  readTopicConfig,
  TOPIC_SYS_FLAG,
  type TopicConfig,
  topicConfig,
  topicConfigJson
} from './topic-config.ts'
export { type RemovalParts, removeTopic } from './topic-removal.ts'
export { type AutoCreation, type TableSurroundings, type TopicChange, TopicTable } from './topics.ts'
export type { TransactionQuestion } from './transactions/check-question.ts'
export { HALF_QUEUE } from './transactions/half-kind.ts'
export { OPERATION_QUEUE } from './transactions/operations.ts'
export type { TopicCounts } from './transactions/transaction-counts.ts'
export { type TransactionEnd, Transactions } from './transactions/transactions.ts'
