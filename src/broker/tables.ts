/**
 * Tables: everything that the broker keeps beside messages, opened together, with the work that recurs.
 *
 * Not here: timers. Whoever runs the broker calls each recurring piece of work in its turn; tests call them in theirs.
 */
import { secondMs } from '../base/index.ts'
import { ClientRegistry } from './clients.ts'
import { GroupTable } from './groups.ts'
import { ConsumerOffsets } from './offsets.ts'
import { QueueLocks } from './queue-locks.ts'
import { RuntimeStats } from './runtime-stats.ts'
import { BrokerStats } from './stats.ts'
import { type TableSurroundings, TopicTable } from './topics.ts'

/** After a failed save the next attempt does not wait for the next change. */
const SAVE_RETRY_MS = 5 * secondMs
const CLIENT_EXPIRY_MS = 10 * secondMs
const PUT_OFF_NEWS_MS = 15 * secondMs
const LOCK_EXPIRY_MS = 60 * secondMs
const STATS_MS = 10 * secondMs
const RUNTIME_STATS_MS = secondMs

export interface RecurringWork {
  readonly name: string
  readonly everyMs: number
  readonly run: () => void
}

export interface BrokerTables {
  readonly topics: TopicTable
  readonly groups: GroupTable
  readonly offsets: ConsumerOffsets
  readonly clients: ClientRegistry
  readonly locks: QueueLocks
  readonly stats: BrokerStats
  readonly runtime: RuntimeStats
  readonly recurring: readonly RecurringWork[]
  /** Saves everything that is not saved yet. Before the store closes, whose threads do the saving. */
  close(): Promise<void>
}

/** Reads `config/`. @throws VarveError CONFIG_FILE_DAMAGED */
export function openTables(surroundings: TableSurroundings): BrokerTables {
  const { clock, config, log } = surroundings
  const topics = new TopicTable(surroundings)
  const groups = new GroupTable(surroundings)
  const offsets = new ConsumerOffsets(surroundings)
  const clients = new ClientRegistry({ topics, groups, config, clock, log })
  const locks = new QueueLocks(surroundings)
  const stats = new BrokerStats({ clock, config, isSystemTopic: topic => topics.isSystem(topic) })
  const runtime = new RuntimeStats(clock)
  const recurring: RecurringWork[] = [
    { name: 'save offsets', everyMs: config.flushConsumerOffsetInterval, run: () => offsets.saveSoon() },
    {
      name: 'save again what could not be saved',
      everyMs: SAVE_RETRY_MS,
      run: () => {
        topics.saveSoon()
        groups.saveSoon()
      }
    },
    { name: 'forget silent clients', everyMs: CLIENT_EXPIRY_MS, run: () => clients.expire() },
    { name: 'tell members what was put off', everyMs: PUT_OFF_NEWS_MS, run: () => clients.tellMembers() },
    { name: 'forget ended locks', everyMs: LOCK_EXPIRY_MS, run: () => locks.expire() },
    { name: 'sample statistics', everyMs: STATS_MS, run: () => stats.sample() },
    { name: 'sample rates', everyMs: RUNTIME_STATS_MS, run: () => runtime.sample() }
  ]
  return {
    topics,
    groups,
    offsets,
    clients,
    locks,
    stats,
    runtime,
    recurring,
    async close() {
      await Promise.all([topics.saved(), groups.saved(), offsets.saved(), locks.saved()])
    }
  }
}
