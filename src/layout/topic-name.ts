/**
 * Which names a topic may have. Names become directory names unchanged, so nothing that a path could mean may pass.
 *
 * Not here: names that clients may not send to (the broker).
 */
import { VarveError } from '../base/index.ts'

const TOPIC_LENGTH_MAX = 127
/** Retry topics carry the name of a group and may be longer; their records are then of version 2. */
const RETRY_TOPIC_LENGTH_MAX = 255
export const RETRY_TOPIC_PREFIX = '%RETRY%'

/** `+` stands in retry topics of pop consumers, `$` in the queues of lite topics: brokers make them, clients may not. */
const STORABLE_NAME = /^[A-Za-z0-9_%|+$-]+$/
const CLIENT_NAME = /^[A-Za-z0-9_%|-]+$/

/** What a store accepts. @throws VarveError TOPIC_NAME_INVALID */
export function checkTopicName(topic: string): void {
  if (!isTopicName(topic)) throw invalid(topic, topicLengthMax(topic))
}

export function isTopicName(topic: string): boolean {
  return STORABLE_NAME.test(topic) && topic.length <= topicLengthMax(topic)
}

/** What a client may send to or create. @throws VarveError TOPIC_NAME_INVALID */
export function checkClientTopicName(topic: string): void {
  if (!CLIENT_NAME.test(topic) || topic.length > TOPIC_LENGTH_MAX) throw invalid(topic, TOPIC_LENGTH_MAX)
}

function topicLengthMax(topic: string): number {
  return topic.startsWith(RETRY_TOPIC_PREFIX) ? RETRY_TOPIC_LENGTH_MAX : TOPIC_LENGTH_MAX
}

function invalid(topic: string, lengthMax: number): VarveError {
  return new VarveError('TOPIC_NAME_INVALID', { topic: topic.slice(0, 300), length: topic.length, lengthMax })
}
