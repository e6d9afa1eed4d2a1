/** Reading one queue from end to end: warm, as views of the mapped records, decoded, and as the peers do it; and cold. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { alternate, type Benchmark, type BenchOptions, type Contender, caseProcess, runCaseFile } from '../harness.ts'
import { peerProcess } from '../peers/contender.ts'
import { evictFiles, whyNotCold } from '../warm-memory.ts'
import type { ReadSettings } from './read.case.ts'
import { GiB, storeOptions } from './sizes.ts'

const COUNT = 1_000_000
const QUICK_COUNT = 300_000
const SMOKE_COUNT = 2000
const BODY_BYTES = 1024

const readSequential: Benchmark = {
  name: 'store/read-sequential',
  hasPeers: true,
  question: 'reading a queue of 1 KiB messages from its first to its last',
  run: async options => {
    const count = options.smoke ? SMOKE_COUNT : options.quick ? QUICK_COUNT : COUNT
    return withMessages(readSequential, options, count, async data => {
      const varve = (as: ReadSettings['as']) =>
        caseProcess(as, 'store/read.case.ts', { data, as, options: storeOptions(options) })
      // A peer fills its own database in each run; only the walk is timed, and it follows a first walk that warms.
      const peer = (name: 'lmdb' | 'level' | 'sqlite') =>
        peerProcess(name, { mode: 'read', extent: { count }, bodyBytes: BODY_BYTES })
      return await alternate(readSequential, options, {
        contenders: [varve('views'), varve('decoded'), peer('lmdb'), peer('level'), peer('sqlite')],
        bounds: [
          { side: 'views', of: 'rate', atLeast: 3_000_000 },
          { side: 'decoded', of: 'rate', atLeast: 1_000_000 },
          { side: 'views', against: 'lmdb', of: 'rate', atLeast: 1 },
          { side: 'decoded', against: 'lmdb', of: 'rate', atLeast: 1 }
        ]
      })
    })
  }
}

/** Of the log. */
const COLD_BYTES = 4 * GiB
const COLD_QUICK = 0.25
/** A record of 1 KiB, rounded. */
const RECORD_BYTES = 1130

const readCold: Benchmark = {
  name: 'store/read-cold',
  question: 'the same when nothing of it is in memory, against reading the files of the log from end to end',
  run: options => {
    const scale = options.scale ?? (options.quick ? COLD_QUICK : 1)
    const count = options.smoke ? SMOKE_COUNT : Math.floor((COLD_BYTES * scale) / RECORD_BYTES)
    return withMessages(readCold, options, count, data => {
      const cold = (contender: Contender): Contender => ({
        ...contender,
        ...(options.smoke ? {} : { whyNot: whyNotCold }),
        run: place => {
          if (!options.smoke) evictFiles(options.progress)
          return contender.run(place)
        }
      })
      const common = { data, isCold: true, options: storeOptions(options) }
      return alternate(readCold, options, {
        contenders: [
          cold(caseProcess('varve', 'store/read.case.ts', { ...common, as: 'views' })),
          cold(caseProcess('files', 'store/read-files.case.ts', { data, count }))
        ],
        bounds: [],
        keepCache: true
      })
    })
  }
}

/** A store of so many messages in one queue, which are only read. */
async function withMessages<Result>(
  { name }: Benchmark,
  options: BenchOptions,
  count: number,
  use: (data: string) => Promise<Result>
): Promise<Result> {
  const data = join(options.directory, `${name.replaceAll('/', '-')}-data-${process.pid}`)
  options.progress(`${name}: writing ${count.toLocaleString('en')} messages`)
  try {
    await runCaseFile('store/prepare.case.ts', {
      directory: data,
      messages: count,
      bodyBytes: BODY_BYTES,
      queueCount: 1,
      options: storeOptions(options)
    })
    return await use(data)
  } finally {
    rmSync(data, { recursive: true, force: true })
  }
}

export const readBenchmarks: readonly Benchmark[] = [readSequential, readCold]
