/** The clock of a broker that runs in a process of its own: system time, moved by what is written to a file. */
import { readFileSync } from 'node:fs'
import { type Clock, systemClock } from '../../src/base/index.ts'

/** Looking at the file costs a call: not for each message. */
const LOOK_MS = 10

/** Reads by how many milliseconds the wall clock is ahead of the system's. Monotonic time is never moved. */
export function movedClock(path: string): Clock {
  let aheadMs = 0
  let lookedMs = Number.NEGATIVE_INFINITY
  return {
    nowMs() {
      const monotonicMs = systemClock.monotonicMs()
      if (monotonicMs >= lookedMs + LOOK_MS) {
        lookedMs = monotonicMs
        aheadMs = Number(readFileSync(path, 'utf8'))
      }
      return systemClock.nowMs() + aheadMs
    },
    monotonicMs: () => systemClock.monotonicMs()
  }
}
