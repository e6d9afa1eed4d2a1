/**
 * Pauses that nobody in the process is to blame for: a virtual machine is taken off its cores, other processes want
 * them. What a loop that only looks at the clock suffers while every core is busy, the store suffers too.
 */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'

export interface Pauses {
  readonly longestMs: number
  /** How many were longer than what a benchmark allows. */
  readonly tooLong: number
}

const BUSY = `
  const { workerData } = require('node:worker_threads')
  const until = performance.now() + workerData
  while (performance.now() < until);
`

export async function machinePauses({ forMs, allowedMs }: { forMs: number; allowedMs: number }): Promise<Pauses> {
  const others = Array.from(
    { length: availableParallelism() - 1 },
    () => new Worker(BUSY, { eval: true, workerData: forMs })
  )
  const ended = others.map(worker => new Promise(resolve => worker.once('exit', resolve)))
  await Promise.all(others.map(worker => new Promise(resolve => worker.once('online', resolve))))

  const startMs = performance.now()
  let longestMs = 0
  let tooLong = 0
  for (let beforeMs = startMs; beforeMs < startMs + forMs; ) {
    const nowMs = performance.now()
    const tookMs = nowMs - beforeMs
    if (tookMs > longestMs) longestMs = tookMs
    if (tookMs > allowedMs) tooLong++
    beforeMs = nowMs
  }
  await Promise.all(ended)
  return { longestMs, tooLong }
}
