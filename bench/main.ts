/** The command line of the benchmarks: what to run, at which size, and how to print it. */
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { chosen } from './catalogue.ts'
import { type BenchOptions, runCaseFile } from './harness.ts'
import { installPeers } from './peers/peers.ts'
import { projectRoot } from './project.ts'
import { environment, printEnvironment, printReport } from './report.ts'

/** The exit code: 0, or 1 when a ratio was missed, or 2 for a wrong call. */
export async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      list: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      smoke: { type: 'boolean', default: false },
      seconds: { type: 'string' },
      rounds: { type: 'string' },
      directory: { type: 'string', default: join(projectRoot(), 'bench', 'data') }
    }
  })
  const benchmarks = chosen(positionals)
  if (values.list) {
    for (const { name, question } of benchmarks) process.stdout.write(`${name.padEnd(32)} ${question}\n`)
    return 0
  }

  const directory = resolve(values.directory)
  mkdirSync(directory, { recursive: true })
  const progress = (line: string) => process.stderr.write(`${line}\n`)
  const options: BenchOptions = {
    smoke: values.smoke,
    directory,
    progress,
    ...(values.seconds === undefined ? {} : { seconds: positive('--seconds', values.seconds) }),
    ...(values.rounds === undefined ? {} : { rounds: positive('--rounds', values.rounds) })
  }

  if (benchmarks.some(({ needsPeers }) => needsPeers)) installPeers(progress)
  if (!values.smoke && benchmarks.some(({ ownProcesses }) => ownProcesses)) {
    progress('touching the free memory of the machine, so that no side is the first to')
    await runCaseFile('touch-memory.case.ts', {})
  }

  let missed = 0
  if (!values.json) process.stdout.write(`${printEnvironment(environment(directory))}\n`)
  for (const benchmark of benchmarks) {
    const report = await benchmark.run(options)
    missed += report.verdicts.filter(({ holds, gate }) => gate && !holds).length
    process.stdout.write(`${values.json ? JSON.stringify(report) : printReport(report)}\n`)
  }
  return missed === 0 ? 0 : 1
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new Error(`${name} must be a positive number, not ${text}`)
  return value
}
