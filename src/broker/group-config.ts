/**
 * Group config: what `subscriptionGroup.json` and administrators say about one consumer group, as a value that never
 * changes.
 *
 * Not here: which groups there are (groups.ts), who is connected (clients.ts).
 */
import type { JavaJson } from '../layout/index.ts'
import { booleanOf, integerOf, type JsonObject, listOf, objectOf, textOf, textsOf } from './json-fields.ts'

/** A subscription that an administrator has fixed, for consumers that do not send their own. */
export interface StaticSubscription {
  readonly topic: string
  readonly expression: string
  readonly expressionType: string
  readonly version: number
}

export interface GroupConfig {
  readonly name: string
  readonly mayConsume: boolean
  readonly mayConsumeFromMinimum: boolean
  readonly mayBroadcast: boolean
  readonly isOrdered: boolean
  readonly retryQueueCount: number
  readonly retryCountMax: number
  /** Kept for tools and for the proxy, which alone reads it; sent-back messages follow the delay levels. */
  readonly retryPolicy: JsonObject
  readonly brokerId: number
  /** The broker to pull from when this one has fallen behind. */
  readonly brokerIdWhenSlow: number
  readonly tellsMembers: boolean
  readonly sysFlag: number
  readonly consumeTimeoutMinutes: number
  readonly subscriptions: readonly StaticSubscription[]
  readonly attributes: Readonly<Record<string, string>>
}

const RETRY_COUNT_MAX_DEFAULT = 16
const CONSUME_TIMEOUT_MINUTES_DEFAULT = 15
const RETRY_POLICY_DEFAULT: JsonObject = { type: 'CUSTOMIZED' }

/** A config with the defaults for what is not said. */
export function groupConfig(name: string, config: Partial<GroupConfig> = {}): GroupConfig {
  return {
    mayConsume: true,
    mayConsumeFromMinimum: true,
    mayBroadcast: true,
    isOrdered: false,
    retryQueueCount: 1,
    retryCountMax: RETRY_COUNT_MAX_DEFAULT,
    retryPolicy: RETRY_POLICY_DEFAULT,
    brokerId: 0,
    brokerIdWhenSlow: 1,
    tellsMembers: true,
    sysFlag: 0,
    consumeTimeoutMinutes: CONSUME_TIMEOUT_MINUTES_DEFAULT,
    subscriptions: [],
    attributes: {},
    ...config,
    name
  }
}

/** Under the names that files and requests use, which are sorted. */
export function groupConfigJson(config: GroupConfig) {
  return {
    attributes: config.attributes,
    brokerId: config.brokerId,
    consumeBroadcastEnable: config.mayBroadcast,
    consumeEnable: config.mayConsume,
    consumeFromMinEnable: config.mayConsumeFromMinimum,
    consumeMessageOrderly: config.isOrdered,
    consumeTimeoutMinute: config.consumeTimeoutMinutes,
    groupName: config.name,
    groupRetryPolicy: config.retryPolicy,
    groupSysFlag: config.sysFlag,
    notifyConsumerIdsChangedEnable: config.tellsMembers,
    retryMaxTimes: config.retryCountMax,
    retryQueueNums: config.retryQueueCount,
    // Java leaves it out where it is null, which is its default.
    subscriptionDataSet: config.subscriptions.length === 0 ? undefined : config.subscriptions,
    whichBrokerWhenConsumeSlowly: config.brokerIdWhenSlow
  }
}

/** `name` is the key under which it stood, for files that leave the member out. */
export function readGroupConfig(json: JavaJson | undefined, name?: string): GroupConfig | undefined {
  const fields = objectOf(json)
  const group = textOf(fields?.groupName, name ?? '')
  if (fields === undefined || group === '') return undefined
  return groupConfig(group, {
    mayConsume: booleanOf(fields.consumeEnable, true),
    mayConsumeFromMinimum: booleanOf(fields.consumeFromMinEnable, true),
    mayBroadcast: booleanOf(fields.consumeBroadcastEnable, true),
    isOrdered: booleanOf(fields.consumeMessageOrderly, false),
    retryQueueCount: integerOf(fields.retryQueueNums, 1),
    retryCountMax: integerOf(fields.retryMaxTimes, RETRY_COUNT_MAX_DEFAULT),
    retryPolicy: objectOf(fields.groupRetryPolicy) ?? RETRY_POLICY_DEFAULT,
    brokerId: integerOf(fields.brokerId, 0),
    brokerIdWhenSlow: integerOf(fields.whichBrokerWhenConsumeSlowly, 1),
    tellsMembers: booleanOf(fields.notifyConsumerIdsChangedEnable, true),
    sysFlag: integerOf(fields.groupSysFlag, 0),
    consumeTimeoutMinutes: integerOf(fields.consumeTimeoutMinute, CONSUME_TIMEOUT_MINUTES_DEFAULT),
    subscriptions: listOf(fields.subscriptionDataSet).flatMap(readStaticSubscription),
    attributes: textsOf(fields.attributes)
  })
}

function readStaticSubscription(json: JavaJson): StaticSubscription[] {
  const fields = objectOf(json)
  const topic = textOf(fields?.topic)
  if (fields === undefined || topic === undefined) return []
  return [
    {
      expression: textOf(fields.expression, '*'),
      expressionType: textOf(fields.expressionType, 'TAG'),
      topic,
      version: integerOf(fields.version, 0)
    }
  ]
}
