/**
 * Names of topics and groups: which a client may make, and which belong to the broker itself.
 *
 * Not here: what the store accepts as a directory name (layout/topic-name.ts).
 */
import { VarveError } from '../base/index.ts'
import { RETRY_TOPIC_PREFIX } from '../layout/index.ts'

export { RETRY_TOPIC_PREFIX } from '../layout/index.ts'
export const DEAD_LETTER_TOPIC_PREFIX = '%DLQ%'
/** The model of auto-created topics. */
export const TEMPLATE_TOPIC = 'TBW102'
/** Any client may pull with it; tools do. */
export const TOOLS_GROUP = 'TOOLS_CONSUMER'

const NAME = /^[A-Za-z0-9_%|-]+$/
const TOPIC_LENGTH_MAX = 127
const GROUP_TOPIC_LENGTH_MAX = 255
const GROUP_LENGTH_MAX = 120
const SHOWN_LENGTH_MAX = 300

export const retryTopicOf = (group: string): string => RETRY_TOPIC_PREFIX + group
export const deadLetterTopicOf = (group: string): string => DEAD_LETTER_TOPIC_PREFIX + group
export const isRetryTopic = (topic: string): boolean => topic.startsWith(RETRY_TOPIC_PREFIX)
export const isDeadLetterTopic = (topic: string): boolean => topic.startsWith(DEAD_LETTER_TOPIC_PREFIX)

/** The retry topics of pop consumers: one for each group and topic, under two forms of name. */
export const popRetryTopicsOf = (group: string, topic: string): readonly [string, string] => [
  `${RETRY_TOPIC_PREFIX}${group}_${topic}`,
  `${RETRY_TOPIC_PREFIX}${group}+${topic}`
]

/** What a client may send to, or an administrator create. @throws VarveError TOPIC_NAME_INVALID */
export function checkTopic(topic: string): void {
  const lengthMax = isRetryTopic(topic) || isDeadLetterTopic(topic) ? GROUP_TOPIC_LENGTH_MAX : TOPIC_LENGTH_MAX
  if (NAME.test(topic) && topic.length <= lengthMax) return
  throw new VarveError('TOPIC_NAME_INVALID', {
    topic: topic.slice(0, SHOWN_LENGTH_MAX),
    length: topic.length,
    lengthMax
  })
}

/** @throws VarveError GROUP_NAME_INVALID */
export function checkGroup(group: string): void {
  if (isGroup(group)) return
  throw new VarveError('GROUP_NAME_INVALID', {
    group: group.slice(0, SHOWN_LENGTH_MAX),
    length: group.length,
    lengthMax: GROUP_LENGTH_MAX
  })
}

export const isGroup = (group: string): boolean => NAME.test(group) && group.length <= GROUP_LENGTH_MAX
