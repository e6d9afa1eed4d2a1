/**
 * Topic config: what `topics.json`, registrations and administrators say about one topic, as a value that never changes;
 * an update makes another one.
 *
 * Not here: which topics there are (topics.ts), rules of attributes (attributes.ts).
 */
import type { JavaJson } from '../layout/index.ts'
import { booleanOf, integerOf, objectOf, textOf, textsOf } from './json-fields.ts'

export const PERM = { inherit: 1, write: 2, read: 4, priority: 8 } as const
export const PERM_READ_WRITE = PERM.read | PERM.write
/** What an administrator may set. */
export const PERM_MAX = 7

export const TOPIC_SYS_FLAG = { unit: 1, unitSub: 2 } as const

const QUEUE_COUNT_DEFAULT = 16
const FILTER_TYPE_DEFAULT = 'SINGLE_TAG'

export interface TopicConfig {
  readonly name: string
  /** Consumers read queues below it. */
  readonly readQueueCount: number
  /** Producers choose among the queues below it. */
  readonly writeQueueCount: number
  /** Bits of `PERM`. */
  readonly perm: number
  readonly filterType: string
  /** Bits of `TOPIC_SYS_FLAG`. */
  readonly sysFlag: number
  readonly isOrdered: boolean
  readonly attributes: Readonly<Record<string, string>>
}

export const isReadable = ({ perm }: TopicConfig): boolean => (perm & PERM.read) !== 0
export const isWritable = ({ perm }: TopicConfig): boolean => (perm & PERM.write) !== 0
export const isInherited = ({ perm }: TopicConfig): boolean => (perm & PERM.inherit) !== 0

/** A config with the defaults for what is not said. */
export function topicConfig(name: string, config: Partial<TopicConfig> = {}): TopicConfig {
  return {
    readQueueCount: QUEUE_COUNT_DEFAULT,
    writeQueueCount: QUEUE_COUNT_DEFAULT,
    perm: PERM_READ_WRITE,
    filterType: FILTER_TYPE_DEFAULT,
    sysFlag: 0,
    isOrdered: false,
    attributes: {},
    ...config,
    name
  }
}

export function isSameTopicConfig(a: TopicConfig, b: TopicConfig): boolean {
  return JSON.stringify(topicConfigJson(a)) === JSON.stringify(topicConfigJson(b))
}

/** Under the names that files and requests use, which are sorted. */
export function topicConfigJson(config: TopicConfig) {
  return {
    attributes: sorted(config.attributes),
    order: config.isOrdered,
    perm: config.perm,
    readQueueNums: config.readQueueCount,
    topicFilterType: config.filterType,
    topicName: config.name,
    topicSysFlag: config.sysFlag,
    writeQueueNums: config.writeQueueCount
  }
}

/** `name` is the key under which it stood, for files that leave the member out. */
export function readTopicConfig(json: JavaJson | undefined, name?: string): TopicConfig | undefined {
  const fields = objectOf(json)
  const topic = textOf(fields?.topicName, name ?? '')
  if (fields === undefined || topic === '') return undefined
  return topicConfig(topic, {
    readQueueCount: integerOf(fields.readQueueNums, QUEUE_COUNT_DEFAULT),
    writeQueueCount: integerOf(fields.writeQueueNums, QUEUE_COUNT_DEFAULT),
    perm: integerOf(fields.perm, PERM_READ_WRITE),
    filterType: textOf(fields.topicFilterType, FILTER_TYPE_DEFAULT),
    sysFlag: integerOf(fields.topicSysFlag, 0),
    isOrdered: booleanOf(fields.order, false),
    attributes: textsOf(fields.attributes)
  })
}

const sorted = (texts: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(texts).sort(([a], [b]) => (a < b ? -1 : 1)))
