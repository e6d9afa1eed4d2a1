/** `varve bench`: loads on a broker of RocketMQ, or on a store, and what came of them. One file for each verb. */
import { Command } from 'commander'
import type { CliWorld } from '../terminal.ts'
import { benchCompareCommand } from './bench-compare.ts'
import { benchConsumeCommand } from './bench-consume.ts'
import { benchE2eCommand } from './bench-e2e.ts'
import { benchSendCommand } from './bench-send.ts'
import { benchStoreCommand } from './bench-store.ts'

export function benchCommand(world: CliWorld): Command {
  const bench = new Command('bench').description(
    'how many messages, how late, at which cost: on your machine, at your address'
  )
  for (const make of [benchSendCommand, benchConsumeCommand, benchE2eCommand, benchStoreCommand, benchCompareCommand])
    bench.addCommand(make(world))
  return bench
}
