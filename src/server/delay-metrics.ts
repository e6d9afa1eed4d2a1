/**
 * Metrics of delayed messages: of timed ones under the names of RocketMQ 5's exporter; of delay levels, which it does not
 * count, under Varve's own.
 */
import { type DelayedMessages, type LevelFacts, type TimedCounts, WAIT_LIMITS_MS } from '../broker/index.ts'
import type { Registry, Sample } from '../metrics/index.ts'

/** 1 ms to 65 s, in ms. */
const LATENESS_OCTAVES = { from: 0, until: 16 }
const MS_PER_SECOND = 1000
const STORAGE = { storage_type: 'local', storage_medium: 'disk' }
/** Seconds; what is due later than the last is in no class. */
const SNAPSHOT_BOUNDS = [5, 60, 300, 900, 3600, 14_400, 28_800, 86_400]

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
    'enqueue_latency',
    'How long ago the last timed message was stored that is in the wheel, in ms; 0 if none waits for that.',
    () => delayed.timed?.enqueueLatencyMs ?? 0
  )
  gauge(
    'dequeue_lag',
    'Timed messages that are due, or will be within two seconds.',
    () => delayed.timed?.openCount ?? 0
  )
  gauge('dequeue_latency', 'How late the first timed message is that is due, in ms.', () => delayed.timed?.lateMs ?? 0)

  function* counts(value: (counts: Readonly<TimedCounts>) => number): Iterable<Sample> {
    for (const [topic, of] of delayed.timedCounts.all()) yield { labels: { ...STORAGE, topic }, value: value(of) }
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
  registry.sampled(
    { name: 'rocketmq_timer_message_snapshot', help: 'Timed messages by when they are due, within 24 hours.' },
    'gauge',
    () => snapshot(delayed)
  )
  registry.sampled(
    { name: 'rocketmq_delay_message_latency', help: 'For how many seconds timed messages were to wait.' },
    'histogram',
    () => waits(delayed)
  )
}

/** A class holds what is due later than the bound of the one before it. */
function* snapshot({ timed }: DelayedMessages): Iterable<Sample> {
  if (timed === undefined) return
  let from = 0
  for (const bound of SNAPSHOT_BOUNDS) {
    const labels = { ...STORAGE, timer_bound_s: String(bound) }
    yield { labels, value: timed.countIn(from * MS_PER_SECOND, bound * MS_PER_SECOND) }
    from = bound
  }
}

function* waits({ timedCounts }: DelayedMessages): Iterable<Sample> {
  for (const [topic, { waits: classes, waitsSumMs }] of timedCounts.all()) {
    const labels = { ...STORAGE, topic }
    let count = 0
    for (const [index, inClass] of classes.entries()) {
      count += inClass
      const limitMs = WAIT_LIMITS_MS[index]
      const le = limitMs === undefined ? '+Inf' : String(limitMs / MS_PER_SECOND)
      yield { suffix: '_bucket', labels: { ...labels, le }, value: count }
    }
    yield { suffix: '_sum', labels, value: waitsSumMs / MS_PER_SECOND }
    yield { suffix: '_count', labels, value: count }
  }
}
