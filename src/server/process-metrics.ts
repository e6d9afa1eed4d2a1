/**
 * Metrics of the process, under the names that exporters of Node.js and Prometheus have for them, and how late its one
 * thread is.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Registry, Sample } from '../metrics/index.ts'

/** How often a timer looks how late it is itself: often enough to see a pause, seldom enough to cost nothing. */
const RESOLUTION_MS = 20
const NS_PER_SECOND = 1e9
const US_PER_SECOND = 1e6
const MS_PER_SECOND = 1e3
const QUANTILES = [0.5, 0.99, 1] as const

/** Returns what stops the measuring. */
export function registerProcessMetrics(registry: Registry): () => void {
  registry.readGauge(
    { name: 'process_resident_memory_bytes', help: 'Memory of the process, mapped files that are present included.' },
    () => process.memoryUsage.rss()
  )
  registry.readGauge(
    { name: 'process_start_time_seconds', help: 'When the process started, in s since 1970.' },
    () => performance.timeOrigin / MS_PER_SECOND
  )
  registry.sampled(
    { name: 'process_cpu_seconds_total', help: 'Time that the process has spent on processors, all threads.' },
    'counter',
    () => {
      const { user, system } = process.cpuUsage()
      return [{ value: (user + system) / US_PER_SECOND }]
    }
  )
  registry.sampled(
    { name: 'varve_event_loop_active_seconds_total', help: 'Time in which the thread of the broker was not idle.' },
    'counter',
    () => [{ value: performance.eventLoopUtilization().active / MS_PER_SECOND }]
  )
  return registerDelay(registry)
}

function registerDelay(registry: Registry): () => void {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  registry.sampled(
    {
      name: 'varve_event_loop_delay_seconds',
      help: 'How late the thread of the broker was since the metrics were last asked for.'
    },
    'gauge',
    function* (): Iterable<Sample> {
      for (const quantile of QUANTILES) {
        // The timer measures from one run to the next; what is beyond its interval is delay.
        const ns = delay.count === 0 ? 0 : delay.percentile(100 * quantile) - RESOLUTION_MS * 1e6
        yield { labels: { quantile: String(quantile) }, value: Math.max(0, ns) / NS_PER_SECOND }
      }
      delay.reset()
    }
  )
  return () => delay.disable()
}
