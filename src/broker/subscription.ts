/** Subscription: which messages of one topic a group wants, as heartbeats and pulls say it. */
import { VarveError } from '../base/index.ts'
import { type JavaJson, javaHash } from '../layout/index.ts'
import { booleanOf, integerOf, listOf, objectOf, textOf } from './json-fields.ts'

export const TAG_EXPRESSION = 'TAG'
export const SQL_EXPRESSION = 'SQL92'
export const ALL_TAGS = '*'
const TAG_SEPARATOR = '||'

export interface Subscription {
  readonly topic: string
  /** Tags joined by `||`, `*` for all, or an SQL92 expression. */
  readonly expression: string
  readonly expressionType: string
  /** When the client made it (ms); a newer one replaces it. */
  readonly version: number
  /** Empty for `*` and for SQL92. */
  readonly tags: readonly string[]
  /** Java hashes of the tags, as queue entries hold them. */
  readonly tagHashes: readonly number[]
  readonly isClassFilter: boolean
}

/** The expression of a pull that brings its own. @throws VarveError FILTER_INVALID if it is nothing but bars */
export function parseSubscription(options: {
  readonly topic: string
  readonly expression: string | undefined
  readonly expressionType: string | undefined
  readonly version: number
}): Subscription {
  const { topic, version } = options
  const expression = options.expression === undefined || options.expression === '' ? ALL_TAGS : options.expression
  const expressionType = options.expressionType || TAG_EXPRESSION
  const common = { topic, expression, expressionType, version, isClassFilter: false }
  if (expressionType !== TAG_EXPRESSION || expression === ALL_TAGS) return { ...common, tags: [], tagHashes: [] }
  const parts = expression.split(TAG_SEPARATOR).filter(part => part !== '')
  if (parts.length === 0) throw new VarveError('FILTER_INVALID', { topic, expression, reason: 'it names no tag' })
  // Blanks between bars are no error to RocketMQ: then nothing matches.
  const tags = parts.map(part => part.trim()).filter(tag => tag !== '')
  return { ...common, tags, tagHashes: hashesOf(tags) }
}

/** Of a heartbeat. Undefined without a topic. */
export function readSubscription(json: JavaJson): Subscription | undefined {
  const fields = objectOf(json)
  const topic = textOf(fields?.topic)
  if (fields === undefined || topic === undefined || topic === '') return undefined
  const tags = listOf(fields.tagsSet).flatMap(tag => textOf(tag) ?? [])
  const hashes = listOf(fields.codeSet).map(hash => integerOf(hash, 0))
  return {
    topic,
    expression: textOf(fields.subString, ALL_TAGS),
    expressionType: textOf(fields.expressionType, TAG_EXPRESSION),
    version: integerOf(fields.subVersion, 0),
    tags,
    // Some clients send the tags alone.
    tagHashes: hashes.length >= tags.length ? hashes : hashesOf(tags),
    isClassFilter: booleanOf(fields.classFilterMode, false)
  }
}

const hashesOf = (tags: readonly string[]): number[] => tags.map(tag => javaHash(tag))

/** Under the names of the protocol, sorted. */
export function subscriptionJson(subscription: Subscription) {
  return {
    classFilterMode: subscription.isClassFilter,
    codeSet: subscription.tagHashes,
    expressionType: subscription.expressionType,
    subString: subscription.expression,
    subVersion: subscription.version,
    tagsSet: subscription.tags,
    topic: subscription.topic
  }
}
