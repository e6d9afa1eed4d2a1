/** What only shows after minutes: a backlog that grows to 100 million messages, and memory under a load that does not end. */
import { addressOf, sendFirst, type Timeline } from '../../src/load/index.ts'
import { alternate, type Benchmark, type BenchOptions, type Contender, runCaseFile } from '../harness.ts'
import { withBroker } from '../peers/broker.ts'
import { setUp, varveBroker } from '../peers/varve-broker.ts'

const MESSAGES = 100_000_000
const SMOKE_MESSAGES = 4096
const QUICK_SCALE = 0.03
const BATCH = 32
const QUEUE_COUNT = 8
/** Of the whole, at either end; what comes before the first is warm-up. */
const END_SHARE = 0.1
const DRAIN_SECONDS_MAX = 3600

const growingBacklog: Benchmark = {
  name: 'long/backlog',
  question:
    'a backlog that grows to 100 million messages of 100 B: the rate at its end, the next start, and draining it',
  isLong: 'but-quick',
  run: options => {
    if (!options.smoke) setUp(options.progress)
    return alternate(growingBacklog, options, {
      contenders: [growing(options)],
      bounds: [
        { side: 'varve', of: 'lastToFirst', atLeast: 0.95 },
        { side: 'varve', of: 'restartMs', atMost: 1000 }
      ],
      rounds: 1,
      sweep: 'backlog'
    })
  }
}

function growing(options: BenchOptions): Contender {
  const { smoke, quick = false, scale = quick ? QUICK_SCALE : 1, progress } = options
  const count = smoke ? SMOKE_MESSAGES : Math.floor((MESSAGES * scale) / BATCH) * BATCH
  const start = { flush: 'async', smoke } as const
  return {
    name: varveBroker.name,
    async run(place) {
      progress(`${growingBacklog.name}: sending ${count.toLocaleString('en')} messages`)
      const grown = await withBroker(varveBroker, start, async ({ address, pid, settings, stop }) => {
        const load = {
          load: 'send',
          bodyBytes: 100,
          batchCount: BATCH,
          connections: 8,
          window: 16,
          queueCount: QUEUE_COUNT
        }
        const sent = await runCaseFile('broker/load.case.ts', { ...load, broker: address, pid, extent: { count } })
        await stop?.()
        return { ...sent, settings: { ...sent.settings, ...settings } }
      }).run(place)
      progress(`${growingBacklog.name}: starting with it, and draining it`)
      return await withBroker(varveBroker, start, async ({ address, pid, readyMs }) => {
        const beganMs = performance.now()
        await sendFirst(addressOf(address))
        const restartMs = readyMs + performance.now() - beganMs
        const existing = Array.from({ length: QUEUE_COUNT }, (_, queueId) => ({ topic: 'bench-0', queueId }))
        const drain = { load: 'consume', connections: QUEUE_COUNT, existing, extent: { seconds: DRAIN_SECONDS_MAX } }
        const drained = await runCaseFile('broker/load.case.ts', { ...drain, broker: address, pid })
        if (drained.messages !== count) throw new Error(`${count} messages were sent, ${drained.messages} were drained`)
        const { first, last } = endsOf(grown.timeline, grown.rate)
        return {
          ...grown,
          details: {
            ...grown.details,
            rateFirst: first,
            rateLast: last,
            lastToFirst: last / first,
            restartMs,
            drainRate: drained.rate,
            drainCpuUs: drained.cpuUsPerMessage
          }
        }
      }).run(place)
    }
  }
}

/** Means over a tenth of the time at either end, the first after as long a warm-up. */
function endsOf(timeline: Timeline | undefined, otherwise: number): { first: number; last: number } {
  const rates = timeline?.rate ?? []
  const length = Math.floor(rates.length * END_SHARE)
  if (length === 0) return { first: otherwise, last: otherwise }
  return { first: mean(rates.slice(length, 2 * length)), last: mean(rates.slice(-length)) }
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

const SOAK_SECONDS = 300
/** What comes before is still finding its size. */
const SETTLED_AFTER = 1 / 3

const soak: Benchmark = {
  name: 'long/soak',
  question: 'memory of a broker under full load for minutes: how much it grows once it has found its size',
  isLong: true,
  run: options => {
    if (!options.smoke) setUp(options.progress)
    return alternate(soak, options, {
      contenders: [soaking(options)],
      bounds: [{ side: 'varve', of: 'slopeMiBPerMinute', atMost: 1 }],
      rounds: 1,
      countsDiffer: true
    })
  }
}

function soaking({ smoke, seconds = SOAK_SECONDS }: BenchOptions): Contender {
  return withBroker(varveBroker, { flush: 'async', smoke }, async ({ address, pid, settings }) => {
    const extent = smoke ? { count: SMOKE_MESSAGES } : { seconds, warmUpSeconds: varveBroker.warmUpSeconds }
    const load = { load: 'send', bodyBytes: 128, connections: 8, window: 64, broker: address, pid, extent }
    const measured = await runCaseFile('broker/load.case.ts', load)
    const slopeMiBPerMinute = slopePerMinute(measured.timeline)
    const details = { ...measured.details, slopeMiBPerMinute, privateMiB: measured.timeline?.privateMiB?.at(-1) ?? 0 }
    return { ...measured, settings: { ...measured.settings, ...settings }, details }
  })
}

/** Of the line through all that was seen after the first third, by least squares. */
function slopePerMinute(timeline: Timeline | undefined): number {
  const memory = timeline?.privateMiB ?? []
  const from = Math.floor(memory.length * SETTLED_AFTER)
  const points = memory.slice(from).map((mib, step) => ({ x: (timeline?.seconds[from + step] ?? 0) / 60, y: mib }))
  if (points.length < 2) return 0
  const [meanX, meanY] = [mean(points.map(({ x }) => x)), mean(points.map(({ y }) => y))]
  const spread = points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0)
  return points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0) / spread
}

export const longBenchmarks: readonly Benchmark[] = [growingBacklog, soak]
