/**
 * Which filter a pull reads with: the one that came with it, or the newest that its group subscribed with.
 *
 * Filters are made once for each subscription. So the filter of a pull that waits is still the same object as long as
 * nobody has subscribed anew.
 *
 * Not here: SQL92 (sql/), whose filters somebody keeps for the groups.
 */
import { VarveError } from '../base/index.ts'
import type { RecordFilter } from '../store/index.ts'
import type { BrokerConfig } from './config-keys.ts'
import type { PullRequest } from './pull-request.ts'
import { parseSubscription, type Subscription, TAG_EXPRESSION } from './subscription.ts'
import { tagFilterOf } from './tag-filter.ts'

/** Filters that are no tags. */
export interface ExpressionFilters {
  /** Of the group's subscription to the topic, as its last heartbeat had it. */
  registered(topic: string, group: string): { readonly version: number; readonly filter: RecordFilter } | undefined
  /** Of an expression that came with a request; the same expression gives the same filter. @throws VarveError FILTER_INVALID */
  compile(expression: string, expressionType: string): RecordFilter
}

/** Expressions that came with pulls and are remembered. */
const PARSED_COUNT_MAX = 1000

export class PullFilters {
  readonly #expressions: ExpressionFilters
  readonly #config: Pick<BrokerConfig, 'enablePropertyFilter'>
  /** Undefined for filters that accept all. */
  readonly #ofTags = new WeakMap<Subscription, { readonly filter: RecordFilter | undefined }>()
  readonly #parsed = new Map<string, Subscription>()

  constructor(expressions: ExpressionFilters, config: Pick<BrokerConfig, 'enablePropertyFilter'>) {
    this.#expressions = expressions
    this.#config = config
  }

  /** What came with the request. @throws VarveError FILTER_INVALID */
  parse({ topic, expression = '', expressionType = '' }: PullRequest): Subscription {
    const key = `${expressionType} ${expression}`
    const known = this.#parsed.get(key)
    if (known !== undefined) return known
    const parsed = parseSubscription({ topic, expression, expressionType, version: 0 })
    if (parsed.expressionType !== TAG_EXPRESSION) this.#expressions.compile(expression, parsed.expressionType)
    if (this.#parsed.size >= PARSED_COUNT_MAX) this.#parsed.clear()
    this.#parsed.set(key, parsed)
    return parsed
  }

  /**
   * Undefined accepts all.
   * @throws VarveError FILTER_DATA_MISSING, FILTER_DATA_STALE, FILTER_DISABLED, FILTER_INVALID
   */
  filterOf(
    subscription: Subscription,
    { topic, group, subscriptionVersion }: PullRequest,
    isOwn: boolean
  ): RecordFilter | undefined {
    if (subscription.expressionType === TAG_EXPRESSION) return this.#tagFilter(subscription)
    if (isOwn) {
      const filter = this.#expressions.compile(subscription.expression, subscription.expressionType)
      this.#checkEnabled(topic, group)
      return filter
    }
    const registered = this.#expressions.registered(topic, group)
    if (registered === undefined) throw new VarveError('FILTER_DATA_MISSING', { topic, group })
    if (registered.version < subscriptionVersion) {
      throw new VarveError('FILTER_DATA_STALE', { topic, group, known: registered.version, asked: subscriptionVersion })
    }
    this.#checkEnabled(topic, group)
    return registered.filter
  }

  #tagFilter(subscription: Subscription): RecordFilter | undefined {
    const known = this.#ofTags.get(subscription)
    if (known !== undefined) return known.filter
    const filter = tagFilterOf(subscription)
    this.#ofTags.set(subscription, { filter })
    return filter
  }

  #checkEnabled(topic: string, group: string): void {
    if (!this.#config.enablePropertyFilter) throw new VarveError('FILTER_DISABLED', { topic, group })
  }
}
