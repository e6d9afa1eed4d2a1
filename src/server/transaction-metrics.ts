/** Metrics of transactions, by topic: under the names of RocketMQ 5's exporter where it has them. */
import type { TopicCounts, Transactions } from '../broker/index.ts'
import type { Registry, Sample } from '../metrics/index.ts'

export function registerTransactionMetrics(registry: Registry, transactions: Transactions): void {
  const sampled = (name: string, help: string, kind: 'counter' | 'gauge', of: keyof TopicCounts): void =>
    registry.sampled({ name, help }, kind, () => each(of))
  function* each(of: keyof TopicCounts): Iterable<Sample> {
    for (const [topic, counts] of transactions.counts.all()) yield { labels: { topic }, value: counts[of] }
  }
  sampled('rocketmq_half_messages', 'Half messages that are not decided.', 'gauge', 'open')
  sampled('rocketmq_commit_messages_total', 'Transactions committed.', 'counter', 'committed')
  sampled('rocketmq_rollback_messages_total', 'Transactions rolled back.', 'counter', 'rolledBack')
  sampled('varve_transactions_given_up_total', 'Transactions that nobody decided in time.', 'counter', 'discarded')
  sampled('varve_transaction_checks_total', 'Questions to producers about open transactions.', 'counter', 'checked')
  sampled('varve_transaction_checks_unasked_total', 'Checks for which no producer was there.', 'counter', 'unasked')
  registry.readGauge(
    { name: 'varve_transactions_window', help: 'Half messages from the oldest open one to the newest.' },
    () => transactions.windowLength
  )
}
