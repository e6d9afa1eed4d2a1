/** Running a child under `strace`, which counts its system calls, kills it at one of them, or lets one of them fail. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'

/** Those by which a store changes something on disk. Opening files is left out: Node opens hundreds of its own. */
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
  'mkdir'
] as const
export type Syscall = (typeof SYSCALLS)[number]

export type Injection = 'SIGKILL' | 'EIO' | 'ENOSPC'

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

const ALL = ['-f', '-qq']
/** Stops the process only where it is told to; but then no signal is injected. */
const QUICKLY = [...ALL, '--seccomp-bpf']

/** How often each call is made, by the thread that makes it most often: calls are counted by thread. */
export async function countCalls(command: readonly string[], trace: string): Promise<Map<Syscall, number>> {
  const ended = await run([...QUICKLY, '-e', `trace=${SYSCALLS.join(',')}`, '-o', trace, ...command])
  if (ended.status !== 0) throw new Error(`the workload ends with ${ended.status ?? ended.signal}: ${ended.err}`)
  const byThread = new Map<string, number>()
  for (const line of readFileSync(trace, 'latin1').split('\n')) {
    const [, thread, call] = line.match(/^(\d+) +(\w+)\(/) ?? []
    if (call !== undefined) byThread.set(`${call} ${thread}`, (byThread.get(`${call} ${thread}`) ?? 0) + 1)
  }
  const counts = new Map<Syscall, number>()
  for (const [key, count] of byThread) {
    const call = key.split(' ')[0] as Syscall // Only these are traced.
    counts.set(call, Math.max(counts.get(call) ?? 0, count))
  }
  return counts
}

export async function runInjected(
  command: readonly string[],
  { syscall, injection, nth, forever }: { syscall: Syscall; injection: Injection; nth: number; forever: boolean },
  trace: string
): Promise<Ended & { isReached: boolean }> {
  const what = injection === 'SIGKILL' ? 'signal=SIGKILL' : `error=${injection}`
  const when = forever ? `${nth}+` : String(nth)
  const inject = [`trace=${syscall}`, `inject=${syscall}:${what}:when=${when}`].flatMap(text => ['-e', text])
  const ended = await run([...(injection === 'SIGKILL' ? ALL : QUICKLY), ...inject, '-o', trace, ...command])
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
