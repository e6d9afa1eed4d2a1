/**
 * Appending: how many messages a second, at which cost, against what a Node program would use today and against the
 * limit of the machine. Bounds are those that the project has set itself; each is a ratio of sides that took turns.
 */
import type { Extent } from '../../src/load/index.ts'
import { alternate, type Benchmark, type BenchOptions, type Bound, type Contender, caseProcess } from '../harness.ts'
import { type ApacheCase, apacheContender } from '../peers/apache.ts'
import { peerProcess } from '../peers/contender.ts'
import type { FilesSettings } from '../peers/files.case.ts'
import type { LevelSettings } from '../peers/level.case.ts'
import type { LmdbSettings } from '../peers/lmdb.case.ts'
import type { SqliteSettings } from '../peers/sqlite.case.ts'
import type { AppendSettings } from './append.case.ts'
import { storeOptions } from './sizes.ts'

const SECONDS = { full: 5, quick: 2 }
/** Code is compiled and the first files are made before the measured time. */
const WARM_UP_SECONDS = 1
/** A multiple of every batch, and small enough for a test. */
const SMOKE_COUNT = 2000
/** A second: no consumer of a single disk asks for more. */
const BYTES_ENOUGH = 1e9

function extentOf(options: BenchOptions): Extent {
  return options.smoke
    ? { count: SMOKE_COUNT }
    : { seconds: options.seconds ?? (options.quick ? SECONDS.quick : SECONDS.full), warmUpSeconds: WARM_UP_SECONDS }
}

type Varve = Omit<AppendSettings, 'directory' | 'extent' | 'flush' | 'options'> & { flush?: 'sync' | 'async' }
const varve = (options: BenchOptions, settings: Varve, name = 'varve'): Contender =>
  caseProcess(name, 'store/append.case.ts', {
    flush: 'async',
    extent: extentOf(options),
    options: storeOptions(options),
    ...settings
  })
const lmdb = (options: BenchOptions, settings: Omit<LmdbSettings, 'directory' | 'extent'>): Contender =>
  peerProcess('lmdb', { extent: extentOf(options), ...settings })
const sqlite = (options: BenchOptions, settings: Omit<SqliteSettings, 'directory' | 'extent'>): Contender =>
  peerProcess('sqlite', { extent: extentOf(options), ...settings })
const level = (options: BenchOptions, settings: Omit<LevelSettings, 'directory' | 'extent'>): Contender =>
  peerProcess('level', { extent: extentOf(options), ...settings })
const files = (options: BenchOptions, settings: Omit<FilesSettings, 'directory' | 'extent'>): Contender =>
  caseProcess('files', 'peers/files.case.ts', { extent: extentOf(options), ...settings })

const apache = (options: BenchOptions, name: ApacheCase, contender?: string): Contender =>
  apacheContender(name, { extent: extentOf(options), progress: options.progress }, contender)

interface AppendCase {
  readonly name: string
  readonly question: string
  readonly contenders: (options: BenchOptions) => readonly Contender[]
  readonly bounds: readonly Bound[]
}

const cases: readonly AppendCase[] = [
  {
    name: 'append-async-1k',
    question: 'appending 1 KiB from one thread, nobody waits for the disk; the dispatcher keeps up',
    contenders: options => [
      varve(options, { bodyBytes: 1024 }),
      apache(options, 'append-async-1k'),
      files(options, { bodyBytes: 1024 })
    ],
    bounds: [
      { side: 'varve', of: 'drainMs', atMost: 1000 },
      { side: 'varve', against: 'apache', of: 'rate', atLeast: 1.5 },
      { side: 'varve', against: 'apache', of: 'cpuUsPerMessage', atMost: 0.7 }
    ]
  },
  {
    name: 'append-async-128',
    question: 'the same with 128 B',
    contenders: options => [
      varve(options, { bodyBytes: 128 }),
      apache(options, 'append-async-128'),
      files(options, { bodyBytes: 128 })
    ],
    bounds: [
      { side: 'varve', of: 'drainMs', atMost: 1000 },
      { side: 'varve', against: 'apache', of: 'rate', atLeast: 1.3 }
    ]
  },
  {
    name: 'append-async-4k',
    question: 'the same with 4 KiB',
    contenders: options => [varve(options, { bodyBytes: 4096 }), files(options, { bodyBytes: 4096, batchCount: 25 })],
    bounds: []
  },
  {
    name: 'append-async-64k',
    question: 'the same with 64 KiB, against the buffered writes of the disk',
    contenders: options => [
      varve(options, { bodyBytes: 65_536 }),
      files(options, { bodyBytes: 65_536, batchCount: 16 })
    ],
    bounds: [{ side: 'varve', against: 'files', of: 'rate', atLeast: 0.8, orElseAtLeast: BYTES_ENOUGH / 65_536 }]
  },
  {
    name: 'append-batch',
    question: 'batches of 100 messages of 1 KiB, nobody waits for the disk',
    contenders: options => [
      varve(options, { bodyBytes: 1024, batchCount: 100 }),
      apache(options, 'append-batch'),
      lmdb(options, { mode: 'batch', bodyBytes: 1024, batchCount: 100 }),
      level(options, { mode: 'batch', bodyBytes: 1024, batchCount: 100 }),
      files(options, { bodyBytes: 1024, batchCount: 100 })
    ],
    bounds: [{ side: 'varve', against: 'lmdb', of: 'rate', atLeast: 1.1 }]
  },
  {
    name: 'append-awaited-512',
    question: '512 messages of 1 KiB in flight, each awaited until it is on disk',
    contenders: options => [
      varve(options, { bodyBytes: 1024, window: 512 }),
      lmdb(options, { mode: 'window', bodyBytes: 1024, window: 512 }),
      files(options, { bodyBytes: 1024, batchCount: 100, syncEvery: 1000 })
    ],
    bounds: [
      { side: 'varve', against: 'lmdb', of: 'rate', atLeast: 1 },
      { side: 'varve', against: 'files', of: 'rate', atLeast: 0.8 }
    ]
  },
  {
    name: 'append-awaited-1',
    question: 'one message of 1 KiB at a time, awaited until it is on disk',
    contenders: options => [
      varve(options, { bodyBytes: 1024, window: 1 }),
      sqlite(options, { mode: 'single', bodyBytes: 1024 })
    ],
    bounds: [{ side: 'varve', against: 'sqlite', of: 'rate', atLeast: 1 }]
  },
  {
    name: 'append-sync-64',
    question: 'synchronous flush, 64 writers of 1 KiB that each wait for their own message',
    contenders: options => [
      varve(options, { bodyBytes: 1024, window: 64, flush: 'sync' }),
      apache(options, 'append-sync-64'),
      apache(options, 'append-sync-64-in-flight', 'apache-in-flight')
    ],
    bounds: [{ side: 'varve', against: 'apache', of: 'rate', atLeast: 2 }]
  },
  {
    name: 'append-sync-1',
    question: 'synchronous flush, one writer of 1 KiB',
    contenders: options => [
      varve(options, { bodyBytes: 1024, window: 1, flush: 'sync' }),
      apache(options, 'append-sync-1')
    ],
    bounds: [{ side: 'varve', against: 'apache', of: 'rate', atLeast: 1.5 }]
  },
  {
    name: 'append-many-queues',
    question: '10,000 topics of 8 queues in turn, against one queue',
    contenders: options => {
      const { topicCount, queueCount } = options.smoke
        ? { topicCount: 10, queueCount: 2 }
        : { topicCount: 10_000, queueCount: 8 }
      return [
        varve(options, { bodyBytes: 1024, topicCount, queueCount }, 'many'),
        varve(options, { bodyBytes: 1024 }, 'one')
      ]
    },
    bounds: [{ side: 'many', against: 'one', of: 'rate', atLeast: 0.9 }]
  }
]

/** To see who takes part. */
const SMOKE: BenchOptions = { smoke: true, peers: false, directory: '', progress: () => {} }

export const appendBenchmarks: readonly Benchmark[] = cases.map(({ name, question, contenders, bounds }) => {
  const benchmark: Benchmark = {
    name: `store/${name}`,
    question,
    hasPeers: contenders(SMOKE).some(({ isPeer }) => isPeer === true),
    run: options => alternate(benchmark, options, { contenders: contenders(options), bounds, countsDiffer: true })
  }
  return benchmark
})
