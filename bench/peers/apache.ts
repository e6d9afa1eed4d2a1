/**
 * Apache RocketMQ's own store in a JVM, as a contender: the same bodies, the same calls, the same measurement. The Java
 * side is that of the compatibility suite (test/compat/java, verb `load`), so that what is measured is also what is
 * proven to read and write our files.
 *
 * Settings are its defaults, which are also the ones that promise what Varve promises: `transientStorePoolEnable` is
 * faster under write-back but loses acknowledged messages when the process is killed, so it is only there to be asked
 * for. The JVM runs as Apache's start script runs it, with a heap for this machine. Bodies, hosts and batches are made
 * before the measured time; CPU is that of the whole process, JIT and garbage collection included.
 *
 * Its dispatcher does not hold back the writer: `lagMiBMax` says how far it fell behind and `rateWithDrain` what the rate
 * is once it has caught up.
 */

import { strict as check } from 'node:assert'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Extent, Measurement } from '../../src/load/index.ts'
import type { Contender } from '../harness.ts'
import { projectRoot } from '../project.ts'

/** What of test/compat/apache-store.mjs is used here. */
interface ApacheStore {
  buildApache(version: string, progress?: (line: string) => void): void
  runApache(
    version: string,
    verb: 'load' | 'open',
    flags: Readonly<Record<string, string | number | boolean | undefined>>,
    options: { jvmFlags: readonly string[]; crashes?: boolean }
  ): Promise<unknown[]>
}

interface Load {
  readonly bodyBytes: number
  readonly flush?: 'async' | 'sync'
  readonly batchCount?: number
  /** So many messages wait for the disk; without it nobody waits. */
  readonly window?: number
  /** One thread that keeps the window in flight, or one thread for each that waits. Default: one each. */
  readonly threads?: number
}

/** Named as the benchmarks of store/append.bench.ts are. */
const loads = {
  'append-async-1k': { bodyBytes: 1024 },
  'append-async-128': { bodyBytes: 128 },
  'append-batch': { bodyBytes: 1024, batchCount: 100 },
  /** 64 threads, each of which waits: what the project has set its bound against. */
  'append-sync-64': { bodyBytes: 1024, flush: 'sync', window: 64, threads: 64 },
  /** One thread that keeps 64 in flight: spares Apache the thread switches, and is the stronger rival. */
  'append-sync-64-in-flight': { bodyBytes: 1024, flush: 'sync', window: 64, threads: 1 },
  'append-sync-1': { bodyBytes: 1024, flush: 'sync', window: 1 }
} as const satisfies Record<string, Load>

/** Opening what a run of `append-async-1k` left: closed, or killed. Seconds are those of opening. */
const openings = ['open-clean', 'open-crash'] as const

export type ApacheCase = keyof typeof loads | (typeof openings)[number]

export interface ApacheOptions {
  /** Empty; what is made there stays. */
  readonly directory: string
  readonly extent: Extent
  /** Default 5.5.0. */
  readonly version?: string
  /** `transientStorePoolEnable`. Default false. */
  readonly transientPool?: boolean
  readonly progress?: (line: string) => void
}

const VERSION = '5.5.0'
/** Those of Apache's runbroker.sh, but for the size of the heap. */
export const APACHE_JVM_FLAGS = [
  '-server',
  '-Xms2g',
  '-Xmx2g',
  '-XX:+UseG1GC',
  '-XX:G1HeapRegionSize=16m',
  '-XX:G1ReservePercent=25',
  '-XX:InitiatingHeapOccupancyPercent=30',
  '-XX:SoftRefLRUPolicyMSPerMB=0',
  '-XX:-OmitStackTraceInFastThrow',
  '-XX:+AlwaysPreTouch',
  '-XX:MaxDirectMemorySize=15g',
  '-XX:-UseLargePages'
]

export async function runApache(name: ApacheCase, options: ApacheOptions): Promise<Measurement> {
  const { buildApache, runApache: run } = await loadApacheStore()
  const { directory: dir, extent, version = VERSION, transientPool = false, progress } = options
  buildApache(version, progress)
  const load = isOpening(name) ? loads['append-async-1k'] : loads[name]
  const flags = { dir, ...load, ...extent, transientPool }
  // Nobody opens what was only measured, so it need not be closed: that would flush gigabytes.
  const crashes = name !== 'open-clean'
  const [loaded] = (await run(
    version,
    'load',
    { ...flags, end: crashes ? 'halt' : 'clean' },
    { jvmFlags: APACHE_JVM_FLAGS, crashes }
  )) as [Measurement]
  const settings = { ...loaded.settings, version }
  if (!isOpening(name)) return { ...loaded, settings }

  const [opened] = (await run(version, 'open', { dir }, { jvmFlags: APACHE_JVM_FLAGS })) as [Opened]
  const seconds = (opened.loadMs + opened.startMs) / 1000
  return {
    name: loaded.name,
    messages: loaded.messages,
    seconds,
    rate: loaded.messages / seconds,
    cpuUsPerMessage: opened.cpuUs / loaded.messages,
    work: loaded.work,
    settings,
    details: {
      openMs: seconds * 1000,
      loadMs: opened.loadMs,
      startMs: opened.startMs,
      logMiB: opened.appendedUntil / 2 ** 20
    }
  }
}

/** Left out, with a reason, where there is no Java to run it or no Maven to build it. */
export function apacheContender(
  name: ApacheCase,
  options: Omit<ApacheOptions, 'directory'>,
  contender = 'apache'
): Contender {
  return {
    name: contender,
    isPeer: true,
    whyNot: whyNoApache,
    run: ({ directory }) => runApache(name, { ...options, directory })
  }
}

export function whyNoApache(): string | undefined {
  return isTool('java') && isTool('mvn') ? undefined : 'Java 17 and Maven are needed'
}

function isTool(command: string): boolean {
  return spawnSync(command, ['-version'], { stdio: 'ignore' }).status === 0
}

interface Opened {
  readonly loadMs: number
  readonly startMs: number
  readonly cpuUs: number
  readonly appendedUntil: number
}

function isOpening(name: ApacheCase): name is (typeof openings)[number] {
  return openings.some(opening => opening === name)
}

/** Loaded by address, because it is not compiled: benchmarks run from dist/, it stays where it is. */
async function loadApacheStore(): Promise<ApacheStore> {
  const module = (await import(
    pathToFileURL(join(projectRoot(), 'test', 'compat', 'apache-store.mjs')).href
  )) as Partial<ApacheStore>
  check(module.buildApache !== undefined && module.runApache !== undefined, 'the Java side has its two doors')
  return module as ApacheStore
}
