/**
 * What every case file shares: a case is a process of its own that takes its settings as JSON, does one kind of work
 * for a time or a count, and prints one JSON line. Its own process, so that its CPU time is its own.
 *
 * The load loops are the same for Varve and its peers, so that what they cost is in every figure alike.
 */
import { createHash } from 'node:crypto'
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Measurement } from './report.ts'

export type CaseResult = Omit<Measurement, 'name' | 'rate' | 'cpuUsPerMessage'> & { readonly cpuUs: number }

export async function runCase<Settings>(work: (settings: Settings) => Promise<CaseResult>): Promise<void> {
  const settings = JSON.parse(process.argv[2] ?? '{}') as Settings
  const { cpuUs, ...result } = await work(settings)
  const measurement = {
    ...result,
    rate: result.messages / result.seconds,
    cpuUsPerMessage: cpuUs / Math.max(1, result.messages)
  }
  process.stdout.write(`${JSON.stringify(measurement)}\n`)
}

/** One of the two: for a time after a warm-up that does not count, or exactly so many messages. */
export interface Extent {
  readonly seconds?: number
  readonly warmUpSeconds?: number
  readonly count?: number
}

/** A power of two, and more than are ever in flight: a peer may read a body after the call that hands it over. */
const BODY_COUNT = 1024
/** So many first messages of a run are read back and hashed. */
export const HASHED_COUNT = 1000

/** Bodies that differ and do not compress; message i has body `i & (length - 1)`. Made once: making them is no one's work. */
export function bodies(bodyBytes: number): Uint8Array[] {
  let state = 0x9e3779b9
  return Array.from({ length: BODY_COUNT }, (_, index) => {
    const body = Buffer.alloc(bodyBytes)
    for (let at = 0; at + 4 <= bodyBytes; at += 4) {
      state = (Math.imul(state, 1664525) + 1013904223) | 0
      body.writeInt32LE(state, at)
    }
    body.writeUInt32LE(index, 0)
    return body
  })
}

export function hashOf(read: Iterable<Uint8Array>): string {
  const hash = createHash('sha256')
  for (const body of read) hash.update(body)
  return hash.digest('hex').slice(0, 16)
}

export interface LoadResult {
  /** Within the measured time; `all` counts the warm-up too. */
  readonly messages: number
  readonly all: number
  readonly seconds: number
  readonly cpuUs: number
  readonly latency: Latency
}

export interface Latency {
  readonly p50Us: number
  readonly p99Us: number
  readonly p999Us: number
  readonly maxUs: number
}

export interface StreamResult extends LoadResult {
  /** How long, warm-up included, the writer waited because it was refused. */
  readonly refusedMs: number
}

export interface StreamLoad {
  readonly extent: Extent
  /** Hands over `perCall` messages, the first of which is message `first` of the run; false if none were taken. */
  readonly write: (first: number) => boolean
  /** Awaited after a refusal, before the same messages are handed over again. */
  readonly writable?: () => Promise<void>
  readonly perCall: number
  /** For calls that wait for the disk, beside which the clock costs nothing: each is timed, not one in 64. */
  readonly timeEach?: boolean
  /** Called once in each turn of the event loop, some 5 ms apart. */
  readonly turn?: () => void
  /** What is still owed when the last call has returned: its CPU counts, its time is not in the rate. */
  readonly settle?: () => Promise<void>
}

/** Time between two looks at the event loop, as a program that also serves others would leave it. */
const TURN_MS = 5
/** Every so many calls one is timed: timing each would cost more than some of them. */
const TIMED_CALLS = 64
/** Of many writers that wait side by side one in so many calls is timed, odd so that every writer has its turn. */
const TIMED_WRITES = 15

/** Flat out from one thread: nobody waits for an acknowledgement. */
export async function streamLoad({
  extent,
  write,
  writable,
  perCall,
  timeEach = false,
  turn,
  settle
}: StreamLoad): Promise<StreamResult> {
  const meter = startMeter(extent)
  const timedCalls = timeEach ? 1 : TIMED_CALLS
  let count = 0
  let refusedMs = 0
  let turnAtMs = performance.now()
  for (let call = 0; meter.goesOn(count); call++) {
    const beganMs = call % timedCalls === 0 ? performance.now() : undefined
    if (!write(count)) {
      const waitsFromMs = performance.now()
      await writable?.()
      refusedMs += performance.now() - waitsFromMs
      call = -1 // The next one is timed, so that the clock is looked at however often calls are refused.
      continue
    }
    count += perCall
    if (beganMs === undefined) continue
    const endedMs = performance.now()
    meter.record(endedMs - beganMs)
    meter.tick(endedMs, count)
    if (endedMs - turnAtMs >= TURN_MS) {
      turn?.()
      await nextTurn()
      turnAtMs = performance.now()
    }
  }
  const endedMs = performance.now()
  turn?.()
  await nextTurn()
  await settle?.()
  return { ...meter.end(count, endedMs), refusedMs }
}

export interface WindowLoad {
  readonly extent: Extent
  /** So many writers, each of which waits for its own message before it writes the next. */
  readonly window: number
  readonly write: (index: number) => unknown
}

export async function windowLoad({ extent, window, write }: WindowLoad): Promise<LoadResult> {
  const meter = startMeter(extent)
  const timedCalls = window < TIMED_CALLS ? 1 : TIMED_WRITES
  let begun = 0
  let answered = 0
  const writer = async () => {
    while (meter.goesOn(begun)) {
      const index = begun++
      if (index % timedCalls !== 0) {
        await write(index)
        answered++
        continue
      }
      const beganMs = performance.now()
      await write(index)
      answered++
      const endedMs = performance.now()
      meter.record(endedMs - beganMs)
      meter.tick(endedMs, answered)
    }
  }
  await Promise.all(Array.from({ length: window }, writer))
  return meter.end(answered)
}

/** For work in one piece: what it took, with the CPU of all threads. */
export async function measured<Result>(
  work: () => Promise<Result> | Result
): Promise<{ result: Result; seconds: number; cpuUs: number }> {
  const cpu = process.cpuUsage()
  const beganMs = performance.now()
  const result = await work()
  const seconds = (performance.now() - beganMs) / 1000
  return { result, seconds, cpuUs: cpuUsSince(cpu) }
}

export function latencyOf(histogram: RecordableHistogram): Latency {
  const percentile = (p: number) => (histogram.count === 0 ? 0 : histogram.percentile(p) / 1000)
  return {
    p50Us: percentile(50),
    p99Us: percentile(99),
    p999Us: percentile(99.9),
    maxUs: histogram.count === 0 ? 0 : histogram.max / 1000
  }
}

export function recordMs(histogram: RecordableHistogram, ms: number): void {
  histogram.record(Math.max(1, Math.round(ms * 1e6)))
}

function startMeter({ seconds, warmUpSeconds = 0, count: countMax }: Extent) {
  if ((seconds === undefined) === (countMax === undefined)) throw new Error('a load has a time or a count')
  const histogram = createHistogram()
  let begunMs = performance.now()
  let cpu = process.cpuUsage()
  let countAtBegin = 0
  let warm = seconds === undefined || warmUpSeconds === 0
  let over = false
  const untilMs = () => begunMs + (warm ? (seconds ?? 0) : warmUpSeconds) * 1000
  return {
    goesOn: (count: number) => (countMax === undefined ? !over : count < countMax),
    record: (ms: number) => {
      if (warm) recordMs(histogram, ms)
    },
    tick: (nowMs: number, count: number) => {
      if (seconds === undefined || nowMs < untilMs()) return
      if (warm) {
        over = true
        return
      }
      warm = true
      begunMs = nowMs
      cpu = process.cpuUsage()
      countAtBegin = count
    },
    end: (count: number, endedMs = performance.now()): LoadResult => ({
      messages: count - countAtBegin,
      all: count,
      seconds: (endedMs - begunMs) / 1000,
      cpuUs: cpuUsSince(cpu),
      latency: latencyOf(histogram)
    })
  }
}

function cpuUsSince(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start)
  return user + system
}
