/**
 * What the verbs of `varve store` share: the directory, the sizes that no file tells, `--json` and `--progress`.
 */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { type Files, type KnownSizes, type MapperKind, openRealFiles, type RunJob } from '../store/index.ts'
import { piscinaThreads } from '../workers/index.ts'
import { type CliWorld, ProgressLine } from './terminal.ts'
import { bytesInWords, rateInWords } from './words.ts'

export interface StoreVerbOptions extends KnownSizes {
  readonly json?: true
  readonly progress?: true
  readonly mapper: MapperKind | 'auto'
}

/** Adds the directory and the options that every verb on a store takes. */
export function forStore(command: Command): Command {
  return command
    .argument('<directory>', 'the root of the store: the directory that holds commitlog/')
    .option('--json', 'print JSON on stdout, and nothing else')
    .option('--progress', 'show progress on stderr even where nobody watches')
    .addOption(
      new Option('--mapper <kind>', 'how files are read')
        .choices(['auto', 'mmap-io', 'native', 'plain'])
        .default('auto')
    )
    .option('--segment-bytes <n>', 'size of commit-log segments, if the files do not tell', positive)
    .option('--queue-file-entries <n>', 'entries in a consume-queue file, if the files do not tell', positive)
    .option('--index-slots <n>', 'slots in an index file, if the files do not tell', positive)
    .option('--index-items <n>', 'items in an index file, if the files do not tell', positive)
}

export function knownSizes(options: StoreVerbOptions): KnownSizes {
  const { segmentBytes, queueFileEntries, indexSlots, indexItems } = options
  return {
    ...(segmentBytes === undefined ? {} : { segmentBytes }),
    ...(queueFileEntries === undefined ? {} : { queueFileEntries }),
    ...(indexSlots === undefined ? {} : { indexSlots }),
    ...(indexItems === undefined ? {} : { indexItems })
  }
}

export const filesFor = ({ mapper }: StoreVerbOptions): Files => openRealFiles({ mapper })

/** Runs jobs in threads while `work` lasts. */
export async function withJobs<Result>(files: Files, work: (runJob: RunJob) => Promise<Result>): Promise<Result> {
  const threads = piscinaThreads(files.mapper)
  try {
    return await work(threads.runJob)
  } finally {
    await threads.kill()
  }
}

/** `verifying  12.3 MiB of 1.00 GiB  (1.2 GiB/s)` */
export function progressOf(
  world: CliWorld,
  doing: string,
  { progress }: StoreVerbOptions
): { show(done: { doneBytes: number; totalBytes: number }): void; end(): void } {
  const line = new ProgressLine(world, { always: progress === true })
  const startedMs = world.clock.monotonicMs()
  return {
    show({ doneBytes, totalBytes }) {
      const rate = rateInWords(doneBytes, world.clock.monotonicMs() - startedMs)
      line.show(`${doing}  ${bytesInWords(doneBytes)} of ${bytesInWords(totalBytes)}  (${rate})`)
    },
    end: () => line.end()
  }
}

export function positive(text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number <= 0) throw new InvalidArgumentError('It must be a positive integer.')
  return number
}

export function notNegative(text: string): number {
  const number = Number(text)
  if (text.trim() === '' || !Number.isSafeInteger(number) || number < 0)
    throw new InvalidArgumentError('It must be an integer from 0 on.')
  return number
}
