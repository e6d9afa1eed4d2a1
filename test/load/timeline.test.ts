/** What those who watch a load are told, and what the plots of a report are drawn from. */
import { expect, test } from 'vitest'
import { type Instant, Recorder } from '../../src/load/timeline.ts'

const STEP_MS = 250

function recorded(steps: readonly { readonly count: number; readonly latenciesMs: readonly number[] }[]) {
  const told: Instant[] = []
  const recorder = new Recorder({ onInstant: instant => told.push(instant) }, { nowMs: 0 })
  const run = (from: number) => {
    let nowMs = from
    for (const { count, latenciesMs } of steps) {
      for (const ms of latenciesMs) recorder.record(ms)
      nowMs += STEP_MS
      recorder.look(nowMs - 1, count) // Too early: nothing is told yet.
      recorder.look(nowMs, count)
    }
  }
  return { recorder, told, run }
}

test('each step tells its own rate and latencies', () => {
  const { recorder, told, run } = recorded([
    { count: 100, latenciesMs: [1, 1, 1] },
    { count: 300, latenciesMs: [8] }
  ])
  recorder.begin(0, 0)
  run(0)
  expect(told.map(({ rate }) => rate)).toEqual([400, 800])
  expect(told.map(({ messages }) => messages)).toEqual([100, 300])
  expect(told.map(({ p99Us }) => Math.round(p99Us / 1000))).toEqual([1, 8])
  expect(recorder.timeline()).toMatchObject({ seconds: [0.25, 0.5], rate: [400, 800] })
})

test('the latency of the whole has every step in it, also the one that was not yet over', () => {
  const { recorder, run } = recorded([{ count: 1, latenciesMs: [1, 1] }])
  recorder.begin(0, 0)
  run(0)
  recorder.record(9)
  const { p50Us, maxUs } = recorder.latency()
  expect(Math.round(p50Us / 100)).toBe(10)
  expect(maxUs).toBe(9000)
})

test('what came before it counts is told, but is in no figure', () => {
  const { recorder, told, run } = recorded([{ count: 50, latenciesMs: [100] }])
  run(0)
  expect(told).toMatchObject([{ isWarmUp: true, messages: 50 }])
  recorder.begin(STEP_MS, 50)
  expect(recorder.timeline()).toBeUndefined()
  recorder.record(1)
  recorder.look(3 * STEP_MS, 60)
  expect(told[1]).toMatchObject({ isWarmUp: false, messages: 10, rate: 20 })
  expect(recorder.latency().maxUs).toBe(1000)
})

test('the process under the load is looked at where it is known', () => {
  const told: Instant[] = []
  const recorder = new Recorder({ pid: process.pid, onInstant: instant => told.push(instant) }, { nowMs: 0 })
  recorder.look(STEP_MS, 1)
  expect(told[0]?.cpuPercent).toBeGreaterThanOrEqual(0)
  if (process.platform === 'linux') expect(told[0]?.privateMiB).toBeGreaterThan(1)
})
