/** A control: a defect planted on purpose, and the case of a scenario that must find it. */
import type { Tally } from './scenario.ts'
import type { Defect } from './simulated-store.ts'

export interface Control {
  readonly name: string
  /** Handed to `hunt`, which may know its defect by itself. */
  readonly defect?: Defect
  /** One case of the scenario that must find it. */
  readonly hunt: (seed: number, directory: string, defect: Defect) => Promise<Tally>
  readonly casesMax: number
  /** A failure of any kind finds it: what it touches is no longer there. */
  readonly mayCrash?: boolean
  /** Takes longer than the short form has time for. */
  readonly isLong?: boolean
}

/** Where chance decides, each case finds the defect more than once in four times: one hunt in a hundred million misses it. */
export const OF_ONE_IN_FOUR = 64
