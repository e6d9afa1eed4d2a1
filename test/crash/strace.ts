/** Running a child under `strace`, which counts its system calls, kills it at one of them, or lets one of them fail. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'

/** Those by which a store changes something on disk, and those by which it comes to its files. */
export const SYSCALLS = [
  'fdatasync',
  'fsync',
  'msync',
  'pwrite64',
  'fallocate',
  'ftruncate',
  'rename',
  'unlink',
  'rmdir',
  'mkdir',
  'openat',
  'mmap'
] as const
export type Syscall = (typeof SYSCALLS)[number]

/** Node opens and maps hundreds of files of its own: of these calls only those for files of the store are meant. */
const OF_STORE_ONLY: readonly Syscall[] = ['openat', 'mmap']

export type Injection = 'SIGKILL' | 'EIO' | 'ENOSPC' | 'EMFILE' | 'ENOMEM'

/** What can become of a call: the process dies, or the call fails in one of the ways in which the system lets it fail. */
export function injectionsOf(syscall: Syscall): readonly Injection[] {
  if (syscall === 'openat') return ['SIGKILL', 'EIO', 'EMFILE']
  if (syscall === 'mmap') return ['SIGKILL', 'ENOMEM']
  return ['SIGKILL', 'EIO', 'ENOSPC']
}

/** With which syscall-process.ts ends when the store refuses something. */
export const REFUSED_STATUS = 7

const RUN_MS_MAX = 120_000
const SAID_MAX = 4_000

/** Why it cannot be used, or undefined if it can. */
export function whyNoStrace(): string | undefined {
  const { status, error } = spawnSync('strace', ['-f', '-e', 'trace=none', 'true'], { stdio: 'ignore' })
  if (error !== undefined) return '`strace` cannot be run'
  return status === 0 ? undefined : '`strace` may trace nothing here'
}

export interface Ended {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly out: string
  readonly err: string
}

const ALL = ['-f', '-qq', '-y']
/** Stops the process only where it is told to; but then no signal is injected. */
const QUICKLY = [...ALL, '--seccomp-bpf']

/** A command, and the directory of the store that it works on. */
export interface Traced {
  readonly command: readonly string[]
  readonly directory: string
}

export interface Counted {
  /** How often each call is made, by the thread that makes it most often: calls are counted by thread. */
  readonly calls: ReadonlyMap<Syscall, number>
  /** What is opened, from the directory of the store. */
  readonly paths: readonly string[]
}

export async function countCalls({ command, directory }: Traced, trace: string): Promise<Counted> {
  const ended = await run([...QUICKLY, '-e', `trace=${SYSCALLS.join(',')}`, '-o', trace, ...command])
  if (ended.status !== 0) throw new Error(`the workload ends with ${ended.status ?? ended.signal}: ${ended.err}`)
  const byThread = new Map<string, number>()
  const paths = new Set<string>()
  for (const line of readFileSync(trace, 'latin1').split('\n')) {
    const [, thread, call] = line.match(/^(\d+) +(\w+)\(/) ?? []
    if (call === undefined) continue
    if (OF_STORE_ONLY.includes(call as Syscall) && !line.includes(directory)) continue
    byThread.set(`${call} ${thread}`, (byThread.get(`${call} ${thread}`) ?? 0) + 1)
    const opened = call === 'openat' ? line.split('"')[1] : undefined
    if (opened !== undefined) paths.add(relative(directory, opened))
  }
  const calls = new Map<Syscall, number>()
  for (const [key, count] of byThread) {
    const call = key.split(' ')[0] as Syscall // Only these are traced.
    calls.set(call, Math.max(calls.get(call) ?? 0, count))
  }
  return { calls, paths: [...paths] }
}

export async function runInjected(
  { command, directory }: Traced,
  { syscall, injection, nth, forever }: { syscall: Syscall; injection: Injection; nth: number; forever: boolean },
  paths: readonly string[],
  trace: string
): Promise<Ended & { isReached: boolean }> {
  const what = injection === 'SIGKILL' ? 'signal=SIGKILL' : `error=${injection}`
  const when = forever ? `${nth}+` : String(nth)
  const inject = [`trace=${syscall}`, `inject=${syscall}:${what}:when=${when}`].flatMap(text => ['-e', text])
  const only = OF_STORE_ONLY.includes(syscall) ? paths.flatMap(path => ['-P', join(directory, path)]) : []
  const how = injection === 'SIGKILL' ? ALL : QUICKLY
  const ended = await run([...how, ...inject, ...only, '-o', trace, ...command])
  return { ...ended, isReached: ended.signal === 'SIGKILL' || readFileSync(trace, 'latin1').includes('(INJECTED)') }
}

async function run(args: readonly string[]): Promise<Ended> {
  const child = spawn('strace', args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: RUN_MS_MAX })
  const said = { out: '', err: '' }
  child.stdout.on('data', chunk => {
    said.out = (said.out + chunk).slice(-SAID_MAX)
  })
  child.stderr.on('data', chunk => {
    said.err = (said.err + chunk).slice(-SAID_MAX)
  })
  const [status, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  return { status, signal, ...said }
}
