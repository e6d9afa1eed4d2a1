/**
 * The loops of loads within one process: a stream that hands over messages flat out, and writers that each wait for their
 * own message. They are the same for Varve's store and for what it is compared with, so that what they cost is in every
 * figure alike.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { systemClock } from '../base/index.ts'
import { loadFailure } from './failure.ts'
import type { Latency } from './histogram.ts'
import type { Extent } from './meter.ts'
import { Recorder, type Timeline, type Watch } from './timeline.ts'

export interface LoadResult {
  /** Within the measured time; `all` counts the warm-up too. */
  readonly messages: number
  readonly all: number
  readonly seconds: number
  readonly cpuUs: number
  readonly latency: Latency
  readonly timeline?: Timeline
}

/** What a case says of its load. */
export function figuresOf({ messages, seconds, cpuUs, latency, timeline }: LoadResult) {
  return { messages, seconds, cpuUs, ...latency, ...(timeline === undefined ? {} : { timeline }) }
}

export interface StreamResult extends LoadResult {
  /** How long, warm-up included, the writer waited because it was refused. */
  readonly refusedMs: number
}

export interface StreamLoad {
  readonly extent: Extent
  readonly watch?: Watch
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
  settle,
  watch
}: StreamLoad): Promise<StreamResult> {
  const meter = startMeter(extent, watch)
  const timedCalls = timeEach ? 1 : TIMED_CALLS
  let count = 0
  let refusedMs = 0
  let turnAtMs = systemClock.monotonicMs()
  for (let call = 0; meter.goesOn(count); call++) {
    const beganMs = call % timedCalls === 0 ? systemClock.monotonicMs() : undefined
    if (!write(count)) {
      const waitsFromMs = systemClock.monotonicMs()
      await writable?.()
      refusedMs += systemClock.monotonicMs() - waitsFromMs
      call = -1 // The next one is timed, so that the clock is looked at however often calls are refused.
      continue
    }
    count += perCall
    if (beganMs === undefined) continue
    const endedMs = systemClock.monotonicMs()
    meter.record(endedMs - beganMs)
    meter.tick(endedMs, count)
    if (endedMs - turnAtMs >= TURN_MS) {
      turn?.()
      await nextTurn()
      turnAtMs = systemClock.monotonicMs()
    }
  }
  const endedMs = systemClock.monotonicMs()
  turn?.()
  await nextTurn()
  await settle?.()
  return { ...meter.end(count, endedMs), refusedMs }
}

export interface WindowLoad {
  readonly extent: Extent
  readonly watch?: Watch
  /** So many writers, each of which waits for its own message before it writes the next. */
  readonly window: number
  readonly write: (index: number) => unknown
}

export async function windowLoad({ extent, watch, window, write }: WindowLoad): Promise<LoadResult> {
  const meter = startMeter(extent, watch)
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
      const beganMs = systemClock.monotonicMs()
      await write(index)
      answered++
      const endedMs = systemClock.monotonicMs()
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
  const beganMs = systemClock.monotonicMs()
  const result = await work()
  const seconds = (systemClock.monotonicMs() - beganMs) / 1000
  return { result, seconds, cpuUs: cpuUsSince(cpu) }
}

function startMeter(
  { seconds, warmUpSeconds = 0, count: countMax }: Extent,
  { onInstant, stepMs, signal }: Watch = {}
) {
  if ((seconds === undefined) === (countMax === undefined)) throw loadFailure('a load has a time or a count')
  let begunMs = systemClock.monotonicMs()
  let cpu = process.cpuUsage()
  let countAtBegin = 0
  let warm = seconds === undefined || warmUpSeconds === 0
  let over = false
  const recorder = new Recorder({ pid: process.pid, onInstant, stepMs }, { nowMs: begunMs, seconds })
  if (warm) recorder.begin(begunMs, 0)
  const untilMs = () => begunMs + (warm ? (seconds ?? 0) : warmUpSeconds) * 1000
  return {
    goesOn: (count: number) => !over && count < (countMax ?? Number.POSITIVE_INFINITY),
    record: (ms: number) => recorder.record(ms),
    tick: (nowMs: number, count: number) => {
      recorder.look(nowMs, count)
      if (signal?.aborted === true) over = true
      if (seconds === undefined || nowMs < untilMs()) return
      if (warm) {
        over = true
        return
      }
      warm = true
      begunMs = nowMs
      cpu = process.cpuUsage()
      countAtBegin = count
      recorder.begin(nowMs, count)
    },
    end: (count: number, endedMs = systemClock.monotonicMs()): LoadResult => {
      const timeline = recorder.timeline()
      return {
        messages: count - countAtBegin,
        all: count,
        seconds: (endedMs - begunMs) / 1000,
        cpuUs: cpuUsSince(cpu),
        latency: recorder.latency(),
        ...(timeline === undefined ? {} : { timeline })
      }
    }
  }
}

function cpuUsSince(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start)
  return user + system
}
