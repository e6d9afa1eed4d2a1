/** Heartbeat: what a client says about itself, and its body as JSON. */
import type { JavaJson } from '../layout/index.ts'
import { booleanOf, integerOf, listOf, objectOf, textOf } from './json-fields.ts'
import { readSubscription, type Subscription } from './subscription.ts'

/** `CONSUME_ACTIVELY` pulls itself, `CONSUME_PASSIVELY` is the push consumer, `CONSUME_POP` takes messages by pop. */
export type ConsumeType = string
export type MessageModel = string
export const BROADCASTING: MessageModel = 'BROADCASTING'
export const CLUSTERING: MessageModel = 'CLUSTERING'
export const CONSUME_ACTIVELY: ConsumeType = 'CONSUME_ACTIVELY'
export const CONSUME_PASSIVELY: ConsumeType = 'CONSUME_PASSIVELY'
const FROM_LAST = 'CONSUME_FROM_LAST_OFFSET'

export interface ConsumerOfClient {
  readonly group: string
  readonly consumeType: ConsumeType
  readonly messageModel: MessageModel
  readonly consumeFromWhere: string
  readonly isUnit: boolean
  readonly subscriptions: readonly Subscription[]
}

export interface Heartbeat {
  readonly clientId: string
  /** `JAVA`, `GO` …; it and the version come from the header of the request. */
  readonly language: string
  readonly version: number
  readonly producerGroups: readonly string[]
  readonly consumers: readonly ConsumerOfClient[]
  /** Of the second form of heartbeats: not 0, and another whenever the subscriptions are. */
  readonly fingerprint: number
  /** The client has left the subscriptions out, because they are those of this fingerprint. */
  readonly isWithoutSubscriptions: boolean
}

/** Lenient: what is missing or has another shape counts as empty. */
export function readHeartbeat(json: JavaJson, from: { language: string; version: number }): Heartbeat {
  const fields = objectOf(json) ?? {}
  return {
    clientId: textOf(fields.clientID, ''),
    ...from,
    producerGroups: listOf(fields.producerDataSet).flatMap(producer => groupNameOf(producer) ?? []),
    consumers: listOf(fields.consumerDataSet).flatMap(readConsumer),
    fingerprint: integerOf(fields.heartbeatFingerprint, 0),
    isWithoutSubscriptions: booleanOf(fields.withoutSub, false)
  }
}

function readConsumer(json: JavaJson): ConsumerOfClient[] {
  const fields = objectOf(json) ?? {}
  const group = groupNameOf(json)
  if (group === undefined) return []
  return [
    {
      group,
      consumeType: textOf(fields.consumeType, CONSUME_PASSIVELY),
      messageModel: textOf(fields.messageModel, CLUSTERING),
      consumeFromWhere: textOf(fields.consumeFromWhere, FROM_LAST),
      isUnit: booleanOf(fields.unitMode, false),
      subscriptions: listOf(fields.subscriptionDataSet).flatMap(item => readSubscription(item) ?? [])
    }
  ]
}

function groupNameOf(json: JavaJson): string | undefined {
  const name = textOf(objectOf(json)?.groupName)
  return name === '' ? undefined : name
}
