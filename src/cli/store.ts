/** `varve store`: the verbs on a directory, one file each. */
import { Command } from 'commander'
import { storeDumpCommand } from './store-dump.ts'
import { storeInfoCommand } from './store-info.ts'
import { storeRebuildCommand } from './store-rebuild.ts'
import { storeRepairCommand } from './store-repair.ts'
import { storeVerifyCommand } from './store-verify.ts'
import type { CliWorld } from './terminal.ts'

export function storeCommand(world: CliWorld): Command {
  const store = new Command('store').description('look into a store, check it, mend it; also stores of Apache RocketMQ')
  for (const make of [storeInfoCommand, storeVerifyCommand, storeDumpCommand, storeRepairCommand, storeRebuildCommand])
    store.addCommand(make(world))
  return store
}
