/**
 * Runs the scenarios, one line for each, and ends with how many passed and failed. Those that keep processors busy run
 * beside those that mostly wait, and behind them: they have a lower priority (case-process.ts).
 *
 * A case that fails prints its seed, the directory in which its state is kept and the command that runs just this case
 * again. All choices of a case follow from its seed; only where real processes are killed does time have a say too.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { freshSeed } from '../../src/base/index.ts'
import { CaseChild } from './case-child.ts'
import type { Scenario, Size, Tally } from './scenario.ts'
import { scenarios } from './scenarios.ts'
import { knownSeeds } from './seeds.ts'

const PROGRESS_INTERVAL_MS = 15_000

/** Returns the exit status: 0 if every scenario passed, 1 if one failed, 2 for a command that makes no sense. */
export async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      short: { type: 'boolean', default: false },
      medium: { type: 'boolean', default: false },
      long: { type: 'boolean', default: false },
      only: { type: 'string' },
      seed: { type: 'string' },
      count: { type: 'string' }
    }
  })
  const size: Size = values.long ? 'long' : values.medium ? 'medium' : 'short'
  const seed = values.seed === undefined ? freshSeed() : Number(values.seed)
  const count = values.count === undefined ? undefined : Number(values.count)
  const meant = scenarios.filter(({ name }) => values.only === undefined || name === values.only)
  if (meant.length === 0) {
    say(`no scenario is called ${values.only}; there are ${scenarios.map(({ name }) => name).join(', ')}`)
    return 2
  }
  const chosen = meant.filter(({ cases }) => (count ?? cases[size]) > 0)
  if (chosen.length === 0) {
    say(`${values.only} has no cases in the ${size} form; give it a --count`)
    return 2
  }
  say(`crash suite, ${size} form, seed ${seed}`)

  const root = mkdtempSync(join(tmpdir(), 'varve-crash-'))
  let failed = 0
  const runThese = async (those: readonly Scenario[]): Promise<void> => {
    for (const scenario of those) {
      const cases = count ?? scenario.cases[size]
      const known = values.seed === undefined ? (knownSeeds[scenario.name] ?? []) : []
      const seeds = [...known, ...Array.from({ length: cases }, (_, i) => seed + i)]
      if (!(await runScenario(scenario, seeds, join(root, scenario.name), size))) failed++
    }
  }
  const isBusy = ({ lanes }: Scenario): boolean => lanes === 'processors'
  await Promise.all([runThese(chosen.filter(isBusy)), runThese(chosen.filter(scenario => !isBusy(scenario)))])
  if (readdirSync(root).length === 0) rmSync(root, { recursive: true })
  say(`${chosen.length - failed} passed, ${failed} failed`)
  return failed === 0 ? 0 : 1
}

async function runScenario(scenario: Scenario, seeds: readonly number[], root: string, size: Size): Promise<boolean> {
  const startedMs = performance.now()
  const tally: Tally = {}
  let done = 0
  let failures = 0
  const progress = setInterval(() => say(`  ${scenario.name}: ${done} of ${seeds.length}`), PROGRESS_INTERVAL_MS)
  const waiting = [...seeds]
  const lane = async (runCase: Scenario['run']): Promise<void> => {
    for (let seed = waiting.shift(); seed !== undefined; seed = waiting.shift()) {
      const directory = join(root, String(seed))
      mkdirSync(directory, { recursive: true })
      try {
        for (const [what, count] of Object.entries(await runCase(seed, directory, size)))
          tally[what] = (tally[what] ?? 0) + count
        rmSync(directory, { recursive: true })
      } catch (error) {
        failures++
        reportFailure(scenario, seed, directory, error)
        if (failures >= FAILURES_MAX) waiting.length = 0
      }
      done++
    }
  }
  await inLanes(scenario, seeds.length, lane)
  clearInterval(progress)
  if (failures === 0) rmSync(root, { recursive: true })
  const counts = Object.entries(tally).map(([what, count]) => `${count} ${what}`)
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
  say(
    `${failures === 0 ? 'ok    ' : 'FAILED'} ${scenario.name}: ${scenario.about} (${[...counts, `${seconds} s`].join(', ')})`
  )
  return failures === 0
}

/** A case alone stays in this process, where a debugger finds it. */
async function inLanes(
  scenario: Scenario,
  cases: number,
  lane: (runCase: Scenario['run']) => Promise<void>
): Promise<void> {
  const count = Math.min(cases, scenario.lanes === 'processors' ? availableParallelism() : scenario.lanes)
  if (scenario.lanes !== 'processors' || count === 1) {
    await Promise.all(Array.from({ length: count }, () => lane(scenario.run)))
    return
  }
  const children = Array.from({ length: count }, () => new CaseChild(scenario))
  await Promise.all(children.map(child => lane((...asked) => child.run(...asked))))
  for (const child of children) child.end()
}

/** More of the same would only bury the first. */
const FAILURES_MAX = 3

function reportFailure({ name }: Scenario, seed: number, directory: string, error: unknown): void {
  say(`  ${name}, seed ${seed}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  if (error instanceof Error && error.cause instanceof Error) say(`  because: ${error.cause.stack}`)
  say(`  kept in ${directory}`)
  say(`  again: npm run test:crash -- --only ${name} --seed ${seed} --count 1`)
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
