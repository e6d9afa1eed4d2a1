/** What must not grow: cost with topics, latency of senders beside readers of what is cold, garbage collection at full load. */
import { processCpuUs, runLoad } from '../../src/load/index.ts'
import { alternate, type Benchmark, type BenchOptions, type Contender, runCaseFile } from '../harness.ts'
import { apacheBroker } from '../peers/apache-broker.ts'
import { type BrokerKind, brokerContender, withBroker } from '../peers/broker.ts'
import { gcUs } from '../peers/gc-time.ts'
import { setUp, varveBroker, varveWatched } from '../peers/varve-broker.ts'
import { GiB } from '../store/sizes.ts'
import { evictFiles, whyNotCold } from '../warm-memory.ts'
import { loadSeconds } from './load.bench.ts'

const full = { load: 'send', connections: 8, window: 64, bodyBytes: 1024 } as const

const manyTopics: Benchmark = {
  name: 'broker/send-topics',
  question: 'sending 1 KiB, spread evenly over one topic, over 100 and over 10,000',
  hasPeers: true,
  run: options => {
    const { smoke, quick = false } = options
    if (!smoke) setUp(options.progress)
    const counts = smoke ? [1, 4] : [1, 100, 10_000]
    const most = counts.at(-1)
    const sides = [varveBroker, apacheBroker].flatMap(kind =>
      counts.map(topicCount => {
        const load = { ...full, topicCount, queueCount: topicCount === 1 ? 8 : 1, flush: 'async' } as const
        const side = brokerContender(kind, { ...load, seconds: loadSeconds(options), smoke, quick })
        return { ...side, name: `${kind.name}@${topicCount}` }
      })
    )
    // The most topics first, for the ratios are to it.
    const contenders = sides.sort((a, b) => Number(b.name === `varve@${most}`) - Number(a.name === `varve@${most}`))
    return alternate(manyTopics, options, {
      contenders,
      bounds: [{ side: `varve@${most}`, against: 'varve@1', of: 'rate', atLeast: 0.9 }],
      sweep: 'topics',
      countsDiffer: true
    })
  }
}

const COLD_BYTES = 10 * GiB
const COLD_QUICK = 0.1
const COLD_SMOKE_COUNT = 2000
const COLD_RECORD_BYTES = 1250
const COLD = { topic: 'cold', topicCount: 1, queueCount: 8 } as const

const besideCold: Benchmark = {
  name: 'broker/send-beside-cold',
  question: 'latency at 20,000 messages a second while a backlog of 10 GiB that is not in memory is read at full speed',
  hasPeers: true,
  run: options => {
    if (!options.smoke) setUp(options.progress)
    return alternate(besideCold, options, {
      contenders: [varveBroker, apacheBroker].map(kind => besideReaders(kind, options)),
      bounds: [{ side: 'varve', of: 'p99TimesAlone', atMost: 3 }],
      rounds: 1,
      keepCache: true,
      countsDiffer: true
    })
  }
}

/** The broker is started anew between filling and reading, so that nothing of the backlog is mapped. */
function besideReaders(kind: BrokerKind, options: BenchOptions): Contender {
  const { smoke, quick = false, scale = quick ? COLD_QUICK : 1, progress } = options
  const start = { flush: 'async', smoke } as const
  return {
    name: kind.name,
    isPeer: kind.isPeer === true,
    isSlow: kind.isSlow === true,
    whyNot: say => (smoke ? undefined : whyNotCold()) ?? kind.whyNot?.(say),
    async run(place) {
      const count = smoke ? COLD_SMOKE_COUNT : Math.floor((COLD_BYTES * scale) / COLD_RECORD_BYTES)
      const fill = withBroker(kind, start, async ({ address, pid, settings }) => {
        const load = { ...full, ...COLD, broker: address, pid, batchCount: 8, window: 16, extent: { count } }
        return { ...(await runCaseFile('broker/load.case.ts', load)), settings }
      })
      progress(`${besideCold.name}: ${kind.name} is sent ${count.toLocaleString('en')} messages`)
      await fill.run(place)
      if (!smoke) evictFiles(progress)
      const read = withBroker(kind, start, async ({ address, pid, settings }) => {
        const existing = Array.from({ length: COLD.queueCount }, (_, queueId) => ({
          topic: `${COLD.topic}-0`,
          queueId
        }))
        const measured = await runCaseFile('broker/load.case.ts', {
          load: 'beside-cold',
          broker: address,
          pid,
          rate: smoke ? 1000 : 20_000,
          connections: 8,
          window: 4096,
          bodyBytes: 1024,
          existing,
          extent: smoke
            ? { count: COLD_SMOKE_COUNT / 4 }
            : { seconds: loadSeconds(options), warmUpSeconds: quick ? kind.quickWarmUpSeconds : kind.warmUpSeconds }
        })
        return { ...measured, settings: { ...measured.settings, coldMessages: count, ...settings } }
      })
      return await read.run(place)
    }
  }
}

const gcShare: Benchmark = {
  name: 'broker/gc-share',
  question: 'which part of its processor time a broker spends on collecting garbage at full load, from its start on',
  run: options => {
    const { smoke, quick = false } = options
    if (!smoke) setUp(options.progress)
    const watched: Contender = withBroker(varveWatched, { flush: 'async', smoke }, async (broker, directory) => {
      const { address, pid, settings } = broker
      const extent = smoke
        ? { count: COLD_SMOKE_COUNT }
        : { seconds: loadSeconds(options), warmUpSeconds: quick ? 2 : 4 }
      const { cpuUs = 0, ...result } = await runLoad({ ...full, broker: address, pid, extent })
      const gcPercent = (100 * gcUs(directory)) / Math.max(1, processCpuUs(pid))
      return {
        ...result,
        name: varveWatched.name,
        rate: result.messages / result.seconds,
        cpuUsPerMessage: cpuUs / Math.max(1, result.messages),
        settings: { ...result.settings, ...settings },
        details: { ...result.details, gcPercent }
      }
    })
    return alternate(gcShare, options, {
      contenders: [watched],
      bounds: [{ side: 'varve', of: 'gcPercent', atMost: 3 }],
      countsDiffer: true
    })
  }
}

export const brokerScaleBenchmarks: readonly Benchmark[] = [manyTopics, besideCold, gcShare]
