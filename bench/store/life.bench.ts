/** What is not a rate: opening, recovering, rebuilding, rolling to the next segment, lying idle. Figures, not ratios. */
import { renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  alternate,
  type Benchmark,
  type BenchOptions,
  type Contender,
  caseProcess,
  compiledCaseArgs,
  runCaseFile,
  runToEnd
} from '../harness.ts'
import type { OpenSettings } from './open.case.ts'
import type { PrepareSettings } from './prepare.case.ts'
import type { RollSettings } from './roll.case.ts'
import { GiB, MiB, storeOptions } from './sizes.ts'

const BODY_BYTES = 1024
/** Where a store keeps its own state, below its directory. */
const STATE_DIRECTORY = 'varve'
/** A record of the messages below, rounded up: for sizes that need not be exact. */
const RECORD_BYTES = 1130

interface Sizes {
  readonly logBytes: number
  readonly queueCount: number
  /** Appended after the state that recovery starts from. */
  readonly aboveBytes: number
}

/** Of a quick run. */
const QUICK_SCALE = 0.2

function sizesOf({ smoke, quick = false, scale = quick ? QUICK_SCALE : 1 }: BenchOptions): Sizes {
  return smoke
    ? { logBytes: 2 * MiB, queueCount: 10, aboveBytes: MiB }
    : { logBytes: 10 * GiB * scale, queueCount: 1000, aboveBytes: 2 * GiB * scale }
}

/** One store for all rounds: opening and closing it cleanly does not change it. */
async function withStore<Result>(
  { benchmark, options, settings }: { benchmark: string; options: BenchOptions; settings: Partial<PrepareSettings> },
  use: (data: string) => Promise<Result>
): Promise<Result> {
  const data = join(options.directory, `${benchmark.replaceAll('/', '-')}-data-${process.pid}`)
  const { logBytes, queueCount } = sizesOf(options)
  options.progress(`${benchmark}: writing a store of ${Math.round(logBytes / MiB).toLocaleString('en')} MiB`)
  try {
    await runCaseFile('store/prepare.case.ts', {
      directory: data,
      messages: Math.floor(logBytes / RECORD_BYTES),
      bodyBytes: BODY_BYTES,
      queueCount,
      options: storeOptions(options),
      ...settings
    })
    return await use(data)
  } finally {
    rmSync(data, { recursive: true, force: true })
  }
}

function openCase(options: BenchOptions, data: string, queueCount = sizesOf(options).queueCount) {
  const settings: OpenSettings = { data, queueCount, options: storeOptions(options) }
  return { file: 'store/open.case.ts', settings: { ...settings } }
}

const openClean: Benchmark = {
  name: 'store/open-clean',
  question: 'opening a store that was closed cleanly: 10 GiB, 1,000 queues',
  run: options =>
    withStore({ benchmark: openClean.name, options, settings: {} }, data => {
      const { file, settings } = openCase(options, data)
      return alternate(openClean, options, {
        contenders: [caseProcess('varve', file, settings)],
        bounds: [{ side: 'varve', of: 'openMs', atMost: 300 }],
        rounds: 5,
        keepCache: true
      })
    })
}

const openCrashed: Benchmark = {
  name: 'store/open-crashed',
  question:
    'opening a store after kill -9: its state 2 GiB behind the log, as after loss of power, or as the kill left it',
  run: options => {
    const above = Math.floor(sizesOf(options).aboveBytes / RECORD_BYTES)
    const messages = options.smoke ? 100 : 100_000
    const crashed = (name: string, { stateBehind }: { stateBehind: boolean }): Contender => ({
      name,
      // Recovery mends the store, so each run kills a writer of its own.
      run: async ({ directory, round }) => {
        const data = join(directory, 'store')
        const stateCopy = join(directory, 'state')
        const thenKilled = { messages: above, stateCopy }
        const load = {
          directory: data,
          messages,
          bodyBytes: BODY_BYTES,
          queueCount: 1,
          options: storeOptions(options),
          thenKilled
        }
        const { exit } = await runToEnd(compiledCaseArgs('store/prepare.case.ts', load satisfies PrepareSettings))
        if (exit !== 'SIGKILL') throw new Error(`the writer ended with ${exit} instead of being killed`)
        if (stateBehind) {
          rmSync(join(data, STATE_DIRECTORY), { recursive: true })
          renameSync(stateCopy, join(data, STATE_DIRECTORY))
        }
        const { file, settings } = openCase(options, data, 1)
        const opened = await caseProcess(name, file, settings).run({ directory, round })
        if (opened.messages === messages + above) return opened
        throw new Error(`${messages + above} messages were appended before the kill, ${opened.messages} came back`)
      }
    })
    return alternate(openCrashed, options, {
      contenders: [crashed('behind', { stateBehind: true }), crashed('killed', { stateBehind: false })],
      bounds: [
        { side: 'behind', of: 'openMs', atMost: 2000 },
        { side: 'killed', of: 'openMs', atMost: 2000 }
      ]
    })
  }
}

const rebuild: Benchmark = {
  name: 'store/rebuild',
  question: 'rebuilding all consume queues and the key index of 10 GiB',
  run: options =>
    withStore({ benchmark: rebuild.name, options, settings: { keys: true } }, data => {
      const { file, settings } = openCase(options, data)
      return alternate(rebuild, options, {
        contenders: [
          {
            name: 'varve',
            run: async place => {
              for (const derived of ['consumequeue', 'index'])
                rmSync(join(data, derived), { recursive: true, force: true })
              return caseProcess('varve', file, settings).run(place)
            }
          }
        ],
        bounds: [{ side: 'varve', of: 'logGiBPerSecond', atLeast: 1 }],
        keepCache: true
      })
    })
}

function rollPause({
  name,
  segmentBytes,
  rollCount
}: {
  name: string
  segmentBytes: number
  rollCount: number
}): Benchmark {
  const size = segmentBytes >= GiB ? `${segmentBytes / GiB} GiB` : `${segmentBytes / MiB} MiB`
  const benchmark: Benchmark = {
    name: `store/${name}`,
    question: `the longest single append while ${rollCount} segments of ${size} are filled`,
    run: options => {
      const settings: Omit<RollSettings, 'directory'> = options.smoke
        ? { segmentBytes: MiB, rollCount: 2, bodyBytes: BODY_BYTES, options: storeOptions(options) }
        : { segmentBytes, rollCount: options.quick && segmentBytes >= GiB ? 3 : rollCount, bodyBytes: BODY_BYTES }
      return alternate(benchmark, options, {
        contenders: [caseProcess('varve', 'store/roll.case.ts', { ...settings })],
        bounds: [{ side: 'varve', of: 'longestPauseMs', atMost: 5 }]
      })
    }
  }
  return benchmark
}

const idleMemory: Benchmark = {
  name: 'store/idle-memory',
  question: 'memory and CPU of a process that holds an idle store open',
  run: options =>
    alternate(idleMemory, options, {
      contenders: [
        caseProcess('varve', 'store/idle.case.ts', {
          messages: options.smoke ? 100 : 10_000,
          idleMs: options.smoke ? 50 : 5000,
          options: storeOptions(options)
        })
      ],
      bounds: [{ side: 'varve', of: 'residentMiB', atMost: 120 }],
      keepCache: true
    })
}

export const lifeBenchmarks: readonly Benchmark[] = [
  rollPause({ name: 'roll-pause', segmentBytes: 64 * MiB, rollCount: 20 }),
  rollPause({ name: 'roll-pause-1g', segmentBytes: GiB, rollCount: 20 }),
  openClean,
  openCrashed,
  rebuild,
  idleMemory
]
