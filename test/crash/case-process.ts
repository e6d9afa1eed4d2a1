/**
 * Runs the cases that it is asked for, whenever a processor has nothing more urgent to do. Without whoever asks it does not
 * stay.
 */
import { constants, setPriority } from 'node:os'
import type { CaseOutcome, CaseTask, Failure } from './case-child.ts'
import { scenarios } from './scenarios.ts'

setPriority(constants.priority.PRIORITY_BELOW_NORMAL)
process.once('disconnect', () => process.exit(3))
process.on('message', async ({ scenario: name, seed, directory, size }: CaseTask) => {
  const scenario = scenarios.find(known => known.name === name)
  let outcome: CaseOutcome
  try {
    if (scenario === undefined) throw new Error(`no scenario is called ${name}`)
    outcome = { tally: await scenario.run(seed, directory, size) }
  } catch (error) {
    outcome = { failure: failureOf(error) }
  }
  process.send?.(outcome)
})

function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return { message: String(error), stack: undefined, because: undefined }
  const because = error.cause instanceof Error ? error.cause.stack : undefined
  return { message: error.message, stack: error.stack, because }
}
