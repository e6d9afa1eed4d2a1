/**
 * The broker: its tables, and the ways in which messages go in and out, put together over one store.
 *
 * Everything runs in the thread that owns the store. Whatever recurs is done by timers that keep no process alive.
 *
 * Invariants:
 * - what hangs on a topic or a group goes with it, and is gone before whoever deleted it is told
 * - `close` ends with every table saved; the store is closed after that, by whoever opened it
 *
 * Not here: the wire (server), opening the store (embedded.ts).
 */
import { join } from 'node:path'
import { type Clock, type Log, type Random, secondMs, VarveError } from '../base/index.ts'
import type { HostAddress } from '../model/index.ts'
import type { Files, QueueName, Selection, Store } from '../store/index.ts'
import { Appending } from './appending.ts'
import type { ClientLink } from './client-link.ts'
import type { ClientRegistry } from './clients.ts'
import type { Configuration } from './config.ts'
import type { BrokerConfig } from './config-keys.ts'
import { ConsumerFilters } from './consumer-filters.ts'
import { systemAlarm } from './deadlines.ts'
import { DelayedMessages } from './delay/delayed-messages.ts'
import type { GroupTable } from './groups.ts'
import { LongPolling } from './long-polling.ts'
import { deadLetterTopicOf } from './names.ts'
import { OffsetRequests } from './offset-requests.ts'
import type { ConsumerOffsets } from './offsets.ts'
import { printProperties } from './properties-text.ts'
import type { PullRequest } from './pull-request.ts'
import { Pulling } from './pulling.ts'
import { Queries } from './queries.ts'
import type { QueueLocks } from './queue-locks.ts'
import { deadLetterKind } from './retries/dead-letter-kind.ts'
import { SendBack } from './retries/send-back.ts'
import type { RuntimeStats } from './runtime-stats.ts'
import { firstMeant } from './send-transform.ts'
import { Sending } from './sending.ts'
import type { BrokerStats } from './stats.ts'
import { type BrokerTables, openTables, type RecurringWork } from './tables.ts'
import { removeTopic } from './topic-removal.ts'
import type { TopicTable } from './topics.ts'
import { Transactions } from './transactions/transactions.ts'

const FILTERS_MS = 10 * secondMs

export interface BrokerOptions {
  readonly store: Store
  /** The store's directory and files: tables are kept in `config/` below it. */
  readonly directory: string
  readonly files: Files
  readonly configuration: Configuration
  /** As the store writes it into records: where clients find a message by its id. */
  readonly storeHost: HostAddress
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

export class Broker implements BrokerTables {
  readonly store: Store
  readonly configuration: Configuration
  /** Its values, read live. */
  readonly config: BrokerConfig
  readonly topics: TopicTable
  readonly groups: GroupTable
  readonly offsets: ConsumerOffsets
  readonly clients: ClientRegistry
  readonly locks: QueueLocks
  readonly stats: BrokerStats
  readonly runtime: RuntimeStats
  readonly filters: ConsumerFilters
  readonly appending: Appending
  readonly delayed: DelayedMessages
  readonly transactions: Transactions
  readonly sending: Sending
  readonly sendBack: SendBack
  readonly longPolling: LongPolling
  readonly pulling: Pulling
  readonly queries: Queries
  readonly offsetRequests: OffsetRequests
  readonly recurring: readonly RecurringWork[]
  readonly #options: BrokerOptions
  readonly #tables: BrokerTables
  readonly #timers: NodeJS.Timeout[]

  /** Reads the tables. @throws VarveError CONFIG_FILE_DAMAGED */
  constructor(options: BrokerOptions) {
    const { store, directory, files, configuration, storeHost, clock, random, log } = options
    const config = configuration.values
    const save = (path: string, content: Uint8Array) => store.replaceFile(path, content)
    const tables = openTables({ directory, files, save, clock, log, config })
    const { topics, groups, offsets, clients } = tables
    this.#options = options
    this.#tables = tables
    this.store = store
    this.configuration = configuration
    this.config = config
    this.topics = topics
    this.groups = groups
    this.offsets = offsets
    this.clients = clients
    this.locks = tables.locks
    this.stats = tables.stats
    this.runtime = tables.runtime
    this.filters = new ConsumerFilters({ directory, files, save, clock, log })
    this.longPolling = new LongPolling({ store, clock, alarm: systemAlarm(), defer: setImmediate })
    this.appending = new Appending(store, {
      arrived: (topic, queueId) => {
        this.longPolling.arrived(topic, queueId)
        this.delayed.arrived(topic, queueId)
      }
    })
    this.delayed = new DelayedMessages({
      ...options,
      appending: this.appending,
      save,
      config,
      onDelivered: (topic, queueId, sizeBytes) => this.#countStored(topic, queueId, 1, sizeBytes),
      alarm: systemAlarm,
      defer: setImmediate
    })
    this.transactions = new Transactions({
      ...tables,
      store,
      appending: this.appending,
      config,
      storeHost,
      delay: firstMeant(this.delayed.kinds),
      onCommitted: (topic, queueId, sizeBytes) => this.#countStored(topic, queueId, 1, sizeBytes),
      clock,
      log
    })
    this.sending = new Sending({
      store,
      appending: this.appending,
      topics,
      groups,
      config,
      clock,
      random,
      defer: setImmediate,
      storeHost,
      transform: firstMeant([
        deadLetterKind({
          ...tables,
          onDeadLetter: group => this.stats.count('DLQ_PUT_NUMS', `${deadLetterTopicOf(group)}@${group}`)
        }),
        ...this.transactions.kinds,
        ...this.delayed.kinds
      ]),
      onSent: sent => this.#countStored(sent.storedTopic, sent.storedQueueId, sent.count, sent.sizeBytes)
    })
    this.sendBack = new SendBack({ ...tables, store, sending: this.sending, config, random })
    this.pulling = new Pulling({
      store,
      topics,
      groups,
      clients,
      offsets,
      config,
      longPolling: this.longPolling,
      expressions: {
        registered: (topic, group) => {
          const found = this.filters.find(topic, group)
          return found && { version: found.clientVersion, filter: found.filter }
        },
        compile: expression => this.filters.compiled(expression)
      },
      clock,
      log,
      onPulled: (request, selection) => this.#countPulled(request, selection)
    })
    this.queries = new Queries({ store, config })
    this.offsetRequests = new OffsetRequests({ topics, groups, offsets, queues: this.queries, config })
    this.recurring = [
      ...tables.recurring,
      ...this.delayed.recurring,
      ...this.transactions.recurring,
      { name: 'tidy and save filters', everyMs: FILTERS_MS, run: () => this.filters.tidy() }
    ]
    clients.onConsumers(event => this.filters.heard(event))
    topics.onChanged(({ topic }) => this.longPolling.topicChanged(topic.name))
    this.#timers = this.recurring.map(({ everyMs, run }) => setInterval(run, everyMs).unref())
  }

  /** The queue under the names of the wire. */
  wireQueue({ topic, queueId }: QueueName) {
    return { brokerName: this.config.brokerName, queueId, topic }
  }

  /** @throws VarveError PARAMETER_INVALID for a topic of the broker itself */
  async deleteTopic(topic: string): Promise<void> {
    if (this.topics.isSystem(topic)) {
      throw new VarveError('PARAMETER_INVALID', { topic, reason: 'it belongs to the broker itself' })
    }
    await removeTopic(topic, {
      topics: this.topics,
      offsets: this.offsets,
      stats: this.stats,
      delayed: this.delayed,
      deleteQueues: name => this.store.deleteTopic(name),
      clearsRetryTopics: this.config.clearRetryTopicWhenDeleteTopic
    })
  }

  /** A group that does not exist is no error. */
  async deleteGroup(group: string, { withOffsets }: { readonly withOffsets: boolean }): Promise<void> {
    this.groups.delete(group)
    this.stats.removeGroup(group)
    if (withOffsets) this.offsets.removeGroup(group)
    await this.groups.saved()
  }

  /** Changes settings at run time; they outlast a restart. @throws VarveError CONFIG_INVALID, PERMISSION_DENIED */
  async updateConfig(properties: Readonly<Record<string, string>>): Promise<void> {
    if (this.configuration.update(properties).length === 0) return
    const text = printProperties(this.configuration.updates())
    await this.store.replaceFile(configUpdatesPath(this.#options.directory), new TextEncoder().encode(text))
  }

  /** Where clients reach this broker, as tools are told. */
  get address(): string {
    const { address, port } = this.#options.storeHost
    return `${address}:${port}`
  }

  /** How full the disk is that the store is on, from 0 to 1. */
  diskUsedRatio(): number {
    const { files, directory } = this.#options
    const { totalBytes, availableBytes } = files.space(directory)
    return totalBytes === 0 ? 0 : 1 - availableBytes / totalBytes
  }

  /** The connection is gone: nobody waits on it any more, and its client is in no group. */
  closed(link: ClientLink): void {
    this.longPolling.closed(link.key)
    this.clients.closed(link)
  }

  /** Nothing is answered after this, and every table is saved. The store stays open. */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    this.longPolling.close()
    this.sending.close()
    await this.transactions.close()
    await this.delayed.close()
    await this.filters.saved()
    await this.#tables.close()
  }

  #countStored(topic: string, queueId: number, count: number, sizeBytes: number): void {
    this.stats.puts(topic).add(queueId, count, sizeBytes, 0)
    this.runtime.put(count, sizeBytes, 0)
  }

  #countPulled({ topic, group, queueId }: PullRequest, { count, bytes }: Selection): void {
    this.stats.gets(topic, group).add(queueId, count, bytes, 0)
    this.runtime.got(count, 0)
  }
}

/** What administrators changed while the broker ran: a layer of settings above those of `broker.conf`. */
export function configUpdatesPath(directory: string): string {
  return join(directory, 'config', 'broker-updates.properties')
}
