/** The command line of the benchmarks: what to run, at which size, and where what was found goes. */
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { Report } from '../src/load/index.ts'
import { keepBaseline } from './baseline.ts'
import { benchmarks as all, chosen } from './catalogue.ts'
import type { Benchmark, BenchOptions } from './harness.ts'
import { writeHeadline } from './headline.ts'
import { type Failure, writeRun } from './page/run-files.ts'
import { Progress } from './progress.ts'
import { projectRoot } from './project.ts'
import { environment, printEnvironment, printReport } from './report.ts'

const EXIT = { ok: 0, missedOrFailed: 1, usage: 2 } as const

interface Call {
  readonly benchmarks: readonly Benchmark[]
  readonly list: boolean
  readonly json: boolean
  readonly headline: boolean
  /** Where the page and the JSON go; nowhere at smoke size, unless it is named. */
  readonly reportDirectory: string | undefined
  readonly baseline: string | undefined
  readonly options: Omit<BenchOptions, 'progress'>
}

/** Resolves with the exit code. A ratio that was missed fails the run; a figure of this machine never does. */
export async function main(args: readonly string[]): Promise<number> {
  let call: Call
  try {
    call = callOf(args)
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`)
    return EXIT.usage
  }
  const { benchmarks, list, json, headline, reportDirectory, baseline } = call
  if (list) {
    for (const { name, question } of benchmarks) process.stdout.write(`${name.padEnd(28)} ${question}\n`)
    return EXIT.ok
  }
  if (headline) {
    process.stdout.write(writeHeadline())
    return EXIT.ok
  }

  mkdirSync(call.options.directory, { recursive: true })
  const facts = environment(call.options.directory)
  if (!json) process.stdout.write(`${printEnvironment(facts)}\n`)
  const progress = new Progress(benchmarks, process.stderr)
  const options: BenchOptions = { ...call.options, progress: line => progress.say(line) }
  const reports: Report[] = []
  const failures: Failure[] = []
  for (const benchmark of benchmarks) {
    progress.begin(benchmark)
    try {
      const report = await benchmark.run(options)
      reports.push(report)
      progress.clear()
      process.stdout.write(`${json ? JSON.stringify(report) : printReport(report)}\n`)
    } catch (error) {
      // The others are still worth their time; the exit code tells.
      failures.push({ benchmark: benchmark.name, error: messageOf(error) })
      progress.clear()
      process.stderr.write(`${benchmark.name} failed: ${messageOf(error)}\n`)
    }
    // After each, so that a run that is broken off has left what it found.
    if (reportDirectory !== undefined) {
      const command = ['npm run bench', ...(args.length === 0 ? [] : ['--', ...args])].join(' ')
      writeRun(reportDirectory, { command, seconds: progress.seconds, failures, reports })
    }
  }
  if (reportDirectory !== undefined && !json)
    process.stdout.write(`report: ${join(reportDirectory, 'index.html')} and report.json beside it\n`)
  if (baseline !== undefined) process.stdout.write(`baseline: ${keepBaseline(baseline, facts, reports)}\n`)
  const missed = reports.flatMap(({ verdicts }) => verdicts.filter(({ holds, gate }) => gate && !holds))
  return missed.length === 0 && failures.length === 0 ? EXIT.ok : EXIT.missedOrFailed
}

function callOf(args: readonly string[]): Call {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      list: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      smoke: { type: 'boolean', default: false },
      'no-peers': { type: 'boolean', default: false },
      'only-peers': { type: 'boolean', default: false },
      long: { type: 'boolean', default: false },
      quick: { type: 'boolean' },
      headline: { type: 'boolean', default: false },
      baseline: { type: 'string' },
      report: { type: 'string' },
      scale: { type: 'string' },
      seconds: { type: 'string' },
      rounds: { type: 'string' },
      directory: { type: 'string', default: join(projectRoot(), 'bench', 'data') }
    }
  })
  const { list, json, smoke, long, seconds, rounds, scale, headline, baseline } = values
  const isWhole = positionals.length === 0 && !values['only-peers'] && !long
  const quick = values.quick ?? (isWhole && seconds === undefined && rounds === undefined)
  const wanted = chosen(all, positionals).filter(
    ({ hasPeers, isLong = false }) =>
      (!values['only-peers'] || hasPeers === true) &&
      (isLong === false || long || list || positionals.length > 0 || (quick && isLong === 'but-quick'))
  )
  const reportDirectory = values.report ?? (smoke ? undefined : join(projectRoot(), 'bench', 'report'))
  return {
    benchmarks: wanted,
    list,
    json,
    headline,
    baseline,
    reportDirectory: reportDirectory === undefined ? undefined : resolve(reportDirectory),
    options: {
      smoke,
      quick: quick && !smoke,
      peers: !values['no-peers'],
      directory: resolve(values.directory),
      ...(scale === undefined ? {} : { scale: positive('--scale', scale) }),
      ...(seconds === undefined ? {} : { seconds: positive('--seconds', seconds) }),
      ...(rounds === undefined ? {} : { rounds: Math.ceil(positive('--rounds', rounds)) })
    }
  }
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new Error(`${name} must be a positive number, not ${text}`)
  return value
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
