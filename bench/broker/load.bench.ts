/**
 * A broker on the wire: how many messages a second, at which cost, against Apache RocketMQ's own under the same load from
 * the same generator, which shares the machine with them. Bounds are those that the project has set itself.
 */
import type { Measurement } from '../../src/load/index.ts'
import { alternate, type Benchmark, type BenchOptions, type Bound, type Contender, runCaseFile } from '../harness.ts'
import { apacheBroker } from '../peers/apache-broker.ts'
import { type BrokerLoad, brokerContender } from '../peers/broker.ts'
import { setUp, varveBroker } from '../peers/varve-broker.ts'

const SECONDS = { full: 5, quick: 2 }
const SMOKE_SECONDS = 0.1

interface BrokerCase {
  readonly name: string
  readonly question: string
  readonly load: Omit<BrokerLoad, 'seconds' | 'smoke' | 'flush'> & { readonly flush?: 'sync' }
  readonly bounds: readonly Bound[]
  readonly isHeadline?: boolean
}

const versus = (of: Bound['of'], limit: Pick<Bound, 'atLeast' | 'atMost'>): Bound => ({
  side: 'varve',
  against: 'apache',
  of,
  ...limit
})

const manyInFlight = { load: 'send', connections: 8, window: 64, bodyBytes: 1024 } as const
const oneEach = { load: 'send', connections: 64, window: 1, bodyBytes: 1024 } as const
const oneAtATime = { load: 'send', connections: 1, window: 1, bodyBytes: 1024 } as const

const cases: readonly BrokerCase[] = [
  {
    name: 'send-8x64',
    isHeadline: true,
    question: 'sending 1 KiB over 8 connections with 64 in flight on each',
    load: manyInFlight,
    bounds: [versus('rate', { atLeast: 2.2 }), versus('cpuUsPerMessage', { atMost: 0.35 })]
  },
  {
    name: 'send-8x64-128',
    question: 'the same with 128 B',
    load: { ...manyInFlight, bodyBytes: 128 },
    bounds: [versus('rate', { atLeast: 2.2 }), versus('cpuUsPerMessage', { atMost: 0.35 })]
  },
  {
    name: 'send-64x1',
    question: 'sending 1 KiB over 64 connections that each wait for their answer',
    load: oneEach,
    bounds: [versus('rate', { atLeast: 1.5 }), versus('cpuUsPerMessage', { atMost: 0.45 })]
  },
  {
    name: 'send-1x1',
    question: 'one message of 1 KiB at a time',
    load: oneAtATime,
    bounds: [versus('p50Us', { atMost: 0.8 })]
  },
  {
    name: 'send-batch',
    question: 'batches of 32 messages of 1 KiB over 8 connections with 4 in flight on each',
    load: { ...manyInFlight, window: 4, batchCount: 32 },
    bounds: []
  },
  {
    name: 'send-sync-8x64',
    question: 'synchronous flush, 8 connections with 64 in flight on each',
    load: { ...manyInFlight, flush: 'sync' },
    bounds: [versus('rate', { atLeast: 2 })]
  },
  {
    name: 'send-sync-64x1',
    isHeadline: true,
    question: 'synchronous flush, 64 connections that each wait for their answer',
    load: { ...oneEach, flush: 'sync' },
    bounds: [versus('rate', { atLeast: 2 })]
  },
  {
    name: 'send-sync-1x1',
    question: 'synchronous flush, one message at a time',
    load: { ...oneAtATime, flush: 'sync' },
    bounds: [versus('rate', { atLeast: 3 })]
  },
  {
    name: 'send-fixed-rate',
    isHeadline: true,
    question: 'latency at 20,000 messages a second, counted from when each was due',
    load: { load: 'fixed-rate', rate: 20_000, connections: 8, window: 4096, bodyBytes: 1024 },
    bounds: [
      { side: 'varve', of: 'p99Us', atMost: 2000 },
      { side: 'varve', of: 'p999Us', atMost: 10_000 },
      versus('p99Us', { atMost: 0.5 })
    ]
  },
  {
    name: 'pull-warm',
    isHeadline: true,
    question: 'pulling a backlog of 1 KiB messages that lies in memory, 32 at a time',
    load: { load: 'pull', connections: 8, bodyBytes: 1024 },
    bounds: [versus('rate', { atLeast: 1.3 })]
  },
  {
    name: 'send-ordered',
    question:
      'sending 1 KiB over 32 connections, each to a queue of its own and one at a time, while 4 consumers see the order kept',
    load: {
      load: 'end-to-end',
      ordered: true,
      connections: 32,
      window: 1,
      queueCount: 32,
      consumers: 4,
      lagMax: 8192,
      bodyBytes: 1024
    },
    bounds: []
  },
  {
    name: 'delayed-level',
    question: 'sending 1 KiB with a delay level over 8 connections with 64 in flight, and delivering it',
    load: { load: 'delayed', wait: 'level', connections: 8, window: 64, bodyBytes: 1024 },
    bounds: [versus('rate', { atLeast: 2 }), versus('cpuUsPerMessage', { atMost: 0.5 })]
  },
  {
    name: 'delayed-moment',
    question: 'sending 1 KiB over 8 connections with 64 in flight, all timed for one moment, and delivering it',
    load: { load: 'delayed', wait: 'moment', connections: 8, window: 64, bodyBytes: 1024 },
    bounds: [
      versus('rate', { atLeast: 2 }),
      versus('cpuUsPerMessage', { atMost: 0.5 }),
      versus('deliveredRate', { atLeast: 1.5 })
    ]
  },
  {
    name: 'transactions',
    question: 'half messages of 1 KiB and their commits over 8 connections with 64 in flight on each',
    load: { load: 'transactions', connections: 8, window: 64, bodyBytes: 1024 },
    bounds: [versus('rate', { atLeast: 2 }), versus('cpuUsPerMessage', { atMost: 0.5 })]
  },
  {
    name: 'due-rate',
    question: 'how late 5,000 messages a second with a delay level are, while as many are sent',
    load: { load: 'due-rate', rate: 5000, connections: 8, window: 4096, bodyBytes: 1024 },
    bounds: [
      { side: 'varve', of: 'lateP99Ms', atMost: 100 },
      { side: 'varve', of: 'earlyCount', atMost: 0 }
    ]
  },
  {
    name: 'due-burst',
    question: 'delivering 200,000 messages that are due in the same second, and sending 5,000 a second meanwhile',
    load: { load: 'due-burst', rate: 5000, burst: 200_000, connections: 8, window: 64, bodyBytes: 1024 },
    bounds: [
      { side: 'varve', of: 'p99Ratio', atMost: 3 },
      { side: 'varve', of: 'earlyCount', atMost: 0 },
      versus('rate', { atLeast: 1.5 })
    ]
  },
  {
    name: 'send-consumed',
    question: 'sending 1 KiB over 8 connections with 64 in flight, while 4 consumers take everything',
    load: { load: 'end-to-end', connections: 8, window: 64, consumers: 4, lagMax: 8192, bodyBytes: 1024 },
    bounds: [versus('rate', { atLeast: 2 })]
  }
]

export const brokerLoadBenchmarks: readonly Benchmark[] = cases.map(
  ({ name, question, load, bounds, isHeadline = false }) => {
    const benchmark: Benchmark = {
      name: `broker/${name}`,
      question,
      hasPeers: true,
      run: options =>
        alternate(benchmark, options, {
          contenders: contendersOf(options, load),
          bounds,
          isHeadline,
          countsDiffer: true
        })
    }
    return benchmark
  }
)

function contendersOf(options: BenchOptions, load: BrokerCase['load']) {
  const { smoke, quick = false, progress } = options
  if (!smoke) setUp(progress)
  const seconds = loadSeconds(options)
  const contenders = [varveBroker, apacheBroker].map(kind =>
    brokerContender(kind, { flush: 'async', ...load, seconds, smoke, quick })
  )
  return load.load === 'fixed-rate'
    ? contenders.map(contender => (contender.isPeer ? contender : besideMachine(contender, load, seconds, smoke)))
    : contenders
}

/**
 * A latency says something of a broker only where the machine by itself, as busy as it was, has a smaller one. Of one thread
 * that serves: what a JVM spreads over many cannot be told so.
 */
function besideMachine(
  contender: Contender,
  { rate = 1 }: BrokerCase['load'],
  seconds: number,
  smoke: boolean | undefined
): Contender {
  return {
    ...contender,
    async run(place) {
      const measured = await contender.run(place)
      const machine = await runCaseFile<Measurement>('broker/machine-latency.case.ts', {
        rate,
        seconds: smoke ? SMOKE_SECONDS : seconds,
        serverUs: measured.cpuUsPerMessage,
        generatorUs: measured.details.generatorCpuUs ?? 0
      })
      return {
        ...measured,
        details: { ...measured.details, machineP99Us: machine.p99Us ?? 0, machineP999Us: machine.p999Us ?? 0 }
      }
    }
  }
}

export const loadSeconds = ({ seconds, quick = false }: BenchOptions): number =>
  seconds ?? (quick ? SECONDS.quick : SECONDS.full)
