/** The end of a verb on dead letters: if something failed, what was done is not the whole, and that is said. */

import type { BrokerFailure } from '../brokers.ts'
import { type CliWorld, EXIT, printJson } from '../terminal.ts'

/** Names each broker that failed, and sets the exit status. */
export async function reportFailures(world: CliWorld, failures: readonly BrokerFailure[], isJson: boolean) {
  for (const { broker, error } of failures) {
    if (isJson) await printJson(world, { failed: { broker, ...error } })
    else await world.stderr.write(`varve: ${broker}: ${error.message}\n`)
  }
  if (failures.length > 0) world.exit(EXIT.failure)
}
