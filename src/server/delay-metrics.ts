/**
 * Metrics of delayed messages: of timed ones under the names of RocketMQ 5's exporter; of delay levels, which it does not
 * count, under Varve's own.
 */
import type { DelayedMessages, LevelFacts } from '../broker/index.ts'
import type { Registry, Sample } from '../metrics/index.ts'

/** 1 ms to 65 s, in ms. */
const LATENESS_OCTAVES = { from: 0, until: 16 }
const MS_PER_SECOND = 1000
const STORAGE = { storage_type: 'local', storage_medium: 'disk' }

export function registerDelayMetrics(registry: Registry, delayed: DelayedMessages): void {
  registerLevels(registry, delayed)
  registerTimers(registry, delayed)
  registry.readGauge(
    {
      name: 'varve_delay_lost_messages',
      help: 'Messages lost while they waited, since the start; the log names them.'
    },
    () => delayed.lostCount
  )
  for (const [kind, lateness] of [
    ['level', delayed.lateness],
    ['timer', delayed.timedLateness]
  ] as const) {
    const name = 'varve_delay_lateness_seconds'
    const help = 'How late delayed messages were delivered.'
    registry.readHistogram(
      { name, help, labels: { kind }, recordedPerUnit: MS_PER_SECOND, octaves: LATENESS_OCTAVES },
      lateness
    )
  }
}

function registerLevels(registry: Registry, delayed: DelayedMessages): void {
  function* levels(value: (facts: LevelFacts) => number): Iterable<Sample> {
    for (const facts of delayed.levels()) {
      if (facts.maxOffset > 0) yield { labels: { delay_level: String(facts.level) }, value: value(facts) }
    }
  }
  registry.sampled(
    { name: 'varve_delay_waiting_messages', help: 'Messages that wait in a delay level.' },
    'gauge',
    () => levels(({ maxOffset, nextOffset }) => maxOffset - nextOffset)
  )
  registry.sampled(
    { name: 'varve_delay_delivered_total', help: 'Messages that a delay level has delivered, since its first.' },
    'counter',
    () => levels(({ nextOffset }) => nextOffset)
  )
}

function registerTimers(registry: Registry, delayed: DelayedMessages): void {
  const gauge = (name: string, help: string, read: () => number): void =>
    registry.readGauge({ name: `rocketmq_timer_${name}`, help, labels: STORAGE }, read)
  gauge('enqueue_lag', 'Timed messages that are not yet in the wheel.', () => delayed.timed?.enqueueLag ?? 0)
  gauge(
    'dequeue_lag',
    'Timed messages that are due, or will be within two seconds.',
    () => delayed.timed?.openCount ?? 0
  )
  gauge('dequeue_latency', 'How late the first timed message is that is due, in ms.', () => delayed.timed?.lateMs ?? 0)

  function* counts(value: (counts: { waiting: number; taken: number; left: number }) => number): Iterable<Sample> {
    for (const [topic, of] of delayed.timedCounts.all()) yield { labels: { topic }, value: value(of) }
  }
  registry.sampled({ name: 'rocketmq_timing_messages', help: 'Timed messages that wait.' }, 'gauge', () =>
    counts(({ waiting }) => waiting)
  )
  registry.sampled(
    { name: 'rocketmq_timer_enqueue_total', help: 'Timed messages taken into the wheel, since the start.' },
    'counter',
    () => counts(({ taken }) => taken)
  )
  registry.sampled(
    { name: 'rocketmq_timer_dequeue_total', help: 'Timed messages that left the wheel, since the start.' },
    'counter',
    () => counts(({ left }) => left)
  )
}
