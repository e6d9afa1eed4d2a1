/** Metrics of delayed messages. Apache RocketMQ has none of delay levels: these are Varve's own. */
import type { DelayedMessages, LevelFacts } from '../broker/index.ts'
import type { Registry, Sample } from '../metrics/index.ts'

/** 1 ms to 65 s, in ms. */
const LATENESS_OCTAVES = { from: 0, until: 16 }
const MS_PER_SECOND = 1000

export function registerDelayMetrics(registry: Registry, delayed: DelayedMessages): void {
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
  registry.readGauge(
    {
      name: 'varve_delay_lost_messages',
      help: 'Messages lost while they waited, since the start; the log names them.'
    },
    () => delayed.lostCount
  )
  registry.readHistogram(
    {
      name: 'varve_delay_lateness_seconds',
      help: 'How late delayed messages were delivered.',
      recordedPerUnit: MS_PER_SECOND,
      octaves: LATENESS_OCTAVES
    },
    delayed.lateness
  )
}
