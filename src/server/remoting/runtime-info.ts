/**
 * What GET_BROKER_RUNTIME_INFO answers: one flat table of texts, under the names that tools and the dashboard look for.
 *
 * Threads and queues of the Java broker have no counterpart on one thread: where tools insist on a number, it is that of
 * what comes closest, or 0.
 */
import type { BrokerWorld } from './broker-world.ts'

/** Java names its releases so. Tools print it; nothing is decided by it. */
const VERSION_TEXT = 'V5_3_3'
const BROKER_VERSION = 479

export async function runtimeInfo({ broker, clock }: BrokerWorld): Promise<Record<string, string>> {
  const { config, store, sending, longPolling, queries, runtime } = broker
  const diskRatio = broker.diskUsedRatio()
  const info = store.info()
  const values: Record<string, string | number | boolean> = {
    brokerVersionDesc: VERSION_TEXT,
    brokerVersion: BROKER_VERSION,
    brokerActive: info.state === 'open',
    startAcceptSendRequestTimeStamp: config.startAcceptSendRequestTimeStamp,
    commitLogMinOffset: info.minPhysicalOffset,
    commitLogMaxOffset: info.appendedUntil,
    dispatchBehindBytes: info.appendedUntil - info.dispatchedUntil,
    remainHowManyDataToFlush: info.appendedUntil - info.flushedUntil,
    remainHowManyDataToCommit: 0,
    remainTransientStoreBufferNumbs: 0,
    dispatchMaxBuffer: 0,
    pageCacheLockTimeMills: 0,
    commitLogDiskRatio: diskRatio,
    consumeQueueDiskRatio: diskRatio,
    earliestMessageTimeStamp: await queries.oldestStoredAtMs(),
    sendThreadPoolQueueSize: sending.waitingCount,
    sendThreadPoolQueueCapacity: config.sendThreadPoolQueueCapacity,
    sendThreadPoolQueueHeadWaitTimeMills: 0,
    pullThreadPoolQueueSize: longPolling.count,
    pullThreadPoolQueueCapacity: config.pullThreadPoolQueueCapacity,
    pullThreadPoolQueueHeadWaitTimeMills: 0,
    timeMills: clock.nowMs()
  }
  for (const { level, nextOffset, maxOffset } of broker.delayed.levels()) {
    values[`scheduleMessageOffset_${level}`] = `${nextOffset},${maxOffset}`
  }
  Object.assign(values, timerFacts(broker.delayed))
  for (const queue of QUEUES_WITHOUT_COUNTERPART) {
    values[`${queue}ThreadPoolQueueSize`] = 0
    values[`${queue}ThreadPoolQueueCapacity`] = 0
    values[`${queue}ThreadPoolQueueHeadWaitTimeMills`] = 0
  }
  const texts = Object.entries(values).map(([name, value]) => [name, String(value)])
  return { ...runtime.table(), ...Object.fromEntries(texts) }
}

function timerFacts({ timed, timedCounts }: BrokerWorld['broker']['delayed']): Record<string, string | number> {
  return {
    timerReadBehind: Math.floor((timed?.lateMs ?? 0) / MS_PER_SECOND),
    timerOffsetBehind: timed?.enqueueLag ?? 0,
    timerCongestNum: timed?.openCount ?? 0,
    timerEnqueueTps: timedCounts.rates.taken.toFixed(1),
    timerDequeueTps: timedCounts.rates.left.toFixed(1)
  }
}

const MS_PER_SECOND = 1000
const QUEUES_WITHOUT_COUNTERPART = ['litePull', 'query', 'ack']
