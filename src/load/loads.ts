/** The loads that a broker is put under. Each checks that what was acknowledged is there before it says a figure. */
import { setTimeout as pause } from 'node:timers/promises'
import { systemClock } from '../base/index.ts'
import { createTopics, deleteTopics, maxOffsets, minOffsets, readBack, targetsOf, untilStored } from './broker-calls.ts'
import { type Address, type AnswerSink, addressOf, Connection } from './connection.ts'
import { loadFailure } from './failure.ts'
import { Histogram } from './histogram.ts'
import { type Extent, type Measured, Meter } from './meter.ts'
import { PullLane } from './pull-lane.ts'
import type { SendShape } from './ready-requests.ts'
import type { CaseResult } from './report.ts'
import type { SendTarget } from './request-frame.ts'
import { SendLane, type SendLaneOptions } from './send-lane.ts'
import type { Watch } from './timeline.ts'

export interface LoadSettings {
  /** HOST:PORT of a broker, and its process, if it runs on this machine: its CPU is counted. */
  readonly broker: string
  readonly pid?: number
  readonly load: 'send' | 'fixed-rate' | 'pull' | 'consume' | 'end-to-end' | 'delayed'
  readonly extent: Extent
  readonly bodyBytes?: number
  readonly connections?: number
  /** Requests in flight on each connection; of a fixed rate, the most that may be. */
  readonly window?: number
  readonly batchCount?: number
  /** Topics are called so, with a number behind it. */
  readonly topic?: string
  readonly topicCount?: number
  readonly queueCount?: number
  /** Topics that the load has made are deleted after it. */
  readonly deletes?: boolean
  /** Messages a second, of a fixed rate; of an end-to-end load 0 is as many as are taken. */
  readonly rate?: number
  /** What is there already, to be consumed from its oldest message to its last. */
  readonly existing?: readonly SendTarget[]
  /** Messages that lie there before they are pulled. */
  readonly backlog?: number
  /** Connections that consume, of an end-to-end load. */
  readonly consumers?: number
  /** How messages of a delayed load wait: in a level, or all for one moment. */
  readonly wait?: 'level' | 'moment'
  /** Messages that those may be behind; senders wait for them. */
  readonly lagMax?: number
}

interface Load extends Required<Omit<LoadSettings, 'pid'>> {
  readonly watch: Watch
  readonly address: Address
  readonly targets: readonly SendTarget[]
  /** What each of them held before: a broker may have seen other loads. */
  readonly offsets: readonly number[]
}

const DEFAULTS = {
  bodyBytes: 1024,
  connections: 8,
  window: 64,
  batchCount: 1,
  topic: 'bench',
  topicCount: 1,
  queueCount: 8,
  rate: 0,
  existing: [],
  backlog: 200_000,
  consumers: 4,
  lagMax: 8192,
  wait: 'level',
  deletes: false
} as const

/** Settings that only one kind of load has. */
const ONLY_OF = {
  send: [],
  'fixed-rate': ['rate'],
  pull: ['backlog'],
  consume: [],
  'end-to-end': ['consumers', 'lagMax', 'rate'],
  delayed: ['wait']
} as const

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
  pull: pullBacklog,
  consume,
  'end-to-end': endToEnd,
  delayed
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

async function whenSent(lanes: readonly SendLane[]): Promise<void> {
  for (const lane of lanes) lane.start()
  await Promise.all(lanes.map(lane => lane.idle()))
}

/** So often what is due is sent: as fine as timers are. */
const DUE_EVERY_MS = 1

/** Latency counts from when a message was due, so that a broker that stands still is seen by all that would have come. */
async function fixedRate(load: Load): Promise<CaseResult> {
  const meter = new Meter(load.extent, load.watch)
  const lanes = await sendLanes(load, meter)
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

/** `late` is how late this program itself was. */
async function sendAtRate({ rate }: Load, lanes: readonly SendLane[], meter: Meter, late: Histogram): Promise<void> {
  if (!(rate > 0)) throw loadFailure('a fixed rate is a number of messages a second')
  const beganMs = systemClock.monotonicMs()
  for (let turn = 0, sent = 0; meter.mayBegin(1); turn++) {
    const dueMs = beganMs + turn * DUE_EVERY_MS
    while (systemClock.monotonicMs() < dueMs) await pause(Math.max(0, dueMs - systemClock.monotonicMs()))
    if (meter.counts) late.recordMs(systemClock.monotonicMs() - dueMs)
    for (const until = Math.floor((turn + 1) * DUE_EVERY_MS * (rate / 1000)); sent < until; sent++) {
      if (!meter.mayBegin(1)) break
      lanes[sent % lanes.length]!.sendDue(dueMs) // Inside by the remainder.
      meter.begun++
    }
    for (const lane of lanes) lane.flush()
    if (!meter.mayBegin(1)) await Promise.all(lanes.map(lane => lane.idle())) // Some may have been refused.
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
  const received = (number: number, nowMs: number) => {
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

/** Everything that was acknowledged, and nothing else, is there. Resolves with the milliseconds it took to see it. */
function allStored({ address, targets, offsets }: Load, acknowledged: number): Promise<number> {
  return untilStored(
    address,
    targets,
    offsets.reduce((sum, offset) => sum + offset, acknowledged)
  )
}

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
async function delayed(load: Load): Promise<CaseResult> {
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

interface Lanes<Lane> {
  readonly all: readonly Lane[]
  /** Rejects when one of them fails; never resolves. */
  readonly failed: Promise<never>
  close(): void
}

async function openLanes<Lane extends AnswerSink>(
  address: Address,
  count: number,
  laneOf: (connection: Connection, lane: number) => Lane
): Promise<Lanes<Lane>> {
  const connections = await Promise.all(Array.from({ length: count }, () => Connection.open(address)))
  let fail: (error: Error) => void = () => {}
  const failed = new Promise<never>((_, reject) => {
    fail = reject
  })
  const all = connections.map((connection, index) => {
    const lane = laneOf(connection, index)
    connection.serve(lane, fail)
    return lane
  })
  const close = () => {
    for (const connection of connections) connection.close()
  }
  return { all, failed, close }
}

function sendLanes(
  load: Load,
  meter: Meter,
  options: Pick<SendLaneOptions, 'numberOf' | 'isHeld'> = {},
  properties = ''
): Promise<Lanes<SendLane>> {
  const { bodyBytes, window, batchCount, targets } = load
  const shape: SendShape = { bodyBytes, window, batchCount, targets, properties }
  return openLanes(
    load.address,
    load.connections,
    (connection, lane) => new SendLane(connection, meter, { shape, lane, ...options })
  )
}

const acknowledgedBy = (lanes: readonly SendLane[]) => lanes.reduce((sum, lane) => sum + lane.acknowledged, 0)

function sendFigures(lanes: readonly SendLane[]) {
  return { refused: lanes.reduce((sum, lane) => sum + lane.refused, 0) }
}

async function resultOf(
  load: Load,
  { messages, all, seconds, brokerCpuUs, ownCpuUs, latency, timeline }: Measured,
  details: Readonly<Record<string, number>>,
  numbered = false
): Promise<CaseResult> {
  const { address, targets, bodyBytes, connections, window, batchCount, topicCount, queueCount } = load
  const hash = await readBack(address, targets[0]!, { bodyBytes, numbered }) // There is at least one queue.
  return {
    messages,
    seconds,
    ...(brokerCpuUs === undefined ? {} : { cpuUs: brokerCpuUs }),
    ...latency,
    ...(timeline === undefined ? {} : { timeline }),
    work: { count: all, hash },
    settings: {
      load: load.load,
      bodyBytes,
      connections,
      window,
      batchCount,
      topicCount,
      queueCount,
      ...Object.fromEntries(ONLY_OF[load.load].map(name => [name, load[name]]))
    },
    details: { ...details, generatorCpuUs: ownCpuUs / Math.max(1, messages) }
  }
}
