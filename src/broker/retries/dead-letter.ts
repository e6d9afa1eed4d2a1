/**
 * Dead letters: messages that a group has given up, in a topic of the group, which nobody consumes until somebody looks
 * (`varve dlq`). What they were goes with them, and where they came from is said in so many words.
 */
import { deadLetterTopicOf } from '../names.ts'
import { PERM_READ_WRITE, type TopicConfig, topicConfig } from '../topic-config.ts'
import type { TopicTable } from '../topics.ts'

export const RETRY_TOPIC_PROPERTY = 'RETRY_TOPIC'
export const ORIGIN_ID_PROPERTY = 'ORIGIN_MESSAGE_ID'
/** Apache RocketMQ has these names, and its proxy reads them; its broker writes neither. */
export const DEAD_LETTER_ORIGIN = { topic: 'DLQ_ORIGIN_TOPIC', messageId: 'DLQ_ORIGIN_MESSAGE_ID' } as const

/** The topic for the dead letters of the group, made if it is not there. */
export function ensureDeadLetterTopic(topics: Pick<TopicTable, 'ensure'>, group: string): TopicConfig {
  const counts = { readQueueCount: 1, writeQueueCount: 1 }
  return topics.ensure(topicConfig(deadLetterTopicOf(group), { ...counts, perm: PERM_READ_WRITE }))
}

/** What is said of a dead letter beside what it said itself. */
export function deadLetterProperties(topic: string | undefined, messageId: string | undefined): Record<string, string> {
  return {
    ...(topic === undefined ? {} : { [DEAD_LETTER_ORIGIN.topic]: topic }),
    ...(messageId === undefined ? {} : { [DEAD_LETTER_ORIGIN.messageId]: messageId })
  }
}
