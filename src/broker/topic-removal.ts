/** Deleting a topic with everything that hangs on it: offsets, statistics, retry topics of pop consumers, queues. */
import type { DelayedMessages } from './delay/delayed-messages.ts'
import { popRetryTopicsOf } from './names.ts'
import type { ConsumerOffsets } from './offsets.ts'
import type { BrokerStats } from './stats.ts'
import type { TopicTable } from './topics.ts'

export interface RemovalParts {
  readonly topics: TopicTable
  readonly offsets: ConsumerOffsets
  readonly stats: BrokerStats
  readonly delayed: Pick<DelayedMessages, 'forgetTopic'>
  /** Of the store. */
  readonly deleteQueues: (topic: string) => Promise<void>
  readonly clearsRetryTopics: boolean
}

/**
 * Resolves when all of it is gone and the table is saved. A topic that does not exist is no error: what hangs on its name
 * goes all the same. The config goes first, so that nothing new comes in.
 */
export async function removeTopic(topic: string, parts: RemovalParts): Promise<void> {
  const { topics, offsets } = parts
  const retryTopics = parts.clearsRetryTopics
    ? offsets.groupsOf(topic).flatMap(group => popRetryTopicsOf(group, topic).filter(name => topics.find(name)))
    : []
  for (const name of [topic, ...retryTopics]) {
    topics.delete(name)
    offsets.removeTopic(name)
    parts.stats.removeTopic(name)
    parts.delayed.forgetTopic(name)
    await parts.deleteQueues(name)
  }
  await topics.saved()
}
