/** `varve store rebuild`: builds the consume queues and the key index anew from the log. */
import { Command } from 'commander'
import { openStore } from '../embedded.ts'
import { findLogEnd, readDirectoryFacts, rebuildDerived } from '../store/index.ts'
import { filesFor, forStore, knownSizes, progressOf, type StoreVerbOptions } from './store-options.ts'
import { type CliWorld, printJson, printLines } from './terminal.ts'
import { bytesInWords, durationInWords, rateInWords } from './words.ts'

interface RebuildVerbOptions extends StoreVerbOptions {
  readonly queues?: true
  readonly index?: true
}

export function storeRebuildCommand(world: CliWorld): Command {
  return forStore(
    new Command('rebuild')
      .description('builds queues and key index anew from the log; without options both')
      .option('--queues', 'the consume queues; the index is built in the same pass')
      .option('--index', 'the key index')
  ).action(async (directory: string, options: RebuildVerbOptions) => {
    const files = filesFor(options)
    const both = options.queues === undefined && options.index === undefined
    const what = { queues: both || options.queues === true, index: both || options.index === true }
    const progress = progressOf(world, 'rebuilding', options)
    const startedMs = world.clock.monotonicMs()
    try {
      await rebuildDerived(directory, what, {
        files,
        sizes: knownSizes(options),
        open: given => openStore({ ...given, mapper: options.mapper }),
        onProgress: progress.show
      })
    } finally {
      progress.end()
    }
    const tookMs = world.clock.monotonicMs() - startedMs
    const facts = readDirectoryFacts(files, directory, knownSizes(options))
    const logBytes = findLogEnd(files, facts) - (facts.segments[0]?.base ?? 0)
    if (options.json) return printJson(world, { directory, ...what, logBytes, tookMs })
    const names = what.queues ? 'queues and key index' : 'key index'
    const read = `${bytesInWords(logBytes)} of log in ${durationInWords(tookMs)}, ${rateInWords(logBytes, tookMs)}`
    return printLines(world, [`${names} rebuilt from ${read}`])
  })
}
