/** What a scenario of the suite is: cases that follow from a seed, each of which passes or breaks a promise. */

export type Size = 'short' | 'medium' | 'long'

/** Counts of what a case has done, summed up over all cases. */
export type Tally = Record<string, number>

/** What a case returns that cannot be run here: says so, and why. */
export function skipped(why: string): Tally {
  process.stdout.write(`  SKIPPED: ${why}\n`)
  return { skipped: 1 }
}

export interface Scenario {
  readonly name: string
  readonly about: string
  /** How many cases each form of the suite runs. */
  readonly cases: Readonly<Record<Size, number>>
  /**
   * How many run side by side: so many in one process, where they mostly wait, or, where they are busy all the time, one on
   * each processor, in processes of their own.
   */
  readonly lanes: number | 'processors'
  /** One case. `directory` is empty, its own, and kept if the case fails. @throws Violation, or whatever went wrong */
  run(seed: number, directory: string, size: Size): Promise<Tally>
}
