/** The command line of the benchmarks: what to run, at which size, and how to print it. */
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { benchmarks as all, chosen } from './catalogue.ts'
import type { Benchmark, BenchOptions } from './harness.ts'
import { projectRoot } from './project.ts'
import { environment, printEnvironment, printReport } from './report.ts'

const EXIT = { ok: 0, missedOrFailed: 1, usage: 2 } as const

interface Call {
  readonly benchmarks: readonly Benchmark[]
  readonly list: boolean
  readonly json: boolean
  readonly options: BenchOptions
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
  const { benchmarks, list, json, options } = call
  if (list) {
    for (const { name, question } of benchmarks) process.stdout.write(`${name.padEnd(28)} ${question}\n`)
    return EXIT.ok
  }

  mkdirSync(options.directory, { recursive: true })
  if (!json) process.stdout.write(`${printEnvironment(environment(options.directory))}\n`)
  let wrong = 0
  for (const benchmark of benchmarks) {
    try {
      const report = await benchmark.run(options)
      wrong += report.verdicts.filter(({ holds, gate }) => gate && !holds).length
      process.stdout.write(`${json ? JSON.stringify(report) : printReport(report)}\n`)
    } catch (error) {
      // The others are still worth their time; the exit code tells.
      wrong++
      process.stderr.write(`${benchmark.name} failed: ${messageOf(error)}\n`)
    }
  }
  return wrong === 0 ? EXIT.ok : EXIT.missedOrFailed
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
      seconds: { type: 'string' },
      rounds: { type: 'string' },
      directory: { type: 'string', default: join(projectRoot(), 'bench', 'data') }
    }
  })
  const { list, json, smoke, seconds, rounds } = values
  return {
    benchmarks: chosen(all, positionals),
    list,
    json,
    options: {
      smoke,
      peers: !values['no-peers'],
      directory: resolve(values.directory),
      progress: line => process.stderr.write(`${line}\n`),
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
