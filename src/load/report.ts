/**
 * What a load or a benchmark found, as data: every figure with the machine, the versions and the settings behind it.
 *
 * Ratios come from runs that alternated in one process or one session; absolute figures are only for reading.
 */
import type { Timeline } from './timeline.ts'

/** One line that a child process prints: what it did, in which time, at which cost. */
export interface Measurement {
  /** Who did it: `varve`, `lmdb`, … */
  readonly name: string
  readonly messages: number
  readonly seconds: number
  /** Messages a second. */
  readonly rate: number
  /** Of the whole process, worker threads included; the system's write-back is in nobody's figure. */
  readonly cpuUsPerMessage: number
  /** Of one call, or of one acknowledgement where each is awaited; absent where calls were not timed. */
  readonly p50Us?: number
  readonly p99Us?: number
  readonly p999Us?: number
  readonly maxUs?: number
  /** Pairs of a percentage and the microseconds that this share did not exceed. */
  readonly percentiles?: readonly (readonly [percent: number, us: number])[]
  readonly timeline?: Timeline
  readonly work: Work
  readonly settings: Readonly<Record<string, string | number | boolean>>
  /** What only this case has; the unit ends the name. */
  readonly details: Readonly<Record<string, number>>
}

/** What a load says before it has a name; without CPU where the process is not known. */
export type CaseResult = Omit<Measurement, 'name' | 'rate' | 'cpuUsPerMessage'> & { readonly cpuUs?: number }

/** What was done, so that two sides can be checked for having done the same. */
export interface Work {
  readonly count: number
  /** Of the result, or of its first messages where the sides run for a time and their counts differ. */
  readonly hash: string | number
}

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** A claim about a ratio between two sides of one run, or about a figure of one side. */
export interface Verdict {
  readonly claim: string
  readonly reached: number
  readonly holds: boolean
  /** Whether a miss fails the run: only ratios within one run do, figures of this machine never. */
  readonly gate: boolean
}

export interface Environment {
  readonly machine: Readonly<Record<string, string | number>>
  readonly versions: Readonly<Record<string, string>>
  readonly commit: string
  readonly atIso: string
}

export interface Report {
  readonly benchmark: string
  readonly question: string
  readonly environment: Environment
  readonly rounds: number
  /** For whole processes: medians over the rounds, one entry for each side. */
  readonly medians: readonly Measurement[]
  /** `a / b`, of rate or of time as `of` says. */
  readonly ratios: readonly ({ readonly of: string; readonly a: string; readonly b: string } & Spread)[]
  readonly verdicts: readonly Verdict[]
  readonly leftOut: readonly { readonly name: string; readonly why: string }[]
  /** Sides called NAME@NUMBER are points of one curve over this; `backlog`: of the rate over what is stored. */
  readonly sweep?: string
  readonly runs: readonly (readonly Measurement[])[]
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const high = sorted[middle] ?? Number.NaN
  const low = sorted.length % 2 === 1 ? high : (sorted[middle - 1] ?? Number.NaN)
  return { median: (low + high) / 2, min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN }
}
