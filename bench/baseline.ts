/**
 * Baselines: what the benchmarks found on one machine, kept in the repository so that a later run can be held against it
 * (`varve bench compare bench/baselines/NAME.json bench/report/report.json`). Medians, ratios with their spread, and the
 * figures of each round, without plots. A figure of another machine never fails anything.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Environment, Measurement, Report } from '../src/load/index.ts'
import { projectRoot } from './project.ts'

export interface Baseline {
  readonly environment: Environment
  readonly reports: readonly Report[]
}

export const baselineFile = (name: string): string => join(projectRoot(), 'bench', 'baselines', `${name}.json`)

export function readBaseline(name: string): Baseline | undefined {
  const file = baselineFile(name)
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Baseline) : undefined
}

/** Replaces what was kept of the same benchmarks, keeps that of others. Returns the file. */
export function keepBaseline(name: string, environment: Environment, reports: readonly Report[]): string {
  const file = baselineFile(name)
  const replaced = new Set(reports.map(({ benchmark }) => benchmark))
  const kept = (readBaseline(name)?.reports ?? []).filter(({ benchmark }) => !replaced.has(benchmark))
  const all = [...kept, ...reports.map(withoutPlots)].sort((a, b) => (a.benchmark < b.benchmark ? -1 : 1))
  mkdirSync(dirname(file), { recursive: true })
  const lines = all.map(report => JSON.stringify(report)).join(',\n')
  // One line for each benchmark, so that a change of one is a change of one line.
  writeFileSync(file, `{"environment":${JSON.stringify(environment)},"reports":[\n${lines}\n]}\n`)
  return file
}

function withoutPlots(report: Report): Report {
  const side = ({ percentiles: _percentiles, timeline: _timeline, ...measurement }: Measurement): Measurement =>
    rounded(measurement)
  const bare = (measurement: Measurement): Measurement => ({ ...side(measurement), settings: {}, details: {} })
  return { ...report, medians: report.medians.map(side), runs: report.runs.map(run => run.map(bare)) }
}

/** Five digits are more than any figure has. */
function rounded(measurement: Measurement): Measurement {
  return JSON.parse(
    JSON.stringify(measurement, (_name, value: unknown) =>
      typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value
    )
  ) as Measurement
}
