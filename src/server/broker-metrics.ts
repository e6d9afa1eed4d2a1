/**
 * Metrics of the broker, under the names and labels of RocketMQ 5's exporter where it has them, so that its dashboards
 * work; what only Varve has is called `varve_…`.
 *
 * Everything is read where it is counted anyway, at the moment somebody asks. Samples of topics and groups are taken one
 * by one, so that a scrape of many never holds the thread for long.
 *
 * Not here: time per request (remoting/dispatch.ts), how far groups are behind (lag-metrics.ts), the process
 * (process-metrics.ts).
 */
import type { Broker } from '../broker/index.ts'
import { CONSUME_PASSIVELY, deadLetterTopicOf, isDeadLetterTopic, isRetryTopic } from '../broker/index.ts'
import type { Registry, Sample } from '../metrics/index.ts'
import { registerDelayMetrics } from './delay-metrics.ts'
import type { BrokerListeners } from './listeners.ts'
import { registerTransactionMetrics } from './transaction-metrics.ts'

export interface MetricSources {
  readonly broker: Broker
  readonly listeners: () => BrokerListeners | undefined
}

const STORAGE = { storage_type: 'local', storage_medium: 'disk' }
const PROTOCOL = { protocol_type: 'remoting' }

export function registerBrokerMetrics(registry: Registry, sources: MetricSources): void {
  registerTraffic(registry, sources)
  registerTables(registry, sources)
  registerClients(registry, sources)
  registerDelayMetrics(registry, sources.broker.delayed)
  registerTransactionMetrics(registry, sources.broker.transactions)
  registerStorage(registry, sources)
  registerEngine(registry, sources)
  registerConnections(registry, sources)
}

function registerTraffic(registry: Registry, { broker: { stats, topics } }: MetricSources): void {
  function* sent(of: 'messages' | 'bytes'): Iterable<Sample> {
    for (const [topic, flow] of stats.topicPuts()) {
      // What a group is sent again is no new message.
      if (isRetryTopic(topic) || isDeadLetterTopic(topic)) continue
      yield { labels: { topic, message_type: 'normal', is_system: String(topics.isSystem(topic)) }, value: flow[of] }
    }
  }
  function* received(of: 'messages' | 'bytes'): Iterable<Sample> {
    for (const [topic, group, flow] of stats.groupGets()) {
      const is_system = String(topics.isSystem(topic))
      yield {
        labels: { topic, consumer_group: group, is_retry: String(isRetryTopic(topic)), is_system },
        value: flow[of]
      }
    }
  }
  registry.sampled({ name: 'rocketmq_messages_in_total', help: 'Messages stored.' }, 'counter', () => sent('messages'))
  registry.sampled({ name: 'rocketmq_throughput_in_total', help: 'Bytes stored.' }, 'counter', () => sent('bytes'))
  registry.sampled({ name: 'rocketmq_messages_out_total', help: 'Messages handed to consumers.' }, 'counter', () =>
    received('messages')
  )
  registry.sampled({ name: 'rocketmq_throughput_out_total', help: 'Bytes handed to consumers.' }, 'counter', () =>
    received('bytes')
  )
}

function registerTables(registry: Registry, { broker }: MetricSources): void {
  registry.readGauge({ name: 'rocketmq_topic_number', help: 'Topics.' }, () => broker.topics.count)
  registry.readGauge({ name: 'rocketmq_consumer_group_number', help: 'Consumer groups.' }, () => broker.groups.count)
  registry.readGauge(
    { name: 'rocketmq_broker_permission', help: '2 for writing, 4 for reading, 6 for both.' },
    () => broker.config.brokerPermission
  )
}

function registerClients(registry: Registry, { broker }: MetricSources): void {
  const { store, clients, groups, topics } = broker

  function* producers(): Iterable<Sample> {
    const counts = new Map<string, { labels: Sample['labels']; clients: Set<string> }>()
    for (const [, members] of clients.allProducers()) {
      for (const { clientId, language, version } of members) {
        const key = `${language} ${version}`
        const labels = { language: language.toLowerCase(), version: String(version), ...PROTOCOL }
        const found = counts.get(key) ?? { labels, clients: new Set<string>() }
        counts.set(key, found)
        found.clients.add(clientId)
      }
    }
    for (const { labels, clients } of counts.values()) yield { labels: labels ?? {}, value: clients.size }
  }

  function* consumers(): Iterable<Sample> {
    for (const group of clients.consumerGroups()) {
      const counts = new Map<string, number>()
      for (const { language, version } of group.members()) {
        const key = `${language.toLowerCase()} ${version}`
        counts.set(key, (counts.get(key) ?? 0) + 1)
      }
      for (const [key, value] of counts) {
        const [language = '', version = ''] = key.split(' ')
        const consume_mode = group.consumeType === CONSUME_PASSIVELY ? 'push' : 'pull'
        yield {
          labels: { consumer_group: group.name, language, version, consume_mode, ...PROTOCOL, is_system: 'false' },
          value
        }
      }
    }
  }

  function* deadLetters(): Iterable<Sample> {
    for (const { name } of groups.all()) {
      const topic = deadLetterTopicOf(name)
      if (topics.find(topic) === undefined) continue
      const value = store.queues(topic).reduce((sum, queueId) => sum + store.maxOffset({ topic, queueId }), 0)
      yield { labels: { consumer_group: name, topic, is_system: 'false' }, value }
    }
  }

  registry.sampled({ name: 'rocketmq_producer_connections', help: 'Clients that produce.' }, 'gauge', producers)
  registry.sampled({ name: 'rocketmq_consumer_connections', help: 'Members of groups.' }, 'gauge', consumers)
  registry.sampled(
    { name: 'rocketmq_send_to_dlq_messages_total', help: 'Messages that a group gave up.' },
    'counter',
    deadLetters
  )
}

function registerStorage(registry: Registry, { broker: { store } }: MetricSources): void {
  const gauge = (name: string, help: string, read: () => number): void =>
    registry.readGauge({ name: `rocketmq_storage_${name}`, help, labels: STORAGE }, read)
  gauge('size', 'Bytes of the log.', () => {
    const { appendedUntil, minPhysicalOffset } = store.info()
    return appendedUntil - minPhysicalOffset
  })
  gauge('flush_behind_bytes', 'Bytes that are not yet on disk.', () => {
    const { appendedUntil, flushedUntil } = store.info()
    return appendedUntil - flushedUntil
  })
  gauge('dispatch_behind_bytes', 'Bytes that are not yet in queues and index.', () => {
    const { appendedUntil, dispatchedUntil } = store.info()
    return appendedUntil - dispatchedUntil
  })
}

function registerEngine(registry: Registry, { broker: { store } }: MetricSources): void {
  const gauge = (name: string, help: string, read: () => number): void =>
    registry.readGauge({ name: `varve_store_${name}`, help }, read)
  gauge('poisoned', '1 once a failure has ended writing; the log and /healthz name it.', () =>
    store.info().state === 'poisoned' ? 1 : 0
  )
  gauge('segments', 'Files of the log.', () => store.info().segmentCount)
  gauge('queues', 'Queues that hold or held messages.', () => store.info().queueCount)
  gauge('appended_until', 'Where the log ends; its growth is the rate of writing.', () => store.info().appendedUntil)
  gauge('damaged_ranges', 'Damaged parts of the log that recovery found.', () => store.info().recovery.damaged.length)
  gauge('quarantined_bytes', 'Bytes cut from the tail at the last start.', () => store.info().recovery.quarantinedBytes)
  gauge(
    'recovery_seconds',
    'How long the last start looked through the log.',
    () => store.info().recovery.tookMs / 1000
  )
}

function registerConnections(registry: Registry, { listeners }: MetricSources): void {
  function* each(value: (listener: BrokerListeners['main']) => number): Iterable<Sample> {
    const { main, vip } = listeners() ?? {}
    for (const [port, listener] of [
      ['main', main],
      ['vip', vip]
    ] as const)
      if (listener !== undefined) yield { labels: { port }, value: value(listener) }
  }
  function* closed(): Iterable<Sample> {
    const { main, vip } = listeners() ?? {}
    for (const [port, listener] of [
      ['main', main],
      ['vip', vip]
    ] as const)
      for (const [reason, value] of listener?.counters.closedBecause ?? []) yield { labels: { port, reason }, value }
  }
  const counter = (name: string, help: string, value: (listener: BrokerListeners['main']) => number): void =>
    registry.sampled({ name: `varve_remoting_${name}_total`, help }, 'counter', () => each(value))
  registry.sampled({ name: 'varve_remoting_connections', help: 'Open connections.' }, 'gauge', () =>
    each(({ connectionCount }) => connectionCount)
  )
  counter('requests', 'Requests read.', ({ counters }) => counters.requests)
  counter('read_bytes', 'Bytes read.', ({ counters }) => counters.bytesRead)
  counter('written_bytes', 'Bytes written.', ({ counters }) => counters.bytesWritten)
  counter('accepted', 'Connections accepted.', ({ counters }) => counters.accepted)
  counter('refused', 'Connections beyond the limit.', ({ counters }) => counters.refused)
  registry.sampled(
    { name: 'varve_remoting_closed_total', help: 'Connections that this side closed for what the peer did.' },
    'counter',
    closed
  )
}
