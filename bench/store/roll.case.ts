/**
 * The longest single append while the log moves on to its next segment again and again: every append is timed. Beside it
 * stands what the machine takes from a loop that does nothing, for as long: on a shared one that can be the longer pause.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { openStore, type StoreOptions } from '../../src/index.ts'
import { bodies, type CaseResult, Histogram, isRefusal } from '../../src/load/index.ts'
import { runCase } from '../case.ts'
import { machinePauses } from './machine-pauses.ts'

export interface RollSettings {
  readonly directory: string
  readonly segmentBytes: number
  readonly rollCount: number
  readonly options?: Partial<StoreOptions>
  readonly bodyBytes: number
}

const TURN_MS = 5
/** The bound that the project has set itself; longer pauses are counted. */
const ALLOWED_MS = 5
const MACHINE_MS_MAX = 10_000

await runCase<RollSettings>(
  async ({ directory, segmentBytes, rollCount, bodyBytes, options = {} }): Promise<CaseResult> => {
    const store = await openStore({ directory, ...options, segmentBytes })
    const body = bodies(bodyBytes)
    const all = new Histogram()
    let rolls = 0
    let rollMsMax = 0
    let tooLong = 0
    let busyCount = 0
    let busyMs = 0
    let segment = 0
    let count = 0
    const cpu = process.cpuUsage()
    const startMs = performance.now()
    let turnAtMs = startMs
    while (rolls < rollCount) {
      const beganMs = performance.now()
      try {
        const { physicalOffset } = store.append({
          topic: 'bench-0',
          queueId: 0,
          body: body[count & (body.length - 1)]!
        })
        const tookMs = performance.now() - beganMs
        count++
        all.recordMs(tookMs)
        if (tookMs > ALLOWED_MS) tooLong++
        const at = Math.floor(physicalOffset / segmentBytes)
        if (at !== segment) {
          rolls++
          segment = at
          rollMsMax = Math.max(rollMsMax, tookMs)
        }
      } catch (error) {
        // A refusal does not stop the thread: it goes to other work and comes back. It is counted apart, not hidden.
        if (!isRefusal(error)) throw error
        busyCount++
        await store.writable()
        busyMs += performance.now() - beganMs
      }
      if (performance.now() - turnAtMs >= TURN_MS) {
        await nextTurn()
        turnAtMs = performance.now()
      }
    }
    const seconds = (performance.now() - startMs) / 1000
    const { user, system } = process.cpuUsage(cpu)
    const stored = store.maxOffset({ topic: 'bench-0', queueId: 0 })
    const { mapper } = store.info()
    await store.close()
    const machine = await machinePauses({ forMs: Math.min(seconds * 1000, MACHINE_MS_MAX), allowedMs: ALLOWED_MS })
    const latency = all.latency()
    return {
      messages: count,
      seconds,
      cpuUs: user + system,
      ...latency,
      work: { count: stored, hash: '' },
      settings: { mapper, segmentMiB: segmentBytes / 2 ** 20, rollCount, bodyBytes },
      details: {
        longestPauseMs: latency.maxUs / 1000,
        longestRollMs: rollMsMax,
        pausesOver5Ms: tooLong,
        machineLongestPauseMs: machine.longestMs,
        machinePausesOver5Ms: machine.tooLong,
        p9999Us: all.percentileUs(99.99),
        busyCount,
        busyMs
      }
    }
  }
)
