/** Loads whose messages wait: in a level, for one moment, at a rate, or many of them for the same second. */
import { setTimeout as pause } from 'node:timers/promises'
import { systemClock } from '../base/index.ts'
import { createTopics, maxOffsets, type RecordTimes, recordTimes, targetsOf } from './broker-calls.ts'
import { loadFailure } from './failure.ts'
import { Histogram } from './histogram.ts'
import { acknowledgedBy, sendAtRate, sendFigures, sendLanes, whenSent } from './lanes.ts'
import { allStored, type Load, resultOf } from './load.ts'
import { type Measured, Meter } from './meter.ts'
import type { CaseResult } from './report.ts'

/** The first waits 10 s: all is sent before any of it is due; at the size of a test it need not be. */
const LEVEL = { measured: 3, smoke: 1 }
/** A moment lies so long behind the end of sending that everything is taken in before it. */
const MOMENT_AFTER_MS = { measured: 5000, smoke: 500 }
const ARRIVED_LOOK_MS = 5
const ARRIVE_MS_MAX = 90_000

/**
 * Senders with full windows whose messages wait: the rate is that of what was taken, the CPU that of taking and delivering
 * together. `deliveredRate` is how fast the middle of what was delivered came: with one moment for all, as fast as the
 * broker can.
 */
export async function delayed(load: Load): Promise<CaseResult> {
  const { extent, wait, address, targets, offsets } = load
  const size = extent.seconds === undefined ? 'smoke' : 'measured'
  const sendingMs = 1000 * ((extent.warmUpSeconds ?? 0) + (extent.seconds ?? 1))
  const momentMs = Math.ceil((systemClock.nowMs() + sendingMs + MOMENT_AFTER_MS[size]) / 1000) * 1000
  const properties = wait === 'level' ? `DELAY\u0001${LEVEL[size]}\u0002` : `TIMER_DELIVER_MS\u0001${momentMs}\u0002`
  const meter = new Meter(extent, load.watch)
  const lanes = await sendLanes(load, meter, {}, properties)
  const count = () => acknowledgedBy(lanes.all)
  const base = offsets.reduce((sum, offset) => sum + offset, 0)
  const arrivals: { readonly atMs: number; readonly count: number }[] = []
  let isSent = false
  const watch = async () => {
    const lastMs = systemClock.monotonicMs() + sendingMs + ARRIVE_MS_MAX
    for (;;) {
      const arrived = (await maxOffsets(address, targets)).reduce((sum, offset) => sum + offset, -base)
      arrivals.push({ atMs: systemClock.monotonicMs(), count: arrived })
      if (isSent && arrived === count()) return
      if (arrived > count() && isSent) throw loadFailure(`${arrived} messages arrived, ${count()} were acknowledged`)
      if (systemClock.monotonicMs() > lastMs) throw loadFailure(`${arrived} of ${count()} messages have arrived`)
      await pause(ARRIVED_LOOK_MS)
    }
  }
  const watching = watch()
  await Promise.race([lanes.failed, whenSent(lanes.all)])
  isSent = true
  const sentAtMs = systemClock.monotonicMs()
  await Promise.race([lanes.failed, watching])
  const drainMs = systemClock.monotonicMs() - sentAtMs
  const measured = meter.end()
  lanes.close()
  const reached = (share: number) => arrivals.find(arrival => arrival.count >= share * count()) ?? arrivals[0]!
  const [first, last] = [reached(0.1), reached(0.9)]
  const deliveredRate = (1000 * (last.count - first.count)) / Math.max(1, last.atMs - first.atMs)
  return resultOf(load, measured, { ...sendFigures(lanes.all), drainMs, deliveredRate })
}

const SHORTEST_LEVEL_MS = 1000

/** Messages at a fixed rate, each with the shortest level: as many are due in a second as are sent in it. */
export async function dueRate(load: Load): Promise<CaseResult> {
  const meter = new Meter(load.extent, load.watch)
  const lanes = await sendLanes(load, meter, {}, 'DELAY\u00011\u0002')
  await Promise.race([lanes.failed, sendAtRate(load, lanes.all, meter)])
  const drainMs = await allStored(load, acknowledgedBy(lanes.all))
  const measured = meter.end()
  lanes.close()
  // Counted from when a message was to be sent: what it waited for its own sending is in it.
  const late = await latenessOf(load, ({ storedAtMs, bornAtMs }) => storedAtMs - bornAtMs - SHORTEST_LEVEL_MS)
  return resultOf(load, measured, { ...sendFigures(lanes.all), drainMs, ...late })
}

/** Sending and taking in must be over before the moment; the sends that are compared begin so long before it. */
const BURST_AFTER_MS = { measured: 25_000, smoke: 2500 }
const REST_MS = { measured: 4000, smoke: 500 }
/** Between the sends at rest and those under the burst, so that neither sees the other's end. */
const APART_MS = 200

/**
 * Many messages are due in the same second, and others are sent at a fixed rate before it and while they are delivered: the
 * rate is that of the delivery, the latencies are those of the sends under it.
 */
export async function dueBurst(load: Load): Promise<CaseResult> {
  const { extent, burst, rate, topic, address } = load
  const size = extent.seconds === undefined ? 'smoke' : 'measured'
  const others = targetsOf({ ...load, topic: `${topic}-others`, topicCount: 1 })
  await createTopics(address, others, load.queueCount)
  const momentMs = Math.ceil((systemClock.nowMs() + BURST_AFTER_MS[size]) / 1000) * 1000
  const untilMoment = (ms: number) => pause(Math.max(0, momentMs + ms - systemClock.nowMs()))

  const filling = new Meter({ count: extent.count ?? burst }, load.watch)
  const waiting = await sendLanes(load, filling, {}, `TIMER_DELIVER_MS\u0001${momentMs}\u0002`)
  await Promise.race([waiting.failed, whenSent(waiting.all)])
  const count = acknowledgedBy(waiting.all)
  waiting.close()
  // At the size of a test it only has to work, however slow the machine is.
  const isTooLate = systemClock.nowMs() > momentMs - REST_MS[size] - APART_MS
  if (isTooLate && size === 'measured') throw loadFailure(`${count} messages were sent too late`)

  await untilMoment(-REST_MS[size] - APART_MS)
  const rest = await sendUntil({ ...load, targets: others }, () => untilMoment(-APART_MS))
  await untilMoment(0)
  const under = await sendUntil({ ...load, targets: others }, () => allStored(load, count))
  const late = await latenessOf(load, ({ storedAtMs }) => storedAtMs - momentMs)
  if (size === 'measured' && rest.latency.p99Us === 0) throw loadFailure(`nothing was sent at ${rate}/s`)
  return resultOf(
    load,
    { ...under, messages: count, all: count },
    {
      ...late,
      restP99Us: rest.latency.p99Us,
      p99Ratio: under.latency.p99Us / Math.max(1, rest.latency.p99Us),
      sentMeanwhile: under.messages
    }
  )
}

/** Sends at the rate of the load for as long as `over` takes. */
async function sendUntil(load: Load, over: () => Promise<unknown>): Promise<Measured> {
  const ended = new AbortController()
  const meter = new Meter({ count: Number.POSITIVE_INFINITY }, { ...load.watch, signal: ended.signal })
  const lanes = await sendLanes(load, meter)
  const sending = sendAtRate(load, lanes.all, meter)
  await Promise.race([lanes.failed, over()])
  ended.abort()
  await Promise.race([lanes.failed, sending.then(() => Promise.all(lanes.all.map(lane => lane.idle())))])
  const measured = meter.end()
  lanes.close()
  return measured
}

/** Clocks of two processes may be so far apart. */
const CLOCKS_APART_MS = 2

/** How late messages came, as their records say; those that came early are counted. */
async function latenessOf(
  { address, targets }: Load,
  lateMs: (times: RecordTimes) => number
): Promise<{ lateP50Ms: number; lateP99Ms: number; lateMaxMs: number; earlyCount: number }> {
  const histogram = new Histogram()
  let earlyCount = 0
  for (const target of targets) {
    for await (const times of recordTimes(address, target)) {
      const ms = lateMs(times)
      if (ms < -CLOCKS_APART_MS) earlyCount++
      histogram.recordMs(Math.max(0, ms))
    }
  }
  const lateAt = (percent: number) => histogram.percentileUs(percent) / 1000
  return { lateP50Ms: lateAt(50), lateP99Ms: lateAt(99), lateMaxMs: histogram.maxUs / 1000, earlyCount }
}
