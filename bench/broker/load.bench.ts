/**
 * A broker on the wire: how many messages a second, at which cost, against Apache RocketMQ's own under the same load from
 * the same generator, which shares the machine with them. Bounds are those that the project has set itself.
 */
import { alternate, type Benchmark, type BenchOptions, type Bound } from '../harness.ts'
import { apacheBroker } from '../peers/apache-broker.ts'
import { type BrokerLoad, brokerContender } from '../peers/broker.ts'
import { setUp, varveBroker } from '../peers/varve-broker.ts'

const SECONDS = 5

interface BrokerCase {
  readonly name: string
  readonly question: string
  readonly load: Omit<BrokerLoad, 'seconds' | 'smoke' | 'flush'> & { readonly flush?: 'sync' }
  readonly bounds: readonly Bound[]
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
    question: 'latency at 20,000 messages a second, counted from when each was due',
    load: { load: 'fixed-rate', rate: 20_000, connections: 8, window: 4096, bodyBytes: 1024 },
    bounds: []
  },
  {
    name: 'pull-warm',
    question: 'pulling a backlog of 1 KiB messages that lies in memory, 32 at a time',
    load: { load: 'pull', connections: 8, bodyBytes: 1024 },
    bounds: [versus('rate', { atLeast: 1.3 })]
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
    name: 'send-consumed',
    question: 'sending 1 KiB over 8 connections with 64 in flight, while 4 consumers take everything',
    load: { load: 'end-to-end', connections: 8, window: 64, consumers: 4, lagMax: 8192, bodyBytes: 1024 },
    bounds: [versus('rate', { atLeast: 2 })]
  }
]

export const brokerLoadBenchmarks: readonly Benchmark[] = cases.map(({ name, question, load, bounds }) => {
  const benchmark: Benchmark = {
    name: `broker/${name}`,
    question,
    run: options =>
      alternate(benchmark, options, { contenders: contendersOf(options, load), bounds, countsDiffer: true })
  }
  return benchmark
})

function contendersOf({ smoke, progress, seconds = SECONDS }: BenchOptions, load: BrokerCase['load']) {
  if (!smoke) setUp(progress)
  return [varveBroker, apacheBroker].map(kind => brokerContender(kind, { flush: 'async', ...load, seconds, smoke }))
}
