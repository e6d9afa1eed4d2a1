/**
 * Consumer filters: which SQL92 expression each group has for each topic, kept in `config/consumerFilter.json`.
 *
 * They come from heartbeats; pulls that bring no expression of their own are answered by them. A filter whose group has
 * gone is dead, and revived when the group comes back with the same; after a day it is dropped. After a restart all are
 * dead until somebody says otherwise.
 *
 * Invariants:
 * - an older subscription never replaces a newer one
 * - what is here compiles: an expression that does not is no filter, and takes the place of none
 *
 * Not here: tags (queue entries tell them), who checks an expression when a client starts (server: it asks `compiled`).
 */
import { join } from 'node:path'
import { type Clock, hourMs, type Log, secondMs, VarveError } from '../base/index.ts'
import { type JavaJson, printJavaJson } from '../layout/index.ts'
import { type BloomBits, bloomBitsOf, fitsBloomFilter } from './bloom-filter.ts'
import type { ConsumerEvent } from './clients.ts'
import { ConfigFile, readConfigFile } from './config-file.ts'
import { integerOf, listOf, objectOf, textOf } from './json-fields.ts'
import { ExpressionCache } from './sql/expression-cache.ts'
import type { SqlFilter } from './sql/sql-filter.ts'
import { SQL_EXPRESSION, type Subscription } from './subscription.ts'
import type { TableSurroundings } from './topics.ts'

/** A filter of a group that has gone is kept so long, for its bits in queue entries are of use only to the same one. */
const DEAD_MS_MAX = 24 * hourMs

/** A group that had a filter when the file was written last is taken to have left so long before the restart. */
const DEAD_BEFORE_RESTART_MS = 30 * secondMs

export interface ConsumerFilter {
  readonly topic: string
  readonly group: string
  readonly expression: string
  /** Of the subscription it comes from: a pull that names a newer one is told to wait (28). */
  readonly clientVersion: number
  readonly bornAtMs: number
  /** 0 while the group is there. */
  readonly diedAtMs: number
  readonly filter: SqlFilter
  readonly bloom: BloomBits
}

export class ConsumerFilters {
  readonly #clock: Clock
  readonly #log: Log
  readonly #file: ConfigFile
  readonly #cache = new ExpressionCache()
  /** By topic, then by group. */
  readonly #filters = new Map<string, Map<string, ConsumerFilter>>()

  /** Reads the file. @throws VarveError CONFIG_FILE_DAMAGED */
  constructor({ directory, files, save, clock, log }: Omit<TableSurroundings, 'config'>) {
    this.#clock = clock
    this.#log = log
    this.#file = new ConfigFile({
      path: join(directory, 'config', 'consumerFilter.json'),
      save,
      print: () => new TextEncoder().encode(this.print()),
      onFailure: error => log.error('consumer filters not saved', { path: this.#file.path, error: error as Error })
    })
    this.#load(readConfigFile(files, this.#file.path)?.json)
  }

  /** The expression, compiled; the last hundred are remembered. @throws VarveError FILTER_INVALID */
  compiled(expression: string): SqlFilter {
    return this.#cache.filterOf(expression)
  }

  find(topic: string, group: string): ConsumerFilter | undefined {
    return this.#filters.get(topic)?.get(group)
  }

  /** What the registry of clients has to say. */
  heard({ type, group }: ConsumerEvent): void {
    if (type === 'registered') this.register(group.name, [...group.subscriptions()])
    if (type === 'gone') this.unregister(group.name)
  }

  /** The group has these subscriptions and no others. */
  register(group: string, subscriptions: readonly Subscription[]): void {
    const filtering = subscriptions.filter(({ expressionType, expression }) => isFilter(expressionType, expression))
    for (const subscription of filtering) this.#take(group, subscription)
    const topics = new Set(subscriptions.map(({ topic }) => topic))
    for (const filter of this.#ofGroup(group)) if (!topics.has(filter.topic)) this.#die(filter)
  }

  /** Its last consumer has gone. */
  unregister(group: string): void {
    for (const filter of this.#ofGroup(group)) this.#die(filter)
  }

  /** Drops what has been dead for too long, and begins to save if anything has changed. Every 10 s. */
  tidy(): void {
    const nowMs = this.#clock.nowMs()
    for (const filters of this.#filters.values()) {
      for (const filter of filters.values()) {
        if (isDead(filter) && nowMs - filter.diedAtMs >= DEAD_MS_MAX) this.#remove(filter)
      }
    }
    this.#file.saveSoon()
  }

  saved(): Promise<void> {
    return this.#file.saved()
  }

  /** As the file has it. */
  print(): string {
    const filterDataByTopic: Record<string, unknown> = Object.create(null)
    for (const [topic, filters] of this.#filters) {
      const groupFilterData: Record<string, unknown> = Object.create(null)
      for (const [group, filter] of filters) groupFilterData[group] = filterJson(filter)
      filterDataByTopic[topic] = { groupFilterData, topic }
    }
    return printJavaJson({ filterDataByTopic })
  }

  #take(group: string, { topic, expression, version }: Subscription): void {
    const known = this.find(topic, group)
    if (known !== undefined && version <= known.clientVersion) {
      if (version === known.clientVersion && isDead(known)) this.#put({ ...known, diedAtMs: 0 })
      return
    }
    if (known?.expression === expression) return this.#put({ ...known, clientVersion: version, diedAtMs: 0 })
    const filter = this.#compiledOrNone(topic, group, expression)
    if (filter === undefined) {
      if (known !== undefined) this.#remove(known)
      return
    }
    const bornAtMs = this.#clock.nowMs()
    const bloom = bloomBitsOf(topic, group)
    this.#put({ topic, group, expression, clientVersion: version, bornAtMs, diedAtMs: 0, filter, bloom })
  }

  /** A client that heeds refusals has been refused when it started; one that does not is only logged. */
  #compiledOrNone(topic: string, group: string, expression: string): SqlFilter | undefined {
    try {
      const filter = this.compiled(expression)
      const { ignoredFrom } = filter
      if (ignoredFrom !== undefined) {
        const ignored = expression.slice(ignoredFrom)
        this.#log.warn('the end of a filter has no effect', { topic, group, expression, ignored })
      }
      return filter
    } catch (error) {
      if (!(error instanceof VarveError)) throw error
      this.#log.warn('a subscription has no valid filter', { topic, group, expression, error })
      return undefined
    }
  }

  #ofGroup(group: string): ConsumerFilter[] {
    return [...this.#filters.values()].flatMap(filters => filters.get(group) ?? [])
  }

  #die(filter: ConsumerFilter): void {
    // A clock that was set back must not make the filter immortal.
    if (!isDead(filter)) this.#put({ ...filter, diedAtMs: Math.max(filter.bornAtMs, this.#clock.nowMs()) })
  }

  #put(filter: ConsumerFilter): void {
    const filters = this.#filters.get(filter.topic) ?? new Map<string, ConsumerFilter>()
    this.#filters.set(filter.topic, filters.set(filter.group, filter))
    this.#file.changed()
  }

  #remove({ topic, group }: ConsumerFilter): void {
    const filters = this.#filters.get(topic)
    filters?.delete(group)
    if (filters?.size === 0) this.#filters.delete(topic)
    this.#file.changed()
  }

  /** All or nothing: bits of another size are those of a broker with other settings, and say nothing here. */
  #load(json: JavaJson | undefined): void {
    const loaded: ConsumerFilter[] = []
    for (const topic of Object.values(objectOf(objectOf(json)?.filterDataByTopic) ?? {})) {
      for (const entry of Object.values(objectOf(objectOf(topic)?.groupFilterData) ?? {})) {
        const read = this.#read(entry)
        if (read === undefined) continue
        if (!fitsBloomFilter(read.bloom)) {
          return this.#log.warn('consumer filters of other settings ignored', { path: this.#file.path })
        }
        loaded.push(read)
      }
    }
    for (const filter of loaded) this.#put(filter)
  }

  #read(json: JavaJson): ConsumerFilter | undefined {
    const fields = objectOf(json)
    const topic = textOf(fields?.topic, '')
    const group = textOf(fields?.consumerGroup, '')
    const expression = textOf(fields?.expression, '')
    if (fields === undefined || !isFilter(textOf(fields.expressionType, ''), expression)) return undefined
    const filter = this.#compiledOrNone(topic, group, expression)
    if (filter === undefined) return undefined
    const bits = objectOf(fields.bloomFilterData)
    const bloom = {
      bitCount: integerOf(bits?.bitNum, 0),
      positions: listOf(bits?.bitPos).map(position => integerOf(position, 0))
    }
    const bornAtMs = integerOf(fields.bornTime, 0)
    const diedAtMs = integerOf(fields.deadTime, 0) || Math.max(bornAtMs, this.#clock.nowMs() - DEAD_BEFORE_RESTART_MS)
    const clientVersion = integerOf(fields.clientVersion, 0)
    return { topic, group, expression, clientVersion, bornAtMs, diedAtMs, filter, bloom }
  }
}

const isFilter = (type: string, expression: string) => type === SQL_EXPRESSION && expression !== ''

/** As Apache's broker sees it. */
const isDead = ({ diedAtMs, bornAtMs }: ConsumerFilter) => diedAtMs >= bornAtMs

function filterJson(filter: ConsumerFilter) {
  return {
    bloomFilterData: { bitNum: filter.bloom.bitCount, bitPos: filter.bloom.positions },
    bornTime: filter.bornAtMs,
    clientVersion: filter.clientVersion,
    consumerGroup: filter.group,
    dead: isDead(filter),
    deadTime: filter.diedAtMs,
    expression: filter.expression,
    expressionType: SQL_EXPRESSION,
    topic: filter.topic
  }
}
