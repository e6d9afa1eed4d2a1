/**
 * Messages that a consumer sends to its retry topic itself, because sending them back has failed or because it consumes in
 * order, and that have no retry left: they become dead letters on the way.
 *
 * That is so when the header says more retries than are allowed; and while a member of the group holds a queue lock, for a
 * consumer that keeps an order sends nothing to be retried but what it has given up.
 */
import { decodeProperties, encodeText, PROPERTY, RETRY_TOPIC_PREFIX } from '../../layout/index.ts'
import type { GroupTable } from '../groups.ts'
import { isRetryTopic } from '../names.ts'
import type { QueueLocks } from '../queue-locks.ts'
import type { SendKind } from '../send-transform.ts'
import type { TopicTable } from '../topics.ts'
import {
  DEAD_LETTER_ORIGIN,
  deadLetterProperties,
  ensureDeadLetterTopic,
  ORIGIN_ID_PROPERTY,
  RETRY_TOPIC_PROPERTY
} from './dead-letter.ts'

export interface DeadLetterWorld {
  readonly topics: Pick<TopicTable, 'ensure'>
  readonly groups: Pick<GroupTable, 'findOrCreate'>
  readonly locks: Pick<QueueLocks, 'isAnyHeld'>
  /** Told of each, by group. */
  readonly onDeadLetter: (group: string) => void
}

/** From that on a client says in the header how many retries there may be. */
const VERSION_RETRIES_IN_HEADER = 121
const DELAY = encodeText(PROPERTY.DELAY_LEVEL)
const REPLACED = [DELAY, ...Object.values(DEAD_LETTER_ORIGIN).map(encodeText)]
/** In place of a delay level. */
const NO_DELAY = '-1'

export function deadLetterKind({ topics, groups, locks, onDeadLetter }: DeadLetterWorld): SendKind {
  return {
    isMeant(_properties, { topic, isOfBroker, reconsumeTimes, maxReconsumeTimes, clientVersion }) {
      if (!isRetryTopic(topic) || isOfBroker) return false
      const group = groupOf(topic)
      const isInHeader = clientVersion >= VERSION_RETRIES_IN_HEADER && maxReconsumeTimes >= 0
      const retriesMax = isInHeader ? maxReconsumeTimes : (groups.findOrCreate(group)?.retryCountMax ?? 0)
      return reconsumeTimes > retriesMax || locks.isAnyHeld(group)
    },
    transform(message, properties) {
      const group = groupOf(message.topic)
      const said = decodeProperties(properties.bytes, 0, properties.length)
      properties.drop(REPLACED)
      properties.add(DELAY, NO_DELAY)
      const origin = deadLetterProperties(said[RETRY_TOPIC_PROPERTY], said[ORIGIN_ID_PROPERTY])
      for (const [name, value] of Object.entries(origin)) properties.add(encodeText(name), value)
      message.properties = properties.view()
      message.topic = ensureDeadLetterTopic(topics, group).name
      message.queueId = 0
      onDeadLetter(group)
    }
  }
}

const groupOf = (retryTopic: string): string => retryTopic.slice(RETRY_TOPIC_PREFIX.length)
