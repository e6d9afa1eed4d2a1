/** The loads that a broker is put under. Each checks that what was acknowledged is there before it says a figure. */
import { setTimeout as pause } from 'node:timers/promises'
import { systemClock } from '../base/index.ts'
import { createTopics, deleteTopics, maxOffsets, minOffsets, targetsOf } from './broker-calls.ts'
import { addressOf } from './connection.ts'
import { delayed, dueBurst, dueRate } from './delayed-loads.ts'
import { Histogram } from './histogram.ts'
import { acknowledgedBy, openLanes, sendAtRate, sendFigures, sendLanes, whenSent } from './lanes.ts'
import { allStored, DEFAULTS, type Load, type LoadSettings, resultOf } from './load.ts'
import { Meter } from './meter.ts'
import { orderCheck } from './order-check.ts'
import { PullLane } from './pull-lane.ts'
import type { SendShape } from './ready-requests.ts'
import type { CaseResult } from './report.ts'
import type { SendTarget } from './request-frame.ts'
import type { SendLane } from './send-lane.ts'
import type { Watch } from './timeline.ts'
import { TransactionLane } from './transaction-lane.ts'

/** Whoever watches sees each step; the result has all of them. */
export async function runLoad(settings: LoadSettings, watch: Omit<Watch, 'pid'> = {}): Promise<CaseResult> {
  const { pid, ...all } = { ...DEFAULTS, ...settings }
  const address = addressOf(all.broker)
  if (all.load === 'consume') {
    const targets = all.existing
    const offsets = await minOffsets(address, targets)
    return await consume({ ...all, watch: { ...watch, pid }, address, targets, offsets })
  }
  const targets = targetsOf(all)
  await createTopics(address, targets, all.queueCount)
  try {
    const offsets = await maxOffsets(address, targets)
    return await loads[all.load]({ ...all, watch: { ...watch, pid }, address, targets, offsets })
  } finally {
    if (all.deletes) await deleteTopics(address, targets)
  }
}

const loads: Readonly<Record<LoadSettings['load'], (load: Load) => Promise<CaseResult>>> = {
  send: closedLoop,
  'fixed-rate': fixedRate,
  'beside-cold': besideCold,
  pull: pullBacklog,
  consume,
  'end-to-end': endToEnd,
  delayed,
  'due-rate': dueRate,
  'due-burst': dueBurst,
  transactions
}

async function closedLoop(load: Load): Promise<CaseResult> {
  const meter = new Meter(load.extent, load.watch)
  const lanes = await sendLanes(load, meter)
  await Promise.race([lanes.failed, whenSent(lanes.all)])
  const drainMs = await allStored(load, acknowledgedBy(lanes.all))
  const measured = meter.end()
  lanes.close()
  return resultOf(load, measured, { ...sendFigures(lanes.all), drainMs })
}

/**
 * Latency counts from when a message was due, so that a broker that stands still is seen by all that would have come.
 * `onOpen` is called when all connections are there.
 */
async function fixedRate(load: Load, onOpen: () => void = () => {}): Promise<CaseResult> {
  const meter = new Meter(load.extent, load.watch)
  const lanes = await sendLanes(load, meter)
  onOpen()
  const late = new Histogram()
  await Promise.race([lanes.failed, sendAtRate(load, lanes.all, meter, late)])
  const drainMs = await allStored(load, acknowledgedBy(lanes.all))
  const measured = meter.end()
  lanes.close()
  return resultOf(load, measured, {
    ...sendFigures(lanes.all),
    drainMs,
    // How late the generator itself was; it is in the latencies.
    ownDelayP99Us: late.percentileUs(99)
  })
}

const READ_SECONDS_MAX = 3600

/**
 * Senders at a fixed rate, first alone, then while `existing` is read from end to end at full speed: what it costs those who
 * send that others read what is no longer in memory. The latencies are those beside the readers.
 */
async function besideCold(load: Load): Promise<CaseResult> {
  const { address, connections, existing, targets } = load
  const alone = await fixedRate(load)
  const offsets = await maxOffsets(address, targets)
  const { seconds, count } = load.extent
  const extent = seconds === undefined ? { count: count ?? 1 } : { seconds }
  const reading = new Meter({ seconds: seconds ?? READ_SECONDS_MAX })
  const from = await minOffsets(address, existing)
  const lanes = await openLanes(address, Math.min(connections, existing.length), (connection, lane) => {
    const mine = <Value>(values: readonly Value[]) => values.filter((_, index) => index % connections === lane)
    const queues = { queues: mine(existing), from: mine(from) }
    return new PullLane(connection, reading, { ...queues, group: `bench-cold-${lane}`, atEnd: 'stop' })
  })
  const read = async () => {
    const beganMs = systemClock.monotonicMs()
    for (const lane of lanes.all) lane.start()
    await Promise.all(lanes.all.map(lane => lane.idle()))
    return (systemClock.monotonicMs() - beganMs) / 1000
  }
  let senderIsOpen = (): void => {}
  const opened = new Promise<void>(resolve => {
    senderIsOpen = resolve
  })
  const both = Promise.all([fixedRate({ ...load, offsets, extent }, senderIsOpen), opened.then(read)])
  const [beside, readSeconds] = await Promise.race([lanes.failed, both])
  lanes.close()
  const sum = (figure: 'messages' | 'bytes') => lanes.all.reduce((total, lane) => total + lane[figure], 0)
  return {
    ...beside,
    details: {
      ...beside.details,
      p99AloneUs: alone.p99Us ?? 0,
      p99TimesAlone: (beside.p99Us ?? 0) / (alone.p99Us ?? Number.NaN),
      p999AloneUs: alone.p999Us ?? 0,
      readSeconds,
      readRate: sum('messages') / readSeconds,
      readMiBPerSecond: sum('bytes') / 2 ** 20 / readSeconds
    }
  }
}

async function pullBacklog(load: Load): Promise<CaseResult> {
  const { address, backlog, targets, connections } = load
  const fill = new Meter({ count: backlog })
  const sending = await sendLanes({ ...load, connections: 1, window: 64 }, fill)
  await Promise.race([sending.failed, whenSent(sending.all)])
  sending.close()
  await allStored(load, backlog)

  const meter = new Meter(load.extent, load.watch)
  const share = (lane: number) => targets.filter((_, index) => index % connections === lane % targets.length)
  const lanes = await openLanes(
    address,
    connections,
    (connection, lane) =>
      new PullLane(connection, meter, { queues: share(lane), group: `bench-${lane}`, atEnd: 'again' })
  )
  for (const lane of lanes.all) lane.start()
  await Promise.race([lanes.failed, Promise.all(lanes.all.map(lane => lane.idle()))])
  const measured = meter.end()
  lanes.close()
  const sum = (figure: 'messages' | 'answers') => lanes.all.reduce((total, lane) => total + lane[figure], 0)
  // The work is the backlog: how often it was pulled is the rate.
  return resultOf(load, { ...measured, all: backlog }, { messagesPerAnswer: sum('messages') / sum('answers') })
}

/** Reads what others have sent, each queue from its oldest message to its last, or for as long as it may. */
async function consume(load: Load): Promise<CaseResult> {
  const { address, connections, targets, offsets, extent } = load
  const meter = new Meter(extent, load.watch)
  const count = Math.min(connections, targets.length)
  const lanes = await openLanes(address, count, (connection, lane) => {
    const mine = <Value>(values: readonly Value[]) => values.filter((_, index) => index % count === lane)
    const queues = mine(targets)
    return new PullLane(connection, meter, { queues, from: mine(offsets), group: `bench-${lane}`, atEnd: 'stop' })
  })
  for (const lane of lanes.all) lane.start()
  await Promise.race([lanes.failed, Promise.all(lanes.all.map(lane => lane.idle()))])
  const measured = meter.end()
  lanes.close()
  const sum = (figure: 'messages' | 'answers' | 'bytes') => lanes.all.reduce((total, lane) => total + lane[figure], 0)
  const { messages, brokerCpuUs, ownCpuUs, latency, timeline } = measured
  return {
    messages,
    seconds: measured.seconds,
    ...(brokerCpuUs === undefined ? {} : { cpuUs: brokerCpuUs }),
    ...latency,
    ...(timeline === undefined ? {} : { timeline }),
    work: { count: measured.all, hash: 'of others' },
    settings: { load: load.load, connections: count, queueCount: targets.length },
    details: {
      messagesPerAnswer: sum('messages') / Math.max(1, sum('answers')),
      recordBytesPerMessage: sum('bytes') / Math.max(1, sum('messages')),
      generatorCpuUs: ownCpuUs / Math.max(1, messages)
    }
  }
}

/** Numbers in bodies come round after so many; far more than are ever on their way. */
const NUMBER_COUNT = 2 ** 22
/** Of each so many messages one is timed from its sending to its coming. */
const TIMED_MESSAGES = 16

/**
 * Senders with full windows, consumers that wait at the end of their queues: the rate is that of what was consumed. A
 * broker that favours senders would let consumers fall behind without end, so senders wait once they are too far ahead.
 */
async function endToEnd(load: Load): Promise<CaseResult> {
  const { address, consumers, targets, lagMax } = load
  const meter = new Meter(load.extent, load.watch)
  const sentMeter = new Meter(load.extent, { signal: load.watch.signal })
  const sentMs = new Float64Array(NUMBER_COUNT)
  let next = 0
  const numberOf = (nowMs: number) => {
    sentMs[next & (NUMBER_COUNT - 1)] = nowMs
    return next++
  }
  const checkOrder = orderCheck()
  const received = (number: number, nowMs: number, queue: SendTarget) => {
    if (load.ordered) checkOrder(number, queue)
    if (number % TIMED_MESSAGES === 0) meter.record(nowMs - sentMs[number & (NUMBER_COUNT - 1)]!) // By the mask.
  }
  const isHeld = () => sentMeter.begun - meter.count >= lagMax
  let senders: readonly SendLane[] = []
  const progressed = () => {
    if (!isHeld()) for (const lane of senders) lane.resume()
  }
  const consuming = await openLanes(address, consumers, (connection, lane) => {
    const mine = <Value>(values: readonly Value[]) => values.filter((_, index) => index % consumers === lane)
    const from = mine(load.offsets)
    return new PullLane(connection, meter, {
      queues: mine(targets),
      from,
      group: 'bench-consumer',
      atEnd: 'wait',
      received,
      progressed
    })
  })
  for (const lane of consuming.all) lane.start()
  const sending = await sendLanes(load, sentMeter, { numberOf, isHeld })
  senders = sending.all
  const failed = Promise.race([sending.failed, consuming.failed])
  const late = new Histogram()
  const isFixed = load.rate > 0
  await Promise.race([failed, isFixed ? sendAtRate(load, sending.all, sentMeter, late) : whenSent(sending.all)])
  const acknowledged = acknowledgedBy(sending.all)
  const lagMessages = acknowledged - meter.count
  const sent = sentMeter.end()
  const beganMs = systemClock.monotonicMs()
  while (meter.count < acknowledged) await Promise.race([failed, pause(1)])
  const lagMs = systemClock.monotonicMs() - beganMs
  const measured = meter.end()
  sending.close()
  consuming.close()
  return resultOf(
    load,
    measured,
    {
      ...sendFigures(sending.all),
      sentRate: sent.messages / sent.seconds,
      ...(isFixed ? { ownDelayP99Us: late.percentileUs(99) } : {}),
      lagMessages,
      lagMs
    },
    true
  )
}

/** Half messages and their commits: the rate is that of pairs. Consumers find each that is counted. */
async function transactions(load: Load): Promise<CaseResult> {
  const { address, bodyBytes, connections, window, batchCount, targets } = load
  const meter = new Meter(load.extent, load.watch)
  const shape: SendShape = { bodyBytes, window, batchCount, targets }
  const lanes = await openLanes(
    address,
    connections,
    (connection, lane) => new TransactionLane(connection, meter, { shape, lane })
  )
  for (const lane of lanes.all) lane.start()
  await Promise.race([lanes.failed, Promise.all(lanes.all.map(lane => lane.idle()))])
  const drainMs = await allStored(
    load,
    lanes.all.reduce((sum, lane) => sum + lane.committed, 0)
  )
  const measured = meter.end()
  lanes.close()
  const refused = lanes.all.reduce((sum, lane) => sum + lane.refused, 0)
  return resultOf(load, measured, { refused, drainMs })
}
