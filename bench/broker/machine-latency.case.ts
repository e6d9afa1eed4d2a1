/**
 * The latency of the machine itself: a loop that does nothing but use the processor, so long for each of so many messages a
 * second, beside another that does so for a generator. No store, no disk, no network, no garbage. What it suffers, whoever
 * serves that many messages at that cost suffers too.
 */
import { fileURLToPath } from 'node:url'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { Histogram } from '../../src/load/index.ts'
import { runCase } from '../case.ts'

interface MachineSettings {
  readonly rate: number
  readonly seconds: number
  /** Of the processor, for each message. */
  readonly serverUs: number
  readonly generatorUs: number
}

interface Loop {
  readonly rate: number
  readonly seconds: number
  /** For each message, how often the loop goes round. */
  readonly turns: number
}

const CALIBRATION_TURNS = 20_000
const CALIBRATIONS = 300
const IDLE_MS = 0.5

let state = 1

/** A whole number of turns: counting others down takes several times as long. */
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

function serve({ rate, seconds, turns }: Loop): Histogram {
  const latency = new Histogram()
  const idle = new Int32Array(new SharedArrayBuffer(4))
  const beganMs = performance.now()
  for (let done = 0; ; ) {
    const passedMs = performance.now() - beganMs
    if (passedMs > seconds * 1000) return latency
    if (done >= Math.floor((passedMs * rate) / 1000)) {
      Atomics.wait(idle, 0, 0, IDLE_MS)
      continue
    }
    use(turns)
    latency.recordMs(performance.now() - beganMs - (done * 1000) / rate)
    done++
  }
}

async function serveBeside({ rate, seconds, serverUs, generatorUs }: MachineSettings) {
  const turnsPerUs = turnsInUs()
  const loopOf = (us: number): Loop => ({ rate, seconds, turns: Math.round(us * turnsPerUs) })
  const generator = new Worker(fileURLToPath(import.meta.url), { workerData: loopOf(generatorUs) })
  const ended = new Promise(resolve => generator.once('exit', resolve))
  await new Promise(resolve => generator.once('online', resolve))
  const latency = serve(loopOf(serverUs))
  await ended
  const { count } = latency
  return { messages: count, seconds, ...latency.latency(), work: { count, hash: '' }, settings: {}, details: {} }
}

if (isMainThread) await runCase<MachineSettings>(serveBeside)
else serve(workerData as Loop) // Given above.
