/**
 * System calls: a real process with real threads is killed at the N-th call of a kind, or that call fails, for every N that
 * the workload reaches (`strace` injects it). What is in the store afterwards is held against the journal.
 *
 * A failed call ends in a clean end or in an error of the catalogue, never in a crash; a failed sync of the log in an
 * error, always.
 */
import { join } from 'node:path'
import { KiB, type Random, seededRandom } from '../../src/base/index.ts'
import { openStore, type StoreOptions } from '../../src/index.ts'
import { openRealFiles } from '../../src/store/index.ts'
import { readJournal } from './journal.ts'
import { Ledger } from './ledger.ts'
import { check } from './oracle.ts'
import { processFile } from './process-files.ts'
import { type Scenario, type Size, skipped, type Tally } from './scenario.ts'
import {
  countCalls,
  type Ended,
  type Injection,
  injectionsOf,
  REFUSED_STATUS,
  runInjected,
  type Syscall,
  type Traced,
  whyNoStrace
} from './strace.ts'
import type { SyscallDefect, SyscallTask } from './syscall-process.ts'
import { Violation } from './violation.ts'

const BODY = { bytesMax: 6 * KiB }
const MESSAGES = 90
const FLUSH_EVERY = 6
const SHORT_INJECTIONS = 12
const ENTRY = processFile('syscall')

export const syscalls: Scenario = {
  name: 'syscalls',
  about: 'killed at the N-th system call of each kind, or that call fails',
  cases: { short: 1, medium: 1, long: 6 },
  lanes: 1,
  run: (seed, directory, size) => sweep(seed, directory, size)
}

interface Plan {
  readonly syscall: Syscall
  readonly injection: Injection
  readonly nth: number
  readonly forever: boolean
}

export async function sweep(seed: number, directory: string, size: Size, defect?: SyscallDefect): Promise<Tally> {
  const missing = whyNoStrace()
  if (missing !== undefined) return skipped(`no system call is injected: ${missing}`)
  const random = seededRandom(seed)
  const mapper = random.pick(['native', 'plain'] as const)
  const optionsIn = (store: string): StoreOptions => ({
    directory: store,
    flush: seed % 2 === 0 ? 'sync' : 'async',
    flushIntervalMs: 20,
    segmentBytes: 64 * KiB,
    queueFileEntries: 16,
    indexSlots: 16,
    indexItems: 64,
    mapper
  })
  const counted = taskIn(directory, 'counted', optionsIn, seed)
  const { calls, paths } = await countCalls(traced(counted), join(directory, 'trace'))
  const all = plansFor(calls, random)
  const chosen = size === 'short' ? random.shuffled(all).slice(0, SHORT_INJECTIONS) : all
  const tally = {
    'calls counted': [...calls.values()].reduce((sum, count) => sum + count, 0),
    killed: 0,
    refused: 0,
    'went on': 0,
    'not reached': 0
  }
  for (const [index, plan] of chosen.entries()) {
    const task = { ...taskIn(directory, String(index), optionsIn, seed), ...(defect && { defect }) }
    const says = `${plan.injection} at ${plan.syscall} ${plan.nth}${plan.forever ? ' and all after it' : ''}, ${mapper}`
    try {
      const ended = await runInjected(traced(task), plan, paths, join(directory, 'trace'))
      tally[ended.isReached ? outcomeOf(ended, plan) : 'not reached']++
      await checkLeft(task)
    } catch (error) {
      if (error instanceof Violation) throw new Violation(`${error.message}; ${says}`, { cause: error.cause })
      throw new Error(`${says}: ${String(error)}`, { cause: error })
    }
  }
  if (tally.killed === 0 && chosen.some(({ injection }) => injection === 'SIGKILL'))
    throw new Violation('nothing was killed')
  return tally
}

function taskIn(
  directory: string,
  name: string,
  optionsIn: (store: string) => StoreOptions,
  seed: number
): SyscallTask {
  return {
    store: optionsIn(join(directory, `store-${name}`)),
    journal: join(directory, `journal-${name}`),
    messageSeed: seed,
    body: BODY,
    firstId: 0,
    messages: MESSAGES,
    flushEvery: FLUSH_EVERY
  }
}

const traced = (task: SyscallTask): Traced => ({
  command: [process.execPath, ENTRY, JSON.stringify(task)],
  directory: task.store.directory
})

function plansFor(calls: ReadonlyMap<Syscall, number>, random: Random): Plan[] {
  return [...calls].flatMap(([syscall, count]) =>
    Array.from({ length: count }, (_, i) => i + 1).flatMap(nth =>
      injectionsOf(syscall).map(injection => {
        const forever = injection !== 'SIGKILL' && random.chance(0.3)
        return { syscall, injection, nth, forever }
      })
    )
  )
}

const SYNCS: readonly Syscall[] = ['fdatasync', 'fsync', 'msync']

function outcomeOf({ status, signal, out, err }: Ended, plan: Plan): 'killed' | 'refused' | 'went on' {
  const { injection, syscall } = plan
  const isLostSync = injection !== 'SIGKILL' && SYNCS.includes(syscall)
  if (injection === 'SIGKILL' && signal === 'SIGKILL') return 'killed'
  if (status === 0 && isLostSync) throw new Violation('a sync has failed, and the store goes on')
  if (status === 0) return 'went on'
  if (status === REFUSED_STATUS && injection !== 'SIGKILL') {
    if (/^STORE_[A-Z_]+\n$/.test(out)) return 'refused'
    throw new Violation(`refused with ${out}`)
  }
  throw new Violation(`the process ended with ${status ?? signal}: ${err}`)
}

/** With the calls working again: everything that was acknowledged is there. */
async function checkLeft({ store, journal, messageSeed, body }: SyscallTask): Promise<void> {
  const ledger = new Ledger(messageSeed, body)
  readJournal(journal, ledger)
  const open = () => openStore({ ...store, threads: 'none' })
  await check({ directory: store.directory, files: openRealFiles({ mapper: 'plain' }), open }, ledger, {
    survives: 'appended'
  })
}
