/** How a load is shown while it runs, and what is said of it in the end. */
import { MiB } from '../../base/index.ts'
import type { CaseResult, Instant, Measurement, Report } from '../../load/index.ts'
import { machineFacts, spreadOf } from '../../load/index.ts'
import { type CliWorld, facts, printJson, printLines } from '../terminal.ts'
import { packageVersion } from '../version.ts'
import { countInWords } from '../words.ts'
import type { ExtentFlags } from './bench-flags.ts'

export const STEP_MS = 1000
/** Of a core: above it this program may be what limits the rate. */
const GENERATOR_BUSY = 0.85
/** The report has more of them. */
const PERCENTS_SHOWN = new Set([50, 90, 99, 99.9, 99.99, 100])
const COLUMNS = ['s', 'messages/s', 'MiB/s', 'p50', 'p99', 'CPU %'] as const
const WIDTHS = [7, 12, 9, 10, 10, 7] as const

export interface Running {
  readonly verb: string
  readonly question: string
  readonly flags: ExtentFlags
  /** Bytes of a message that count as throughput. */
  readonly bytesOf: (result: CaseResult) => number
  readonly bodyBytes: number | undefined
  /** For the machine of the report: where the measured files lie, if they are ours. */
  readonly directory?: string
  run(watch: { onInstant: (instant: Instant) => void; stepMs: number; signal: AbortSignal }): Promise<CaseResult>
}

/** Runs the rounds, each with a line for every second, and says in the end what came of them. */
export async function runShown(world: CliWorld, running: Running): Promise<void> {
  const { flags, verb } = running
  const runs: Measurement[] = []
  const say = (lines: readonly string[]) => (flags.json ? Promise.resolve() : printLines(world, lines))
  for (let round = 0; round < flags.rounds && !world.interrupted.aborted; round++) {
    if (flags.rounds > 1) await say(['', `round ${round + 1} of ${flags.rounds}`])
    let isFirst = true
    const onInstant = (instant: Instant) => {
      void say([...(isFirst ? [row(COLUMNS)] : []), liveRow(instant, running.bodyBytes)])
      isFirst = false
    }
    const result = await running.run({ onInstant, stepMs: STEP_MS, signal: world.interrupted })
    const measurement = measurementOf(verb, result)
    runs.push(measurement)
    await say(['', ...facts(summary(measurement, running.bytesOf(result), result.cpuUs !== undefined))])
  }
  const report = reportOf(running, runs, world.clock.nowMs())
  if (flags.json) await printJson(world, report)
  else if (runs.length > 1) await say(['', spreadInWords(runs)])
}

function liveRow(
  { seconds, isWarmUp, rate, p50Us, p99Us, cpuPercent }: Instant,
  bodyBytes: number | undefined
): string {
  const cells = [
    isWarmUp ? 'warm-up' : String(Math.round(seconds)),
    countInWords(rate),
    bodyBytes === undefined ? '' : ((rate * bodyBytes) / MiB).toFixed(1),
    microseconds(p50Us),
    microseconds(p99Us),
    cpuPercent === undefined ? '' : String(Math.round(cpuPercent))
  ]
  return row(cells)
}

const row = (cells: readonly string[]): string =>
  cells
    .map((cell, at) => cell.padStart(WIDTHS[at] ?? 0))
    .join('  ')
    .trimEnd()

function measurementOf(name: string, { cpuUs, ...result }: CaseResult): Measurement {
  return {
    ...result,
    name,
    rate: result.messages / Math.max(result.seconds, 1e-9),
    cpuUsPerMessage: (cpuUs ?? 0) / Math.max(1, result.messages)
  }
}

function summary(measured: Measurement, bytesPerMessage: number, hasCpu: boolean): [string, string][] {
  const { messages, seconds, rate, cpuUsPerMessage, percentiles = [], details } = measured
  const isOpenLoop = details.ownDelayP99Us !== undefined
  const throughput = `${((rate * bytesPerMessage) / MiB).toFixed(1)} MiB/s`
  const lines: [string, string][] = [
    ['messages', `${countInWords(messages)} in ${seconds.toFixed(1)} s: ${countInWords(rate)}/s, ${throughput}`],
    [
      'latency',
      percentiles
        .filter(([percent]) => PERCENTS_SHOWN.has(percent))
        .map(([percent, us]) => `${percentInWords(percent)} ${microseconds(us)}`)
        .join('  ')
    ]
  ]
  if (isOpenLoop) lines.push(['', 'counted from when each message was due, so that no stall is left out'])
  if (hasCpu) lines.push(['CPU', `${microsecondsFine(cpuUsPerMessage)} a message`])
  const generatorUs = details.generatorCpuUs ?? 0
  if (generatorUs > 0) lines.push(['generator', `${microsecondsFine(generatorUs)} a message`])
  if ((generatorUs * messages) / (seconds * 1e6) > GENERATOR_BUSY)
    lines.push(['', 'its one thread was busy nearly all the time: it may be the limit, not the broker'])
  if ((details.ownDelayP99Us ?? 0) > 0)
    lines.push([
      '',
      `it was itself late by ${microseconds(details.ownDelayP99Us ?? 0)} (p99), which is in the latencies`
    ])
  if ((details.refused ?? 0) > 0)
    lines.push(['refused', `${countInWords(details.refused ?? 0)} as busy, and sent again`])
  return lines
}

function reportOf({ verb, question, directory }: Running, runs: readonly Measurement[], nowMs: number): Report {
  const [first] = runs
  const median = (figure: (run: Measurement) => number) => spreadOf(runs.map(figure)).median
  const optional = (figure: 'p50Us' | 'p99Us' | 'p999Us' | 'maxUs') =>
    first?.[figure] === undefined ? {} : { [figure]: median(run => run[figure] ?? 0) }
  return {
    benchmark: `cli/${verb}`,
    question,
    environment: {
      machine: machineFacts(directory),
      versions: { varve: packageVersion(), node: process.version },
      commit: `version ${packageVersion()}`,
      atIso: new Date(nowMs).toISOString()
    },
    rounds: runs.length,
    medians:
      first === undefined
        ? []
        : [
            {
              ...first,
              rate: median(run => run.rate),
              cpuUsPerMessage: median(run => run.cpuUsPerMessage),
              ...optional('p50Us'),
              ...optional('p99Us'),
              ...optional('p999Us'),
              ...optional('maxUs')
            }
          ],
    ratios: [],
    verdicts: [],
    leftOut: [],
    runs: runs.map(run => [run])
  }
}

function spreadInWords(runs: readonly Measurement[]): string {
  const { median, min, max } = spreadOf(runs.map(({ rate }) => rate))
  return `median of ${runs.length} rounds: ${countInWords(median)} messages/s, from ${countInWords(min)} to ${countInWords(max)}`
}

const percentInWords = (percent: number): string => (percent === 100 ? 'max' : `p${percent}`)

/** `85 us`, `1.23 ms`, `2.10 s` */
export function microseconds(us: number): string {
  if (us < 10) return `${us.toFixed(2)} us`
  if (us < 1000) return `${Math.round(us)} us`
  if (us < 1e6) return `${(us / 1000).toFixed(us < 10_000 ? 2 : 1)} ms`
  return `${(us / 1e6).toFixed(2)} s`
}

const microsecondsFine = (us: number): string => `${us.toFixed(2)} us`
