/**
 * The latency of the machine itself: a loop that does nothing but use the processor, so long for each of so many messages a
 * second, beside another that does so for a generator. No store, no disk, no network, no garbage. What it suffers, whoever
 * serves that many messages at that cost suffers too.
 */
import { Worker } from 'node:worker_threads'
import { Histogram } from '../../src/load/index.ts'
import { runCase } from '../case.ts'

interface MachineSettings {
  readonly rate: number
  readonly seconds: number
  /** Of the processor, for each message. */
  readonly serverUs: number
  readonly generatorUs: number
}

const CALIBRATION_TURNS = 20_000
const CALIBRATIONS = 300
const IDLE_MS = 0.5
const START_MS = 500

/** As source, because the worker gets it as text. */
const OTHER = `
  const { workerData: { rate, turns, untilMs } } = require('node:worker_threads')
  const idle = new Int32Array(new SharedArrayBuffer(4))
  const began = performance.timeOrigin + performance.now()
  let x = 1
  for (let done = 0; ; ) {
    const nowMs = performance.timeOrigin + performance.now()
    if (nowMs > untilMs) break
    if (done >= Math.floor((nowMs - began) * rate / 1000)) { Atomics.wait(idle, 0, 0, ${IDLE_MS}); continue }
    for (let turn = turns; turn > 0; turn--) x = (Math.imul(x, 1664525) + 1013904223) | 0
    done++
  }
`

let state = 1

function use(turns: number): void {
  let x = state
  for (let turn = turns; turn > 0; turn--) x = (Math.imul(x, 1664525) + 1013904223) | 0
  state = x
}

/** The fastest of many tries: what the processor does when nobody takes it away. */
function turnsInUs(): number {
  let bestMs = Number.POSITIVE_INFINITY
  for (let i = 0; i < CALIBRATIONS; i++) {
    const beganMs = performance.now()
    use(CALIBRATION_TURNS)
    bestMs = Math.min(bestMs, performance.now() - beganMs)
  }
  return CALIBRATION_TURNS / (bestMs * 1000)
}

await runCase<MachineSettings>(async ({ rate, seconds, serverUs, generatorUs }) => {
  const turnsPerUs = turnsInUs()
  // Whole numbers: counting others down takes several times as long.
  const [turns, otherTurns] = [Math.round(serverUs * turnsPerUs), Math.round(generatorUs * turnsPerUs)]
  const latency = new Histogram()
  const idle = new Int32Array(new SharedArrayBuffer(4))
  const startMs = performance.now() + START_MS
  const untilMs = performance.timeOrigin + startMs + seconds * 1000
  const other = new Worker(OTHER, { eval: true, workerData: { rate, turns: otherTurns, untilMs } })
  const ended = new Promise(resolve => other.once('exit', resolve))
  let done = 0
  for (;;) {
    const nowMs = performance.now()
    if (nowMs > startMs + seconds * 1000) break
    if (done >= Math.floor(((nowMs - startMs) * rate) / 1000)) {
      Atomics.wait(idle, 0, 0, IDLE_MS)
      continue
    }
    use(turns)
    latency.recordMs(performance.now() - (startMs + (done * 1000) / rate))
    done++
  }
  await ended
  return {
    messages: done,
    seconds,
    work: { count: done, hash: '' },
    settings: {},
    details: { p99Us: latency.percentileUs(99), p999Us: latency.percentileUs(99.9) }
  }
})
