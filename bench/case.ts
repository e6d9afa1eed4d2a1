/**
 * A case is a process of its own that takes its settings as JSON, does one kind of work for a time or a count, and prints one
 * JSON line. Its own process, so that its CPU time is its own. The work itself comes from src/load/ or from the case.
 */
import type { CaseResult } from '../src/load/index.ts'

export async function runCase<Settings>(work: (settings: Settings) => Promise<CaseResult>): Promise<void> {
  const settings = JSON.parse(process.argv[2] ?? '{}') as Settings
  const { cpuUs, ...result } = await work(settings)
  const measurement = {
    ...result,
    rate: result.messages / result.seconds,
    cpuUsPerMessage: (cpuUs ?? 0) / Math.max(1, result.messages)
  }
  process.stdout.write(`${JSON.stringify(measurement)}\n`)
}
