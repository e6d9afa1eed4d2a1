/** `varve bench store`: appends to a store in this process, in a directory of its own that is removed in the end. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Command, Option } from 'commander'
import { openStore } from '../../embedded.ts'
import { runStoreLoad } from '../../load/index.ts'
import { positive } from '../store-options.ts'
import type { CliWorld } from '../terminal.ts'
import { extentOf, type LoadFlags, withLoadFlags } from './bench-flags.ts'
import { runShown } from './live.ts'

interface StoreFlags extends LoadFlags {
  readonly flush: 'async' | 'sync'
  readonly batch: number
  readonly window?: number
  readonly segmentBytes?: number
}

export function benchStoreCommand(world: CliWorld): Command {
  return withLoadFlags(new Command('store'))
    .description(
      'appends to a new store on the disk of a directory: nobody waits, or writers that wait until it is on disk'
    )
    .argument('[directory]', 'the store is made below it, and removed', '.')
    .addOption(new Option('--flush <mode>', 'of the store').choices(['async', 'sync']).default('async'))
    .option('--window <n>', 'so many writers, each of which waits until its message is on disk', positive)
    .option('--batch <n>', 'messages of one append, to one queue', positive, 1)
    .option('--segment-bytes <n>', 'size of commit-log segments (default 1 GiB)', positive)
    .action(async (place: string, flags: StoreFlags) => {
      const { flush, batch, window, segmentBytes, size } = flags
      mkdirSync(resolve(place), { recursive: true })
      await runShown(world, {
        verb: 'store',
        question: `appending to a store below ${resolve(place)}`,
        flags,
        bytesOf: () => size,
        bodyBytes: size,
        directory: resolve(place),
        run: async watch => {
          const directory = mkdtempSync(join(resolve(place), 'varve-bench-'))
          try {
            const store = await openStore({ directory, flush, ...(segmentBytes === undefined ? {} : { segmentBytes }) })
            try {
              const isOneQueue = flags.topics === 1 && batch > 1
              const result = await runStoreLoad(
                store,
                {
                  extent: extentOf(flags),
                  bodyBytes: size,
                  batchCount: batch,
                  ...(window === undefined ? {} : { window }),
                  topicCount: flags.topics,
                  queueCount: isOneQueue ? 1 : flags.queues
                },
                watch
              )
              return { ...result, settings: { flush, ...result.settings } }
            } finally {
              await store.close()
            }
          } finally {
            rmSync(directory, { recursive: true, force: true })
          }
        }
      })
    })
}
