/** What is not a rate: how soon a broker takes its first message, and what it holds when nobody asks anything of it. */

import { setTimeout as pause } from 'node:timers/promises'
import {
  addressOf,
  decideFirst,
  type Measurement,
  processCpuUs,
  residentMemory,
  sendFirst
} from '../../src/load/index.ts'
import { alternate, type Benchmark, type BenchOptions, type Contender, runCaseFile } from '../harness.ts'
import { apacheBroker } from '../peers/apache-broker.ts'
import { type BrokerKind, withBroker } from '../peers/broker.ts'
import { setUp, varveBroker, varveByNpm } from '../peers/varve-broker.ts'

const MS_IDLE = 5000
const MS_IDLE_SMOKE = 50

const startToFirstMessage: Benchmark = {
  name: 'broker/start',
  hasPeers: true,
  question: 'from the start of the process, in an empty directory, to the first message that it has taken',
  run: options => {
    // At smoke size without npm: it would see for itself that everything is compiled, and compile it under other tests.
    const kinds = options.smoke ? [varveBroker, apacheBroker] : [varveBroker, varveByNpm, apacheBroker]
    if (!options.smoke) setUp(options.progress)
    return alternate(startToFirstMessage, options, {
      contenders: kinds.map(kind => starting(kind, options)),
      bounds: [
        { side: 'varve', of: 'startMs', atMost: 400 },
        { side: 'npm-start', of: 'startMs', atMost: 1000 }
      ],
      rounds: 5,
      keepCache: true
    })
  }
}

/** Of Apache without its name server, which runs before. */
function starting(kind: BrokerKind, { smoke }: BenchOptions): Contender {
  return withBroker(kind, { flush: 'async', smoke }, async ({ address, pid, readyMs, settings }) => {
    const beganMs = performance.now()
    await sendFirst(addressOf(address))
    const startMs = readyMs + performance.now() - beganMs
    return { ...life(startMs, pid), settings, details: { startMs, readyMs } }
  })
}

const idleMemory: Benchmark = {
  name: 'broker/idle',
  hasPeers: true,
  question: 'memory and CPU of a broker that nobody talks to',
  run: options => {
    if (!options.smoke) setUp(options.progress)
    return alternate(idleMemory, options, {
      contenders: [varveBroker, apacheBroker].map(kind => idle(kind, options)),
      bounds: [{ side: 'varve', of: 'residentMiB', atMost: 130 }],
      keepCache: true
    })
  }
}

function idle(kind: BrokerKind, { smoke }: BenchOptions): Contender {
  return withBroker(kind, { flush: 'async', smoke }, async ({ pid, settings }, directory) => {
    const idleMs = smoke ? MS_IDLE_SMOKE : MS_IDLE
    await pause(idleMs / 2) // What starting has left to do is not idle.
    const cpuUs = processCpuUs(pid)
    await pause(idleMs)
    const idleCpuPercent = (processCpuUs(pid) - cpuUs) / (idleMs * 10)
    const { rssMiB, ofFilesMiB } = residentMemory(directory, pid)
    return {
      ...life(idleMs, pid),
      settings,
      details: { residentMiB: rssMiB - ofFilesMiB, rssMiB, idleCpuPercent }
    }
  })
}

/** The CPU is all that the process has used since it began. */
function life(ms: number, pid: number): Omit<Measurement, 'settings' | 'details'> {
  return {
    name: '',
    messages: 1,
    seconds: ms / 1000,
    rate: 1000 / ms,
    cpuUsPerMessage: processCpuUs(pid),
    work: { count: 1, hash: '' }
  }
}

const FINISHED = { full: 1_000_000, quick: 100_000, smoke: 2_000 }
/** A half message and the message that it becomes. */
const RECORDS_OF_ONE = 2

const startAfterTransactions: Benchmark = {
  name: 'broker/start-after-transactions',
  question:
    'a start after a kill, to the first decision, behind a million finished transactions or as many plain records',
  run: options => {
    if (!options.smoke) setUp(options.progress)
    const count = FINISHED[options.smoke ? 'smoke' : options.quick ? 'quick' : 'full']
    return alternate(startAfterTransactions, options, {
      contenders: [
        startingBehind({ load: 'transactions', count }, options),
        startingBehind({ load: 'send', count: RECORDS_OF_ONE * count }, options)
      ],
      bounds: [{ side: 'behind-transactions', against: 'behind-send', of: 'startMs', atMost: 1.25 }],
      rounds: 1,
      keepCache: true
    })
  }
}

function startingBehind(
  { load, count }: { load: 'transactions' | 'send'; count: number },
  { smoke }: BenchOptions
): Contender {
  return {
    name: `behind-${load}`,
    async run({ directory }) {
      const start = () => varveBroker.start({ directory, flush: 'async', smoke })
      const before = await start()
      try {
        const target = { broker: before.address, pid: before.pid }
        const shape = { connections: 8, window: 64, bodyBytes: 128 }
        await runCaseFile('broker/load.case.ts', { ...target, ...shape, load, extent: { count } })
      } finally {
        await before.end()
      }
      const { address, pid, readyMs, settings, end } = await start()
      try {
        const beganMs = performance.now()
        await decideFirst(addressOf(address))
        const startMs = readyMs + performance.now() - beganMs
        return { ...life(startMs, pid), settings: { ...settings, load, count }, details: { startMs, readyMs } }
      } finally {
        await end()
      }
    }
  }
}

export const brokerLifeBenchmarks: readonly Benchmark[] = [startToFirstMessage, idleMemory, startAfterTransactions]
