/** Clients of RocketMQ keep a connection to every broker: thousands of them, most of which are silent most of the time. */
import { alternate, type Benchmark, caseProcess } from '../harness.ts'

export const idleConnections: Benchmark = {
  name: 'protocol/idle-connections',
  question: 'memory of a connection on which nothing happens, and the CPU of all of them together',
  run: options =>
    alternate(idleConnections, options, {
      contenders: [
        caseProcess('varve', 'protocol/idle-connections.case.ts', {
          connections: options.smoke ? 50 : 10_000,
          idleMs: options.smoke ? 50 : 5000
        })
      ],
      bounds: [
        { side: 'varve', of: 'kiBEach', atMost: 16 },
        { side: 'varve', of: 'idleCpuPercent', atMost: 1 }
      ],
      keepCache: true
    })
}
