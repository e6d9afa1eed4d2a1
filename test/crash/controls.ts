/**
 * Controls: defects planted on purpose, each of which the suite must find within so many cases. A test that cannot catch
 * its defect proves nothing.
 *
 * Each is planted round the engine, never in it.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Control } from './control.ts'
import { controlsOfEngine } from './controls-of-engine.ts'
import { controlsOfProcesses } from './controls-of-processes.ts'
import type { Scenario, Tally } from './scenario.ts'
import { noDefect } from './simulated-store.ts'
import { Violation } from './violation.ts'

const controlled: readonly Control[] = [...controlsOfEngine, ...controlsOfProcesses]

export const controls: Scenario = {
  name: 'controls',
  about: 'defects planted on purpose, each of which must be found',
  cases: { short: controlled.length, medium: controlled.length, long: controlled.length },
  lanes: 'processors',
  async run(seed, directory, size) {
    const control = controlled[seed % controlled.length] as Control // There is at least one.
    if (control.isLong && size === 'short') return { 'left to longer forms': 1 }
    for (let tried = 1; tried <= control.casesMax; tried++) {
      const { found, skipped } = await outcomeOf(control, seed + tried, join(directory, String(tried)))
      if (skipped) return { skipped: 1 }
      if (found !== undefined) {
        process.stdout.write(`  ${control.name}: found by case ${tried} of at most ${control.casesMax}\n    ${found}\n`)
        return { found: 1 }
      }
    }
    throw new Error(`planted and not found in ${control.casesMax} cases: ${control.name}`)
  }
}

/** What was found. Only a violation of a promise counts: any other failure is a defect of the suite or the engine. */
async function outcomeOf(
  { hunt, defect = noDefect, mayCrash = false }: Control,
  seed: number,
  directory: string
): Promise<{ found?: string; skipped: boolean }> {
  mkdirSync(directory, { recursive: true })
  try {
    const tally: Tally = await hunt(seed, directory, defect)
    return { skipped: (tally.skipped ?? 0) > 0 }
  } catch (error) {
    if (error instanceof Violation || mayCrash) {
      return { found: (error instanceof Violation ? error.message : String(error)).slice(0, 200), skipped: false }
    }
    throw error
  }
}
